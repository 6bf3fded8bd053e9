import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, chmodSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fail } from '../contract/errors.ts';

export interface ToolOptions {
  /** where packages are kept; see `toolCache` */
  readonly cacheDir: string;
  /** false: nothing is fetched (`--no-install`) */
  readonly mayFetch: boolean;
  /** of the running process: finds tools that are already there */
  readonly path: string;
  readonly progress?: (line: string) => void;
  /** for each call of apt; default 5 min */
  readonly deadlineMs?: number;
}

export interface Tool {
  /** an executable file; may be run without any environment */
  readonly path: string;
  /** folder that stands for `/`, when it was fetched */
  readonly root?: string;
}

/** Debian's programs outside PATH: postgresql keeps each version's in a folder of its own. */
const otherFolders = ['/usr/sbin', '/usr/local/sbin'];

/** A client or server program: the system's own when it is there, else fetched from Debian without touching the system. */
export async function findTool(name: string, packages: readonly string[], options: ToolOptions): Promise<Tool> {
  const present = onSystem(name, options.path);
  if (present !== undefined) return { path: present };
  const root = await fetchPackages(packages, options);
  const program = inRoot(root, name);
  if (program === undefined) throw fail('ERR_NOT_FOUND', { message: `${packages.join(', ')} was unpacked in ${root} but holds no program called ${name}.` });
  return { path: wrapper(root, name, program), root };
}

/** First executable of that name on PATH, in sbin, or in Debian's versioned folders. */
export function onSystem(name: string, path: string): string | undefined {
  const folders = [...path.split(delimiter).filter((folder) => folder.startsWith('/')), ...otherFolders, ...versioned('/usr/lib/postgresql')];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** A private, writable folder for fetched packages: the checkout's own `.cache`, else one in the user's home. */
export function toolCache(checkout: string, home: string): string {
  const own = join(checkout, '.cache');
  try {
    mkdirSync(own, { recursive: true });
    accessSync(own, constants.W_OK);
    return own;
  } catch {
    return join(home, '.cache', 'postern');
  }
}

/**
 * Fetches Debian packages and whatever they need beyond what is installed, checks them against Debian's signed lists and
 * unpacks them. Needs no root, runs no maintainer script, starts nothing. Returns the folder that stands for `/`.
 */
export async function fetchPackages(packages: readonly string[], options: ToolOptions): Promise<string> {
  const names = [...packages].sort();
  for (const name of names)
    if (!/^[a-z0-9][a-z0-9+.-]*$/.test(name)) throw fail('ERR_INVALID_INPUT', { message: `${name} is not the name of a Debian package.` });
  const tag = `${names.join('_')}-${createHash('sha256').update(names.join(' ')).digest('hex').slice(0, 8)}`;
  const ready = resolve(options.cacheDir, 'debian', tag);
  if (existsSync(ready)) return ready;
  if (!options.mayFetch)
    throw fail('ERR_NOT_FOUND', {
      message: `${names.join(', ')}: not installed, and --no-install forbids fetching. Install it with \`apt-get install ${names.join(' ')}\`.`,
    });
  if (onSystem('apt-get', options.path) === undefined || onSystem('dpkg-deb', options.path) === undefined) {
    throw fail('ERR_NOT_FOUND', {
      message: `${names.join(', ')}: not installed, and this system has no apt-get to fetch it with. Install it yourself and try again.`,
    });
  }
  return unpacked(names, ready, options);
}

async function unpacked(names: readonly string[], ready: string, options: ToolOptions): Promise<string> {
  const progress = options.progress ?? (() => undefined);
  const partial = `${ready}.${process.pid}`;
  const archives = join(partial, '.archives');
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(join(archives, 'partial'), { recursive: true });
  try {
    progress(`fetching from Debian, into ${options.cacheDir} only: ${names.join(', ')}`);
    const apt = privateApt(options.cacheDir, archives);
    // --reinstall: also when it is installed but its program isn't where we look
    const install = ['install', '--download-only', '--reinstall', '--yes', '--no-install-recommends', ...names];
    const updated = join(options.cacheDir, 'apt', 'updated');
    if (!existsSync(updated) || (await run('apt-get', [...apt, ...install], options)).code !== 0) {
      await mustRun('apt-get', [...apt, 'update'], options, names);
      writeFileSync(updated, '');
      await mustRun('apt-get', [...apt, ...install], options, names);
    }
    const files = readdirSync(archives).filter((file) => file.endsWith('.deb'));
    progress(`unpacking ${files.map((file) => file.replace(/_[^_]*\.deb$/, '').replace('_', ' ')).join(', ')}`);
    for (const file of files) await mustRun('dpkg-deb', ['-x', join(archives, file), partial], options, names);
    rmSync(archives, { recursive: true });
    chmodSync(partial, 0o755);
    renameSync(partial, ready);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    // somebody else was faster
    if (!existsSync(ready)) throw error;
  }
  return ready;
}

/** apt with its own lists and archives: the system's stay as they are, and root is not needed. */
function privateApt(cacheDir: string, archives: string): string[] {
  const home = resolve(cacheDir, 'apt');
  mkdirSync(join(home, 'state', 'lists', 'partial'), { recursive: true });
  mkdirSync(join(home, 'cache'), { recursive: true });
  const settings = {
    'Dir::State': join(home, 'state'),
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': join(home, 'cache'),
    'Dir::Cache::archives': archives,
    'Dir::Log': home,
    'Debug::NoLocking': '1',
    // root's apt would fetch as _apt, who may not write here
    'APT::Sandbox::User': '',
    'APT::Get::AllowUnauthenticated': 'false',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'APT::Update::Post-Invoke': '',
    'APT::Update::Post-Invoke-Success': '',
  };
  return ['-q', ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}

async function mustRun(command: string, args: readonly string[], options: ToolOptions, names: readonly string[]): Promise<void> {
  const { code, output } = await run(command, args, options);
  if (code === 0) return;
  const end = output.trim().split('\n').slice(-6).join('\n');
  throw fail('ERR_NOT_FOUND', {
    message: `${names.join(', ')} could not be fetched from Debian (${command} ended with ${code ?? 'nothing in time'}); is the network there? Or install it yourself. It said:\n${end}`,
  });
}

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

function run(command: string, args: readonly string[], options: ToolOptions): Promise<Ran> {
  return new Promise((settle) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: `${options.path}:/usr/sbin:/sbin`, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      timeout: options.deadlineMs ?? 300_000,
    });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => settle({ code: 127, output: error.message }));
    child.once('close', (code) => settle({ code, output }));
  });
}

function inRoot(root: string, name: string): string | undefined {
  const folders = ['usr/bin', 'usr/sbin', 'bin', 'sbin'].map((folder) => join(root, folder));
  // Debian's /usr/bin/psql is a Perl script that looks for clusters under /etc; the program proper lies here
  return [...versioned(join(root, 'usr/lib/postgresql')), ...folders].map((folder) => join(folder, name)).find(isExecutable);
}

/** `bin` folders of the installed versions, newest first. */
function versioned(parent: string): string[] {
  if (!existsSync(parent)) return [];
  const versions = readdirSync(parent).filter((name) => /^\d+$/.test(name));
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(parent, version, 'bin'));
}

/** A script that sets the library path, so that the command can be copied into any shell. */
function wrapper(root: string, name: string, program: string): string {
  const folder = join(root, '.bin');
  const path = join(folder, name);
  if (existsSync(path)) return path;
  const triplet = `${arch() === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  const libraries = ['usr/lib', 'lib'].flatMap((lib) => [join(root, lib, triplet), join(root, lib)]).join(':');
  mkdirSync(folder, { recursive: true });
  const partial = `${path}.${process.pid}`;
  const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  writeFileSync(partial, `#!/bin/sh\nLD_LIBRARY_PATH=${quote(libraries)}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec ${quote(program)} "$@"\n`);
  chmodSync(partial, 0o755);
  renameSync(partial, path);
  return path;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { asAppError } from '../../proxy/contract/errors.ts';
import { fetchPackages, findTool, onSystem, toolCache, type ToolOptions } from '../../proxy/demo/debian-package.ts';

/** Programs the tests and benchmarks compare with, and the Debian packages they come from. */
const packagesOf = {
  psql: ['postgresql-client'],
  pg_dump: ['postgresql-client'],
  pg_restore: ['postgresql-client'],
  pgbench: ['postgresql', 'postgresql-contrib'],
  pgbouncer: ['pgbouncer'],
  haproxy: ['haproxy'],
  nginx: ['nginx'],
  wrk: ['wrk'],
  'dbus-daemon': ['dbus-daemon'],
} as const;

/** Chromium with the fonts and settings it needs to draw text. */
const chromiumPackages = ['chromium', 'chromium-common', 'fontconfig-config', 'fonts-dejavu-core'];

export type DebianTool = keyof typeof packagesOf;

/** Either the program's path, or why it can't be had: pass that to `skipBecause`. */
export type Found<T> = { readonly found: T; readonly why?: never } | { readonly found?: never; readonly why: string };

function options(): ToolOptions {
  const root = dirname(dirname(import.meta.dirname));
  return {
    cacheDir: toolCache(root, homedir()),
    mayFetch: process.env['POSTERN_TEST_NO_INSTALL'] !== '1',
    path: process.env['PATH'] ?? '/usr/bin:/bin',
    progress: (line) => process.stderr.write(`${line}\n`),
  };
}

/** A program of the system's or fetched; the path can be run as it is. */
export async function debianTool(name: DebianTool): Promise<Found<string>> {
  try {
    return { found: (await findTool(name, packagesOf[name], options())).path };
  } catch (error) {
    return { why: asAppError(error).message };
  }
}

/** Any packages, unpacked with what they need beyond the system: the folder that stands for `/`. */
export async function debianPackages(names: readonly string[]): Promise<Found<string>> {
  try {
    return { found: await fetchPackages(names, options()) };
  } catch (error) {
    return { why: asAppError(error).message };
  }
}

export interface Program {
  readonly path: string;
  /** for the child, besides its own */
  readonly env: Readonly<Record<string, string>>;
}

/** A Chromium that Playwright can drive: the system's, or one unpacked into the cache. */
export async function chromium(): Promise<Found<Program>> {
  const system = onSystem('chromium', options().path);
  if (system !== undefined) return { found: { path: system, env: {} } };
  const { found: root, why } = await debianPackages(chromiumPackages);
  if (root === undefined) return { why };
  const libraries = ['usr/lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu', 'usr/lib', 'lib/x86_64-linux-gnu', 'lib/aarch64-linux-gnu'];
  // the package's own launcher looks for everything below /usr
  return {
    found: {
      path: join(root, 'usr/lib/chromium/chromium'),
      env: { LD_LIBRARY_PATH: libraries.map((path) => join(root, path)).join(':'), FONTCONFIG_PATH: join(root, 'etc/fonts'), FONTCONFIG_SYSROOT: root },
    },
  };
}

export interface Go {
  readonly path: string;
  /** for the child: GOPATH mode with Debian's golang.org/x/mod, no network, no C compiler */
  readonly env: Readonly<Record<string, string>>;
}

/** Go and golang.org/x/mod, for the cross-check of the log's format. */
export async function goWithMod(): Promise<Found<Go>> {
  const settings = options();
  const library = 'usr/share/gocode/src/golang.org/x/mod/sumdb/tlog';
  const system = onSystem('go', settings.path);
  if (system !== undefined && existsSync(join('/', library))) return { found: { path: system, env: goEnvironment('/', settings) } };
  try {
    const root = await fetchPackages(['golang-go', 'golang-golang-x-mod-dev'], settings);
    const versions = readdirSync(join(root, 'usr/lib')).filter((name) => /^go-\d/.test(name));
    const home = versions[0] === undefined ? undefined : join(root, 'usr/lib', versions[0]);
    if (home === undefined || !existsSync(join(root, library))) return { why: `${root} holds no Go with golang.org/x/mod` };
    return { found: { path: join(home, 'bin/go'), env: { ...goEnvironment(root, settings), GOROOT: home } } };
  } catch (error) {
    return { why: asAppError(error).message };
  }
}

function goEnvironment(root: string, settings: ToolOptions): Record<string, string> {
  return {
    PATH: '/usr/bin:/bin',
    HOME: settings.cacheDir,
    GOPATH: join(root, 'usr/share/gocode'),
    GOCACHE: join(settings.cacheDir, 'go-build'),
    GO111MODULE: 'off',
    GOFLAGS: '',
    GOTOOLCHAIN: 'local',
    CGO_ENABLED: '0',
  };
}

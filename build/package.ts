import { getCurrentFuseWire, FuseV1Options } from '@electron/fuses';
import { build, Platform, type AfterPackContext } from 'electron-builder';
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { buildApp } from './app.ts';
import { root } from './step.ts';

// npm run package -- --linux dir|deb|rpm …: the app with the service beside it, into out/packages.
// ELECTRON_OVERRIDE_DIST_PATH: an unpacked Electron instead of a download. POSTERN_TEST_BUILD=1: a build that lets a debugger in.

const isTestBuild = process.env['POSTERN_TEST_BUILD'] === '1';
const serviceDir = join(root, 'out', 'service');

interface LockEntry {
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}

/** The service as it will lie in the package: our code, what it runs on, and the pinned Node; each file in the list. */
async function stageService(): Promise<void> {
  rmSync(serviceDir, { recursive: true, force: true });
  mkdirSync(serviceDir, { recursive: true });
  const isTest = (path: string): boolean => /[.](test|fake)[.]ts$/.test(path);
  cpSync(join(root, 'proxy'), join(serviceDir, 'proxy'), { recursive: true, filter: (path) => !isTest(path) });
  cpSync(join(root, 'resources', 'policies'), join(serviceDir, 'resources', 'policies'), { recursive: true });
  if (existsSync(join(root, 'out', 'renderer'))) cpSync(join(root, 'out', 'renderer'), join(serviceDir, 'out', 'renderer'), { recursive: true });
  for (const name of ['package.json', 'LICENSE']) if (existsSync(join(root, name))) cpSync(join(root, name), join(serviceDir, name));
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, LockEntry> };
  for (const [path, { dev, optional, devOptional }] of Object.entries(lock.packages)) {
    if (path === '' || dev === true || optional === true || devOptional === true) continue;
    // links of tools (.bin) are no use to a service, and a nested package comes with its own entry
    cpSync(join(root, path), join(serviceDir, path), {
      recursive: true,
      filter: (from) => !from.slice(root.length + path.length + 1).includes('node_modules'),
    });
  }
  cpSync(process.execPath, join(serviceDir, 'node'));
  chmodSync(join(serviceDir, 'node'), 0o755);
  cpSync(join(root, 'build', 'packaging', 'postern.service'), join(serviceDir, 'postern.service'));
  const lines: string[] = [];
  for (const file of await filesOf(serviceDir)) {
    const hash = createHash('sha256').update(await readFile(join(serviceDir, file)));
    lines.push(`${hash.digest('hex')}  ./${file}\n`);
  }
  writeFileSync(join(serviceDir, 'manifest.sha256'), lines.join(''));
}

async function filesOf(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}

function placeService({ appOutDir, packager }: AfterPackContext): Promise<void> {
  const resources = packager.getResourcesDir(appOutDir);
  // Electron's own page for a start without an app
  rmSync(join(resources, 'default_app.asar'), { force: true });
  cpSync(serviceDir, join(resources, 'service'), { recursive: true });
  if (isTestBuild) writeFileSync(join(resources, 'test-build.json'), '{ "debugging": true }\n');
  return Promise.resolve();
}

/** Read back from the packed binary: a setting that did not arrive ends the build. */
async function checkFuses(binary: string): Promise<void> {
  const wire: Readonly<Record<string, unknown>> = { ...(await getCurrentFuseWire(binary)) };
  const on = '1'.charCodeAt(0);
  const wanted: Readonly<Record<number, boolean>> = {
    [FuseV1Options.RunAsNode]: false,
    [FuseV1Options.EnableCookieEncryption]: true,
    [FuseV1Options.EnableNodeOptionsEnvironmentVariable]: false,
    [FuseV1Options.EnableNodeCliInspectArguments]: isTestBuild,
    [FuseV1Options.EnableEmbeddedAsarIntegrityValidation]: true,
    [FuseV1Options.OnlyLoadAppFromAsar]: true,
    [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
    [FuseV1Options.GrantFileProtocolExtraPrivileges]: false,
  };
  for (const [fuse, isOn] of Object.entries(wanted)) {
    if ((wire[fuse] === on) !== isOn) throw new Error(`fuse ${FuseV1Options[Number(fuse)] ?? fuse} of ${binary} is not ${isOn ? 'on' : 'off'}`);
  }
  console.log(`fuses of ${binary}: as electron-builder.yml says${isTestBuild ? ', with the debugger let in' : ''}`);
}

/** dpkg-deb and rpmbuild under the name of fpm. */
function fpmWrapper(): string {
  const path = join(root, 'out', 'fpm');
  writeFileSync(
    path,
    `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${join(root, 'build', 'packaging', 'fpm-shim.ts')}' "$@"\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

function targetsOf(args: readonly string[]): Parameters<typeof build>[0] {
  const platforms = { '--linux': Platform.LINUX, '--win': Platform.WINDOWS, '--mac': Platform.MAC } as const;
  const [flag = '--linux', ...names] = args;
  if (!(flag in platforms) || names.some((name) => !/^[a-z]+$/.test(name)))
    throw new Error('usage: npm run package -- --linux|--win|--mac [dir|deb|rpm|nsis|pkg]…');
  return { targets: platforms[flag as keyof typeof platforms].createTarget(names.length === 0 ? null : [...names]) };
}

const electronDist = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
await buildApp();
await stageService();
process.env['CUSTOM_FPM_PATH'] ??= fpmWrapper();
const artifacts = await build({
  ...targetsOf(process.argv.slice(2)),
  publish: 'never',
  config: {
    extends: join(root, 'electron-builder.yml'),
    afterPack: placeService,
    ...(isTestBuild && { electronFuses: { enableNodeCliInspectArguments: true } }),
    ...(electronDist !== undefined && { electronDist }),
  },
});
const unpacked = join(root, 'out', 'packages', 'linux-unpacked', 'postern');
if (existsSync(unpacked)) await checkFuses(unpacked);
for (const path of artifacts) console.log(path);

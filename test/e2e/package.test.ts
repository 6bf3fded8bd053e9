import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { FuseState, FuseV1Options, getCurrentFuseWire } from '@electron/fuses';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { root } from '../../build/step.ts';
import { programAt, startDisplay, type Display } from '../support/desktop-session.ts';
import { electronProgram, newHome, remove, runStage } from '../support/electron.ts';
import { skipBecause } from '../support/skip.ts';

/** What `npm run package` makes: the packed app and the Debian package, looked at with other people's tools. */

const packages = join(root, 'out', 'packages');
const unpacked = join(packages, 'linux-unpacked');
const buildDeadlineMs = 240_000;

let why: string | undefined;
let display: Display;
const home = newHome();

beforeAll(async () => {
  why = electronProgram().why ?? programAt('/usr/bin/dpkg-deb').why;
  const screen = why === undefined ? await startDisplay() : { why };
  why ??= screen.why;
  if (why !== undefined) return;
  display = screen.found as Display;
  const { code, out, err } = await runStage(['build/package.ts', '--linux', 'dir', 'deb'], {}, buildDeadlineMs);
  if (code !== 0) throw new Error(`the package could not be built: ${out}${err}`);
}, buildDeadlineMs + 10_000);

afterAll(async () => {
  if (why === undefined) await display.stop();
  remove(home);
});

beforeEach((context) => {
  if (why !== undefined) skipBecause(context, why);
});

/** Each fuse that the configuration states, by its name in @electron/fuses. */
function statedFuses(): Record<string, boolean> {
  const [, block = ''] = /^electronFuses:\n((?: {2}.*\n)+)/m.exec(readFileSync(join(root, 'electron-builder.yml'), 'utf8')) ?? [];
  return Object.fromEntries(
    [...block.matchAll(/^ {2}(\w+): (true|false)$/gm)].map(([, name = '', value]) => [name.charAt(0).toUpperCase() + name.slice(1), value === 'true']),
  );
}

it('has its fuses as the configuration states them, and states each', async () => {
  const wire: Readonly<Record<string, unknown>> = { ...(await getCurrentFuseWire(join(unpacked, 'postern'))) };
  const read = Object.fromEntries(
    Object.entries(FuseV1Options)
      .filter(([, at]) => typeof at === 'number' && (wire[String(at)] === FuseState.ENABLE || wire[String(at)] === FuseState.DISABLE))
      .map(([name, at]) => [name, wire[String(at)] === FuseState.ENABLE]),
  );
  expect(read).toEqual(statedFuses());
  expect(read).toMatchObject({
    RunAsNode: false,
    EnableNodeOptionsEnvironmentVariable: false,
    EnableNodeCliInspectArguments: false,
    OnlyLoadAppFromAsar: true,
  });
});

it('holds the bundles and nothing else of the project', () => {
  const asar = createRequire(createRequire(import.meta.url).resolve('electron-builder'))('@electron/asar') as {
    listPackage(path: string, options: object): string[];
  };
  const paths = asar.listPackage(join(unpacked, 'resources', 'app.asar'), {});
  const unexpected = paths.filter(
    (path) => !/^\/(package[.]json|out|out\/main(\/(index[.]js|preload[.]cjs))?|out\/renderer(\/index[.]html|\/assets(\/[^/]+)?)?)$/.test(path),
  );
  expect(unexpected).toEqual([]);
  expect(paths).toEqual(expect.arrayContaining(['/package.json', '/out/main/index.js', '/out/main/preload.cjs', '/out/renderer/index.html']));
  expect(existsSync(join(unpacked, 'resources', 'default_app.asar'))).toBe(false);
  expect(existsSync(join(unpacked, 'resources', 'test-build.json'))).toBe(false);
});

it('has the service beside it, each file in its list', () => {
  const service = join(unpacked, 'resources', 'service');
  execFileSync('sha256sum', ['--check', '--quiet', '--strict', 'manifest.sha256'], { cwd: service, stdio: 'pipe' });
  expect(existsSync(join(service, 'proxy', 'cli', 'index.ts'))).toBe(true);
  expect(readdirSync(join(service, 'proxy'), { recursive: true }).filter((path) => String(path).endsWith('.test.ts'))).toEqual([]);
});

it.each(['--remote-debugging-port=9339', '--remote-debugging-pipe', '--remote-allow-origins=*'])('does not start with %s', (refused) => {
  const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const started = spawnSync(join(unpacked, 'postern'), [...asRoot, refused], {
    encoding: 'utf8',
    timeout: 30_000,
    env: { PATH: '/usr/bin:/bin', HOME: home, DISPLAY: display.name, DBUS_SESSION_BUS_ADDRESS: 'disabled:' },
  });
  expect(started.status).toBe(2);
  expect(started.stderr).toContain(`does not start with ${refused.split('=', 1)[0] ?? ''}`);
});

it('is no Node, whatever the environment says', () => {
  const asked = spawnSync(join(unpacked, 'postern'), ['--no-sandbox', '--remote-debugging-port=0', '-e', 'console.log("node")'], {
    encoding: 'utf8',
    timeout: 30_000,
    env: { PATH: '/usr/bin:/bin', HOME: home, DISPLAY: display.name, ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '--require=/nonexistent.js' },
  });
  expect(asked.status).toBe(2);
  expect(asked.stdout).not.toContain('node');
});

it('makes a Debian package that says what it is and puts everything where it belongs', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const name = readdirSync(packages).find((file) => file.endsWith('.deb')) ?? 'none';
  const deb = join(packages, name);
  const field = (which: string): string => execFileSync('dpkg-deb', ['--field', deb, which], { encoding: 'utf8' }).trim();
  expect(field('Package')).toBe('postern');
  expect(field('Version')).toBe(version);
  expect(field('Architecture')).toMatch(/^(amd64|arm64)$/);
  expect(Number(field('Installed-Size'))).toBeGreaterThan(100_000);
  const lines = execFileSync('dpkg-deb', ['--contents', deb], { encoding: 'utf8', maxBuffer: 64_000_000 }).split('\n');
  const modeOf = (path: string): string | undefined =>
    lines
      .find((line) => line.endsWith(` .${path}`))
      ?.split(/\s+/)
      .slice(0, 2)
      .join(' ');
  expect(modeOf('/opt/Postern/postern')).toBe('-rwxr-xr-x root/root');
  expect(modeOf('/opt/Postern/resources/app.asar')).toBe('-rw-r--r-- root/root');
  expect(modeOf('/opt/Postern/resources/service/node')).toBe('-rwxr-xr-x root/root');
  expect(modeOf('/usr/lib/postern/postern-helper')).toBe('-rwxr-xr-x root/root');
  expect(modeOf('/usr/share/polkit-1/actions/org.postern.policy')).toBe('-rw-r--r-- root/root');
  expect(modeOf('/usr/share/applications/postern.desktop')).toBe('-rw-r--r-- root/root');
  // nothing that others may write
  expect(lines.filter((line) => /^[-d].{7}w/.test(line))).toEqual([]);
  const control = execFileSync('dpkg-deb', ['--info', deb], { encoding: 'utf8' });
  for (const script of ['postinst', 'prerm', 'postrm']) expect(control).toMatch(new RegExp(`\\* +${script} `));
});

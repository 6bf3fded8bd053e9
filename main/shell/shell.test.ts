import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeFiles } from '../adapters/node/files.ts';
import type { DialogPort } from '../ports.ts';
import { Autostart } from './autostart.ts';
import { closingMeans } from './closing.ts';
import { enrolmentCodeIn, isHiddenStart, refusedSwitch } from './command-line.ts';
import { CrashPolicy } from './crash-policy.ts';
import { mayOpen } from './external-links.ts';
import { drawIcon } from './icon.ts';
import { trayText } from './menu.ts';
import { Settings } from './settings.ts';
import { visibleRequest } from './visible-request.ts';
import { placeOn, WindowStateFile } from './window-state.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'postern-shell-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('command line', () => {
  const has =
    (...given: string[]) =>
    (name: string) =>
      given.includes(name);

  it('refuses debugging switches in a packaged app, and only there', () => {
    for (const name of ['remote-debugging-port', 'remote-debugging-pipe', 'remote-allow-origins']) {
      expect(refusedSwitch(has(name), { isPackaged: true, isTestBuild: false })).toBe(name);
      expect(refusedSwitch(has(name), { isPackaged: true, isTestBuild: true })).toBeNull();
      expect(refusedSwitch(has(name), { isPackaged: false, isTestBuild: false })).toBeNull();
    }
    expect(refusedSwitch(has('no-sandbox'), { isPackaged: true, isTestBuild: false })).toBeNull();
  });

  it('finds an enrolment code among the arguments and nothing that only looks like one', () => {
    expect(enrolmentCodeIn(['postern', '--hidden', 'postern-enrol:YWJj'])).toBe('postern-enrol:YWJj');
    expect(enrolmentCodeIn(['postern-enrol:', 'xpostern-enrol:a', 'postern-enrol:a b', `postern-enrol:${'a'.repeat(5_000)}`])).toBeNull();
    expect(isHiddenStart(['postern', '--hidden'])).toBe(true);
  });
});

it('opens only the links the app itself has', () => {
  expect(mayOpen('https://c2sp.org/tlog-checkpoint')).toBe(true);
  for (const url of [
    'https://c2sp.org.evil.example/',
    'http://c2sp.org/',
    'https://evil@c2sp.org/',
    'file:///etc/passwd',
    'smb://c2sp.org/',
    'javascript:alert(1)',
    '',
  ]) {
    expect(mayOpen(url)).toBe(false);
  }
});

it('reads the request on the screen out of the address', () => {
  expect(visibleRequest('app://postern/#/a/k3/requests/apr_abc')).toEqual({ appliance: 'k3', request: 'apr_abc' });
  expect(visibleRequest('app://postern/#/a/k3/requests')).toBeNull();
  expect(visibleRequest('app://postern/#/a/k3/sessions/ses_a')).toBeNull();
});

describe('window', () => {
  const display = { x: 0, y: 0, width: 1_920, height: 1_080 };

  it('comes back where it was, if a display still shows its title', () => {
    const saved = { bounds: { x: 100, y: 50, width: 1_000, height: 700 }, isMaximized: true };
    expect(placeOn(saved, [display])).toEqual(saved);
    expect(placeOn({ ...saved, bounds: { ...saved.bounds, x: 2_500 } }, [display])).toEqual({ bounds: { width: 1_000, height: 700 }, isMaximized: true });
    expect(placeOn({ ...saved, bounds: { ...saved.bounds, x: 2_500 } }, [display, { ...display, x: 1_920 }]).bounds).toMatchObject({ x: 2_500 });
    expect(placeOn({ ...saved, bounds: { ...saved.bounds, y: -300 } }, [display]).bounds).not.toHaveProperty('y');
  });

  it('is never smaller than its minimum nor larger than the largest display', () => {
    expect(placeOn({ bounds: { x: 0, y: 0, width: 10, height: 99_999 }, isMaximized: false }, [display]).bounds).toMatchObject({ width: 960, height: 1_080 });
    expect(placeOn(null, [])).toEqual({ bounds: { width: 960, height: 640 }, isMaximized: false });
  });

  it('takes a file it does not understand for none', async () => {
    const file = new WindowStateFile(dir, nodeFiles);
    expect(await file.read()).toBeNull();
    await file.write({ bounds: { x: 1, y: 2, width: 1_000, height: 700 }, isMaximized: false });
    expect(await file.read()).toEqual({ bounds: { x: 1, y: 2, width: 1_000, height: 700 }, isMaximized: false });
    await writeFile(join(dir, 'window.json'), '{"bounds":');
    expect(await file.read()).toBeNull();
  });
});

describe('settings', () => {
  it('keeps what was chosen, readable by this user only, and tells listeners', async () => {
    const settings = await Settings.open(dir, nodeFiles);
    const told: unknown[] = [];
    settings.changed((now) => told.push(now.theme));
    await Promise.all([settings.set({ theme: 'dark' }), settings.set({ notifications: 'quiet' })]);
    expect(told).toEqual(['dark', 'dark']);
    expect((await Settings.open(dir, nodeFiles)).current()).toEqual({ theme: 'dark', closeToTray: null, launchAtLogin: false, notifications: 'quiet' });
    expect((await stat(join(dir, 'settings.json'))).mode & 0o777).toBe(0o600);
  });

  it('lets one unknown value cost only itself', async () => {
    await writeFile(join(dir, 'settings.json'), '{"theme":"sepia","closeToTray":true,"later":1}');
    expect((await Settings.open(dir, nodeFiles)).current()).toEqual({ theme: 'system', closeToTray: true, launchAtLogin: false, notifications: 'all' });
  });
});

it('asks once what closing means', async () => {
  await rm(join(dir, 'settings.json'), { force: true });
  const settings = await Settings.open(dir, nodeFiles);
  const answers = [2, 0];
  const asked: string[] = [];
  const dialog: DialogPort = {
    saveFile: () => Promise.resolve(null),
    fault: () => undefined,
    ask: ({ message }) => {
      asked.push(message);
      return Promise.resolve(answers.shift() ?? 1);
    },
  };
  expect(await closingMeans(settings, dialog)).toBe('stay');
  expect(await closingMeans(settings, dialog)).toBe('hide');
  expect(await closingMeans(settings, dialog)).toBe('hide');
  expect(asked).toEqual(['Keep running in the tray?', 'Keep running in the tray?']);
  await settings.set({ closeToTray: false });
  expect(await closingMeans(settings, dialog)).toBe('quit');
});

it('loads crashed screens again once a minute', () => {
  let now = 0;
  const policy = new CrashPolicy({ now: () => now, after: () => () => undefined });
  expect(policy.crashed()).toBe('reload');
  now = 59_999;
  expect(policy.crashed()).toBe('tell');
  now = 60_000;
  expect(policy.crashed()).toBe('reload');
});

it('writes an autostart entry that no path can break out of', async () => {
  const autostart = new Autostart(dir, ['/opt/Post "$(x)` \\ 100%/postern'], nodeFiles);
  await autostart.set(true);
  const text = await readFile(join(dir, 'autostart', 'postern.desktop'), 'utf8');
  expect(text).toContain(String.raw`Exec="/opt/Post \\"\\$(x)\\` + '`' + String.raw` \\\\ 100%%/postern" "--hidden"`);
  await autostart.set(false);
  await expect(stat(join(dir, 'autostart', 'postern.desktop'))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('draws its sign, and a dot when something waits', () => {
  const [calm, waiting] = [drawIcon(24, false), drawIcon(24, true)];
  expect(calm.pixels).toHaveLength(24 * 24 * 4);
  expect(calm.pixels.slice(0, 4)[3]).toBe(0);
  const at = (18 * 24 + 18) * 4;
  expect([...waiting.pixels.slice(at, at + 4)]).toEqual([214, 69, 32, 255]);
  expect([...calm.pixels.slice(at, at + 4)]).not.toEqual([214, 69, 32, 255]);
  expect([0, 1, 7].map(trayText)).toEqual(['Nothing waits for you', '1 request waits for you', '7 requests wait for you']);
});

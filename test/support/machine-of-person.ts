import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openCore } from '../../main/appliances/core.ts';
import { nodeClock } from '../../main/adapters/node/clock.ts';
import type { ToastListener } from '../../main/ports.ts';

// The desktop app without a window, for a machine without a screen: `DIR CODE PASSPHRASE`. It enrols, presses Approve in the first
// notification, and says each thing that happened as a line of JSON until its standard input ends.

const [dir = '', code = '', passphrase = ''] = process.argv.slice(2);
const began = Date.now();
const say = (did: string, more: object = {}): void => {
  process.stdout.write(`${JSON.stringify({ did, ms: Date.now() - began, ...more })}\n`);
};
let act: ToastListener = () => undefined;
const core = await openCore({
  dir,
  appVersion: '0.1.0',
  clock: nodeClock,
  files: {
    read: (path) => readFile(path, 'utf8').catch(() => null),
    async write(path, text) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(`${path}.new`, text, { mode: 0o600 });
      await rename(`${path}.new`, path);
    },
    remove: (path) => rm(path, { force: true }),
  },
  // nothing protects a key on this machine: the person's passphrase does
  keychain: {
    backend: 'none',
    isProtected: () => Promise.resolve(false),
    wrap: (bytes) => Promise.resolve(bytes),
    unwrap: (bytes) => Promise.resolve(bytes),
  },
  notifier: {
    kind: 'dbus',
    hasActions: true,
    note: '',
    show: ({ id, title, actions }) => {
      say('shown', { title });
      if (actions.some(({ key }) => key === 'approve')) act(id, 'approve');
      return Promise.resolve();
    },
    withdraw: () => Promise.resolve(),
    listen: (listener) => (act = listener),
    close: () => Promise.resolve(),
  },
  view: { visible: () => null, changed: () => undefined, attend: () => undefined },
  badge: { waiting: () => undefined },
  settings: { current: () => ({ theme: 'system', closeToTray: null, launchAtLogin: false, notifications: 'all' }), changed: () => undefined },
  log: { line: (text) => say('logged', { text }) },
});
let last = '';
core.appliances.watch(([appliance]) => {
  if (appliance === undefined || appliance.state === last) return;
  last = appliance.state;
  say(appliance.state, { detail: appliance.detail });
});
await core.appliances.enrol({ code, passphrase });
say('enrolled');
process.stdin.resume().once('end', () => void core.close().finally(() => process.exit(0)));

import { expect, it } from 'vitest';
import { fail } from '../../proxy/contract/errors.ts';
import { nodeClock } from '../adapters/node/clock.ts';
import type { StreamListener } from '../contract/bridge.ts';
import { invokeNames } from '../contract/channels.ts';
import { ipc, maxSubscriptions, type StreamMessage } from '../contract/ipc.ts';
import type { AppSettings } from '../contract/views.ts';
import type { Core, LogPort } from '../ports.ts';
import { answerTo, isOurs, type IpcHandlers } from './answer.ts';
import { AttentionQueue, ipcHandlers } from './handlers.ts';
import { Subscriptions } from './subscriptions.ts';

const ours = { isTopFrame: true, url: 'app://postern/#/a/k3/requests' };
const silent: LogPort = { line: () => undefined };

const settings: AppSettings = { theme: 'system', closeToTray: null, launchAtLogin: false, notifications: 'all' };

/** The shell's side with everything behind it in memory: what reaches it is noted. */
function shell(): { handlers: IpcHandlers; reached: unknown[]; saved: unknown[] } {
  const reached: unknown[] = [];
  const saved: unknown[] = [];
  const note =
    (name: string) =>
    (...given: unknown[]): Promise<never> => {
      reached.push([name, ...given]);
      return Promise.resolve(undefined as never);
    };
  const core: Core = {
    appliances: {
      list: note('list'),
      watch: () => () => undefined,
      enrol: note('enrol'),
      signIn: note('signIn'),
      signOut: note('signOut'),
      forget: note('forget'),
    },
    call: note('call'),
    subscribe: () => () => undefined,
    decide: note('decide'),
    witness: { states: note('states'), watch: () => () => undefined },
    close: () => Promise.resolve(),
  };
  const service = {
    status: note('status'),
    watch: () => () => undefined,
    run: note('run'),
    setupCode: () => Promise.resolve(null),
    close: () => Promise.resolve(),
  };
  const handlers = ipcHandlers({
    core,
    service: service,
    settings: { current: () => settings, set: (change) => Promise.resolve({ ...settings, ...change }) },
    subscriptions: new Subscriptions({ subscribe: core.subscribe, send: () => undefined, clock: nodeClock, log: silent }),
    attention: new AttentionQueue(() => undefined),
    dialog: {
      saveFile: (proposal) => Promise.resolve(proposal === 'cancel' ? null : `/chosen/${proposal}`),
      ask: () => Promise.resolve(0),
      fault: () => undefined,
    },
    clipboard: { write: (text) => void reached.push(['copied', text]) },
    writeChosen: (path, text) => {
      saved.push([path, text]);
      return Promise.resolve();
    },
    notify: () => undefined,
  });
  return { handlers, reached, saved };
}

const ask = (name: string, input: unknown, sender = ours) => answerTo({ name, input, sender }, shell().handlers, silent);

it('has a row for every channel and no other', () => {
  expect(Object.keys(ipc).sort()).toEqual([...invokeNames].sort());
});

it.each([
  { isTopFrame: false, url: 'app://postern/' },
  { isTopFrame: true, url: 'https://postern/' },
  { isTopFrame: true, url: 'app://evil/' },
  { isTopFrame: true, url: 'app://postern.evil/' },
  { isTopFrame: true, url: 'app://postern@evil/' },
  { isTopFrame: true, url: 'app://postern:80/' },
  { isTopFrame: true, url: 'about:blank' },
  { isTopFrame: true, url: '' },
])('answers no other page: %o', async (sender) => {
  expect(isOurs(sender)).toBe(false);
  const { handlers, reached } = shell();
  expect(await answerTo({ name: 'copy', input: { text: 'x' }, sender }, handlers, silent)).toMatchObject({ ok: false, error: { code: 'ERR_FORBIDDEN' } });
  expect(reached).toEqual([]);
});

it.each([
  ['no-such', {}, 'ERR_NOT_FOUND'],
  ['__proto__', {}, 'ERR_NOT_FOUND'],
  ['copy', { text: 'x', more: 1 }, 'ERR_INVALID_INPUT'],
  ['copy', { text: 'x'.repeat(17 * 1_048_576) }, 'ERR_INVALID_INPUT'],
  ['appliances.list', undefined, 'ERR_INVALID_INPUT'],
  ['appliances.forget', { appliance: '../x' }, 'ERR_INVALID_INPUT'],
  ['call', { appliance: 'k3', name: 'constructor', input: {} }, 'ERR_INVALID_INPUT'],
  ['call', { appliance: 'k3', name: 'watchRequests', input: {} }, 'ERR_INVALID_INPUT'],
  ['call', { appliance: 'k3', name: 'listResources', input: { limit: 'many', evil: 1 } }, 'ERR_INVALID_INPUT'],
  ['subscribe', { appliance: 'k3', name: 'listResources', input: {} }, 'ERR_INVALID_INPUT'],
  ['decide', { appliance: 'k3', request: 'apr_a', shown: 'short', verdict: 'approve', reason: '' }, 'ERR_INVALID_INPUT'],
  ['service.run', { verb: 'rm -rf /' }, 'ERR_INVALID_INPUT'],
  ['settings.set', { theme: 'sepia' }, 'ERR_INVALID_INPUT'],
])('refuses %s %o', async (name, input, code) => {
  expect(await ask(name, input)).toMatchObject({ ok: false, error: { code } });
});

it('passes a call on as it was asked, once the route’s own schema takes it', async () => {
  const { handlers, reached } = shell();
  await answerTo({ name: 'call', input: { appliance: 'k3', name: 'showResource', input: { name: 'payments' } }, sender: ours }, handlers, silent);
  expect(reached).toEqual([['call', 'k3', 'showResource', { name: 'payments' }]]);
});

it('keeps code, message, hint and faults of an error, and never its stack or private detail', async () => {
  const { handlers } = shell();
  const lines: string[] = [];
  const failing = (error: Error): IpcHandlers => ({ ...handlers, 'settings.get': () => Promise.reject(error) });
  const known = fail('ERR_CONFLICT', { detail: 'row 7', hint: 'Again.', faults: [{ path: 'a', message: 'b' }] });
  const log = { line: (text: string) => void lines.push(text) };
  expect(await answerTo({ name: 'settings.get', input: {}, sender: ours }, failing(known), log)).toEqual({
    ok: false,
    error: { code: 'ERR_CONFLICT', message: 'It exists already, or was changed meanwhile.', hint: 'Again.', faults: [{ path: 'a', message: 'b' }] },
  });
  const unknown = await answerTo({ name: 'settings.get', input: {}, sender: ours }, failing(new TypeError('at /home/x')), log);
  expect(unknown).toMatchObject({ ok: false, error: { code: 'ERR_INTERNAL' } });
  expect(JSON.stringify(unknown)).not.toContain('/home/x');
  expect(lines).toHaveLength(2);
});

it('lets the screens propose a name for a file, never a place', async () => {
  const { handlers, saved } = shell();
  const save = (name: string) => answerTo({ name: 'save-text', input: { name, text: 't' }, sender: ours }, handlers, silent);
  expect(await save('../../.bashrc')).toEqual({ ok: true, value: true });
  expect(await save('C:\\x\\<y>.csv')).toEqual({ ok: true, value: true });
  expect(await save('cancel')).toEqual({ ok: true, value: false });
  expect(saved).toEqual([
    ['/chosen/bashrc', 't'],
    ['/chosen/_y_.csv', 't'],
  ]);
});

it('keeps what the shell wants until somebody listens, the newest of each kind', () => {
  const sent: unknown[] = [];
  const queue = new AttentionQueue((wanted) => sent.push(wanted));
  queue.push({ kind: 'enrol', code: 'a' });
  queue.push({ kind: 'inbox' });
  queue.push({ kind: 'enrol', code: 'b' });
  expect(sent).toEqual([]);
  queue.heard();
  queue.push({ kind: 'palette' });
  expect(sent).toEqual([{ kind: 'inbox' }, { kind: 'enrol', code: 'b' }, { kind: 'palette' }]);
  queue.lost();
  queue.push({ kind: 'settings' });
  expect(sent).toHaveLength(3);
});

it('batches live items, ends with the page, and holds a limit', async () => {
  const sent: StreamMessage[] = [];
  const listeners: StreamListener<'watchRequests'>[] = [];
  let ended = 0;
  const subscriptions = new Subscriptions({
    subscribe: (_appliance, _name, _input, listener) => {
      listeners.push(listener as unknown as StreamListener<'watchRequests'>);
      return () => (ended += 1);
    },
    send: (message) => sent.push(message),
    clock: nodeClock,
    log: silent,
  });
  const add = (): string => subscriptions.add({ appliance: 'k3', name: 'watchRequests', input: {} });
  expect(add()).toBe('sub_1');
  expect(sent).toEqual([]);
  await new Promise((soon) => setTimeout(soon, 20));
  for (let item = 0; item < 3; item += 1) listeners[0]?.item(item as never);
  listeners[0]?.state?.({ state: 'lost', why: 'gone' });
  await new Promise((soon) => setTimeout(soon, 60));
  expect(sent).toEqual([
    { id: 'sub_1', kind: 'state', state: { state: 'lost', why: 'gone' } },
    { id: 'sub_1', kind: 'items', values: [0, 1, 2] },
  ]);
  listeners[0]?.item(3 as never);
  listeners[0]?.fault?.(fail('ERR_FORBIDDEN'));
  expect(sent.slice(2)).toMatchObject([
    { kind: 'items', values: [3] },
    { kind: 'fault', error: { code: 'ERR_FORBIDDEN' } },
  ]);
  expect([subscriptions.size, ended]).toEqual([0, 1]);
  for (let open = 0; open < maxSubscriptions; open += 1) add();
  expect(add).toThrow('More than 64 live views are open.');
  subscriptions.removeAll();
  listeners[1]?.item(9 as never);
  expect([subscriptions.size, sent.length]).toEqual([0, 4]);
});

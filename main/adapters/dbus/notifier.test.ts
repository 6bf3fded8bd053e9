import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Message, sessionBus, type MessageBus } from '@jellybrick/dbus-next';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { debianTool } from '../../../test/support/debian-packages.ts';
import { skipBecause } from '../../../test/support/skip.ts';
import type { NotifierPort, Toast } from '../../ports.ts';
import { openDbusNotifier } from './notifier.ts';

/** A real bus, and a listener of our own that owns the server's name on it. */

const daemon = await debianTool('dbus-daemon');
const name = 'org.freedesktop.Notifications';
const path = '/org/freedesktop/Notifications';
const toast: Toast = {
  id: 'req:a:req_b',
  title: 'ci asks for approval',
  body: 'Wants to run a delete on <payments> & more.',
  urgency: 'normal',
  actions: [
    { key: 'approve', label: 'Approve' },
    { key: 'deny', label: 'Deny' },
  ],
};

/** The policy of a desktop session's bus, without the servers that one starts on demand. */
const config = `<busconfig><type>session</type><listen>unix:tmpdir=${tmpdir()}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`;

interface Notified {
  readonly replaces: number;
  readonly title: string;
  readonly body: string;
  readonly actions: readonly string[];
  readonly hints: Readonly<Record<string, { value: unknown }>>;
  readonly timeout: number;
}

async function connect(address: string): Promise<MessageBus> {
  const bus = sessionBus({ busAddress: address, authMethods: ['EXTERNAL'] });
  await new Promise<void>((resolve) => bus.once('connect', resolve));
  return bus;
}

/** Answers as a notification server does. */
class Listener {
  readonly notified: Notified[] = [];
  readonly closed: number[] = [];
  readonly #bus: MessageBus;
  #last = 0;

  private constructor(bus: MessageBus) {
    this.#bus = bus;
  }

  static async open(address: string, capabilities: readonly string[]): Promise<Listener> {
    const bus = await connect(address);
    const listener = new Listener(bus);
    bus.addMethodHandler((message) => listener.#answer(message, capabilities));
    await bus.requestName(name, 4);
    return listener;
  }

  get last(): number {
    return this.#last;
  }

  signal(member: string, signature: string, body: unknown[]): void {
    this.#bus.send(Message.newSignal(path, name, member, signature, body));
  }

  end(): void {
    this.#bus.disconnect();
  }

  #answer(message: Message, capabilities: readonly string[]): boolean {
    if (message.interface !== name) return false;
    if (message.member === 'GetCapabilities') this.#bus.send(Message.newMethodReturn(message, 'as', [[...capabilities]]));
    if (message.member === 'Notify') {
      // as the specification lays it out
      const [, replaces, , title, body, actions, hints, timeout] = message.body as [
        string,
        number,
        string,
        string,
        string,
        string[],
        Notified['hints'],
        number,
      ];
      this.notified.push({ replaces, title, body, actions, hints, timeout });
      this.#last = replaces === 0 ? this.#last + 1 : replaces;
      this.#bus.send(Message.newMethodReturn(message, 'u', [this.#last]));
    }
    if (message.member === 'CloseNotification') {
      this.closed.push(Number(message.body[0]));
      this.#bus.send(Message.newMethodReturn(message));
    }
    return true;
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (const from = Date.now(); !holds(); ) {
    if (Date.now() - from > 5_000) throw new Error('it did not happen');
    await sleep(5);
  }
}

const dir = mkdtempSync(join(tmpdir(), 'postern-bus-'));
let process: ChildProcess;
let address = '';
const opened: { notifier: NotifierPort; listeners: Listener[] } = { notifier: undefined as unknown as NotifierPort, listeners: [] };
const acted: [string, string][] = [];

async function start(capabilities: readonly string[] | null): Promise<Listener | undefined> {
  const listener = capabilities === null ? undefined : await Listener.open(address, capabilities);
  if (listener !== undefined) opened.listeners.push(listener);
  opened.notifier = await openDbusNotifier({ address, desktopEntry: 'postern', log: { line: () => {} } });
  opened.notifier.listen((id, action) => acted.push([id, action]));
  return listener;
}

async function started(): Promise<Listener> {
  const listener = await start(['actions', 'body', 'body-markup']);
  if (listener === undefined) throw new Error('no listener');
  return listener;
}

describe('notifications over D-Bus', () => {
  beforeAll(async () => {
    if (daemon.found === undefined) return;
    const file = join(dir, 'bus.conf');
    writeFileSync(file, config);
    process = spawn(daemon.found, ['--config-file', file, '--nofork', '--print-address'], { stdio: ['ignore', 'pipe', 'inherit'] });
    process.stdout?.on('data', (chunk: Buffer) => (address += chunk.toString()));
    await until(() => address.endsWith('\n'));
    address = address.trim();
  });

  beforeEach((context) => {
    if (daemon.found === undefined) skipBecause(context, daemon.why);
  });

  afterAll(() => {
    if (daemon.found !== undefined) process.kill();
    rmSync(dir, { recursive: true });
  });

  afterEach(async () => {
    if (daemon.found === undefined) return;
    await opened.notifier.close();
    for (const listener of opened.listeners.splice(0)) listener.end();
    acted.splice(0);
  });

  it('show Approve and Deny, and a click on Deny is told once', async () => {
    const listener = await started();
    expect(opened.notifier).toMatchObject({ kind: 'dbus', hasActions: true, note: '' });
    await opened.notifier.show(toast);
    expect(listener.notified).toHaveLength(1);
    expect(listener.notified[0]).toMatchObject({
      replaces: 0,
      title: 'ci asks for approval',
      body: 'Wants to run a delete on &lt;payments&gt; &amp; more.',
      actions: ['default', 'Open', 'approve', 'Approve', 'deny', 'Deny'],
      timeout: 0,
    });
    expect(listener.notified[0]?.hints['desktop-entry']?.value).toBe('postern');
    listener.signal('ActionInvoked', 'us', [listener.last, 'deny']);
    listener.signal('NotificationClosed', 'uu', [listener.last, 2]);
    await until(() => acted.length > 0);
    await sleep(50);
    expect(acted).toEqual([['req:a:req_b', 'deny']]);
  });

  it('take no click from another program, for another notification, or for a button that was not shown', async () => {
    const listener = await started();
    await opened.notifier.show(toast);
    const forger = await connect(address);
    forger.send(Message.newSignal(path, name, 'ActionInvoked', 'us', [listener.last, 'approve']));
    // sent to us alone, which no match rule keeps away
    const direct = Message.newSignal(path, name, 'ActionInvoked', 'us', [listener.last, 'approve']);
    for (let unique = 0; unique < 20; unique++) {
      direct.destination = `:1.${String(unique)}`;
      forger.send(direct);
    }
    listener.signal('ActionInvoked', 'us', [listener.last + 7, 'approve']);
    listener.signal('ActionInvoked', 'us', [listener.last, 'shutdown']);
    await sleep(200);
    expect(acted).toEqual([]);
    listener.signal('ActionInvoked', 'us', [listener.last, 'approve']);
    await until(() => acted.length > 0);
    expect(acted).toEqual([['req:a:req_b', 'approve']]);
    forger.disconnect();
  });

  it('replace in place, are withdrawn, and say when they were put away', async () => {
    const listener = await started();
    await opened.notifier.show(toast);
    await opened.notifier.show({ ...toast, title: 'changed' });
    expect(listener.notified[1]).toMatchObject({ replaces: listener.last, title: 'changed' });
    await opened.notifier.withdraw(toast.id);
    expect(listener.closed).toEqual([listener.last]);
    await opened.notifier.show(toast);
    listener.signal('NotificationClosed', 'uu', [listener.last, 2]);
    await until(() => acted.length > 0);
    expect(acted).toEqual([['req:a:req_b', 'closed']]);
  });

  it('survive a restart of the server, and the old one’s signals count no more', async () => {
    const first = await started();
    await opened.notifier.show(toast);
    first.end();
    await until(() => opened.notifier.kind === 'none');
    expect(opened.notifier.note).toContain('No notification server');
    const second = await Listener.open(address, ['body']);
    opened.listeners.push(second);
    await until(() => second.notified.length > 0);
    // plain text for a server without markup, no buttons for one without actions
    expect(second.notified[0]).toMatchObject({ replaces: 0, actions: [], body: toast.body });
    expect(opened.notifier.hasActions).toBe(false);
    expect(opened.notifier.note).toContain('no buttons');
  });

  it('are none without a server or a bus, and say why', async () => {
    await start(null);
    expect(opened.notifier.kind).toBe('none');
    await opened.notifier.show(toast);
    const none = await openDbusNotifier({ address: undefined, desktopEntry: 'postern', log: { line: () => {} } });
    expect(none).toMatchObject({ kind: 'none', hasActions: false });
    expect(none.note).toContain('no desktop session');
    const program = await openDbusNotifier({ address: 'unixexec:path=/bin/false', desktopEntry: 'postern', log: { line: () => {} } });
    expect(program.note).toContain('not a unix socket');
  });
});

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Message, sessionBus, type MessageBus } from '@jellybrick/dbus-next';
import { debianTool, type Found } from './debian-packages.ts';

/** What a person's desktop has and a build machine has not: a screen, a session bus, a server of notifications. */

const startDeadlineMs = 20_000;

/** The first of these paths that is there. */
export function programAt(...paths: readonly string[]): Found<string> {
  const found = paths.find((path) => existsSync(path));
  return found === undefined ? { why: `${paths[0] ?? 'the program'} is not installed` } : { found };
}

export interface Display {
  /** for $DISPLAY */
  readonly name: string;
  stop(): Promise<void>;
}

/** A screen in memory, 1600 × 1000. */
export async function startDisplay(): Promise<Found<Display>> {
  const { found: program, why } = programAt('/usr/bin/Xvfb');
  if (program === undefined) return { why };
  // it chooses a number that nobody has, and writes it to its third file
  const child = spawn(program, ['-displayfd', '3', '-screen', '0', '1600x1000x24', '-nolisten', 'tcp', '-noreset'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const number = await firstLine(child, 3);
  return { found: { name: `:${number}`, stop: () => ended(child) } };
}

export interface Bus {
  /** for $DBUS_SESSION_BUS_ADDRESS */
  readonly address: string;
  stop(): Promise<void>;
}

/** A session bus that starts no servers by itself, so that a test decides which ones there are. */
export async function startBus(): Promise<Found<Bus>> {
  const { found: program, why } = await debianTool('dbus-daemon');
  if (program === undefined) return { why };
  const dir = await mkdtemp(join(tmpdir(), 'postern-session-'));
  const config = join(dir, 'bus.conf');
  await writeFile(
    config,
    `<busconfig><type>session</type><listen>unix:tmpdir=${dir}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`,
  );
  const child = spawn(program, [`--config-file=${config}`, '--nofork', '--print-address=1'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const address = await firstLine(child, 1);
  return {
    found: {
      address,
      stop: async () => {
        await ended(child);
        await rm(dir, { recursive: true, force: true });
      },
    },
  };
}

const name = 'org.freedesktop.Notifications';
const path = '/org/freedesktop/Notifications';

export interface Notified {
  readonly id: number;
  readonly title: string;
  readonly body: string;
  /** key, label, key, label … */
  readonly actions: readonly string[];
}

/** Connects to the bus as any program of the session may. */
export async function joinBus(address: string): Promise<MessageBus> {
  const bus = sessionBus({ busAddress: address, authMethods: ['EXTERNAL'] });
  await new Promise<void>((resolve) => bus.once('connect', resolve));
  return bus;
}

/** The signal by which a server tells of a click. */
export function clickSignal(id: number, action: string): Message {
  return Message.newSignal(path, name, 'ActionInvoked', 'us', [id, action]);
}

/** A server of notifications that shows nothing and remembers everything. */
export class NotificationServer {
  readonly notified: Notified[] = [];
  /** ids that the app took off the screen */
  readonly closed: number[] = [];
  readonly #bus: MessageBus;
  #last = 0;

  private constructor(bus: MessageBus) {
    this.#bus = bus;
  }

  static async open(address: string): Promise<NotificationServer> {
    const bus = await joinBus(address);
    const server = new NotificationServer(bus);
    bus.addMethodHandler((message) => server.#answer(message));
    await bus.requestName(name, 4);
    return server;
  }

  /** As when the person presses the button. */
  click(id: number, action: string): void {
    this.#bus.send(clickSignal(id, action));
  }

  stop(): void {
    this.#bus.disconnect();
  }

  #answer(message: Message): boolean {
    if (message.interface !== name) return false;
    const body: readonly unknown[] = message.body;
    if (message.member === 'GetCapabilities') this.#bus.send(Message.newMethodReturn(message, 'as', [['actions', 'body', 'body-markup']]));
    if (message.member === 'Notify') this.#notify(message, body);
    if (message.member === 'CloseNotification') {
      this.closed.push(Number(body[0]));
      this.#bus.send(Message.newMethodReturn(message));
    }
    return true;
  }

  #notify(message: Message, body: readonly unknown[]): void {
    // as the specification lays it out
    const [, replaces, , title, text, actions] = body as [string, number, string, string, string, string[]];
    const id = replaces === 0 ? ++this.#last : replaces;
    this.notified.push({ id, title, body: text, actions });
    this.#bus.send(Message.newMethodReturn(message, 'u', [id]));
  }
}

/** A program of the desktop, with the screen and the bus. */
export function startOnDesktop(program: string, args: readonly string[], desktop: { display: Display; bus: Bus; home: string }): { stop(): Promise<void> } {
  const child = spawn(program, [...args], {
    stdio: 'ignore',
    env: {
      PATH: '/usr/bin:/bin',
      HOME: desktop.home,
      DISPLAY: desktop.display.name,
      DBUS_SESSION_BUS_ADDRESS: desktop.bus.address,
      // no accessibility bus: it would be started, and nobody ends it
      NO_AT_BRIDGE: '1',
    },
  });
  return { stop: () => ended(child) };
}

async function firstLine(child: ChildProcess, from: 1 | 3): Promise<string> {
  const stream = child.stdio[from];
  let text = '';
  stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  for (const deadline = Date.now() + startDeadlineMs; !text.includes('\n'); ) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${child.spawnfile} did not start`);
    await sleep(10);
  }
  return text.split('\n', 1)[0] ?? '';
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const isLate = await Promise.race([exited.then(() => false), sleep(5_000, true, { ref: false })]);
  if (isLate) child.kill('SIGKILL');
}

import type { EventEmitter } from 'node:events';
import { Message, sessionBus, type MessageBus } from '@jellybrick/dbus-next';
import { fail } from '../../../proxy/contract/errors.ts';
import { reasonOf } from '../../../proxy/lib/errors.ts';

/** A signal as the bus delivered it: the bus itself sets `sender`, so nobody can pretend to be somebody else. */
export interface BusSignal {
  readonly sender: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly body: readonly unknown[];
}

export interface MethodCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly unknown[];
}

const signalType = 4;
const deadlineMs = 10_000;
export const busName = 'org.freedesktop.DBus';
export const busPath = '/org/freedesktop/DBus';

/** One connection to the session bus, raw messages only. */
export class SessionBus {
  /** why it can no longer be used; null: it can */
  fault: string | null = null;
  readonly #bus: MessageBus;
  readonly #listeners: ((signal: BusSignal) => void)[] = [];

  private constructor(bus: MessageBus) {
    this.#bus = bus;
    bus.on('message', ({ type, sender, path, interface: of, member, body }) => {
      if (type === signalType) for (const listener of this.#listeners) listener({ sender, path, interface: of, member, body });
    });
    faultsOf(bus).on('error', (error: unknown) => (this.fault ??= reasonOf(error)));
  }

  /** `address`: of a unix socket. Throws ERR_CONTROL_UNAVAILABLE when nothing answers there. */
  static async open(address: string): Promise<SessionBus> {
    // `unixexec:` would start a program, `tcp:` is open to other users
    if (!/^unix:(path|abstract)=[^;]+$/.test(address)) throw unavailable('its address is not a unix socket');
    const bus = sessionBus({ busAddress: address, authMethods: ['EXTERNAL'] });
    const opened = new SessionBus(bus);
    try {
      await withDeadline(
        new Promise<void>((resolve, reject) => {
          bus.once('connect', resolve);
          faultsOf(bus).once('error', reject);
        }),
      );
      return opened;
    } catch (error) {
      bus.disconnect();
      throw unavailable(reasonOf(error));
    }
  }

  /** The answer's body. */
  async call({ body, signature, ...call }: MethodCall): Promise<readonly unknown[]> {
    const message = new Message({ ...call, signature: signature ?? '', body: [...(body ?? [])] });
    const answer = await withDeadline(this.#bus.call(message));
    return answer?.body ?? [];
  }

  ask(member: string, body: readonly string[]): Promise<readonly unknown[]> {
    return this.call({ destination: busName, path: busPath, interface: busName, member, signature: 's'.repeat(body.length), body });
  }

  onSignal(listener: (signal: BusSignal) => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.fault ??= 'closed';
    this.#listeners.length = 0;
    this.#bus.disconnect();
  }
}

/** The library's types leave out that it tells of faults. */
function faultsOf(bus: MessageBus): EventEmitter {
  return bus;
}

function unavailable(why: string): Error {
  return fail('ERR_CONTROL_UNAVAILABLE', {
    message: `The session bus cannot be used: ${why}`,
    hint: 'Notifications are not shown; the window and the tray are.',
  });
}

function withDeadline<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(fail('ERR_TIMEOUT', { message: 'The session bus did not answer in time.' }));
    }, deadlineMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

import type { Input, StreamName } from '../../proxy/contract/api.ts';
import { fail } from '../../proxy/contract/errors.ts';
import type { Bridge, StreamListener, Unsubscribe } from '../contract/bridge.ts';
import { maxSubscriptions, type StreamMessage } from '../contract/ipc.ts';
import type { ClockPort, LogPort } from '../ports.ts';
import { crossing } from './answer.ts';

interface Parts {
  readonly subscribe: Bridge['subscribe'];
  readonly send: (message: StreamMessage) => void;
  readonly clock: ClockPort;
  readonly log: LogPort;
}

interface Open {
  end: Unsubscribe;
  waiting: unknown[];
  callOff: (() => void) | null;
}

// one message a frame, whatever a stream brings
const gatherMs = 16;
const maxBatch = 500;

/** The live views of the window: ids are made here, and all end with the page that asked for them. */
export class Subscriptions {
  readonly #parts: Parts;
  readonly #open = new Map<string, Open>();
  #made = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Messages begin after this returned, so that the page knows the id. */
  add<K extends StreamName>(wanted: { appliance: string; name: K; input: Input<K> }): string {
    if (this.#open.size >= maxSubscriptions)
      throw fail('ERR_TOO_MANY_CONNECTIONS', { message: `More than ${maxSubscriptions} live views are open.`, hint: 'Close one.' });
    const id = `sub_${String(++this.#made)}`;
    const entry: Open = { end: () => undefined, waiting: [], callOff: null };
    this.#open.set(id, entry);
    const start = (): void => {
      entry.callOff = null;
      try {
        entry.end = this.#parts.subscribe(wanted.appliance, wanted.name, wanted.input, this.#listener<K>(id, entry));
        // it may have ended while it began
        if (!this.#open.has(id)) entry.end();
      } catch (error) {
        this.#fault(id, error);
      }
    };
    entry.callOff = this.#parts.clock.after(0, start);
    return id;
  }

  /** An unknown id is harmless. */
  remove(id: string): void {
    const entry = this.#open.get(id);
    if (entry === undefined) return;
    this.#open.delete(id);
    entry.callOff?.();
    entry.end();
  }

  removeAll(): void {
    for (const id of [...this.#open.keys()]) this.remove(id);
  }

  #listener<K extends StreamName>(id: string, entry: Open): StreamListener<K> {
    return {
      item: (value) => {
        if (!this.#open.has(id)) return;
        entry.waiting.push(value);
        if (entry.waiting.length >= maxBatch) this.#flush(id, entry);
        else
          entry.callOff ??= this.#parts.clock.after(gatherMs, () => {
            this.#flush(id, entry);
          });
      },
      end: () => {
        if (!this.#open.has(id)) return;
        this.#flush(id, entry);
        this.#parts.send({ id, kind: 'end' });
        this.remove(id);
      },
      fault: (error) => {
        this.#fault(id, error);
      },
      state: (state) => {
        if (this.#open.has(id)) this.#parts.send({ id, kind: 'state', state });
      },
    };
  }

  #flush(id: string, entry: Open): void {
    entry.callOff?.();
    entry.callOff = null;
    const values = entry.waiting;
    entry.waiting = [];
    if (values.length > 0 && this.#open.has(id)) this.#parts.send({ id, kind: 'items', values });
  }

  #fault(id: string, error: unknown): void {
    const entry = this.#open.get(id);
    if (entry === undefined) return;
    this.#flush(id, entry);
    this.#parts.send({ id, kind: 'fault', error: crossing(error, this.#parts.log) });
    this.remove(id);
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Phase } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import { type Channel, connectUnix } from '../ipc/channel.ts';
import { type EncodedEvent, encodeEvent } from './entry.ts';
import type { SaltedText } from './event.ts';
import { appendFrame, decodeFrame, helloFrame, type Run } from './frames.ts';
import type { LogCondition } from './log.ts';

export interface AuditClientOptions {
  readonly socketPath: string;
  /** new for every start of the process: 8 to 64 letters, digits, dash, underscore */
  readonly client: string;
  /** bytes not yet acknowledged above which events are refused */
  readonly maxQueueBytes?: number;
  /** without a connection for this long the log counts as lost */
  readonly lostAfterMs?: number;
}

const defaultQueueBytes = 64 * 1024 * 1024;
const defaultLostAfterMs = 5_000;
/** how long an ending may wait for company */
const closingDelayMs = 5;
const frameBytes = 512 * 1024;
const frameEvents = 2_048;
const firstRetryMs = 20;
const lastRetryMs = 500;

interface Waiter {
  readonly ticket: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * The log as other processes write it: implements the pipeline's AuditPort. Events leave once per turn of the event loop
 * and are kept until they are durable; after a reconnection they go again, in order, and the log drops those it has.
 *
 * While the log is lost or away, `append` throws ERR_AUDIT_UNAVAILABLE, except for what closes a session or an operation:
 * that is kept and written when the log is back, so that numbering stays without gaps and ends are true.
 */
export class AuditClient {
  readonly #options: AuditClientOptions;
  #channel: Channel | null = null;
  #condition: LogCondition = 'lost';
  #ticket = 0;
  #durable = 0;
  /** not acknowledged, in order; the first `#head` are done with */
  #unacked: EncodedEvent[] = [];
  #head = 0;
  #queuedBytes = 0;
  /** how many of `#unacked` were sent over this connection */
  #sent = 0;
  #scheduled = false;
  #lateTimer: NodeJS.Timeout | null = null;
  #waiters: Waiter[] = [];
  /** tickets whose place in the log somebody waits for, and those that are known */
  readonly #wanted = new Set<number>();
  readonly #places = new Map<number, number>();
  readonly #listeners = new Set<(durable: number | null) => void>();
  readonly #stopped = new AbortController();
  #lossTimer: NodeJS.Timeout | null = null;
  #welcomed: PromiseWithResolvers<null> = Promise.withResolvers();

  constructor(options: AuditClientOptions) {
    this.#options = options;
    void this.#stayConnected();
  }

  /** Resolves once the log has answered and is not lost; rejects with ERR_AUDIT_UNAVAILABLE after `deadlineMs`. */
  async ready(deadlineMs = 10_000): Promise<void> {
    const late = new AbortController();
    const deadline = sleep(deadlineMs, undefined, { signal: late.signal }).then(
      () => Promise.reject(fail('ERR_AUDIT_UNAVAILABLE', { detail: 'the log did not answer in time' })),
      () => undefined,
    );
    try {
      await Promise.race([this.#welcomed.promise, deadline]);
    } finally {
      late.abort();
    }
  }

  get durable(): number {
    return this.#durable;
  }

  /** `full`: only closing records are taken. */
  get condition(): LogCondition {
    return this.#channel === null ? 'lost' : this.#condition;
  }

  append(header: string, phase: Phase, body?: SaltedText): number {
    const limit = this.#options.maxQueueBytes ?? defaultQueueBytes;
    // closing records have room of their own
    const isClosing = phase.kind === 'close';
    if (!isClosing && this.condition !== 'open') throw fail('ERR_AUDIT_UNAVAILABLE', { detail: `the log is ${this.condition}` });
    if (this.#queuedBytes > (isClosing ? 2 * limit : limit) || this.#stopped.signal.aborted)
      throw fail('ERR_AUDIT_UNAVAILABLE', { detail: 'too much waits for the log' });
    const event = encodeEvent(this.#ticket + 1, header, phase, body);
    this.#ticket++;
    this.#unacked.push(event);
    this.#queuedBytes += sizeOf(event);
    if (isClosing) this.#scheduleLate();
    else this.#schedule();
    return event.ticket;
  }

  whenDurable(ticket: number): Promise<void> {
    if (ticket <= this.#durable) return Promise.resolve();
    this.#schedule();
    // a connection that broke just now may come back in time
    const isAway = this.#channel === null && this.#lossTimer === null;
    if (this.#condition === 'lost' || isAway) return Promise.reject(fail('ERR_AUDIT_UNAVAILABLE'));
    return new Promise((resolve, reject) => {
      const waiter = { ticket, resolve, reject };
      const last = this.#waiters.at(-1);
      if (last === undefined || last.ticket <= ticket) this.#waiters.push(waiter);
      else
        this.#waiters.splice(
          this.#waiters.findIndex((other) => other.ticket > ticket),
          0,
          waiter,
        );
    });
  }

  /**
   * Appends, and gives the event's index in the log once it is durable. Rejects with ERR_AUDIT_UNAVAILABLE when that is
   * not known: the event may be in the log or come into it later.
   */
  async record(header: string, phase: Phase, body?: SaltedText): Promise<number> {
    const ticket = this.append(header, phase, body);
    this.#wanted.add(ticket);
    try {
      await this.whenDurable(ticket);
      const index = this.#places.get(ticket);
      if (index === undefined) throw fail('ERR_AUDIT_UNAVAILABLE', { detail: 'the connection broke before the log said where the event stands' });
      return index;
    } finally {
      this.#wanted.delete(ticket);
      this.#places.delete(ticket);
    }
  }

  onWatermark(listener: (durable: number | null) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Waits until all is durable (at most `deadlineMs`), then hangs up; what was left open is closed by the log. */
  async close(deadlineMs = 5_000): Promise<void> {
    if (this.#durable < this.#ticket && this.condition !== 'lost') {
      const late = new AbortController();
      await Promise.race([this.whenDurable(this.#ticket).catch(() => undefined), sleep(deadlineMs, undefined, { signal: late.signal }).catch(() => undefined)]);
      late.abort();
    }
    this.#stopped.abort();
    this.#channel?.close();
    this.#lose();
  }

  /** Nobody waits for what closes: it rides with the next event, or leaves by itself soon after. */
  #scheduleLate(): void {
    this.#lateTimer ??= setTimeout(() => {
      this.#lateTimer = null;
      this.#schedule();
    }, closingDelayMs);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // after this turn's input: all that was appended meanwhile leaves in one write
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const channel = this.#channel;
    if (channel === null || this.#condition === 'lost') return;
    while (this.#sent < this.#unacked.length) {
      const events: EncodedEvent[] = [];
      let bytes = 0;
      for (let next = this.#unacked[this.#sent]; next !== undefined && bytes < frameBytes && events.length < frameEvents; next = this.#unacked[this.#sent]) {
        events.push(next);
        bytes += sizeOf(next);
        this.#sent++;
      }
      channel.send(appendFrame(events));
    }
  }

  #advance(durable: number): void {
    if (durable <= this.#durable || durable > this.#ticket) return;
    this.#durable = durable;
    for (let event = this.#unacked[this.#head]; event !== undefined && event.ticket <= durable; event = this.#unacked[this.#head]) {
      this.#queuedBytes -= sizeOf(event);
      this.#head++;
    }
    // cut in large pieces, so that an acknowledgement costs nothing per event kept
    if (this.#head > 1_024 || this.#head === this.#unacked.length) {
      this.#unacked = this.#unacked.slice(this.#head);
      this.#sent = Math.max(0, this.#sent - this.#head);
      this.#head = 0;
    }
    const waiting = this.#waiters.findIndex(({ ticket }) => ticket > durable);
    for (const { resolve } of this.#waiters.splice(0, waiting < 0 ? this.#waiters.length : waiting)) resolve();
    for (const listener of this.#listeners) listener(durable);
  }

  #place({ ticket, index, count }: Run): void {
    for (const wanted of this.#wanted) {
      if (wanted >= ticket && wanted < ticket + count) this.#places.set(wanted, index + wanted - ticket);
    }
  }

  #lose(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) reject(fail('ERR_AUDIT_UNAVAILABLE'));
    for (const listener of this.#listeners) listener(null);
  }

  async #stayConnected(): Promise<void> {
    let waitMs = firstRetryMs;
    while (!this.#stopped.signal.aborted) {
      try {
        const channel = await connectUnix(this.#options.socketPath);
        waitMs = firstRetryMs;
        await this.#converse(channel);
      } catch {
        // the log is not there yet, or not any more: the loss timer tells those who wait
      }
      await sleep(waitMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
      waitMs = Math.min(waitMs * 2, lastRetryMs);
    }
    if (this.#lossTimer !== null) clearTimeout(this.#lossTimer);
  }

  /** Resolves when the connection is over. */
  #converse(channel: Channel): Promise<void> {
    return new Promise((resolve) => {
      channel.onClose = () => {
        if (this.#channel === channel) this.#disconnected();
        resolve();
      };
      channel.onFrame = (payload) => {
        if (!this.#take(channel, payload)) channel.destroy();
      };
      channel.send(helloFrame(this.#options.client, this.#durable));
      if (this.#stopped.signal.aborted) channel.destroy();
    });
  }

  #disconnected(): void {
    this.#channel = null;
    this.#welcomed = Promise.withResolvers();
    if (this.#condition === 'lost' || this.#stopped.signal.aborted) return;
    this.#lossTimer ??= setTimeout(() => {
      this.#lossTimer = null;
      this.#lose();
    }, this.#options.lostAfterMs ?? defaultLostAfterMs);
  }

  #take(channel: Channel, payload: Buffer): boolean {
    const frame = decodeFrame(payload);
    switch (frame?.kind) {
      case 'welcome':
        if (this.#lossTimer !== null) clearTimeout(this.#lossTimer);
        this.#lossTimer = null;
        this.#channel = channel;
        this.#advance(frame.ticket);
        // all that is not durable goes again
        this.#sent = this.#head;
        this.#enter(frame.condition);
        return true;
      case 'durable':
        for (const run of frame.runs) this.#place(run);
        this.#advance(frame.ticket);
        return true;
      case 'condition':
        this.#enter(frame.condition);
        return true;
      case 'hello':
      case 'append':
      case 'request':
      case 'response':
      case undefined:
        return false;
    }
  }

  #enter(condition: LogCondition): void {
    this.#condition = condition === 'closed' ? 'lost' : condition;
    if (this.#condition === 'lost') {
      this.#lose();
      return;
    }
    this.#welcomed.resolve(null);
    this.#flush();
  }
}

/** A client that the log has welcomed. Rejects with ERR_AUDIT_UNAVAILABLE after `deadlineMs`. */
export async function connectAudit(options: AuditClientOptions, deadlineMs?: number): Promise<AuditClient> {
  const client = new AuditClient(options);
  try {
    await client.ready(deadlineMs);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

function sizeOf({ entry, body }: EncodedEvent): number {
  return entry.length + (body?.length ?? 0);
}

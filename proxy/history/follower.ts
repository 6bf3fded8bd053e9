import { setImmediate as turn } from 'node:timers/promises';
import type { EventCode } from '../contract/audit-event.ts';
import { asAppError, fail } from '../contract/errors.ts';
import { factsOf } from './header-facts.ts';
import { digestOf, type HistoryEntry, type Projection } from './projection.ts';

/** The log as the history reads it: public headers only. */
export interface LogSource {
  /** Durable entries, once they are more than `size` or some seconds have passed. */
  grown(size: number): Promise<number>;
  /** Some of the entries from `from` on, at least one where there are any below `size`. */
  read(from: number, size: number): Promise<readonly HistoryEntry[]>;
}

export interface News {
  /** durable entries of the log */
  readonly size: number;
  /** entries taken in */
  readonly next: number;
  /** what was taken in, while it is new; codes of a later version may be among them */
  readonly codes: readonly (EventCode | (string & {}))[];
}

interface Waiting {
  readonly size: number;
  readonly done: (next: number) => void;
}

/** further behind than this, what is read is no news */
const newsEvents = 5_000;
/** so that a busy log is taken in by batches */
const pauseMs = 40;
const retryMs = 500;

/** Keeps a projection in step with a growing log. */
export class Follower {
  readonly #projection: Projection;
  readonly #source: LogSource;
  readonly #told: (news: News) => void;
  readonly #waiting = new Set<Waiting>();
  #next: number;
  #hurry: () => void = () => undefined;

  constructor(projection: Projection, source: LogSource, told: (news: News) => void) {
    this.#projection = projection;
    this.#source = source;
    this.#told = told;
    this.#next = projection.next;
  }

  /** Gives how much is taken in when that is `size`, or when the time is over. */
  reach(size: number, withinMs: number): Promise<number> {
    if (this.#next >= size || withinMs <= 0) return Promise.resolve(this.#next);
    return new Promise((resolve) => {
      const waiting: Waiting = {
        size,
        done: (next) => {
          clearTimeout(timer);
          this.#waiting.delete(waiting);
          resolve(next);
        },
      };
      const timer = setTimeout(() => {
        waiting.done(this.#next);
      }, withinMs);
      this.#waiting.add(waiting);
      this.#hurry();
    });
  }

  /** Until the signal aborts. A log that does not answer is asked again. Throws ERR_STATE_DAMAGED when this is no projection of it. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#patiently(() => this.#assertSameLog(), signal);
    while (!signal.aborted) {
      await this.#patiently(() => this.#round(signal), signal);
      await this.#pause(pauseMs, signal);
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const askedAt = performance.now();
    const size = await this.#source.grown(this.#next);
    if (size < this.#next) throw fail('ERR_STATE_DAMAGED', { detail: 'the history is ahead of the log' });
    this.#told({ size, next: this.#next, codes: [] });
    // a log that takes no more answers at once
    if (size === this.#next && performance.now() - askedAt < retryMs) await this.#pause(retryMs, signal);
    while (this.#next < size && !signal.aborted) {
      const entries = await this.#source.read(this.#next, size);
      if (entries.length === 0) break;
      this.#take(entries, size);
      // questions are answered between two batches
      await turn();
    }
  }

  #take(entries: readonly HistoryEntry[], size: number): void {
    this.#projection.apply(entries);
    this.#next = this.#projection.next;
    const isNews = size - this.#next < newsEvents;
    this.#told({ size, next: this.#next, codes: isNews ? [...new Set(entries.map(({ header }) => factsOf(header).code))] : [] });
    for (const waiting of this.#waiting) if (this.#next >= waiting.size) waiting.done(this.#next);
  }

  /** Another log of the same length would otherwise go unnoticed. */
  async #assertSameLog(): Promise<void> {
    const { last } = this.#projection;
    if (last === null) return;
    if ((await this.#source.grown(0)) < this.#next) throw fail('ERR_STATE_DAMAGED', { detail: 'the history is ahead of the log' });
    const [entry] = await this.#source.read(this.#next - 1, this.#next);
    if (entry === undefined || Buffer.compare(digestOf(entry.header), last) !== 0) throw fail('ERR_STATE_DAMAGED', { detail: 'the history is of another log' });
  }

  async #patiently(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        const { code } = asAppError(error);
        if (code !== 'ERR_AUDIT_UNAVAILABLE' && code !== 'ERR_TIMEOUT') throw error;
        await this.#pause(retryMs, signal);
        if (signal.aborted) return;
      }
    }
  }

  #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#hurry = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, this.#waiting.size > 0 ? 0 : milliseconds);
      this.#hurry = done;
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { errorTable, fail, type ErrorCode } from '../contract/errors.ts';
import type { PartStatus } from '../contract/api-views.ts';
import type { AuditReader } from '../audit/reader.ts';
import type { HistoryReading } from '../control/ports.ts';
import type { News } from '../history/follower.ts';
import { systemClock } from '../lib/clock.ts';
import { reasonOf } from '../lib/errors.ts';
import type { HistoryAsking, HistoryPlace, HistoryQuestions, HistoryTelling } from './history-worker.ts';

interface Pending {
  readonly done: (result: unknown) => void;
  readonly failed: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

type InputOf<K extends keyof HistoryQuestions> = Parameters<HistoryQuestions[K]>[0];
type AnswerOf<K extends keyof HistoryQuestions> = Awaited<ReturnType<HistoryQuestions[K]>>;

const deadlineMs = 15_000;
const maxPending = 1_000;
const firstRestartMs = 1_000;
const maxRestartMs = 30_000;
/** someone who waits for news looks by himself after that */
const lookMs = 5_000;
/** so far behind, what is shown may be old */
const behindEvents = 5_000;

/** Control's side of the history's thread. */
export class HistoryThread {
  readonly #place: HistoryPlace;
  readonly #log: (line: string) => void;
  readonly #told: (news: News) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #watchers = new Set<() => void>();
  #worker: Worker | null = null;
  #closed = false;
  #nextId = 1;
  #restartMs = firstRestartMs;
  #news: News | null = null;
  #count = 0;

  constructor(place: HistoryPlace, { told, log }: { told: (news: News) => void; log: (line: string) => void }) {
    this.#place = place;
    this.#told = told;
    this.#log = log;
    this.#start();
  }

  /** Rejects with ERR_AUDIT_UNAVAILABLE while the thread is not there, with ERR_TIMEOUT after 15 s. */
  ask<K extends keyof HistoryQuestions>(ask: K, input: InputOf<K>): Promise<AnswerOf<K>> {
    const worker = this.#worker;
    if (worker === null || this.#pending.size >= maxPending) return Promise.reject(unavailable());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(fail('ERR_TIMEOUT', { detail: `the history did not answer ${ask}` }));
      }, deadlineMs);
      // the thread answers with what its own table of questions gives
      this.#pending.set(id, { done: (result) => resolve(result as AnswerOf<K>), failed: reject, timer });
      const asking: HistoryAsking = { id, ask, input };
      worker.postMessage(asking);
    });
  }

  /** changes with every news */
  get count(): number {
    return this.#count;
  }

  /** Resolves when there is news after `count`, when the signal aborts, and after some seconds in any case. */
  changed(count: number, signal: AbortSignal): Promise<void> {
    if (this.#count !== count) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, lookMs);
      this.#watchers.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted || this.#closed) done();
    });
  }

  /** Resolves when it follows the log, and after some seconds in any case. */
  async started(): Promise<void> {
    if (this.#news === null) await this.changed(0, new AbortController().signal);
  }

  part(): PartStatus {
    const news = this.#news;
    if (this.#worker === null || news === null) return { name: 'history', state: 'degraded', detail: 'Lists and searches are being started.' };
    const percent = Math.floor((100 * news.next) / Math.max(1, news.size));
    if (news.size - news.next > behindEvents) return { name: 'history', state: 'degraded', detail: `Reading the log: ${String(percent)} %.` };
    return { name: 'history', state: 'up', detail: 'Follows the log.' };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#watchers) wake();
    await this.#lose(this.#worker);
  }

  #start(): void {
    const worker = new Worker(new URL('./history-worker.ts', import.meta.url), {
      workerData: this.#place,
      resourceLimits: { maxOldGenerationSizeMb: 512 },
    });
    this.#worker = worker;
    worker.on('message', (telling: HistoryTelling) => {
      this.#hear(telling);
    });
    worker.on('error', (error) => {
      this.#log(`history: its thread was lost: ${reasonOf(error)}`);
    });
    worker.on('exit', () => {
      if (this.#worker === worker) void this.#restart(worker);
    });
  }

  async #restart(worker: Worker): Promise<void> {
    await this.#lose(worker);
    await sleep(this.#restartMs, undefined, { ref: false });
    this.#restartMs = Math.min(this.#restartMs * 2, maxRestartMs);
    if (!this.#closed) this.#start();
  }

  #hear(telling: HistoryTelling): void {
    if ('news' in telling) {
      this.#news = telling.news;
      this.#count++;
      this.#restartMs = firstRestartMs;
      for (const wake of this.#watchers) wake();
      this.#told(telling.news);
    } else if ('log' in telling) this.#log(telling.log);
    else this.#settle(telling);
  }

  #settle(telling: Extract<HistoryTelling, { id: number }>): void {
    const pending = this.#pending.get(telling.id);
    if (pending === undefined) return;
    this.#pending.delete(telling.id);
    clearTimeout(pending.timer);
    if ('result' in telling) pending.done(telling.result);
    else {
      const { code, message, detail } = telling.error;
      pending.failed(fail(isErrorCode(code) ? code : 'ERR_INTERNAL', { message, ...(detail !== undefined && { detail }) }));
    }
  }

  async #lose(worker: Worker | null): Promise<void> {
    this.#worker = null;
    for (const { failed, timer } of this.#pending.values()) {
      clearTimeout(timer);
      failed(unavailable());
    }
    this.#pending.clear();
    await worker?.terminate();
  }
}

const reachMs = 500;
const hourCount = 24;

/** What lists and numbers are made of, up to what the log holds now, as far as the history gets there soon. */
export function historyReading(history: HistoryThread, reader: Pick<AuditReader, 'status'>): HistoryReading {
  const asked = async <K extends keyof HistoryQuestions>(ask: K, input: InputOf<K>): Promise<AnswerOf<K>> => {
    const { size } = await reader.status();
    await history.ask('reach', { size, withinMs: reachMs });
    return history.ask(ask, input);
  };
  return {
    sessions: (query) => asked('sessions', query),
    session: (id) => asked('session', { id }),
    hours: () => asked('hours', { now: systemClock.now(), count: hourCount }),
    ledger: (since) => asked('ledger', { since }),
    heads: (indexes) => asked('heads', { indexes }),
    disk: () => history.ask('disk', {}),
  };
}

function unavailable(): Error {
  return fail('ERR_AUDIT_UNAVAILABLE', { message: 'Lists and searches are being started.', hint: 'Try again in a moment.' });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}

import { Worker } from 'node:worker_threads';
import type { Catalogue, Unclassified } from './statement.ts';
import { unclassified } from './classify-statement.ts';
import type { Outline } from './classify-statement.ts';
import type { Known, Names, Report, Task } from './classify-worker.ts';

interface Job {
  readonly sql: Uint8Array;
  readonly catalogue: Catalogue;
  readonly done: (outline: Outline | Unclassified) => void;
  /** runs from the submission, so that waiting in line counts */
  timer: NodeJS.Timeout | undefined;
}

const maxQueued = 32;
const overdue = unclassified('ERR_STATEMENT_TOO_LARGE', 'deadline', 'Parsing the statement took too long.');
const broken = unclassified('ERR_STATEMENT_TOO_LARGE', 'parser', 'The statement is too complex.');
const busy = unclassified('ERR_STATEMENT_TOO_LARGE', 'queue', 'Too many long statements at once.');

/** One worker thread, one text at a time; it is ended and started anew when a text takes too long or breaks it. */
export class Offload {
  readonly #deadlineMs: number;
  readonly #queue: Job[] = [];
  #worker: Worker | null = null;
  #current: Job | null = null;

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  /** Never rejects. `sql` must not change until it settles. */
  outline(sql: Uint8Array, catalogue: Catalogue): Promise<Outline | Unclassified> {
    if (this.#queue.length >= maxQueued) return Promise.resolve(busy);
    return new Promise((resolve) => {
      const job: Job = { sql, catalogue, done: resolve, timer: undefined };
      job.timer = setTimeout(() => {
        this.#overdue(job);
      }, this.#deadlineMs);
      this.#queue.push(job);
      this.#next();
    });
  }

  async close(): Promise<void> {
    for (const job of this.#queue.splice(0)) finish(job, broken);
    await this.#stop(broken);
  }

  #overdue(job: Job): void {
    const waiting = this.#queue.indexOf(job);
    if (waiting >= 0) {
      this.#queue.splice(waiting, 1);
      finish(job, busy);
    } else if (this.#current === job) {
      void this.#stop(overdue);
    }
  }

  #next(): void {
    if (this.#current !== null) return;
    const job = this.#queue.shift();
    if (job === undefined) {
      this.#worker?.unref();
      return;
    }
    this.#current = job;
    const worker = this.#running();
    worker.ref();
    this.#send(worker, { sql: job.sql });
  }

  #send(worker: Worker, task: Task): void {
    worker.postMessage(task);
  }

  #running(): Worker {
    if (this.#worker !== null) return this.#worker;
    const worker = new Worker(new URL('./classify-worker.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 1_024, stackSizeMb: 8 },
      stdin: false,
    });
    this.#worker = worker;
    worker.on('message', (report: Report) => {
      if (this.#worker === worker) this.#received(worker, report);
    });
    const ended = (): void => {
      if (this.#worker === worker) void this.#stop(broken);
    };
    worker.on('error', ended);
    worker.on('exit', ended);
    return worker;
  }

  #received(worker: Worker, report: Report): void {
    if (this.#current === null) return;
    if ('asks' in report) this.#send(worker, { known: answers(report.asks, this.#current.catalogue) });
    else this.#settle(report.outline);
  }

  #settle(outline: Outline | Unclassified): void {
    const current = this.#current;
    if (current === null) return;
    this.#current = null;
    finish(current, outline);
    this.#next();
  }

  async #stop(why: Unclassified): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#settle(why);
    await worker?.terminate();
  }
}

function finish(job: Job, outline: Outline | Unclassified): void {
  clearTimeout(job.timer);
  job.done(outline);
}

function answers(names: Names, catalogue: Catalogue): Known {
  return {
    relations: names.relations.map(([schema, name]) => catalogue.relations(schema, name)),
    functions: names.functions.map((name) => (catalogue.isUserFunction(name) ? (catalogue.functionSchemas?.(name) ?? ['?']) : null)),
    hasUserOperators: catalogue.hasUserOperators,
  };
}

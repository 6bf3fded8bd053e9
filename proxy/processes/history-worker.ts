import { parentPort, workerData } from 'node:worker_threads';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LogDirectory } from '../audit/log-directory.ts';
import { AuditReader } from '../audit/reader.ts';
import { asAppError, fail } from '../contract/errors.ts';
import { DiskMeter, type DiskUse } from '../history/disk-use.ts';
import { Follower, type LogSource, type News } from '../history/follower.ts';
import { History } from '../history/history.ts';
import { Projection, type HistoryEntry } from '../history/projection.ts';
import { openHistoryDatabase } from '../history/schema.ts';
import { systemClock } from '../lib/clock.ts';
import { parseCheckpoint } from '../proof/checkpoint.ts';
import { tileWidth } from '../proof/tiles.ts';
import { discardDatabase } from '../store/database.ts';

/** Everything of the history in a thread of its own: SQLite is synchronous, and control must go on answering. */
export const HistoryPlace = z.strictObject({ path: z.string(), dir: z.string(), audit: z.string(), auditSocket: z.string() });
export type HistoryPlace = z.infer<typeof HistoryPlace>;

/** What can be asked of the thread: each question takes one value and gives one. */
export interface HistoryQuestions extends Pick<History, 'find' | 'sessionEvents' | 'sessions' | 'session' | 'hours' | 'ledger' | 'heads'> {
  reach(input: { size: number; withinMs: number }): number | Promise<number>;
  disk(input: Record<string, never>): Promise<DiskUse>;
}

export interface HistoryAsking {
  readonly id: number;
  readonly ask: keyof HistoryQuestions;
  readonly input: unknown;
}

export type HistoryTelling =
  | { readonly news: News }
  | { readonly log: string }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string; readonly detail: string | undefined } };

/** so far behind, the files are read: the log's own process has better things to do */
const filesAfterEvents = 1_000;
const sampleMs = 3_600_000;
const retryMs = 1_000;

function sourceOf({ audit, auditSocket }: HistoryPlace): LogSource {
  // without a token: it gets no bodies
  const reader = new AuditReader({ socketPath: auditSocket });
  const directory = new LogDirectory(audit);
  let published = 0;
  const publishedBeyond = async (from: number): Promise<boolean> => {
    if (published > from) return true;
    const note = (await directory.checkpoint())?.toString() ?? '';
    published = parseCheckpoint(note.split('\n\n')[0]?.concat('\n') ?? '')?.size ?? 0;
    return published > from;
  };
  return {
    grown: (size) => reader.grown(size),
    async read(from, size) {
      if (size - from > filesAfterEvents && (await publishedBeyond(from))) return bundleFrom(directory, from, published);
      return (await reader.read({ from, to: size })).entries;
    },
  };
}

const bundlesAtOnce = 4;

async function bundleFrom(directory: LogDirectory, from: number, size: number): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  const end = Math.min(size, (Math.floor(from / tileWidth) + bundlesAtOnce) * tileWidth);
  for (let at = from; at < end; ) {
    const headers = (await directory.bundle(Math.floor(at / tileWidth), size)).slice(at % tileWidth);
    for (const header of headers) entries.push({ index: at++, header: header.toString() });
  }
  return entries;
}

interface Opened {
  readonly follower: Follower;
  readonly questions: HistoryQuestions;
}

function tell(telling: HistoryTelling): void {
  parentPort?.postMessage(telling);
}

let opened: PromiseWithResolvers<Opened> = Promise.withResolvers();

/** One life of the database, until it turns out to be damaged. */
async function live(place: HistoryPlace, source: LogSource, meter: DiskMeter): Promise<void> {
  const database = openHistoryDatabase(place.path);
  const over = new AbortController();
  try {
    const history = new History(database);
    const follower = new Follower(new Projection(database), source, (news) => {
      tell({ news });
    });
    const questions: HistoryQuestions = {
      find: (input) => history.find(input),
      sessionEvents: (input) => history.sessionEvents(input),
      sessions: (input) => history.sessions(input),
      session: (input) => history.session(input),
      hours: (input) => history.hours(input),
      ledger: (input) => history.ledger(input),
      heads: (input) => history.heads(input),
      reach: ({ size, withinMs }) => follower.reach(size, withinMs),
      disk: () => meter.read(history),
    };
    opened.resolve({ follower, questions });
    const sample = (): void => {
      void meter.read(history).catch(() => undefined);
    };
    const timer = setInterval(sample, sampleMs);
    over.signal.addEventListener('abort', () => {
      clearInterval(timer);
    });
    sample();
    await follower.run(over.signal);
  } finally {
    over.abort();
    opened = Promise.withResolvers();
    database.close();
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB, besides what we find ourselves. */
function isDamaged(error: unknown): boolean {
  if (asAppError(error).code === 'ERR_STATE_DAMAGED') return true;
  return error instanceof Error && 'errcode' in error && (error.errcode === 11 || error.errcode === 26);
}

async function answer({ id, ask, input }: HistoryAsking): Promise<void> {
  try {
    const { questions } = await opened.promise;
    if (!Object.hasOwn(questions, ask)) throw fail('ERR_INTERNAL', { detail: `the history knows no ${ask}` });
    // control's own types say that the input is the one of the question
    const result = await (questions[ask] as (input: unknown) => unknown)(input);
    tell({ id, result });
  } catch (error) {
    const { code, message, detail } = asAppError(error);
    tell({ id, error: { code, message, detail } });
  }
}

async function run(place: HistoryPlace): Promise<never> {
  parentPort?.on('message', (asking: HistoryAsking) => {
    void answer(asking);
  });
  const source = sourceOf(place);
  const meter = new DiskMeter(place.dir, () => systemClock.now());
  for (;;) {
    try {
      await live(place, source, meter);
    } catch (error) {
      const damaged = isDamaged(error);
      tell({ log: `history: ${damaged ? 'made anew from the log' : 'opened anew'}: ${asAppError(error).detail ?? String(error)}` });
      if (damaged) discardDatabase(place.path);
      await sleep(retryMs);
    }
  }
}

await run(HistoryPlace.parse(workerData));

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EventQuery } from './event-query.ts';
import { Follower, type LogSource, type News } from './follower.ts';
import { generatedLog, random } from './history.fake.ts';
import { History } from './history.ts';
import { Projection, type HistoryEntry } from './projection.ts';
import { openHistoryDatabase } from './schema.ts';

const log = generatedLog(20_000, 7);
const headers = log.map(({ header }) => JSON.parse(header) as Record<string, unknown>); // made just above
let directory: string;
let opened: DatabaseSync[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-history-'));
});
afterEach(() => {
  for (const database of opened) database.close();
  opened = [];
  rmSync(directory, { recursive: true, force: true });
});

function open(name = 'history.db'): DatabaseSync {
  const database = openHistoryDatabase(join(directory, name));
  opened.push(database);
  return database;
}

function batches(entries: readonly HistoryEntry[], size: (place: number) => number): HistoryEntry[][] {
  const found: HistoryEntry[][] = [];
  for (let from = 0; from < entries.length; from += found.at(-1)?.length ?? 1) found.push(entries.slice(from, from + size(from)));
  return found;
}

/** Everything that it says, with words instead of their numbers. */
function everything(database: DatabaseSync): unknown {
  const word = (column: string): string => `(SELECT text FROM words WHERE words.id = ${column}) AS ${column}`;
  const words = ['code', 'principal', 'resource', 'session', 'request', 'error', 'shadow', 'shadow_version'].map(word).join(', ');
  return [
    `SELECT id, at, outcome, operation, ${words} FROM events ORDER BY id`,
    'SELECT * FROM sessions ORDER BY started',
    'SELECT * FROM hours ORDER BY hour',
    'SELECT * FROM ledger ORDER BY day, rule, resource',
    'SELECT * FROM blocks ORDER BY block',
    'SELECT * FROM cursor',
  ].map((sql) => database.prepare(sql).all());
}

const wholePage = { limit: 1_000, before: Number.MAX_SAFE_INTEGER, budgetMs: 10_000 };

function found(history: History, query: EventQuery): number[] {
  const indexes: number[] = [];
  for (let before: number | null = Number.MAX_SAFE_INTEGER; before !== null; ) {
    const page = history.find({ query, ...wholePage, limit: 700, before });
    indexes.push(...page.indexes);
    before = page.before;
  }
  return indexes;
}

/** The same question, answered by looking at every header. */
function scanned({ codes, principal, resource, session, operation, outcome, from, to, shadowed }: EventQuery): number[] {
  return (
    headers
      .map((header, index) => ({ header, index, at: Date.parse(String(header['at'])), name: (header['actor'] as { name: string }).name }))
      // eslint-disable-next-line complexity -- one line for each filter
      .filter(({ header, at, name }) => {
        const is = (member: string, wanted: string | undefined): boolean => wanted === undefined || header[member] === wanted;
        const about = resource === undefined || header['affected'] === resource || header['affected'] === `resource:${resource}`;
        const shadow = shadowed === undefined || (header['shadow'] !== undefined && (shadowed === true || header['shadowVersion'] === shadowed));
        const coded = codes === null || codes.includes(String(header['code']));
        const within = (from === undefined || at >= Date.parse(from)) && (to === undefined || at <= Date.parse(to));
        const same = is('session', session) && is('operation', operation) && is('outcome', outcome);
        return coded && about && shadow && within && same && (principal === undefined || name === principal);
      })
      .map(({ index }) => index)
      .reverse()
  );
}

function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : 'nowhere';
}

function randomQuery(next: () => number): EventQuery {
  const some = <T>(value: () => T): T | undefined => (next() < 0.3 ? value() : undefined);
  const header = (): Record<string, unknown> => headers[Math.floor(next() * headers.length)] ?? {};
  const textOf = (member: string): string => wordOf(header()[member]);
  const time = (): string => textOf('at');
  return {
    codes: some(() => Array.from({ length: 1 + Math.floor(next() * 2) }, () => textOf('code'))) ?? null,
    principal: some(() => (header()['actor'] as { name: string }).name),
    resource: some(() => (next() < 0.9 ? textOf('affected') : 'nothing').replace('resource:', '')),
    session: some(() => textOf('session')),
    operation: some(() => textOf('operation')),
    outcome: some(() => textOf('outcome')),
    from: some(time),
    to: some(time),
    shadowed: some(() => (next() < 0.5 ? true : 'pol_one')),
  };
}

describe('the projection', () => {
  test('says the same however the log came in', () => {
    const whole = open('whole.db');
    new Projection(whole).apply(log);
    const next = random(3);
    const piecemeal = open('piecemeal.db');
    const projection = new Projection(piecemeal);
    // what came before comes again, as after a lost connection
    for (const batch of batches(log, () => 1 + Math.floor(next() * 900)))
      projection.apply([...log.slice(Math.max(0, (batch[0]?.index ?? 0) - 5), batch[0]?.index), ...batch]);
    expect(everything(piecemeal)).toEqual(everything(whole));
    expect(projection.next).toBe(log.length);
  });

  test('goes on exactly where it was when it is lost in the middle of a batch', () => {
    const whole = open('whole.db');
    new Projection(whole).apply(log.slice(0, 6_000));
    const database = open('lost.db');
    const projection = new Projection(database);
    projection.apply(log.slice(0, 2_500));
    const torn = [...log.slice(2_500, 4_000), ...log.slice(4_001, 4_100)];
    expect(() => {
      projection.apply(torn);
    }).toThrow();
    expect(projection.next).toBe(2_500);
    projection.apply(log.slice(2_500, 6_000));
    expect(everything(database)).toEqual(everything(whole));
  });

  test('an event that is missing is noticed', () => {
    const projection = new Projection(open());
    projection.apply(log.slice(0, 10));
    expect(() => {
      projection.apply(log.slice(11, 20));
    }).toThrow(expect.objectContaining({ code: 'ERR_STATE_DAMAGED' }) as Error);
  });

  test('a header that says nothing, or something else than it should, is an event all the same', () => {
    const database = open();
    const odd = ['{}', '[]', 'null', '{"at":7,"actor":"x","masked":[1],"code":"future.event","outcome":"new","session":5}'];
    new Projection(database).apply(odd.map((header, index) => ({ index, header })));
    expect(new History(database).find({ query: { codes: null }, ...wholePage }).indexes).toEqual([3, 2, 1, 0]);
  });

  test('the file is its owner’s; one of another version or of other bytes is refused', () => {
    open().close();
    opened = [];
    expect(statSync(join(directory, 'history.db')).mode & 0o777).toBe(0o600);
    const newer = openHistoryDatabase(join(directory, 'newer.db'));
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    writeFileSync(join(directory, 'other.db'), Buffer.alloc(8_192, 'not a database'));
    for (const name of ['newer.db', 'other.db'])
      expect(() => openHistoryDatabase(join(directory, name))).toThrow(expect.objectContaining({ code: 'ERR_STATE_DAMAGED' }) as Error);
  });
});

describe('questions', () => {
  test('random filters find what a look at every event finds, in whatever pages', () => {
    const database = open();
    new Projection(database).apply(log);
    const history = new History(database);
    const next = random(11);
    let matched = 0;
    for (let round = 0; round < 80; round++) {
      const query = randomQuery(next);
      const expected = scanned(query);
      matched += Math.min(expected.length, 1);
      expect(found(history, query), JSON.stringify(query)).toEqual(expected);
    }
    expect(matched).toBeGreaterThan(25);
  });

  test('a search that is over its time says where to go on', () => {
    const database = open();
    new Projection(database).apply(log);
    const long = Array.from({ length: 70_000 }, (_, place) => ({ index: log.length + place, header: '{"code":"audit.read"}' }));
    new Projection(database).apply(long);
    const history = new History(database);
    const query = { codes: ['session.started'], outcome: 'pending' };
    const first = history.find({ query, limit: 5, before: 90_000, budgetMs: 0 });
    expect(first.indexes).toEqual([]);
    expect(first.before).toBeGreaterThan(0);
  });

  test('sessions as their events tell them, latest first, page by page', () => {
    const database = open();
    new Projection(database).apply(log);
    const history = new History(database);
    const started = headers.flatMap((header, index) => (header['code'] === 'session.started' && header['affected'] === 'payments' ? [index] : [])).reverse();
    const seen: number[] = [];
    for (let before = Number.MAX_SAFE_INTEGER; ; ) {
      const page = history.sessions({ resource: 'payments', before, limit: 17 });
      seen.push(...page.map((session) => session.started));
      if (page.length < 17) break;
      before = page.at(-1)?.started ?? 0;
    }
    expect(seen).toEqual(started);
    const id = String(headers.find(({ code }) => code === 'session.ended')?.['session']);
    const ended = headers.find((header) => header['code'] === 'session.ended' && header['session'] === id);
    expect(history.session({ id })).toMatchObject({
      endedAt: ended?.['at'],
      operations: ended?.['seq'],
      reason: 'client left',
      recordingRoot: 'cm9vdA==',
      account: 'app',
    });
    expect(history.session({ id: 'ses_none' })).toBeNull();
    const events = history.sessionEvents({ session: id, after: -1, limit: 10_000 });
    expect(events).toEqual(scanned({ codes: null, session: id }).reverse());
    expect(history.sessionEvents({ session: id, after: events[2] ?? 0, limit: 2 })).toEqual(events.slice(3, 5));
  });

  test('counts by the hour and by rule are what the events add up to', () => {
    const database = open();
    new Projection(database).apply(log);
    const history = new History(database);
    const now = Math.max(...headers.map(({ at }) => Date.parse(String(at))));
    const hours = history.hours({ now, count: 24 });
    expect(hours).toHaveLength(24);
    const since = hours[0]?.from ?? 0;
    const recent = headers.filter(({ at }) => Date.parse(String(at)) >= since);
    const count = (...codes: string[]): number => recent.filter(({ code }) => codes.includes(String(code))).length;
    const sum = (member: 'permitted' | 'refused' | 'held' | 'masked'): number => hours.reduce((total, hour) => total + hour[member], 0);
    const values = (of: readonly Record<string, unknown>[]): number =>
      of.flatMap(({ masked }) => Object.values((masked ?? {}) as Record<string, number>)).reduce((total, one) => total + one, 0);
    expect([sum('permitted'), sum('refused'), sum('held'), sum('masked')]).toEqual([
      count('operation.intended'),
      count('operation.refused'),
      count('approval-request.created'),
      values(recent),
    ]);
    const ledger = history.ledger({ since: 0 });
    expect(ledger.reduce((total, row) => total + row.values, 0)).toBe(values(headers));
    const pans = headers.filter((header) => header['affected'] === 'payments' && (header['masked'] as { pan?: number } | undefined)?.pan !== undefined);
    expect(ledger.find(({ rule, resource }) => rule === 'pan' && resource === 'payments')).toMatchObject({ operations: pans.length });
    expect(history.heads({ indexes: [5, 999_999] })).toEqual([
      { index: 5, at: Date.parse(String(headers[5]?.['at'])), by: (headers[5]?.['actor'] as { name: string }).name },
    ]);
  });
});

describe('the follower', () => {
  function sourceOf(entries: readonly HistoryEntry[], readable: () => number): LogSource {
    return {
      grown: async (size) => {
        if (readable() <= size) await new Promise((resolve) => setTimeout(resolve, 5));
        return readable();
      },
      read: (from, size) => Promise.resolve(entries.slice(from, Math.min(size, from + 400))),
    };
  }

  async function running(follower: Follower, work: () => Promise<void>): Promise<unknown> {
    const over = new AbortController();
    const run = follower.run(over.signal).catch((error: unknown) => error);
    await work();
    over.abort();
    return run;
  }

  test('takes in what there is, then what comes, and tells of it', async () => {
    let size = 3_000;
    const news: News[] = [];
    const projection = new Projection(open());
    const follower = new Follower(
      projection,
      sourceOf(log, () => size),
      (told) => news.push(told),
    );
    await running(follower, async () => {
      expect(await follower.reach(3_000, 5_000)).toBe(3_000);
      size = 3_500;
      expect(await follower.reach(3_500, 5_000)).toBe(3_500);
      // not there yet: gives what it has when the time is over
      expect(await follower.reach(4_000, 50)).toBe(3_500);
    });
    expect(news.at(-1)).toMatchObject({ size: 3_500, next: 3_500 });
    expect(new Set(news.flatMap(({ codes }) => codes))).toContain('operation.intended');
  });

  test('is no projection of a shorter log, or of another one', async () => {
    const database = open();
    new Projection(database).apply(log.slice(0, 1_000));
    const shorter = new Follower(
      new Projection(database),
      sourceOf(log, () => 900),
      () => undefined,
    );
    expect(await running(shorter, () => new Promise((resolve) => setTimeout(resolve, 50)))).toMatchObject({ code: 'ERR_STATE_DAMAGED' });
    const other = new Follower(
      new Projection(database),
      sourceOf(generatedLog(2_000, 8), () => 2_000),
      () => undefined,
    );
    expect(await running(other, () => new Promise((resolve) => setTimeout(resolve, 50)))).toMatchObject({ code: 'ERR_STATE_DAMAGED' });
  });
});

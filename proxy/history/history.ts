import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { EventFinder, type EventQuery, type FoundEvents } from './event-query.ts';
import { dayMs, hourMs } from './tally.ts';

/** A session as its events tell it. */
export interface PastSession {
  /** index of its beginning */
  readonly started: number;
  readonly id: string;
  readonly principal: string;
  readonly resource: string;
  readonly database: string;
  readonly account: string;
  readonly address: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly operations: number;
  readonly reason: string | null;
  readonly recordingRoot: string | null;
}

export interface HourCounts {
  /** milliseconds since the epoch */
  readonly from: number;
  readonly permitted: number;
  readonly refused: number;
  readonly held: number;
  readonly masked: number;
}

export interface LedgerSum {
  readonly rule: string;
  readonly resource: string;
  readonly values: number;
  readonly operations: number;
  /** milliseconds since the epoch */
  readonly latest: number;
}

export interface SessionQuery {
  readonly principal?: string | undefined;
  readonly resource?: string | undefined;
  /** those that began earlier than this index */
  readonly before: number;
  readonly limit: number;
}

/** How much disk was taken at a moment, in milliseconds since the epoch. */
export interface DiskSample {
  readonly at: number;
  readonly used: number;
}

const maxLedgerRows = 1_000;
const sampleDays = 8;

/** What can be asked of the history; each question has one parameter, so that it can be sent to another thread. */
export class History {
  readonly #finder: EventFinder;
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#finder = new EventFinder(database);
  }

  find({ query, ...page }: { query: EventQuery; limit: number; before: number; budgetMs: number }): FoundEvents {
    return this.#finder.find(query, page);
  }

  /** Indexes of a session's events after one, oldest first. */
  sessionEvents({ session, after, limit }: { session: string; after: number; limit: number }): number[] {
    const sql = 'SELECT id FROM events WHERE session = (SELECT id FROM words WHERE text = ?) AND id > ? ORDER BY id LIMIT ?';
    return this.#all(sql, session, after, limit).map((row) => Number(row['id']));
  }

  /** Latest first. */
  sessions({ principal, resource, before, limit }: SessionQuery): PastSession[] {
    const conditions = [...(principal === undefined ? [] : ['principal = ?']), ...(resource === undefined ? [] : ['resource = ?'])];
    const values = [principal, resource].filter((value) => value !== undefined);
    const where = ['started < ?', ...conditions].join(' AND ');
    return this.#all(`SELECT * FROM sessions WHERE ${where} ORDER BY started DESC LIMIT ?`, before, ...values, limit).map(sessionOf);
  }

  session({ id }: { id: string }): PastSession | null {
    const row = this.#get('SELECT * FROM sessions WHERE id = ?', id);
    return row === undefined ? null : sessionOf(row);
  }

  /** The hour of `now` and those before it, oldest first, also those in which nothing happened. */
  hours({ now, count }: { now: number; count: number }): HourCounts[] {
    const last = Math.floor(now / hourMs);
    const rows = this.#all('SELECT * FROM hours WHERE hour > ? AND hour <= ?', last - count, last);
    const found = new Map(rows.map((row) => [Number(row['hour']), row]));
    return Array.from({ length: count }, (_, place) => {
      const hour = last - count + 1 + place;
      const row = found.get(hour);
      const countOf = (column: string): number => Number(row?.[column] ?? 0);
      return { from: hour * hourMs, permitted: countOf('permitted'), refused: countOf('refused'), held: countOf('held'), masked: countOf('masked') };
    });
  }

  /** What each rule hid on each resource, most values first; `since`: milliseconds since the epoch, whole days. */
  ledger({ since }: { since: number }): LedgerSum[] {
    const rows = this.#all(
      `SELECT rule, resource, sum(hidden) AS hidden, sum(operations) AS operations, max(latest) AS latest FROM ledger
       WHERE day >= ? GROUP BY rule, resource ORDER BY hidden DESC, rule, resource LIMIT ?`,
      Math.floor(since / dayMs),
      maxLedgerRows,
    );
    return rows.map((row) => ({
      rule: String(row['rule']),
      resource: String(row['resource']),
      values: Number(row['hidden']),
      operations: Number(row['operations']),
      latest: Number(row['latest']),
    }));
  }

  /** When the events happened, and by whom; those it has not taken in are left out. `at` in milliseconds since the epoch. */
  heads({ indexes }: { indexes: readonly number[] }): { index: number; at: number; by: string }[] {
    const sql = 'SELECT events.id AS id, at, text FROM events JOIN words ON words.id = principal WHERE events.id IN (SELECT value FROM json_each(?))';
    return this.#all(sql, JSON.stringify(indexes)).map((row) => ({ index: Number(row['id']), at: Number(row['at']), by: String(row['text']) }));
  }

  /** Oldest first. */
  diskSamples({ since }: { since: number }): DiskSample[] {
    return this.#all('SELECT at, used FROM disk_samples WHERE at >= ? ORDER BY at', since).map((row) => ({ at: Number(row['at']), used: Number(row['used']) }));
  }

  /** Old samples go. */
  addDiskSample({ at, used }: DiskSample): void {
    this.#run('INSERT INTO disk_samples (at, used) VALUES (?, ?) ON CONFLICT (at) DO UPDATE SET used = excluded.used', at, used);
    this.#run('DELETE FROM disk_samples WHERE at < ?', at - sampleDays * dayMs);
  }

  #get(sql: string, ...values: SQLInputValue[]): Readonly<Record<string, unknown>> | undefined {
    return this.#statement(sql).get(...values);
  }

  #all(sql: string, ...values: SQLInputValue[]): readonly Readonly<Record<string, unknown>>[] {
    return this.#statement(sql).all(...values);
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }

  #statement(sql: string): StatementSync {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#prepared.set(sql, statement);
    return statement;
  }
}

function sessionOf(row: Readonly<Record<string, unknown>>): PastSession {
  const text = (column: string): string => String(row[column]);
  const textOrNull = (column: string): string | null => (typeof row[column] === 'string' ? row[column] : null);
  return {
    started: Number(row['started']),
    id: text('id'),
    principal: text('principal'),
    resource: text('resource'),
    database: text('database'),
    account: text('account'),
    address: text('address'),
    startedAt: text('started_at'),
    endedAt: textOrNull('ended_at'),
    operations: Number(row['operations']),
    reason: textOrNull('reason'),
    recordingRoot: textOrNull('recording_root'),
  };
}

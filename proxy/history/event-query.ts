import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { outcomeOf, resourceOf } from './header-facts.ts';

/** Which events; null and absent: of every kind. */
export interface EventQuery {
  readonly codes: readonly string[] | null;
  readonly principal?: string | undefined;
  readonly resource?: string | undefined;
  readonly session?: string | undefined;
  readonly operation?: string | undefined;
  readonly outcome?: string | undefined;
  /** RFC 3339, both included */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** only those on which shadow policies would have decided otherwise; a text: of that version */
  readonly shadowed?: true | string | undefined;
}

export interface FoundEvents {
  /** indexes in the log, newest first */
  readonly indexes: readonly number[];
  /** go on before this index; null: there are no more */
  readonly before: number | null;
}

/** events looked through at once */
const windowEvents = 65_536;
const blockEvents = 1_024;
/** outcomes from this one on have an index */
const firstFailed = outcomeOf('failure');

interface Condition {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

/** Finds events by what their headers say. */
export class EventFinder {
  readonly #database: DatabaseSync;
  readonly #word: StatementSync;
  readonly #blocks: StatementSync;
  readonly #newest: StatementSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#word = database.prepare('SELECT id FROM words WHERE text = ?');
    this.#newest = database.prepare('SELECT max(id) AS id FROM events');
    this.#blocks = database.prepare('SELECT min(block) AS first, max(block) AS last FROM blocks WHERE latest >= ? AND earliest <= ?');
  }

  /** Looks from `before` down for at most `budgetMs`; gives what it found until then and where to go on. */
  find(query: EventQuery, page: { limit: number; before: number; budgetMs: number }): FoundEvents {
    const conditions = this.#conditionsOf(query);
    const range = this.#rangeOf(query);
    if (conditions === null || range === null) return { indexes: [], before: null };
    const statement = this.#select(conditions);
    const values = conditions.flatMap((condition) => condition.values);
    const deadline = performance.now() + page.budgetMs;
    const indexes: number[] = [];
    let before = Math.min(page.before, range.end);
    while (before > range.start) {
      const from = Math.max(range.start, before - windowEvents);
      const wanted = page.limit - indexes.length;
      const rows = statement.all(from, before, ...values, wanted);
      for (const row of rows) indexes.push(Number(row['id']));
      const last = indexes.at(-1);
      if (rows.length === wanted && last !== undefined) return { indexes, before: last > range.start ? last : null };
      before = from;
      if (performance.now() > deadline) break;
    }
    return { indexes, before: before > range.start ? before : null };
  }

  /** Null: a word that never occurred, so nothing can match. */
  #conditionsOf(query: EventQuery): Condition[] | null {
    const { principal, resource, session, operation } = query;
    const conditions = [
      this.#words('code', query.codes),
      this.#words('principal', principal === undefined ? null : [principal]),
      this.#words('resource', resource === undefined ? null : [resourceOf(resource)]),
      this.#words('session', session === undefined ? null : [session]),
      operation === undefined ? always : { sql: 'operation = ?', values: [operation] },
      outcomeCondition(query.outcome),
      timeCondition(query),
      this.#shadowCondition(query.shadowed),
    ];
    const given = conditions.filter((condition) => condition !== null && condition.sql !== '');
    return conditions.includes(null) ? null : given.filter((condition) => condition !== null);
  }

  #words(column: string, texts: readonly string[] | null): Condition | null {
    if (texts === null) return always;
    const ids = texts.map((text) => this.#word.get(text)?.['id']).filter((id) => id !== undefined);
    if (ids.length === 0) return null;
    return { sql: ids.length === 1 ? `${column} = ?` : `${column} IN (${ids.map(() => '?').join(', ')})`, values: ids };
  }

  #shadowCondition(shadowed: EventQuery['shadowed']): Condition | null {
    if (shadowed === undefined) return always;
    const version = this.#words('shadow_version', shadowed === true ? null : [shadowed]);
    if (version === null) return null;
    return { sql: version.sql === '' ? 'shadow IS NOT NULL' : `shadow IS NOT NULL AND ${version.sql}`, values: version.values };
  }

  #rangeOf({ from, to }: EventQuery): { start: number; end: number } | null {
    if (from === undefined && to === undefined) return { start: 0, end: Number(this.#newest.get()?.['id'] ?? -1) + 1 };
    const row = this.#blocks.get(millisOf(from, -Infinity), millisOf(to, Infinity));
    const [first, last] = [row?.['first'], row?.['last']];
    if (typeof first !== 'number' || typeof last !== 'number') return null;
    return { start: first * blockEvents, end: (last + 1) * blockEvents };
  }

  #select(conditions: readonly Condition[]): StatementSync {
    const where = ['id >= ?', 'id < ?', ...conditions.map(({ sql }) => sql)].join(' AND ');
    const known = this.#prepared.get(where);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(`SELECT id FROM events WHERE ${where} ORDER BY id DESC LIMIT ?`);
    this.#prepared.set(where, statement);
    return statement;
  }
}

const always: Condition = { sql: '', values: [] };

/** A number of ours in the text; where it says so twice, SQLite sees that the index of failures serves. */
function outcomeCondition(outcome: string | undefined): Condition {
  if (outcome === undefined) return always;
  const number = outcomeOf(outcome);
  return { sql: number < firstFailed ? `outcome = ${String(number)}` : `outcome = ${String(number)} AND outcome >= ${String(firstFailed)}`, values: [] };
}

function timeCondition({ from, to }: EventQuery): Condition {
  if (from === undefined && to === undefined) return always;
  return { sql: 'at BETWEEN ? AND ?', values: [millisOf(from, -Infinity), millisOf(to, Infinity)] };
}

function millisOf(time: string | undefined, otherwise: number): number {
  return time === undefined ? otherwise : Date.parse(time);
}

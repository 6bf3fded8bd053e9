import { hash } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { fail } from '../contract/errors.ts';
import { inTransaction } from '../store/database.ts';
import { factsOf, type HeaderFacts } from './header-facts.ts';
import { Tally } from './tally.ts';

/** A public header of the log. */
export interface HistoryEntry {
  readonly index: number;
  /** canonical JSON, as in the log */
  readonly header: string;
}

const blockEvents = 1_024;
const maxKnownWords = 50_000;

/** Takes the log in, event after event; rows and cursor change together, so that a lost process goes on exactly where it was. */
export class Projection {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof statements, StatementSync>>;
  readonly #tally: Tally;
  readonly #words = new Map<string, number>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    const prepared = Object.entries(statements).map(([name, sql]) => [name, database.prepare(sql)]);
    // one prepared statement per text
    this.#statements = Object.fromEntries(prepared) as Record<keyof typeof statements, StatementSync>;
    this.#tally = new Tally(database);
  }

  /** the index of the next event */
  get next(): number {
    return Number(this.#statements.cursor.get()?.['next']);
  }

  /** SHA-256 of the last header that was taken in; null before the first */
  get last(): Uint8Array | null {
    const last = this.#statements.cursor.get()?.['last'];
    return last instanceof Uint8Array ? last : null;
  }

  /** All of it or nothing; what was taken in before is passed over. Throws ERR_STATE_DAMAGED where one is missing. */
  apply(entries: readonly HistoryEntry[]): void {
    try {
      inTransaction(this.#database, () => {
        this.#applyAll(entries);
      });
    } catch (error) {
      // their rows are gone with the transaction
      this.#words.clear();
      this.#tally.clear();
      throw error;
    }
  }

  #applyAll(entries: readonly HistoryEntry[]): void {
    let { next } = this;
    let last: string | null = null;
    for (const { index, header } of entries) {
      if (index < next) continue;
      if (index > next) throw fail('ERR_STATE_DAMAGED', { detail: `the log gave event ${String(index)} after ${String(next - 1)}` });
      this.#add(index, factsOf(header));
      last = header;
      next = index + 1;
    }
    if (last === null) return;
    this.#tally.flush();
    this.#statements.advance.run(next, digestOf(last));
  }

  #add(index: number, facts: HeaderFacts): void {
    const { session, request, error, shadow, shadowVersion } = facts;
    const wordOrNull = (text: string | null): number | null => (text === null ? null : this.#word(text));
    this.#statements.event.run(
      index,
      facts.at,
      this.#word(facts.code),
      this.#word(facts.principal),
      this.#word(facts.resource),
      facts.outcome,
      wordOrNull(session),
      facts.operation,
      wordOrNull(request),
      wordOrNull(error),
      wordOrNull(shadow),
      wordOrNull(shadowVersion),
    );
    this.#tally.add(Math.floor(index / blockEvents), facts);
    if (session === null) return;
    if (facts.code === 'session.started') this.#start(index, session, facts);
    if (facts.code === 'session.ended') this.#statements.end.run(facts.atText, facts.reason, facts.digest, session);
  }

  #start(index: number, id: string, { principal, affected, database, account, origin, atText }: HeaderFacts): void {
    this.#statements.start.run(index, id, principal, affected, database, account, origin, atText);
  }

  #word(text: string): number {
    const known = this.#words.get(text);
    if (known !== undefined) return known;
    this.#statements.addWord.run(text);
    const id = Number(this.#statements.word.get(text)?.['id']);
    if (this.#words.size >= maxKnownWords) this.#words.clear();
    this.#words.set(text, id);
    return id;
  }
}

export function digestOf(header: string): Uint8Array {
  return hash('sha256', header, 'buffer');
}

const statements = {
  cursor: 'SELECT next, last FROM cursor',
  advance: 'UPDATE cursor SET next = ?, last = ?',
  word: 'SELECT id FROM words WHERE text = ?',
  addWord: 'INSERT INTO words (text) VALUES (?) ON CONFLICT DO NOTHING',
  event: `INSERT INTO events (id, at, code, principal, resource, outcome, session, operation, request, error, shadow, shadow_version)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  start: `INSERT INTO sessions (started, id, principal, resource, database, account, address, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO NOTHING`,
  end: 'UPDATE sessions SET ended_at = ?, reason = ?, recording_root = ? WHERE id = ?',
} as const;

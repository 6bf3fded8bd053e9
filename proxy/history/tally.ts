import type { DatabaseSync } from 'node:sqlite';
import type { EventCode } from '../contract/audit-event.ts';
import type { HeaderFacts } from './header-facts.ts';

export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

interface Counts {
  permitted: number;
  refused: number;
  held: number;
  masked: number;
}

interface Hidden {
  readonly day: number;
  readonly rule: string;
  readonly resource: string;
  values: number;
  operations: number;
  latest: number;
}

const counted: Partial<Record<EventCode, 'permitted' | 'refused' | 'held'>> = {
  'operation.intended': 'permitted',
  'operation.refused': 'refused',
  'access.denied': 'refused',
  'approval-request.created': 'held',
};
const countedBy: Readonly<Record<string, 'permitted' | 'refused' | 'held' | undefined>> = counted;

/** Sums over a batch of events, written once at its end. */
export class Tally {
  readonly #write: (tally: Tally) => void;
  readonly #hours = new Map<number, Counts>();
  readonly #blocks = new Map<number, { earliest: number; latest: number }>();
  readonly #hidden = new Map<string, Hidden>();
  /** newest operation of each session */
  readonly #operations = new Map<string, number>();

  constructor(database: DatabaseSync) {
    const hour = database.prepare(
      `INSERT INTO hours (hour, permitted, refused, held, masked) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (hour) DO UPDATE SET permitted = permitted + excluded.permitted, refused = refused + excluded.refused,
         held = held + excluded.held, masked = masked + excluded.masked`,
    );
    const block = database.prepare(
      `INSERT INTO blocks (block, earliest, latest) VALUES (?, ?, ?)
       ON CONFLICT (block) DO UPDATE SET earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest)`,
    );
    const hidden = database.prepare(
      `INSERT INTO ledger (day, rule, resource, hidden, operations, latest) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (day, rule, resource) DO UPDATE SET hidden = hidden + excluded.hidden, operations = operations + excluded.operations,
         latest = max(latest, excluded.latest)`,
    );
    const operations = database.prepare('UPDATE sessions SET operations = max(operations, ?) WHERE id = ?');
    this.#write = (tally) => {
      for (const [at, { permitted, refused, held, masked }] of tally.#hours) hour.run(at, permitted, refused, held, masked);
      for (const [number, { earliest, latest }] of tally.#blocks) block.run(number, earliest, latest);
      for (const { day, rule, resource, values, operations: count, latest } of tally.#hidden.values()) hidden.run(day, rule, resource, values, count, latest);
      for (const [session, seq] of tally.#operations) operations.run(seq, session);
    };
  }

  add(block: number, facts: HeaderFacts): void {
    const { at, session, seq } = facts;
    const times = this.#blocks.get(block);
    this.#blocks.set(block, { earliest: Math.min(at, times?.earliest ?? at), latest: Math.max(at, times?.latest ?? at) });
    if (session !== null && seq > 0) this.#operations.set(session, Math.max(seq, this.#operations.get(session) ?? 0));
    const kind = countedBy[facts.code];
    if (kind !== undefined) this.#hour(at)[kind] += 1;
    if (facts.code === 'operation.settled') this.#hide(facts);
  }

  flush(): void {
    this.#write(this);
    this.clear();
  }

  clear(): void {
    this.#hours.clear();
    this.#blocks.clear();
    this.#hidden.clear();
    this.#operations.clear();
  }

  #hide({ at, masked, resource }: HeaderFacts): void {
    const day = Math.floor(at / dayMs);
    for (const [rule, values] of masked) {
      this.#hour(at).masked += values;
      const key = JSON.stringify([day, rule, resource]);
      const hidden = this.#hidden.get(key) ?? { day, rule, resource, values: 0, operations: 0, latest: at };
      hidden.values += values;
      hidden.operations += 1;
      hidden.latest = Math.max(hidden.latest, at);
      this.#hidden.set(key, hidden);
    }
  }

  #hour(at: number): Counts {
    const hour = Math.floor(at / hourMs);
    const counts = this.#hours.get(hour) ?? { permitted: 0, refused: 0, held: 0, masked: 0 };
    this.#hours.set(hour, counts);
    return counts;
  }
}

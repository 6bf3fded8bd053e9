import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import { systemClock, type Clock } from '../lib/clock.ts';
import { reasonOf } from '../lib/errors.ts';
import { inTransaction, openDatabase } from './database.ts';
import type { LogPosition } from './position.ts';
import { isStateCode, rowOf, type StateCode } from './reduce.ts';
import { repositoriesOf, type ReadableState, type WritableState } from './repositories.ts';

/** An event as the log has it; `body` is null when the code has none or it was erased. */
export interface LoggedEvent {
  readonly position: LogPosition;
  readonly code: EventCode;
  readonly body: string | null;
}

/** A projection of the log's state events; control alone decides and writes, one change at a time. */
export interface State {
  readonly read: ReadableState;
  /** Whether a change may be announced. Throws ERR_INVALID_INPUT, ERR_CONFLICT, ERR_NOT_FOUND. */
  check(code: StateCode, value: unknown): void;
  /**
   * Applies a durable event; `body` is the JSON of the full new value. False when it was applied already, or changes
   * nothing. Throws ERR_STATE_DAMAGED when it cannot be applied; nothing is applied then.
   */
  applyEvent(position: LogPosition, event: { code: EventCode; body: string | null }): boolean;
  /** Nothing between the cursor and here changes state: the caller knows, being the only one who writes such events. */
  passTo(position: LogPosition): void;
  /**
   * Brings the state up to date: every event of the log, of whatever code, in order, from the cursor's next or earlier.
   * A missing one is ERR_STATE_DAMAGED. Gives how many changed the state.
   */
  replayFrom(events: Iterable<LoggedEvent> | AsyncIterable<LoggedEvent>): Promise<number>;
  snapshot(): Snapshot;
  close(): void;
}

const replayBatch = 500;
/** a grant stays in the snapshot for so long after its end */
const endedGrantMs = 86_400_000;
/** and a token that was got in exchange */
const endedTokenMs = 60_000;

/** Throws ERR_STATE_DAMAGED: then `discardDatabase`, open again, and replay the whole log. */
export function openState(path: string, clock: Clock = systemClock): State {
  return new SqliteState(openDatabase(path), clock);
}

class SqliteState implements State {
  readonly #database: DatabaseSync;
  readonly #state: WritableState;
  readonly #advance: StatementSync;
  readonly #clock: Clock;

  constructor(database: DatabaseSync, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#state = repositoriesOf(database);
    this.#advance = database.prepare('UPDATE cursor SET position = ?, version = version + ?');
  }

  get read(): ReadableState {
    return this.#state;
  }

  check(code: StateCode, value: unknown): void {
    rowOf(code).check(this.#state, value);
  }

  applyEvent(position: LogPosition, event: { code: EventCode; body: string | null }): boolean {
    return inTransaction(this.#database, () => this.#apply({ position, ...event }));
  }

  async replayFrom(events: Iterable<LoggedEvent> | AsyncIterable<LoggedEvent>): Promise<number> {
    let applied = 0;
    let batch: LoggedEvent[] = [];
    const flush = (): void => {
      applied += inTransaction(this.#database, () => this.#applyRun(batch));
      batch = [];
    };
    for await (const event of events) {
      batch.push(event);
      if (batch.length === replayBatch) flush();
    }
    flush();
    return applied;
  }

  passTo(position: LogPosition): void {
    if (position > this.#state.cursor) this.#advance.run(position, 0);
  }

  snapshot(): Snapshot {
    const state = this.#state;
    return {
      version: state.version,
      serviceAccounts: state.serviceAccounts.all(),
      tokens: state.tokens.since(new Date(this.#clock.now() - endedTokenMs).toISOString()),
      resources: state.resources.all(),
      policies: state.policies.current(),
      shadow: state.shadow.current(),
      maskingRules: state.maskingRules.all(),
      // gateways compare digests; the definitions are for people, and long
      toolPins: state.toolPins.all().map((pin) => ({ ...pin, offeredDefinition: '', approvedDefinition: null })),
      trustRules: state.trustRules.all(),
      approvers: state.users.all().map(({ createdAt: _, roles: __, ...approver }) => approver),
      grants: state.grants.endingAfter(this.#clock.now() - endedGrantMs),
    };
  }

  close(): void {
    this.#database.close();
  }

  #applyRun(events: readonly LoggedEvent[]): number {
    let applied = 0;
    for (const event of events) {
      const cursor = this.#state.cursor;
      if (event.position > cursor + 1) throw fail('ERR_STATE_DAMAGED', { detail: `the log gave event ${String(event.position)} after ${String(cursor)}` });
      if (this.#apply(event)) applied += 1;
    }
    return applied;
  }

  #apply(event: LoggedEvent): boolean {
    if (event.position <= this.#state.cursor) return false;
    const changes = isStateCode(event.code);
    if (changes) this.#reduce(event.code, event);
    this.#advance.run(event.position, changes ? 1 : 0);
    return changes;
  }

  #reduce(code: StateCode, event: LoggedEvent): void {
    if (event.body === null) throw fail('ERR_STATE_DAMAGED', { detail: `event ${String(event.position)} has lost its body` });
    try {
      rowOf(code).apply(this.#state, event.position, JSON.parse(event.body));
    } catch (error) {
      throw fail('ERR_STATE_DAMAGED', { detail: `event ${String(event.position)} (${code}) cannot be applied: ${reasonOf(error)}`, cause: error });
    }
  }
}

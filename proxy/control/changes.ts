import type { Actor, EventCode, EventHeader } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import type { Clock } from '../lib/clock.ts';
import { canonicalJson, type Canonical } from '../proof/canonical.ts';
import type { LogPosition } from '../store/position.ts';
import { isStateCode, type StateCode } from '../store/reduce.ts';
import type { State } from '../store/state.ts';
import type { Change, EventFields, EventLog } from './context.ts';

export interface ChangesOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly state: Pick<State, 'check' | 'applyEvent'>;
  /** Brings the state up to the log; needed after a change whose event may or may not be in it. */
  readonly resync: () => Promise<void>;
  /** after every change; null: after changes of whatever kind */
  readonly changed: (code: StateCode | null) => void;
}

interface Who {
  readonly actor: Actor;
  readonly origin: string;
}

/** Event first: nothing of the state changes before its event is durable, and one change at a time is decided. */
export class Changes {
  readonly #options: ChangesOptions;
  #last: Promise<unknown> = Promise.resolve();
  /** an event was sent to the log and the state did not follow: it may or may not be in the log */
  #uncertain = false;

  constructor(options: ChangesOptions) {
    this.#options = options;
  }

  /** inside `exclusive`: everything this process wrote to the log is in the state */
  get isCertain(): boolean {
    return !this.#uncertain;
  }

  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Only an event: something was read, lent or refused. */
  record(code: EventCode, who: Who, fields: EventFields): Promise<LogPosition> {
    const { body, outcome = 'success', ...rest } = fields;
    const at = new Date(this.#options.clock.now()).toISOString();
    const header: EventHeader = { ...rest, v: 1, code, at, actor: who.actor, origin: who.origin, outcome };
    return this.#options.log.record(header, body);
  }

  /** One change of state; to be called inside `exclusive`. */
  async commit(code: EventCode, who: Who, change: Change): Promise<void> {
    if (!isStateCode(code)) throw fail('ERR_INTERNAL', { detail: `${code} changes no state` });
    const { state, resync, changed } = this.#options;
    if (this.#uncertain) {
      await resync();
      this.#uncertain = false;
      changed(null);
    }
    state.check(code, change.value);
    // it passed its schema, so it is plain JSON
    const body = canonicalJson(change.value as Canonical);
    this.#uncertain = true;
    const at = await this.record(code, who, { ...fieldsOf(change), body });
    state.applyEvent(at, { code, body });
    this.#uncertain = false;
    // the log says it now; when this fails the vault's version check refuses until the credential is given again
    await change.effect?.(at);
    changed(code);
  }
}

function fieldsOf({ value: _value, effect: _effect, ...fields }: Change): Omit<EventFields, 'body'> {
  return fields;
}

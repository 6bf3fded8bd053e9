import type { Api, Output, Parsed, RouteName, StreamName } from '../contract/api.ts';
import type { Role } from '../contract/api-route.ts';
import type { Actor, EventCode, EventHeader } from '../contract/audit-event.ts';
import type { LogPosition } from '../store/position.ts';

/** A caller of the control API. */
export interface ControlCaller {
  readonly actor: Actor;
  readonly roles: readonly Role[];
  /** names of resources the token is good for; absent or empty: all */
  readonly resources?: readonly string[];
  /** the reason it may no longer call; null while its token is good */
  revoked(): string | null;
  /** approvers: when their key signed in, in milliseconds since the epoch */
  readonly signedInAt?: number;
  /** people: ends the sign-in */
  readonly end?: () => void;
}

/** What a handler adds to the event that its route names. */
export interface EventFields {
  readonly affected: string;
  /** sensitive: stored apart, committed to by the header */
  readonly body?: string;
  readonly outcome?: EventHeader['outcome'];
  readonly session?: string;
  readonly account?: string;
  readonly database?: string;
  readonly reason?: string;
  readonly count?: number;
  readonly error?: string;
  /** the approval request it is about */
  readonly request?: string;
  /** what the shadow policies would have done, where that differs */
  readonly shadow?: string;
  readonly shadowVersion?: string;
  /** public routes only: who proved an identity in the body */
  readonly actor?: Actor;
}

/** The log as control sees it. Resolves when the event is durable; rejects with ERR_AUDIT_UNAVAILABLE. */
export interface EventLog {
  record(header: EventHeader, body?: string): Promise<LogPosition>;
}

export interface Asking {
  readonly caller: ControlCaller;
  /** the client's address */
  readonly origin: string;
  /** aborts when the client is gone, or its token is */
  readonly signal: AbortSignal;
}

/** Records one of the events that the route names, durably. */
export interface Recording<C extends EventCode> {
  readonly record: (code: C, fields: EventFields) => Promise<LogPosition>;
}

export interface Change {
  readonly affected: string;
  /** the full new value, secrets excepted */
  readonly value: unknown;
  readonly request?: string;
  readonly session?: string;
  readonly reason?: string;
  readonly shadow?: string;
  readonly shadowVersion?: string;
  /** public routes only: who proved an identity in the body */
  readonly actor?: Actor;
  /** what else follows the event: the vault */
  readonly effect?: (at: LogPosition) => Promise<void>;
}

/** Makes one change: the event becomes durable, the state and `effect` follow, and every gateway hears of it. */
export type Commit<C extends EventCode> = (code: C, change: Change) => Promise<void>;

/** Changes of state: one at a time in the whole process, so that what was read is still true when it is changed. */
export interface Changing<C extends EventCode> extends Recording<C> {
  readonly exclusive: <T>(work: (commit: Commit<C>) => Promise<T>) => Promise<T>;
}

type EventOf<K extends RouteName> = Api[K]['event'] extends readonly (infer C extends EventCode)[] ? C : never;

export type ContextOf<K extends RouteName> = Asking &
  (Api[K]['event'] extends null ? unknown : Api[K]['method'] extends 'GET' ? Recording<EventOf<K>> : Changing<EventOf<K>>);

type ResultOf<K extends RouteName> = K extends StreamName ? AsyncIterable<Output<K>> : Output<K>;

/** One per route: a missing one, or one with a wrong result, does not compile. */
export type Handlers = { readonly [K in RouteName]: (input: Parsed<K>, context: ContextOf<K>) => Promise<ResultOf<K>> | ResultOf<K> };

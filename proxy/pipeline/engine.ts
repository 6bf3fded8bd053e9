import type { Caller } from '../contract/principal.ts';
import type { ColumnName, Facts, Span } from '../contract/operation.ts';
import type { ErrorCode } from '../contract/errors.ts';
import type { Protocol, Resource } from '../contract/resource.ts';
import type { Shape } from '../contract/shape.ts';
import type { AppError } from '../lib/errors.ts';
import type { OperationId, SessionId } from '../lib/ids.ts';
import type { Secret } from '../lib/secret.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * The protocol contract. An engine owns one client connection to its end and keeps reading, so that cancel, disconnect
 * and kill are seen while a command waits. It decides, stores and looks up nothing: it turns bytes into operations, asks
 * the gate, and moves bytes. Why it has this form: docs/adr/0002-engine-contract.md.
 */
export interface Engine {
  /** `web`: HTTP requests of several protocols on one connection; brokers serve them */
  readonly protocol: Protocol | 'web';
  /** Resolves when the connection is over; never rejects: faults end in the protocol's own error. */
  serve(client: Socket, gate: Gate, signal: AbortSignal): Promise<void>;
}

/** What serves the HTTP requests of one protocol, each by itself; the engine contract holds for it in everything else. */
export interface WebBroker {
  readonly protocol: Protocol;
  /** Resolves when the answer is over; never rejects. */
  serve(exchange: WebExchange, gate: Gate): Promise<void>;
  /** `Upgrade` requests; absent: refused with 501 */
  upgrade?(exchange: WebExchange, client: { readonly socket: Duplex; readonly head: Buffer }, gate: Gate): Promise<void>;
}

/** One request whose caller is known and whose path names a resource; Host and Origin were checked. */
export interface WebExchange {
  readonly request: IncomingMessage;
  /** of an `Upgrade` request there is none */
  readonly response: ServerResponse;
  readonly caller: Caller;
  readonly resource: Resource;
  /** what follows the resource in the request target, as sent: empty or beginning with `/`, without query */
  readonly path: string;
  /** as sent, with `?`; or empty */
  readonly search: string;
  /** the address of the resource here, without a slash at its end: `https://gateway:8444/mcp/tools` */
  readonly here: string;
  /** aborts when the client is gone or the gateway stops */
  readonly gone: AbortSignal;
}

/** What one listener offers a new connection. */
export interface Gate {
  /** the resource of a per-resource port; null on the shared port */
  readonly pinned: string | null;
  /** TLS material of the gateway; null when it has none */
  readonly tls: { readonly key: string; readonly cert: string } | null;
  readonly limits: EngineLimits;
  /** what a Host or Origin header may name: host names, addresses, and the port of this listener */
  readonly names: readonly string[];
  readonly identify: Authenticator;
  /** Checks scope, network and `connect` policy; records `session.started` or `access.denied`. Throws AppError. */
  open(caller: Caller, wants: Wants, sink: Sink): Promise<Session>;
  /**
   * For protocols whose connections are not sessions: the live session of this caller, resource and `key`, opened like by
   * `open` when there is none. Its operations have their own sinks. It ends after `idleMs` without an operation.
   */
  share(caller: Caller, wants: SharedWants): Promise<Session>;
  /** a resource by name, whether or not the caller may use it: for routing only; null: there is none */
  resource(name: string): Resource | null;
  /** Records `access.denied` for what was refused before a session could be thought of; `wanted` is the client's word, masked and cut. */
  turnedAway(code: ErrorCode, wanted: string, caller?: Caller): Promise<void>;
  /** A cancel request carries no claim and is never answered. */
  cancel(key: Uint8Array): void;
}

export interface EngineLimits {
  /** bytes of one message before authentication */
  readonly maxHandshakeBytes: number;
  /** bytes of one message after it */
  readonly maxMessageBytes: number;
  /** from accept to a live session */
  readonly handshakeTimeoutMs: number;
  /** bytes waiting in one direction before the other side is paused */
  readonly highWaterBytes: number;
}

export interface Wants {
  /** `resource`, `resource/database`, or the target's own database on a per-resource port */
  readonly database: string;
  /** client-sent, masked and capped by the core before it is recorded */
  readonly applicationName: string;
}

export interface SharedWants {
  /** name of the resource */
  readonly resource: string;
  /** keeps sessions of one caller apart: the session id of the protocol, or empty */
  readonly key: string;
  /** client-sent, masked and capped by the core before it is recorded */
  readonly applicationName: string;
  readonly idleMs: number;
}

export interface Authenticator {
  /** RFC 5802 server side with one salt per principal. A name nobody has gets a fake, stable salt, and `verify` that never succeeds. */
  scram(user: string): ScramExchange;
  /**
   * RFC 6750: a token of ours, or a workload's own token whose audience is `audience` (one of the resource's addresses here).
   * Null and a record of `authentication.failed` when it is not good. Success is recorded with the session it opens.
   */
  bearer(token: string, audience: readonly string[]): Promise<Caller | null>;
}

export interface ScramExchange {
  readonly salt: Uint8Array;
  readonly iterations: number;
  /**
   * `authMessage` as in RFC 5802 section 3. Null when no live token of the principal fits. Records
   * `authentication.succeeded` or `authentication.failed` (durably, before it resolves).
   */
  verify(authMessage: string, clientProof: Uint8Array): Promise<{ caller: Caller; serverSignature: Uint8Array } | null>;
}

/** Towards the client: the core alone writes replies, in order. `true`: go on; a promise: wait, the client is slow. */
export interface Sink {
  write(bytes: Uint8Array): true | Promise<void>;
  /** An operation's own sink: it was settled, and all that was released has been written. Called once, or never when the session ended. */
  end?(): void;
}

export interface Credential {
  readonly account: string;
  /** empty when the resource has none */
  readonly password: Secret<string>;
  /** the vault's version of it */
  readonly version: number;
}

export interface Session {
  readonly id: SessionId;
  readonly caller: Caller;
  readonly resource: Resource;
  /** the target's own database */
  readonly database: string;
  /** aborts with an AppError as reason: revoked, killed, expired, recording failed. The engine stops both sides. */
  readonly ended: AbortSignal;
  lease<T>(use: (credential: Credential) => Promise<T>): Promise<T>;
  /** A secret of ours that the target was shown: hidden by value in whatever it answers. Leased ones are concealed already. */
  conceal(secret: Secret<string>): void;
  /** Whether some call with these facts could be permitted, arguments unknown: for lists, by the policies that decide calls. Nothing is recorded. */
  possible(facts: Facts): boolean;
  /** Registers what a cancel request for this session does; gives the 8-byte key the client gets. */
  cancellation(cancel: () => void): Uint8Array;
  /** Call order is log order. Synchronous when the decision is cached. */
  submit(operation: Operation): Admission | Promise<Admission>;
  /** Decides a step that has no effect of its own (Parse: planning runs immutable functions). A refusal is recorded. */
  check(operation: Operation): Denial | null;
  /** Records what never had facts and gives the denial to show. Null durable wait: a refusal forwards nothing. */
  refuse(refusal: Refusal): Denial;
  /** Frames that carry no data of the target (ready, complete, our own errors): in order with what was released. */
  reply(frame: Uint8Array): true | Promise<void>;
  /** Masks a text of the target that is no result: error and notice fields, parameter values. */
  mask(text: string): string;
  /** True when any of these stored columns is tagged: then no text of the target may quote its values. Null: unknown which. */
  hides(columns: readonly ColumnName[] | null): boolean;
  /** Ends the session in the log; called once, whatever happened. */
  close(reason: string): Promise<void>;
}

export interface Operation {
  /** notices, notifications and server-to-client requests come from the target */
  readonly by: 'client' | 'target';
  readonly facts: Facts;
  /** the bytes that `Permit.spend` gives back for forwarding; copied by the core when it must wait */
  readonly exact: readonly Uint8Array[];
  /** All that decides what will happen at the target, where that is more than `exact`: the prepared text and the bound values. */
  readonly bound?: readonly Uint8Array[];
  /** what else the target reads the command by, as it reported it: PostgreSQL's search_path */
  readonly context?: string;
  /** How many rows it will touch, as far as that can be told without running any of it; null: it can't. */
  estimate?(): Promise<number | null>;
  /** For the record and the approver; called at most once, before `submit` returns. The core masks the values. */
  shown(): readonly Span[];
  /** the operation this is a part of: Execute in a portal, data of a COPY, a file operation in a channel */
  readonly within?: Permit;
  /** where its replies go; absent: the session's own sink */
  readonly sink?: Sink;
  /** The caller can come back for the decision of people: `waiting` instead of `held`. */
  readonly returns?: true;
}

/** An operation that never had facts: unparseable, too long, a refused feature. Recorded as length and keyed digest. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message?: string;
  readonly exact: readonly Uint8Array[];
  /** a word for the record: `copy`, `function call`, `listen` */
  readonly kind: string;
}

export interface Denial {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly policies: readonly string[];
}

export type Admission =
  | { readonly verdict: 'forward'; readonly permit: Permit }
  | { readonly verdict: 'refused'; readonly denial: Denial }
  /** wait for `decided`, or answer now and submit again later (refuse-and-request) */
  | {
      readonly verdict: 'held';
      readonly request: string;
      /** for the one who waits: `2 of group dba` */
      readonly by: string;
      readonly decided: Promise<Admission>;
      withdraw(reason: string): void;
    }
  /** Nothing runs yet: submit the same operation again once `decided` resolves, or whenever the caller comes back with it. */
  | { readonly verdict: 'waiting'; readonly request: string; readonly by: string; readonly decided: Promise<void>; withdraw(reason: string): void };

/** Single use, minted by the core only. */
export interface Permit {
  readonly operation: OperationId;
  /** `true`, or a promise of the intent's durability (write, unknown, held). Rejects when it cannot become durable. */
  readonly forwardable: true | Promise<void>;
  /** The bytes to forward: exactly what was decided. A second call throws ERR_PERMIT_SPENT. */
  spend(): readonly Uint8Array[];
  /** Compiled once per result shape. Throws ERR_MASKED_BINARY when a masked column would come in binary. */
  masker(shape: Shape): Masker;
  /** For whole documents and streams of text, whose masked form may have another length. Throws ERR_MASKING_FAILED. */
  document(kind: DocumentKind): DocumentMasker;
  /** Client data inside the operation (COPY data, keystrokes): recorded masked. */
  input(chunk: Uint8Array): true | Promise<void>;
  /** To the recorder and the client, in order, not before the intent is durable. The chunk may be reused after `true`. */
  release(chunk: Masked): true | Promise<void>;
  /** To the recorder only: what the client gets in a form of its own, such as a status line and headers. */
  note(record: Masked): true | Promise<void>;
  settle(outcome: Outcome): void;
}

declare const masked: unique symbol;
/** Bytes that went through a Masker: nothing else can be released. */
export type Masked = Uint8Array & { readonly [masked]: true };

/**
 * Enumerates the values inside `chunk` (whole frames of this protocol): calls `visit` with column, start and end of each
 * non-null value. One function per engine, so that the call stays monomorphic.
 */
export type Walker = (chunk: Uint8Array, visit: (column: number, start: number, end: number) => void) => void;

/** Masks in place, keeping every length. Counts into the operation's ledger. A fault ends the session. */
export interface Masker {
  /** `chunk` holds whole frames of rows (and frames without values). */
  rows(chunk: Uint8Array, walk: Walker): Masked;
}

/**
 * `json`: each chunk is one whole JSON text; `text`: chunks of one text, `events` of one server-sent event stream: what could be the
 * beginning of a hit is held back. `bytes`: what cannot be searched and may pass all the same; it only counts.
 */
export interface DocumentKind {
  readonly kind: 'json' | 'text' | 'events' | 'bytes';
  /** bytes that cannot be searched, in base64 inside a document */
  readonly media: 'drop' | 'pass';
}

export interface DocumentMasker {
  /** One whole document (`json`), or the next chunk. */
  push(chunk: Uint8Array): Masked;
  /** What was held back. */
  end(): Masked;
}

export interface Outcome {
  /** `indeterminate`: it was forwarded, and the target's answer never came */
  readonly status: 'success' | 'failure' | 'indeterminate';
  readonly rows: number;
  /** masked error text; absent for a success */
  readonly error?: string;
}

export type Fault = AppError<ErrorCode>;

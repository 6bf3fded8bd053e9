import type { Phase } from '../contract/audit-event.ts';
import type { Action, ColumnName, Copy, Facts, ObjectRef, Span } from '../contract/operation.ts';
import type { ApprovalTerms } from '../contract/approval-request.ts';
import type { Caller } from '../contract/principal.ts';
import type { Resource } from '../contract/resource.ts';
import type { Shape } from '../contract/shape.ts';
import type { LeasedCredential, LiveSession, RecordingKey } from '../contract/snapshot.ts';
import type { Secret } from '../lib/secret.ts';
import type { DocumentKind, DocumentMasker, Masked, ScramExchange, Walker } from './engine.ts';

/** The features as the pipeline sees them. Every value that crosses is serialisable or a pure function. */
export interface Ports {
  readonly audit: AuditPort;
  readonly identity: IdentityPort;
  readonly policy: PolicyPort;
  readonly masking: MaskingPort;
  readonly recorder: RecorderPort;
  readonly control: ControlPort;
  readonly approval: ApprovalPort;
  resource(name: string): Resource | null;
}

/** Appending is synchronous and gives a ticket; durability is a watermark over tickets, never a promise per row. */
export interface AuditPort {
  /**
   * `header`: canonical JSON of an EventHeader. `body`: sensitive text whose commitment stands in the header.
   * Throws ERR_AUDIT_UNAVAILABLE at once when the log is known to be unwritable.
   */
  append(header: string, phase: Phase, body?: SaltedBody): number;
  /** every ticket up to this one is fsynced */
  readonly durable: number;
  /** Rejects with ERR_AUDIT_UNAVAILABLE when the ticket cannot become durable. */
  whenDurable(ticket: number): Promise<void>;
  /** Called after each advance of the watermark, and when the log is lost (`null`). Returns the unsubscribe function. */
  onWatermark(listener: (durable: number | null) => void): () => void;
}

export interface SaltedBody {
  /** 16 random bytes */
  readonly salt: Uint8Array;
  readonly text: string;
}

export interface IdentityPort {
  /** Pure look-up; recording is the pipeline's. `origin` is the client's address. */
  scram(
    user: string,
    origin: string,
  ): Omit<ScramExchange, 'verify'> & { verify(authMessage: string, clientProof: Uint8Array): { caller: Caller; serverSignature: Uint8Array } | null };
  /** RFC 6750. `refused`: why it is not good, for the log alone. `audience`: the addresses a workload's own token may be made out to. */
  bearer(token: string, origin: string, audience: readonly string[]): Promise<Caller | { readonly refused: string }>;
  /** Null when the caller's token is still good; else the reason it is not. Called on every snapshot and on a timer. */
  revoked(caller: Caller): string | null;
}

export interface Decision {
  readonly permitted: boolean;
  /** names of the deciding policies: permits when permitted, forbids or none when refused */
  readonly policies: readonly string[];
  /** on refusal: which act failed, and the policies' own @message and @hint if any */
  readonly message: string;
  readonly hint: string;
  readonly policyVersion: string;
  /** permitted, but only after people decided; absent: at once */
  readonly approve?: ApprovalTerms;
  /** what the shadow policies would have done, where that differs: for the record, nothing rests on it */
  readonly shadow?: ShadowDecision;
}

export interface ShadowDecision {
  readonly would: 'forward' | 'refuse' | 'hold';
  readonly version: string;
}

/** Everything an approval is bound to; `exact` is never kept longer than the request lives. */
export interface ApprovalWanted {
  readonly session: string;
  readonly caller: Caller;
  readonly terms: ApprovalTerms;
  readonly policies: readonly string[];
  readonly policyVersion: string;
  readonly resource: string;
  readonly account: string;
  readonly database: string;
  readonly searchPath: string;
  readonly origin: string;
  readonly command: string;
  /** values that `command` does not show whole */
  readonly hidden: readonly { readonly position: number; readonly type: string; readonly value: string }[];
  readonly exact: readonly Uint8Array[];
  readonly acts: readonly string[];
  readonly shadow?: ShadowDecision;
  /** the caller comes back for the decision: it is not used up before */
  readonly returns?: true;
  /** rows it will touch, for those who decide; null: unknown */
  readonly estimate: () => Promise<number | null>;
}

export type ApprovalOutcome = { readonly approved: true } | { readonly approved: false; readonly why: string };

export interface ApprovalPort {
  /** People are asked while the session waits. `decided` never rejects, and says yes once: the approval is used up by it. */
  hold(wanted: ApprovalWanted): { readonly request: string; readonly decided: Promise<ApprovalOutcome>; withdraw(reason: string): void };
  /**
   * Refuse-and-request: uses up the approval of the same command, if there is one; else people are asked, or are being asked
   * already. Rejects with ERR_CONTROL_UNAVAILABLE and the like: then nothing may run. `denied`: people said no, or it ended
   * otherwise, since the caller last asked; told once.
   */
  claim(wanted: ApprovalWanted): Promise<{ readonly request: string; readonly approved: boolean; readonly denied?: string }>;
  /** Resolves when people decided, or the request ended otherwise; the next `claim` of the same command says how. */
  whenDecided(request: string): Promise<void>;
  /** Takes back what was claimed and not yet decided. */
  withdraw(request: string, reason: string): void;
  /** Withdraws what waits when what it rests on changed; called on every snapshot and on a timer. */
  recheck(policyVersion: string): void;
}

export interface PolicyPort {
  /** changes whenever a decision could change */
  readonly version: string;
  scope(request: { caller: Caller; resource: Resource; database: string; account: string; origin: string }): PolicyScope;
}

/** Decisions for one caller on one database; caches by Facts identity until the policy version changes. */
export interface PolicyScope {
  /** `uncacheable` results (policies that read the time) are decided again every time. */
  decide(facts: Facts): Decision;
  /** One single act outside a command: connect, unmask. */
  permits(action: Action, object: ObjectRef): Decision;
  /** Whether a command with these acts could be permitted whatever its arguments are. */
  possible(facts: Facts): boolean;
}

export interface CompiledMasker {
  rows(chunk: Uint8Array, walk: Walker): Masked;
  /** rule or detector → values masked so far; reset by the call */
  ledger(): Record<string, number>;
}

export interface CompiledDocumentMasker extends DocumentMasker {
  /** rule or detector → values masked so far; reset by the call */
  ledger(): Record<string, number>;
}

export interface MaskingPort {
  /** changes whenever a compiled masker could change */
  readonly version: number;
  /** `unmask(column)` asks policy for field:unmask; never asked for SAD. Throws ERR_MASKED_BINARY. */
  compile(resource: string, shape: Shape, unmask: (column: { schema: string; table: string; column: string }) => boolean): CompiledMasker;
  /** `conceal`: secrets of ours to hide by value, read at each push. */
  document(kind: DocumentKind, conceal: () => readonly Secret<string>[]): CompiledDocumentMasker;
  /** A column of these is tagged; null: any column of the resource. */
  hides(resource: string, columns: readonly ColumnName[] | null): boolean;
  /** The first tagged column whose values would go where they are less hidden; null: none. */
  strays(resource: string, copies: readonly Copy[]): ColumnName | null;
  /** Detector over free text: PAN to first 6 + last 4, track data hidden; and `conceal`, secrets of ours. Same length in UTF-16 units. */
  text(text: string, conceal?: readonly string[]): string;
  /**
   * The command as it may be stored: literal and bind values hidden where a tagged column, key or label or the detector
   * says so, or where several values together would show a card number.
   */
  command(resource: string, facts: Facts, spans: readonly Span[]): string;
  /** The same with what it hides: for people who decide. `position` counts the value spans from 0. */
  rendering(resource: string, facts: Facts, spans: readonly Span[]): Rendering;
}

export interface Rendering {
  readonly command: string;
  readonly hidden: readonly { readonly position: number; readonly type: string; readonly value: string }[];
}

export interface RecorderPort {
  open(session: { id: string; resource: Resource; header: Record<string, string | number> }, key: RecordingKey): Recorder;
}

export interface Recorder {
  /** `kind`: `command` (masked text), `frames` (masked protocol bytes), `outcome` (JSON). Copies what it keeps. */
  write(kind: 'command' | 'frames' | 'outcome', operation: string, bytes: Uint8Array): true | Promise<void>;
  /** fires when storing failed: the session must end */
  readonly failed: AbortSignal;
  /** Flushes and gives the Merkle root over the chunk hashes (base64), for `session.ended`. */
  close(): Promise<{ root: string; chunks: number; bytes: number }>;
}

export interface ControlPort {
  /** Throws ERR_CONTROL_UNAVAILABLE, ERR_VAULT_LOCKED. */
  open(session: LiveSession): Promise<RecordingKey>;
  lease(session: string, resource: string): Promise<LeasedCredential>;
  ended(session: string): void;
}

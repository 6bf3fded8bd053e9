import { createHmac } from 'node:crypto';
import type { EventHeader } from '../contract/audit-event.ts';
import { errorTable, fail } from '../contract/errors.ts';
import type { ColumnName, Facts, Span } from '../contract/operation.ts';
import type { Caller } from '../contract/principal.ts';
import type { Resource } from '../contract/resource.ts';
import type { Shape } from '../contract/shape.ts';
import type { LiveSession as Listed } from '../contract/snapshot.ts';
import type { Clock } from '../lib/clock.ts';
import { commitment, newSalt } from '../lib/commitment.ts';
import type { OperationId, SessionId } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { canonicalJson } from '../proof/canonical.ts';
import { AskedPeople } from './asked-people.ts';
import type { Admission, Credential, Denial, DocumentKind, Fault, Masked, Operation, Outcome, Refusal, Session, Sink } from './engine.ts';
import { actLabels, header, OperationHeaders, shadowFields, timestamp, type SessionIdentity } from './headers.ts';
import { Outbox, type Watermark } from './outbox.ts';
import { OperationPermit, type PermitOwner } from './permit.ts';
import type { CompiledDocumentMasker, CompiledMasker, Decision, PolicyScope, Ports, Recorder } from './ports.ts';
import { withoutHiddenValues } from './quoted-values.ts';
import { RecordedMasked } from './recorded-masked.ts';

export interface Opening {
  readonly id: SessionId;
  readonly caller: Caller;
  readonly resource: Resource;
  readonly database: string;
  readonly origin: string;
  readonly identity: SessionIdentity;
  readonly recorder: Recorder;
  /** null: every operation has its own sink */
  readonly outbox: Outbox | null;
  readonly watermark: Watermark;
  readonly highWaterBytes: number;
  readonly digestKey: Secret<Uint8Array>;
  readonly clock: Clock;
  readonly listed: Omit<Listed, 'operations'>;
  /** registers a cancel function and gives its key; `release` forgets it */
  readonly cancellation: (cancel: () => void) => Uint8Array;
  readonly onClosed: () => void;
}

/** An operation on its way to a permit. */
interface Admitted {
  readonly seq: number;
  readonly id: OperationId;
  /** the masked command */
  readonly command: string;
  readonly spans: readonly Span[];
  readonly exact: readonly Uint8Array[];
  /** where its replies go; undefined: with the session's */
  readonly sink: Sink | undefined;
  /** the approval it rests on */
  readonly request?: string;
}

const maxConcealed = 64;

/** Planning runs immutable functions, before people could be asked: null when there is nothing to run, or nobody to ask. */
function unplannable({ acts, context }: Facts, { approve, policies, policyVersion }: Decision): Decision | null {
  const runs = context.functions.length > 0 || acts.some(({ action }) => action === 'sql:execute');
  if (approve === undefined || !runs) return null;
  const message = 'a command with functions that needs approval cannot be prepared';
  return { permitted: false, policies, message, hint: 'Send it as a simple query.', policyVersion };
}

/** One live session: the pipeline's steps from submit to settle, in the order of ARCHITECTURE.md. */
export class LiveSession implements Session, PermitOwner {
  readonly id: SessionId;
  readonly caller: Caller;
  readonly resource: Resource;
  readonly database: string;
  readonly ended: AbortSignal;
  readonly #ports: Ports;
  readonly #opening: Opening;
  readonly #headers: OperationHeaders;
  readonly #scope: PolicyScope;
  readonly #end = new AbortController();
  readonly #maskText: (text: string) => string;
  readonly #maskers = new WeakMap<Shape, { masking: number; policy: string; masker: CompiledMasker }>();
  /** the masked form of what is released unmasked */
  readonly #recorded = new WeakMap<Uint8Array, Uint8Array>();
  /** what was shown of the operations that have no outcome yet */
  readonly #running = new Map<OperationId, Pick<Admitted, 'spans' | 'command'>>();
  /** of the operations with sinks of their own */
  readonly #outboxes = new Map<OperationId, Outbox>();
  readonly #people: AskedPeople;
  #concealed: readonly Secret<string>[] = [];
  /** the same list while they are the same: what searches for them is kept by it */
  #concealedTexts: readonly string[] = [];
  #seq = 0;
  #lastTicket = 0;
  #closing: Promise<void> | null = null;

  constructor(ports: Ports, opening: Opening) {
    this.#ports = ports;
    this.#opening = opening;
    this.id = opening.id;
    this.caller = opening.caller;
    this.resource = opening.resource;
    this.database = opening.database;
    this.ended = this.#end.signal;
    this.#maskText = (text) => ports.masking.text(text, this.#concealedTexts);
    this.#headers = new OperationHeaders(opening.identity, this.#maskText);
    this.#scope = ports.policy.scope({
      caller: opening.caller,
      resource: opening.resource,
      database: opening.database,
      account: opening.identity.account,
      origin: opening.origin,
    });
    this.#people = new AskedPeople({
      session: this,
      identity: opening.identity,
      origin: opening.origin,
      ports,
      scope: this.#scope,
      stray: (facts, decision) => this.#stray(facts, decision),
      admit: (facts, decision, held) => this.#admit(facts, decision, { ...this.#next(), ...held }),
      deny: (denial, command) => this.#deny(denial, command),
    });
    opening.recorder.failed.addEventListener('abort', () => {
      this.end(fail('ERR_RECORDING_FAILED'));
    });
  }

  /** as the session list shows it */
  get listed(): Listed {
    return { ...this.#opening.listed, operations: this.#seq };
  }

  get origin(): string {
    return this.#opening.origin;
  }

  /** Something was admitted and not settled yet. */
  get isBusy(): boolean {
    return this.#running.size > 0;
  }

  /** Stops both sides; the engine sees `ended`. */
  end(reason: Fault): void {
    if (!this.#end.signal.aborted) this.#end.abort(reason);
  }

  async lease<T>(use: (credential: Credential) => Promise<T>): Promise<T> {
    const leased = await this.#ports.control.lease(this.id, this.resource.name);
    const password = new Secret(leased.password);
    this.conceal(password);
    return use({ account: leased.account, password, version: leased.secretVersion });
  }

  conceal(secret: Secret<string>): void {
    const value = secret.reveal();
    if (value === '' || this.#concealed.some((known) => known.reveal() === value)) return;
    // the newest are the ones in use
    this.#concealed = [...this.#concealed.slice(1 - maxConcealed), secret];
    this.#concealedTexts = this.#concealed.map((known) => known.reveal());
  }

  possible(facts: Facts): boolean {
    return this.#scope.possible(facts);
  }

  cancellation(cancel: () => void): Uint8Array {
    return this.#opening.cancellation(cancel);
  }

  submit(operation: Operation): Admission | Promise<Admission> {
    if (this.#end.signal.aborted) throw this.#end.signal.reason as Fault;
    const { facts } = operation;
    const decision = this.#scope.decide(facts);
    if (!decision.permitted) return { verdict: 'refused', denial: this.#refuse(operation, decision) };
    const stray = this.#stray(facts, decision);
    if (stray !== null) return { verdict: 'refused', denial: this.#refuse(operation, stray) };
    const spans = operation.shown();
    if (decision.approve !== undefined) return this.#people.ask(operation, { ...decision, approve: decision.approve }, spans);
    const command = this.#ports.masking.command(this.resource.name, facts, spans);
    return this.#admit(facts, decision, { ...this.#next(), command, spans, exact: operation.exact, sink: operation.sink });
  }

  check(operation: Operation): Denial | null {
    const decision = this.#scope.decide(operation.facts);
    const refusing = decision.permitted ? (this.#stray(operation.facts, decision) ?? unplannable(operation.facts, decision)) : decision;
    return refusing === null ? null : this.#refuse(operation, refusing);
  }

  /** What is tagged must not be copied to where it is less hidden; null: it is not. */
  #stray({ copies }: Facts, { policyVersion }: Decision): Decision | null {
    const column = copies === undefined ? null : this.#ports.masking.strays(this.resource.name, copies);
    if (column === null) return null;
    const message = `values of the tagged column ${column.schema}.${column.table}.${column.column} would be stored where they are less hidden`;
    return { permitted: false, policies: [], message: this.#maskText(message), hint: 'Tag the column they go to alike.', policyVersion };
  }

  refuse(refusal: Refusal): Denial {
    const denial = fail(refusal.code, refusal.message === undefined ? {} : { message: refusal.message });
    const digest = createHmac('sha256', this.#opening.digestKey.reveal());
    let length = 0;
    for (const bytes of refusal.exact) {
      digest.update(bytes);
      length += bytes.length;
    }
    const body = canonicalJson({ kind: refusal.kind, length, digest: digest.digest('base64url') });
    this.#appendRefused({ error: refusal.code, reason: refusal.kind }, body);
    return { code: refusal.code, message: denial.message, hint: denial.hint ?? '', policies: [] };
  }

  reply(frame: Uint8Array): true | Promise<void> {
    return this.#opening.outbox?.send(frame, this.#lastTicket) ?? true;
  }

  document(kind: DocumentKind): CompiledDocumentMasker {
    const masker = this.#ports.masking.document(kind, () => this.#concealed);
    // what could not be masked once is not tried again: the session ends
    const guarded = (mask: () => Masked): Masked => {
      try {
        return mask();
      } catch (error) {
        this.end(fail('ERR_MASKING_FAILED'));
        throw error;
      }
    };
    return { push: (chunk) => guarded(() => masker.push(chunk)), end: () => guarded(() => masker.end()), ledger: () => masker.ledger() };
  }

  note(operation: OperationId, record: Uint8Array): true | Promise<void> {
    return this.#opening.recorder.write('frames', operation, record);
  }

  mask(text: string): string {
    return this.#maskText(text);
  }

  hides(columns: readonly ColumnName[] | null): boolean {
    return this.#ports.masking.hides(this.resource.name, columns);
  }

  /** One masker per shape: results of one session come one after the other, and each takes its own count away. */
  compile(shape: Shape): CompiledMasker {
    const { masking, policy } = this.#ports;
    const known = this.#maskers.get(shape);
    if (known?.masking === masking.version && known.policy === policy.version) return known.masker;
    const unmasked: string[] = [];
    const shown = masking.compile(this.resource.name, shape, (column) => {
      const { permitted: allowed, approve } = this.#scope.permits('field:unmask', { type: 'Column', path: [column.schema, column.table, column.column] });
      const permitted = allowed && approve === undefined;
      if (permitted) unmasked.push(column.column);
      return permitted;
    });
    const masker = unmasked.length > 0 ? new RecordedMasked(shown, () => masking.compile(this.resource.name, shape, () => false), this.#recorded) : shown;
    this.#maskers.set(shape, { masking: masking.version, policy: policy.version, masker });
    return masker;
  }

  release(operation: OperationId, ticket: number, chunk: Uint8Array): true | Promise<void> {
    const recorded = this.#opening.recorder.write('frames', operation, this.#recorded.get(chunk) ?? chunk);
    const sent = (this.#outboxes.get(operation) ?? this.#opening.outbox)?.send(chunk, ticket) ?? true;
    if (recorded === true) return sent;
    return sent === true ? recorded : Promise.all([recorded, sent]).then(() => undefined);
  }

  input(operation: OperationId, _ticket: number, chunk: Uint8Array): true | Promise<void> {
    return this.#opening.recorder.write('frames', operation, Buffer.from(this.#maskText(Buffer.from(chunk).toString())));
  }

  settle(permit: OperationPermit, outcome: Outcome): void {
    const masked = canonicalJson(permit.ledger());
    const event = this.#headers.settled({
      millis: this.#opening.clock.now(),
      operation: permit.operation,
      seq: permit.seq,
      rows: outcome.rows,
      bytes: permit.bytes,
      micros: Math.round((performance.now() - permit.startedAt) * 1000),
      masked,
      outcome: outcome.status,
      error: outcome.status === 'success' ? undefined : this.#errorOf(permit.operation, outcome),
    });
    this.#running.delete(permit.operation);
    this.#tryAppend(() => this.#ports.audit.append(event, { kind: 'close', scope: 'operation', id: permit.operation, session: this.id }));
    void this.#opening.recorder.write('outcome', permit.operation, Buffer.from(event));
    this.#outboxes.get(permit.operation)?.finish();
    this.#outboxes.delete(permit.operation);
  }

  #errorOf(operation: OperationId, { error = 'failed' }: Outcome): string {
    const { spans, command } = this.#running.get(operation) ?? { spans: [], command: '' };
    return this.#maskText(withoutHiddenValues(error, spans, command)).slice(0, 1000);
  }

  close(reason: string): Promise<void> {
    this.#closing ??= this.#close(reason);
    return this.#closing;
  }

  async #close(reason: string): Promise<void> {
    this.end(fail('ERR_SESSION_ENDED', { message: reason }));
    this.#opening.outbox?.close();
    for (const outbox of this.#outboxes.values()) outbox.close();
    this.#opening.onClosed();
    const { root, chunks, bytes } = await this.#opening.recorder.close().catch(() => ({ root: '', chunks: 0, bytes: 0 }));
    const { actor, origin, affected, session } = this.#opening.identity;
    const event = header('session.ended', {
      at: timestamp(this.#opening.clock.now()),
      actor,
      origin,
      outcome: 'success',
      affected,
      session,
      seq: this.#seq,
      reason: this.#maskText(reason).slice(0, 500).toWellFormed(),
      bytes,
      count: chunks,
      digests: [root],
    });
    this.#tryAppend(() => this.#ports.audit.append(event, { kind: 'close', scope: 'session', id: this.id, session: this.id }));
    this.#ports.control.ended(this.id);
  }

  #admit(facts: Facts, decision: Decision, op: Admitted): Admission {
    const ticket = this.#intend(facts, decision, op);
    this.#running.set(op.id, { spans: op.spans, command: op.command });
    if (op.sink !== undefined) this.#outboxes.set(op.id, this.#outboxFor(op.sink));
    const recorded = this.#opening.recorder.write('command', op.id, Buffer.from(op.command));
    const immediate = op.request === undefined && (facts.effect === 'read' || facts.effect === 'none');
    const forwardable = immediate ? recorded : this.#durable(ticket, recorded);
    return { verdict: 'forward', permit: new OperationPermit(this, { operation: op.id, seq: op.seq, ticket, forwardable, exact: op.exact }) };
  }

  #outboxFor(sink: Sink): Outbox {
    const { watermark, highWaterBytes } = this.#opening;
    return new Outbox(sink, watermark, highWaterBytes, () => {
      this.end(fail('ERR_AUDIT_UNAVAILABLE'));
    });
  }

  #deny({ request, ...denial }: Omit<Denial, 'hint'> & { request?: string }, command: string): Denial {
    this.#appendRefused({ error: denial.code, reason: denial.message, policies: denial.policies, ...(request !== undefined && { request }) }, command);
    return { ...denial, hint: errorTable[denial.code].remedy };
  }

  #durable(ticket: number, recorded: true | Promise<void>): Promise<void> {
    const durable = this.#ports.audit.whenDurable(ticket);
    return recorded === true ? durable : Promise.all([durable, recorded]).then(() => undefined);
  }

  #intend(facts: Facts, decision: Decision, op: Admitted): number {
    const salt = newSalt();
    const event = this.#headers.intended(facts, decision, {
      millis: this.#opening.clock.now(),
      operation: op.id,
      seq: op.seq,
      body: commitment(salt, op.command),
      request: op.request,
    });
    try {
      this.#lastTicket = this.#ports.audit.append(event, { kind: 'open', scope: 'operation', id: op.id, session: this.id }, { salt, text: op.command });
    } catch (error) {
      this.#giveBack(op.seq);
      throw error;
    }
    return this.#lastTicket;
  }

  #refuse(operation: Operation, decision: Decision): Denial {
    const { facts } = operation;
    const command = this.#ports.masking.command(this.resource.name, facts, operation.shown());
    const acts = actLabels(facts.acts, this.#maskText);
    const { policies, policyVersion } = decision;
    this.#appendRefused({ error: 'ERR_ACCESS_DENIED', acts, policies, policyVersion, ...shadowFields(decision) }, command);
    return { code: 'ERR_ACCESS_DENIED', message: decision.message, hint: decision.hint, policies: decision.policies };
  }

  /** A refusal forwards nothing, so it never waits; a lost log is not hidden: the next permit meets it. */
  #appendRefused(
    fields: { error: string } & Pick<EventHeader, 'reason' | 'request' | 'acts' | 'policies' | 'policyVersion' | 'shadow' | 'shadowVersion'>,
    body: string,
    op = this.#next(),
  ): void {
    const { seq, id } = op;
    const salt = newSalt();
    const event = header('operation.refused', {
      ...this.#opening.identity,
      at: timestamp(this.#opening.clock.now()),
      outcome: 'failure',
      operation: id,
      seq,
      body: commitment(salt, body),
      ...fields,
    });
    if (!this.#tryAppend(() => this.#ports.audit.append(event, { kind: 'plain' }, { salt, text: body }))) this.#giveBack(seq);
    void this.#opening.recorder.write('command', id, Buffer.from(body));
    void this.#opening.recorder.write('outcome', id, Buffer.from(event));
  }

  #tryAppend(append: () => number): boolean {
    try {
      append();
      return true;
    } catch {
      this.end(fail('ERR_AUDIT_UNAVAILABLE'));
      return false;
    }
  }

  /** A number the log never saw is used again: numbering has no gaps. */
  #giveBack(seq: number): void {
    if (this.#seq === seq) this.#seq--;
  }

  #next(): { seq: number; id: OperationId } {
    const seq = ++this.#seq;
    return { seq, id: `opr_${this.id.slice(4)}_${String(seq)}` };
  }
}

import { fail } from '../../contract/errors.ts';
import { reasonOf } from '../../lib/errors.ts';
import type { Masked, Masker, Session } from '../../pipeline/engine.ts';
import type { Reader } from '../../wire/reader.ts';
import { headerBytes, maskColumnNames, parseParameterDescription, parseParameterStatus, rowsOfTag } from './frames.ts';
import { backend, idle } from './messages.ts';
import { hiddenReport } from './relay-reports.ts';
import { buildShape, knownShape, type Described } from './relay-shape.ts';
import type { Relay } from './relay.ts';
import { endsWithReady, type Step, type StepKind } from './relay-steps.ts';
import { maskParameter, maskReport, messageOf } from './server-errors.ts';
import type { Statement } from './statement.ts';
import { walkRows } from './walk.ts';

type Handler = (at: number, next: number) => boolean;

const acknowledges = new Map<number, StepKind>([
  [backend.parseComplete, 'parse'],
  [backend.bindComplete, 'bind'],
  [backend.closeComplete, 'close'],
]);

/**
 * Frames of the target: rows are masked and released in spans as large as one read, everything else is replied in spans.
 * A frame nobody asked for ends the session: better no answer than one that belongs to something else.
 */
export class TargetSide {
  readonly #relay: Relay;
  readonly #session: Session;
  readonly #reader: Reader;
  readonly #handlers = new Map<number, Handler>();
  /** the open span is `buffer[#spanStart, …)` */
  #span: 'none' | 'rows' | 'reply' = 'none';
  #spanStart = 0;
  /** releases and replies that the core has not taken yet */
  #owed = 0;
  /** a new catalogue is awaited before the next frame */
  #stalled = false;
  #catalogueStale = false;

  constructor(relay: Relay) {
    this.#relay = relay;
    this.#session = relay.parts.session;
    this.#reader = relay.parts.target.connection.reader;
    const { clientWriter } = relay.parts;
    this.#reader.loans = { mark: () => (this.#owed > 0 ? null : clientWriter.handed), isPast: (mark) => clientWriter.isOut(mark) };
    const handlers: [number, Handler][] = [
      [backend.ready, (at) => this.#ready(at)],
      [backend.commandComplete, (at, next) => this.#complete(at, next)],
      [backend.emptyQuery, (at, next) => this.#complete(at, next)],
      [backend.portalSuspended, (at, next) => this.#complete(at, next)],
      [backend.parseComplete, (at) => this.#acknowledged(at)],
      [backend.bindComplete, (at) => this.#acknowledged(at)],
      [backend.closeComplete, (at) => this.#acknowledged(at)],
      [backend.rowDescription, (at, next) => this.#rowDescription(at, next)],
      [backend.noData, (at) => this.#described(at, null)],
      [backend.parameterDescription, (at, next) => this.#parameters(at, next)],
      [backend.error, (at, next) => this.#error(at, next)],
      [backend.notice, (at, next) => this.#notice(at, next)],
      [backend.parameterStatus, (at, next) => this.#parameterStatus(at, next)],
      [backend.notification, (at) => this.#skip(at)],
      [backend.copyIn, () => this.#copy()],
      [backend.copyOut, () => this.#copy()],
      [backend.copyBoth, () => this.#copy()],
    ];
    for (const [type, handler] of handlers) this.#handlers.set(type, handler);
  }

  start(): void {
    this.#reader.onBytes = () => {
      this.pump();
    };
    this.pump();
  }

  pump(): void {
    if (this.#stalled || this.#relay.over) return;
    const { clientWriter } = this.#relay.parts;
    clientWriter.begin();
    try {
      this.#frames();
    } catch (error) {
      this.#span = 'none';
      this.#relay.fault(error);
    } finally {
      clientWriter.flush();
    }
    this.#relay.answered();
    this.#reader.settle();
  }

  readonly #mask = (text: string): string => this.#session.mask(text);

  #frames(): void {
    const reader = this.#reader;
    const { buffer, end } = reader;
    const { maxRowBytes } = this.#relay.parts;
    let at = reader.start;
    reader.wanted = headerBytes;
    while (end - at >= headerBytes) {
      const length = buffer.readInt32BE(at + 1);
      if (length < 4 || length > maxRowBytes) throw tooLong(length, maxRowBytes);
      const next = at + 1 + length;
      if (next > end) {
        reader.wanted = 1 + length;
        break;
      }
      const type = buffer.readUInt8(at);
      if (!(type === backend.dataRow ? this.#row(at, next) : this.#control(type, at, next))) break;
      at = next;
    }
    this.#closeSpan(at);
    reader.start = at;
  }

  /** False: the frame has to wait. */
  #control(type: number, at: number, next: number): boolean {
    const handler = this.#handlers.get(type);
    if (handler === undefined) throw unexpected(type);
    return handler(at, next);
  }

  #row(at: number, next: number): boolean {
    if (this.#span !== 'rows' && !this.#openRows(at)) return false;
    const step = this.#relay.steps.first;
    if (step === undefined || next - at < 7 || this.#reader.buffer.readUInt16BE(at + headerBytes) !== step.columns) throw unexpected(backend.dataRow);
    step.rows++;
    return true;
  }

  #openRows(at: number): boolean {
    this.#closeSpan(at);
    if (this.#relay.isAbandoned) {
      this.#relay.end('the client disconnected', null);
      return false;
    }
    const step = this.#relay.steps.first;
    if (step === undefined || (step.kind !== 'query' && step.kind !== 'execute')) throw unexpected(backend.dataRow);
    if (step.masker === null) {
      const description = step.portal?.description ?? null;
      // rows of a shape nobody has seen can't be masked
      if (description === null || !this.#shape(step, description)) {
        if (this.#stalled) return false;
        throw unexpected(backend.dataRow);
      }
    }
    this.#span = 'rows';
    this.#spanStart = at;
    return true;
  }

  /** Gives the step its masker. False: the catalogue is loaded first. */
  #shape(step: Step, frame: Buffer): boolean {
    const { statement, permit } = step;
    if (statement === null || permit === null) throw unexpected(backend.rowDescription);
    const described = this.shapeOf(statement, frame);
    if (described === null) return false;
    step.masker = permit.masker(described.shape);
    step.columns = described.shape.columns.length;
    return true;
  }

  /** Null: a table is new to us; the target side stands still until the catalogue was loaded again. */
  shapeOf(statement: Statement, frame: Buffer): Described | null {
    const { catalogue } = this.#relay.parts;
    const known = knownShape(statement, catalogue.catalogue, frame);
    if (known !== null) return known;
    const built = buildShape(statement, catalogue.catalogue, frame, (oid) => catalogue.isUnknown(oid));
    if ('shape' in built) return built;
    this.#stalled = true;
    this.#reader.hold();
    void this.#relay.refreshCatalogue().then(() => {
      catalogue.noteUnknown(built.missing.filter((oid) => catalogue.catalogue.origin(oid, 1) === null));
      this.#stalled = false;
      if (this.#owed === 0) this.#reader.proceed();
      this.pump();
    });
    return null;
  }

  #closeSpan(at: number): void {
    const span = this.#span;
    if (span === 'none') return;
    this.#span = 'none';
    const chunk = this.#reader.buffer.subarray(this.#spanStart, at);
    this.#owe(span === 'reply' ? this.#session.reply(chunk) : this.#release(chunk));
  }

  #release(chunk: Buffer): true | Promise<void> {
    const step = this.#relay.steps.first;
    if (step === undefined || step.permit === null || step.masker === null) throw unexpected(backend.dataRow);
    return step.permit.release(mask(step.masker, chunk));
  }

  #owe(taken: true | Promise<void>): void {
    if (taken === true) return;
    this.#owed++;
    this.#reader.hold();
    taken.then(
      () => {
        if (--this.#owed === 0 && !this.#stalled) this.#reader.proceed();
      },
      (error: unknown) => {
        this.#relay.fault(error);
      },
    );
  }

  /** The frame at `at` goes to the client as it is. */
  #reply(at: number): true {
    if (this.#span !== 'reply') {
      this.#closeSpan(at);
      this.#span = 'reply';
      this.#spanStart = at;
    }
    return true;
  }

  /** The frame at `at` never reaches the client. */
  #skip(at: number): true {
    this.#closeSpan(at);
    return true;
  }

  /** `other` in place of the frame at `at`; null: the frame itself */
  #masked(at: number, other: Buffer | null): true {
    if (other === null) return this.#reply(at);
    this.#closeSpan(at);
    this.#owe(this.#session.reply(other));
    return true;
  }

  #rowDescription(at: number, next: number): boolean {
    const step = this.#relay.steps.first;
    const frame = this.#reader.buffer.subarray(at, next);
    if (step?.kind !== 'query') return this.#described(at, frame);
    this.#closeSpan(at);
    maskColumnNames(frame, this.#mask);
    if (!this.#shape(step, frame)) return false;
    this.#span = 'rows';
    this.#spanStart = at;
    return true;
  }

  #described(at: number, frame: Buffer | null): true {
    const step = this.#relay.steps.first;
    if (step === undefined || (step.kind !== 'describe-portal' && step.kind !== 'describe-statement')) throw unexpected(backend.rowDescription);
    this.#relay.steps.shift();
    const { portal } = step;
    if (portal !== null) {
      const known = frame === null ? null : knownShape(portal.prepared.statement, this.#relay.parts.catalogue.catalogue, frame);
      portal.description = known?.bytes ?? (frame === null ? null : Buffer.from(frame));
      portal.answered = true;
      portal.onDescribed?.();
    }
    return step.hidden ? this.#skip(at) : this.#reply(at);
  }

  #parameters(at: number, next: number): true {
    const step = this.#relay.steps.first;
    if (step?.kind !== 'describe-statement') throw unexpected(backend.parameterDescription);
    if (step.prepared !== null) step.prepared.types = parseParameterDescription(this.#reader.buffer, at, next);
    return this.#reply(at);
  }

  #acknowledged(at: number): true {
    const type = this.#reader.buffer.readUInt8(at);
    const step = this.#relay.steps.first;
    if (step === undefined || step.kind !== acknowledges.get(type)) throw unexpected(type);
    this.#relay.steps.shift();
    step.change?.commit();
    return this.#reply(at);
  }

  /** CommandComplete, EmptyQueryResponse, PortalSuspended */
  #complete(at: number, next: number): true {
    const type = this.#reader.buffer.readUInt8(at);
    const step = this.#relay.steps.first;
    if (step === undefined || !completes(step, type)) throw unexpected(type);
    this.#reply(at);
    if (type === backend.commandComplete) this.#completed(step, rowsOfTag(this.#reader.buffer, at, next));
    if (step.kind === 'query') {
      step.masker = null;
      return true;
    }
    step.change?.drop();
    this.#relay.steps.shift();
    step.permit?.settle({ status: 'success', rows: step.rows });
    return true;
  }

  #completed(step: Step, tagged: number): void {
    // rows that were seen are counted; a command without rows names its number in the tag
    if (step.masker === null) step.rows += tagged;
    if (step.outer?.altersCatalogue === true) this.#catalogueStale = true;
    if (step.renames !== null) this.#relay.name.change(step.renames);
    step.change?.commit();
    step.change = null;
  }

  #ready(at: number): true {
    const relay = this.#relay;
    const step = relay.steps.first;
    if (step === undefined || !endsWithReady(step) || (step.kind === 'poison-query' && step.error === null)) throw unexpected(backend.ready);
    const renamed = relay.name.report();
    if (renamed !== null) {
      this.#closeSpan(at);
      this.#owe(this.#session.reply(renamed));
    }
    this.#reply(at);
    relay.steps.shift();
    step.change?.drop();
    step.permit?.settle(step.error === null ? { status: 'success', rows: step.rows } : { status: 'failure', rows: step.rows, error: step.error });
    relay.status = this.#reader.buffer.readUInt8(at + headerBytes);
    if (relay.status !== idle) return true;
    // the end of a transaction closes every portal
    relay.portals.clear();
    if (this.#catalogueStale) this.#reload();
    return true;
  }

  #reload(): void {
    this.#catalogueStale = false;
    this.#relay.refreshing = true;
    void this.#relay.refreshCatalogue().then(() => {
      this.#relay.refreshing = false;
      this.#relay.wakeClient();
    });
  }

  #notice(at: number, next: number): true {
    const frame = this.#reader.buffer.subarray(at, next);
    const hidden = hiddenReport(this.#session, this.#relay.steps.first, frame);
    return this.#masked(at, maskReport(hidden ?? frame, 0, (hidden ?? frame).length, this.#mask) ?? hidden);
  }

  #error(at: number, next: number): true {
    const step = this.#relay.steps.first;
    const frame = this.#reader.buffer.subarray(at, next);
    const hidden = hiddenReport(this.#session, step, frame);
    const { severity, sqlstate, message } = messageOf(hidden ?? frame, 0, (hidden ?? frame).length);
    if (severity === 'FATAL' || severity === 'PANIC') this.#relay.targetSaidLast = true;
    const replacement = step?.error === null ? step.replacement : null;
    this.#masked(at, replacement ?? this.#named(step, hidden ?? frame) ?? hidden);
    if (step === undefined) return true;
    step.error = this.#session.mask(`${sqlstate} ${message}`.trim());
    if (!endsWithReady(step)) this.#skipSegment(step);
    return true;
  }

  /** Masked, with the client's own name for what does not exist; null: nothing changes. */
  #named(step: Step | undefined, frame: Buffer): Buffer | null {
    const unknown = step?.unknown ?? null;
    const mask = unknown === null ? this.#mask : (field: string): string => this.#mask(field.replaceAll(this.#relay.nobody, unknown));
    return maskReport(frame, 0, frame.length, mask);
  }

  /** After an error the target skips everything up to the next Sync: none of it is answered. */
  #skipSegment(failed: Step): void {
    const { steps } = this.#relay;
    for (let step = steps.first; step !== undefined && step.kind !== 'sync'; step = steps.first) {
      steps.shift();
      step.change?.drop();
      step.permit?.settle({ status: 'failure', rows: step.rows, error: step === failed ? (step.error ?? 'failed') : 'skipped after an earlier error' });
      step.portal?.onDescribed?.();
    }
    if (steps.length === 0) this.#relay.discarding = true;
  }

  #parameterStatus(at: number, next: number): true {
    const { name, value } = parseParameterStatus(this.#reader.buffer, at, next);
    checkParameter(name, value);
    this.#relay.settings.report(name, value);
    return this.#masked(at, maskParameter(backend.parameterStatus, name, value, this.#mask));
  }

  #copy(): never {
    throw fail('ERR_FEATURE_REFUSED', { message: 'The target began a COPY that was not asked for.' });
  }
}

function completes(step: Step, type: number): boolean {
  return step.kind === 'execute' || (step.kind === 'query' && type !== backend.portalSuspended);
}

/** Whatever goes wrong while masking: nothing of the chunk may leave. */
function mask(masker: Masker, chunk: Buffer): Masked {
  try {
    return masker.rows(chunk, walkRows);
  } catch (error) {
    throw fail('ERR_MASKING_FAILED', { detail: reasonOf(error), cause: error });
  }
}

/** Under other settings the target would read statements differently than the classifier. */
export function checkParameter(name: string, value: string): void {
  const wrong = name === 'standard_conforming_strings' ? value !== 'on' : name === 'client_encoding' && value !== 'UTF8' && value !== 'SQL_ASCII';
  if (wrong) throw fail('ERR_FEATURE_REFUSED', { message: `${name} must not be ${value.slice(0, 32)} behind the gateway, so the session was closed.` });
}

function unexpected(type: number): Error {
  return fail('ERR_TARGET_UNREACHABLE', {
    message: 'The target broke the protocol, so the session was closed.',
    detail: `unexpected message type ${String(type)}`,
  });
}

function tooLong(length: number, max: number): Error {
  if (length < 4)
    return fail('ERR_TARGET_UNREACHABLE', {
      message: 'The target broke the protocol, so the session was closed.',
      detail: `a message of ${String(length)} bytes`,
    });
  return fail('ERR_STATEMENT_TOO_LARGE', {
    message: `A row or message of the target has ${String(length)} bytes; this gateway accepts ${String(max)}, so the session was closed.`,
  });
}

import { fail } from '../../contract/errors.ts';
import type { Facts } from '../../contract/operation.ts';
import type { Session } from '../../pipeline/engine.ts';
import type { Reader } from '../../wire/reader.ts';
import type { Writer } from '../../wire/writer.ts';
import { headerBytes, parseExecute, parseQuery, sqlNameKey } from './frames.ts';
import { frontend } from './messages.ts';
import { Admissions } from './relay-admissions.ts';
import { Extended } from './relay-extended.ts';
import { ExecuteOperation, QueryOperation } from './relay-shown.ts';
import { estimateRows } from './row-estimate.ts';
import { Step, type Portal, type Prepared } from './relay-steps.ts';
import type { Relay } from './relay.ts';
import { denialFrame } from './server-errors.ts';
import { isStatement, type Classified, type Statement } from './statement.ts';

/** more answers outstanding than any client needs: then it waits */
const maxSteps = 16_384;
const known = new Set<number>(Object.values(frontend).filter((type) => type !== frontend.password));

/**
 * Frames of the client, in order: each is forwarded, refused (something that must fail goes to the target in its place)
 * or waited for. While one waits, the later ones stay unread in the buffer.
 */
export class ClientSide {
  readonly relay: Relay;
  readonly session: Session;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly extended: Extended;
  readonly admissions: Admissions;
  #waiting = false;
  /** goes on when every answer of earlier segments is in */
  #onSettled: (() => void) | null = null;
  #copyRefused = false;

  constructor(relay: Relay) {
    this.relay = relay;
    const { session, client, targetWriter } = relay.parts;
    this.session = session;
    this.reader = client.reader;
    this.writer = targetWriter;
    this.extended = new Extended(this);
    this.admissions = new Admissions(this);
    this.reader.loans = { mark: () => targetWriter.handed, isPast: (mark) => targetWriter.isOut(mark) };
    this.writer.onDrain = () => {
      this.reader.proceed();
    };
  }

  start(): void {
    this.reader.onBytes = () => {
      this.pump();
    };
    this.pump();
  }

  pump(): void {
    if (this.#waiting) return;
    this.#act(() => undefined);
  }

  /** Answers came in: go on with what waited for them. */
  answered(): void {
    const { steps, segment } = this.relay;
    const retry = this.#onSettled;
    if (retry !== null && (steps.first === undefined || steps.first.segment >= segment)) {
      this.#onSettled = null;
      this.#waiting = false;
      this.#act(retry);
    } else if (this.reader.unread >= headerBytes) this.pump();
  }

  /** The session is over: nothing that waits may run any more. */
  abandon(reason: string): void {
    this.#waiting = true;
    this.admissions.abandon(reason);
  }

  /** Holds back later frames until the promise is settled. */
  wait<T>(promise: Promise<T>, then: (value: T) => void, otherwise?: (error: unknown) => void): void {
    this.#waiting = true;
    const resume = (action: () => void): void => {
      if (this.relay.over) return;
      this.#waiting = false;
      this.#act(action);
    };
    promise.then(
      (value) => {
        resume(() => {
          then(value);
        });
      },
      (error: unknown) => {
        resume(() => {
          if (otherwise === undefined) throw error;
          otherwise(error);
        });
      },
    );
  }

  /** Holds back later frames until the target has answered all earlier segments. */
  whenSettled(retry: () => void): void {
    this.#waiting = true;
    this.#onSettled = retry;
  }

  #act(action: () => void): void {
    if (this.relay.over) return;
    this.writer.begin();
    try {
      action();
      while (!this.#waiting && !this.relay.refreshing && this.relay.steps.length < maxSteps && this.#next());
    } catch (error) {
      this.relay.fault(error);
    } finally {
      this.writer.flush();
    }
    if (this.writer.full) this.reader.hold();
    this.reader.settle();
  }

  /** Handles one whole frame; false when there is none. */
  #next(): boolean {
    const { reader } = this;
    reader.wanted = headerBytes;
    if (reader.unread < headerBytes || this.relay.over) return false;
    const start = reader.start;
    const length = reader.buffer.readInt32BE(start + 1);
    if (length < 4) throw fail('ERR_PROTOCOL_VIOLATION', { message: 'invalid message length' });
    if (length > this.relay.parts.limits.maxMessageBytes) throw this.#tooLarge(length);
    if (reader.unread <= length) {
      reader.wanted = 1 + length;
      return false;
    }
    reader.wanted = 1;
    reader.start = start + 1 + length;
    this.#frame(reader.buffer.readUInt8(start), reader.buffer.subarray(start, start + 1 + length));
    return true;
  }

  #tooLarge(length: number): Error {
    const { maxMessageBytes } = this.relay.parts.limits;
    const denial = this.session.refuse({ code: 'ERR_STATEMENT_TOO_LARGE', exact: [Buffer.from(String(length))], kind: 'message too large' });
    return fail(denial.code, { message: `The message has ${String(length)} bytes; this gateway accepts ${String(maxMessageBytes)}.` });
  }

  #frame(type: number, frame: Buffer): void {
    switch (type) {
      case frontend.sync:
        this.relay.discarding = false;
        this.forward(new Step('sync', this.relay.segment), frame);
        this.relay.segment++;
        return;
      case frontend.terminate:
        this.#waiting = true;
        this.relay.leave();
        return;
      default:
        if (!known.has(type)) throw fail('ERR_PROTOCOL_VIOLATION', { message: `invalid frontend message type ${String(type)}` });
        // an earlier frame of the segment failed, and this one counts for nothing
        if (!this.relay.discarding) this.#live(type, frame);
    }
  }

  #live(type: number, frame: Buffer): void {
    switch (type) {
      case frontend.query:
        this.#query(this.relay.name.kept(frame));
        return;
      case frontend.execute:
        this.execute(frame);
        return;
      case frontend.functionCall:
        this.#functionCall(frame);
        return;
      case frontend.copyData:
      case frontend.copyDone:
      case frontend.copyFail:
        this.#copyFrame(frame);
        return;
      default:
        this.extended.frame(type, frame);
    }
  }

  /** A full writer stops the reading after this round, not the round. */
  send(bytes: Uint8Array): void {
    void this.writer.write(bytes);
  }

  /** Something with no effect of its own, that the target answers. */
  forward(step: Step, frame: Uint8Array): void {
    this.send(frame);
    this.relay.steps.push(step);
  }

  #query(frame: Buffer): void {
    const segment = this.#ownSegment();
    const sql = parseQuery(frame, 0, frame.length);
    this.classify(sql, frame, (classified, kept) => {
      this.#queryClassified(classified, kept, segment);
    });
  }

  /** A Query that fails skips nothing behind it: what follows is another segment. */
  #ownSegment(): number {
    const segment = this.relay.segment + 1;
    this.relay.segment = segment + 1;
    return segment;
  }

  /** `then` gets the frame again: a copy, when it had to wait. */
  classify(sql: Buffer, frame: Buffer, then: (classified: Classified, frame: Buffer) => void): void {
    const { catalogue, connectCatalogue } = this.relay.parts;
    if (!catalogue.isFresh) catalogue.renew(connectCatalogue);
    const classified = catalogue.classifier.classify(sql);
    if (!(classified instanceof Promise)) {
      then(classified, frame);
      return;
    }
    const kept = Buffer.from(frame);
    this.wait(classified, (value) => {
      then(value, kept);
    });
  }

  #queryClassified(classified: Classified, frame: Buffer, segment: number): void {
    if (this.relay.discarding) return;
    const step = new Step('query', segment);
    if (!isStatement(classified)) {
      this.admissions.refuse(step, denialFrame(this.session.refuse({ ...classified, exact: [frame] })));
      return;
    }
    const effective = this.effective(classified, step, frame, (kept) => {
      this.#queryClassified(classified, kept, segment);
    });
    if (effective === null) return;
    step.statement = effective;
    step.outer = classified;
    step.renames = this.relay.name.asked;
    if (classified.prepares !== null) step.sql = Buffer.from(parseQuery(frame, 0, frame.length));
    const prepared = this.executed(classified);
    this.admissions.submit(
      step,
      new QueryOperation(classified, {
        facts: effective.facts,
        frame,
        prepared,
        context: this.relay.settings.shown,
        settings: this.#settingsKey,
        estimate: prepared === null ? (sql) => this.#estimate(effective.facts, sql) : null,
      }),
    );
  }

  /** The statement whose facts count: EXECUTE has those of what was prepared. Null: refused, or waiting for `retry`. */
  effective(statement: Statement, step: Step, frame: Buffer, retry: (kept: Buffer) => void): Statement | null {
    if (statement.executes === null) return statement;
    const prepared = this.relay.statements.find(sqlNameKey(statement.executes), this.relay.segment);
    if (prepared === 'unsettled') {
      const kept = Buffer.from(frame);
      this.whenSettled(() => {
        retry(kept);
      });
      return null;
    }
    if (prepared === undefined) {
      this.admissions.refuseUnknown(step, frame, statement.executes);
      return null;
    }
    const current = this.extended.current(prepared, frame, retry);
    if (current === null) return null;
    // a prepared EXECUTE, PREPARE, … acts on names: what it runs is not what was decided
    const refusal = isStatement(current) && actsOnNames(current) ? nestedRefusal : current;
    if (isStatement(refusal)) return refusal;
    this.admissions.refuse(step, denialFrame(this.session.refuse({ ...refusal, exact: [frame] })));
    return null;
  }

  execute(frame: Buffer): void {
    if (this.relay.discarding) return;
    const key = parseExecute(frame, 0, frame.length);
    const portal = this.relay.portals.find(key, this.relay.segment);
    const step = new Step('execute', this.relay.segment);
    if (portal === 'unsettled') {
      const kept = Buffer.from(frame);
      this.whenSettled(() => {
        this.execute(kept);
      });
    } else if (portal === undefined) {
      // also a cursor declared in SQL: what it is was not decided for this
      this.admissions.refuseUnknown(step, frame, Buffer.from(key, 'latin1').toString('utf8'));
    } else this.#executePortal(step, portal, frame);
  }

  #executePortal(step: Step, portal: Portal, frame: Buffer): void {
    const { prepared } = portal;
    const current = this.extended.current(prepared, frame, (kept) => {
      this.execute(kept);
    });
    if (current === null) return;
    if (!isStatement(current)) {
      this.admissions.refuse(step, denialFrame(this.session.refuse({ ...current, exact: [frame] })));
      return;
    }
    const statement = this.effective(current, step, frame, (kept) => {
      this.execute(kept);
    });
    if (statement === null) return;
    step.statement = statement;
    step.outer = current;
    step.portal = portal;
    step.renames = prepared.renames;
    if (current.prepares !== null) step.sql = prepared.sql;
    // a named portal may have been replaced in SQL meanwhile; the unnamed one can't be
    step.describeFirst = !portal.described || (portal.name.length > 0 && portal.describedAt !== this.relay.operations);
    if (portal.binaryResults && !prepared.binaryVerified) this.admissions.probe(step, portal, Buffer.from(frame));
    else this.admissions.submit(step, this.executeOperation(portal, statement, frame));
  }

  executeOperation(portal: Portal, { facts }: Statement, frame: Buffer): ExecuteOperation {
    return new ExecuteOperation(portal, {
      facts,
      frame,
      inner: this.executed(portal.prepared.statement),
      context: this.relay.settings.shown,
      settings: this.#settingsKey,
    });
  }

  get #settingsKey(): Uint8Array {
    return this.relay.settings.key(this.session.id, this.relay.operations);
  }

  #estimate(facts: Facts, sql: string): Promise<number | null> {
    const { catalogue, connectCatalogue } = this.relay.parts;
    return estimateRows({ facts, sql, searchPath: this.relay.settings.searchPath }, { connect: connectCatalogue, catalogue: catalogue.catalogue });
  }

  /** What SQL's EXECUTE runs; null: it is no EXECUTE. */
  executed({ executes }: Statement): Prepared | null {
    if (executes === null) return null;
    const prepared = this.relay.statements.find(sqlNameKey(executes), this.relay.segment);
    return prepared === undefined || prepared === 'unsettled' ? null : prepared;
  }

  #functionCall(frame: Buffer): void {
    const segment = this.#ownSegment();
    const denial = this.session.refuse({
      code: 'ERR_FEATURE_REFUSED',
      message: 'Function calls of the fast-path protocol are refused by the gateway.',
      exact: [frame],
      kind: 'function call',
    });
    this.admissions.refuse(new Step('query', segment), denialFrame(denial));
  }

  /** Outside a COPY the target ignores these without an answer; so do we, but the first one is on record. */
  #copyFrame(frame: Buffer): void {
    if (this.#copyRefused) return;
    this.#copyRefused = true;
    this.session.refuse({ code: 'ERR_FEATURE_REFUSED', exact: [frame], kind: 'copy' });
  }
}

function actsOnNames({ executes, prepares, deallocates, declares }: Statement): boolean {
  return executes !== null || prepares !== null || deallocates !== null || declares !== null;
}

const nestedRefusal = {
  code: 'ERR_FEATURE_REFUSED',
  kind: 'nested execute',
  message: 'EXECUTE of a prepared EXECUTE, PREPARE, DEALLOCATE or DECLARE is refused by the gateway.',
} as const;

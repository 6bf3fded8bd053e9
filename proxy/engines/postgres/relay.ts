import { randomBytes } from 'node:crypto';
import { asAppError, fail } from '../../contract/errors.ts';
import type { PostgresResource } from '../../contract/resource.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EngineLimits, Session } from '../../pipeline/engine.ts';
import type { Connection } from '../../wire/connection.ts';
import { Queue } from '../../wire/queue.ts';
import type { Writer } from '../../wire/writer.ts';
import { ClientName } from './application-name.ts';
import { cancelAtTarget, type Target } from './client-connect.ts';
import type { Connect, TargetCatalogue } from './client-catalogue.ts';
import { executeFrame, idle, queryFrame, terminateFrame } from './messages.ts';
import { ClientSide } from './relay-client.ts';
import { Names } from './relay-names.ts';
import type { Portal, Prepared, Step } from './relay-steps.ts';
import type { Described } from './relay-shape.ts';
import { TargetSide } from './relay-target.ts';
import { fatalFrame } from './server-errors.ts';
import { SessionSettings } from './session-settings.ts';
import type { Statement } from './statement.ts';

/** What a live session is made of. */
export interface RelayParts {
  readonly session: Session;
  readonly resource: PostgresResource;
  readonly limits: EngineLimits;
  readonly maxRowBytes: number;
  readonly client: Connection;
  readonly clientWriter: Writer;
  readonly target: Target;
  readonly targetWriter: Writer;
  readonly catalogue: TargetCatalogue;
  readonly connectCatalogue: Connect;
  /** what the client set at startup, as it was passed on */
  readonly startup: ReadonlyMap<string, string>;
  /** as the client asked for it at startup */
  readonly applicationName: string;
  readonly clock: Clock;
}

const graceMs = 2000;

/** One live session after both handshakes: what both directions share, and its end. */
export class Relay {
  readonly parts: RelayParts;
  readonly statements = new Names<Prepared>();
  readonly portals = new Names<Portal>();
  readonly steps = new Queue<Step>();
  readonly name: ClientName;
  /** must fail at the target, whatever its state is: a syntax error, and a portal nobody can know */
  readonly poisonQuery = queryFrame('POSTERN REFUSED');
  readonly nobody = `postern_refused_${randomBytes(12).toString('hex')}`;
  readonly poisonExecute = executeFrame(this.nobody);
  /** the frames up to a Sync, or one Query */
  segment = 0;
  /** the target skips, and so do we, until the next Sync */
  discarding = false;
  /** operations forwarded so far */
  operations = 0;
  /** status byte of the last ReadyForQuery */
  status: number = idle;
  readonly settings: SessionSettings;
  /** the client's frames wait for a new catalogue */
  refreshing = false;
  /** the target's last message was FATAL: the client has been told */
  targetSaidLast = false;
  over = false;
  readonly done: Promise<void>;
  #leaving = false;
  readonly #clientSide: ClientSide;
  readonly #targetSide: TargetSide;
  readonly #finished: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(parts: RelayParts) {
    this.parts = parts;
    this.name = new ClientName(parts.applicationName);
    this.settings = new SessionSettings(parts.startup, parts.target.parameters);
    this.done = this.#finished.promise;
    this.#clientSide = new ClientSide(this);
    this.#targetSide = new TargetSide(this);
  }

  start(): void {
    const { client, target, session, limits } = this.parts;
    client.reader.limit = limits.highWaterBytes;
    target.connection.reader.limit = limits.highWaterBytes;
    client.reader.onClosed = () => {
      if (!this.#leaving) this.end('the client disconnected', null);
    };
    target.connection.reader.onClosed = () => {
      this.#targetSide.pump();
      this.end(
        'the target closed the connection',
        this.targetSaidLast ? null : fail('ERR_TARGET_UNREACHABLE', { message: 'The connection to the target was lost.' }),
      );
    };
    session.ended.addEventListener('abort', () => {
      this.fault(session.ended.reason);
    });
    this.#clientSide.start();
    this.#targetSide.start();
    if (session.ended.aborted) this.fault(session.ended.reason);
    else if (client.reader.closed) client.reader.onClosed(null);
    else if (target.connection.reader.closed) target.connection.reader.onClosed(null);
  }

  /** After frames of the target were handled: what waited for its answers goes on. */
  answered(): void {
    if (this.steps.length === 0) this.settings.settled();
    if (this.#leaving && this.steps.length === 0) this.end('the client disconnected', null);
    else this.#clientSide.answered();
  }

  /** Terminate: what was sent before it still runs, as at the target itself. */
  leave(): void {
    this.#leaving = true;
    if (this.steps.length === 0) this.end('the client disconnected', null);
  }

  /** Rows for a client that is gone end the session, as they do at the target itself. */
  get isAbandoned(): boolean {
    return this.#leaving && this.parts.client.reader.closed;
  }

  /** Null: the catalogue must be loaded first. */
  shapeOf(statement: Statement, frame: Buffer): Described | null {
    return this.#targetSide.shapeOf(statement, frame);
  }

  wakeClient(): void {
    this.#clientSide.pump();
  }

  /** A cancel request of this client: what was not forwarded yet is withdrawn, what runs is cancelled at the target. */
  cancel(): void {
    if (this.over || this.#clientSide.admissions.withdraw()) return;
    if (this.steps.length > 0) void cancelAtTarget(this.parts.resource, this.parts.target.key);
  }

  /** Loads the catalogue again; never rejects, since an old catalogue only knows less. */
  async refreshCatalogue(): Promise<void> {
    await this.parts.catalogue.refresh(this.parts.connectCatalogue).catch(() => undefined);
  }

  fault(error: unknown): void {
    const fault = asAppError(error);
    this.end(fault.message, fault);
  }

  /** Ends both sides once. `told`: what the client reads last. */
  end(reason: string, told: Error | null): void {
    if (this.over) return;
    this.over = true;
    const { session, client, clientWriter, target, targetWriter } = this.parts;
    this.#clientSide.abandon(reason);
    const running = this.steps.length > 0;
    for (let step = this.steps.shift(); step !== undefined; step = this.steps.shift()) {
      // the target may have done what it was sent: only its own error says that it has not
      step.permit?.settle({ status: step.error === null ? 'indeterminate' : 'failure', rows: step.rows, error: step.error ?? reason });
    }
    if (running && !target.connection.reader.closed) void cancelAtTarget(this.parts.resource, target.key);
    targetWriter.flush();
    finish(target.connection, terminateFrame);
    clientWriter.flush();
    finish(client, told === null ? null : fatalFrame(told));
    session.close(reason).then(this.#finished.resolve, this.#finished.resolve);
  }
}

/** Says the last word and closes; a peer that does not read is cut off. */
function finish(connection: Connection, last: Buffer | null): void {
  const { socket, reader } = connection;
  reader.onBytes = () => {
    reader.start = reader.end;
  };
  if (last === null || !socket.writable) socket.destroySoon();
  else socket.end(last);
  reader.start = reader.end;
  reader.proceed();
  const timer = setTimeout(() => {
    socket.destroy();
  }, graceMs);
  socket.once('close', () => {
    clearTimeout(timer);
  });
}

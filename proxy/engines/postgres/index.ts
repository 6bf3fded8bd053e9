import type { Socket } from 'node:net';
import { asAppError, fail } from '../../contract/errors.ts';
import type { PostgresResource } from '../../contract/resource.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import type { Engine, Gate, Session, Sink } from '../../pipeline/engine.ts';
import { adopt, type Connection } from '../../wire/connection.ts';
import { Writer } from '../../wire/writer.ts';
import { brieflyConnected, TargetCatalogues, type CatalogueLoading, type Connect } from './client-catalogue.ts';
import { shownName } from './application-name.ts';
import { connectTarget, type Target } from './client-connect.ts';
import { idle, parameterStatus, readyForQuery } from './messages.ts';
import { Relay } from './relay.ts';
import { checkParameter } from './relay-target.ts';
import { ScramKeys } from './scram.ts';
import { fatalFrame, maskReport } from './server-errors.ts';
import { authenticate, backendKey, greet } from './server-handshake.ts';
import type { Accepted } from './server-parameters.ts';

export interface PostgresEngineDeps extends CatalogueLoading {
  readonly clock?: Clock;
  /** bytes of one row or message of a target; longer ones end the session. Default 64 MiB */
  readonly maxRowBytes?: number;
}

const clientBufferBytes = 16_384;
const defaultMaxRowBytes = 67_108_864;
const catalogueDeadlineMs = 30_000;
const lingerMs = 1000;

/** PostgreSQL, protocol 3.0 and 3.2. See README.md for what is supported and how the rest fails. */
export function createPostgresEngine(deps: PostgresEngineDeps): Engine {
  const engine = new PostgresEngine(deps);
  return { protocol: 'postgres', serve: (client, gate, signal) => engine.serve(client, gate, signal) };
}

class PostgresEngine {
  readonly #deps: PostgresEngineDeps;
  readonly #clock: Clock;
  readonly #catalogues: TargetCatalogues;
  readonly #scramKeys = new ScramKeys();

  constructor(deps: PostgresEngineDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    this.#catalogues = new TargetCatalogues(deps, this.#clock);
  }

  async serve(client: Socket, gate: Gate, signal: AbortSignal): Promise<void> {
    const accepted = adopt(client, clientBufferBytes, gate.limits.maxHandshakeBytes);
    const stop = (): void => {
      accepted.socket.destroy();
    };
    const deadline = setTimeout(stop, gate.limits.handshakeTimeoutMs);
    signal.addEventListener('abort', stop, { once: true });
    try {
      // who has proved an identity waits for the target, and hears from us when that takes too long
      const relay = await this.#open(accepted, gate, () => {
        clearTimeout(deadline);
      });
      signal.removeEventListener('abort', stop);
      if (relay === null) linger(accepted.socket);
      else await run(relay, signal);
    } catch {
      // the client was told what it may know; a fault before a session is nobody else's business
      linger(accepted.socket);
    } finally {
      clearTimeout(deadline);
      signal.removeEventListener('abort', stop);
    }
  }

  /** Both handshakes. Null: the connection was only a cancel request, or was refused. */
  async #open(accepted: Connection, gate: Gate, identified: () => void): Promise<Relay | null> {
    let connection = accepted;
    let session: Session | null = null;
    try {
      const greeted = await greet(accepted, gate);
      if (greeted === null) return null;
      connection = greeted.connection;
      const { wants } = greeted;
      const caller = await authenticate(connection, wants.user, gate);
      if (caller === null) return null;
      identified();
      const writer = new Writer(connection.socket, gate.limits.highWaterBytes);
      const sink: Sink = { write: (bytes) => writer.write(bytes) };
      session = await gate.open(caller, { database: wants.database, applicationName: wants.applicationName }, sink);
      const relay = await this.#connect({ connection, writer, wants, gate }, session);
      if (connection.reader.closed) relay.end('the client disconnected', null);
      return relay;
    } catch (error) {
      if (connection.socket.writable) connection.socket.end(fatalFrame(error));
      await session?.close(asAppError(error).message);
      throw error;
    }
  }

  async #connect(client: { connection: Connection; writer: Writer; wants: Accepted; gate: Gate }, session: Session): Promise<Relay> {
    const { limits } = client.gate;
    const resource = postgresOf(session);
    const options = {
      resource,
      database: session.database,
      scramKeys: this.#scramKeys,
      maxMessageBytes: limits.maxMessageBytes,
      deadlineMs: limits.handshakeTimeoutMs,
    };
    const catalogue = this.#catalogues.get(resource, session.database, resource.account);
    const connectCatalogue: Connect = (use) =>
      session.lease((credential) => brieflyConnected({ ...options, deadlineMs: catalogueDeadlineMs }, credential, use));
    const parameters = new Map([...client.wants.upstream, ['application_name', clip(`postern:${session.caller.name}`, 63)]]);
    const target = await both(
      session.lease((credential) => connectTarget({ ...options, credential, parameters })),
      catalogue.isFresh ? Promise.resolve() : catalogue.refresh(connectCatalogue),
    );
    const relay = new Relay({
      session,
      resource,
      limits,
      maxRowBytes: this.#deps.maxRowBytes ?? defaultMaxRowBytes,
      client: client.connection,
      clientWriter: client.writer,
      target,
      targetWriter: new Writer(target.connection.socket, limits.highWaterBytes),
      catalogue,
      connectCatalogue,
      startup: client.wants.upstream,
      applicationName: client.wants.applicationName,
      clock: this.#clock,
    });
    try {
      await welcome(relay, client.wants);
    } catch (error) {
      target.connection.socket.destroy();
      throw error;
    }
    return relay;
  }
}

/** The listener offers resources of this protocol only. */
function postgresOf({ resource }: Session): PostgresResource {
  if (resource.protocol !== 'postgres') throw fail('ERR_RESOURCE_UNKNOWN');
  return resource;
}

/** The target's connection is closed when the catalogue can't be had; a target that can't be reached is told at once. */
async function both(connecting: Promise<Target>, catalogue: Promise<void>): Promise<Target> {
  const loaded = catalogue.then(
    () => null,
    (error: unknown) => ({ error }),
  );
  const target = await connecting;
  const failed = await loaded;
  if (failed === null) return target;
  target.connection.socket.destroy();
  throw failed.error;
}

/** What the target said about itself, our own cancel key, and ReadyForQuery. */
async function welcome(relay: Relay, wants: Accepted): Promise<void> {
  const { session, target } = relay.parts;
  const key = session.cancellation(() => {
    relay.cancel();
  });
  const frames: Buffer[] = [];
  for (const [name, value] of target.parameters) {
    checkParameter(name, value);
    // the target sees the principal there; the client sees what it asked for
    frames.push(parameterStatus(name, name === 'application_name' ? shownName(wants.applicationName) : session.mask(value)));
  }
  frames.push(backendKey(key));
  for (const notice of target.notices) frames.push(maskReport(notice, 0, notice.length, (text) => session.mask(text)) ?? notice);
  frames.push(readyForQuery(idle));
  await session.reply(Buffer.concat(frames));
}

async function run(relay: Relay, signal: AbortSignal): Promise<void> {
  const stop = (): void => {
    relay.fault(fail('ERR_SESSION_ENDED', { message: 'terminating connection: the gateway is stopping' }));
  };
  signal.addEventListener('abort', stop, { once: true });
  relay.start();
  if (signal.aborted) stop();
  await relay.done;
  signal.removeEventListener('abort', stop);
}

/** Gives the last message time to leave. */
function linger(socket: Socket): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => {
    socket.destroy();
  }, lingerMs);
  socket.once('close', () => {
    clearTimeout(timer);
  });
}

/** At most `bytes` bytes of UTF-8, never a broken character. */
function clip(text: string, bytes: number): string {
  let clipped = text;
  while (Buffer.byteLength(clipped) > bytes) clipped = clipped.slice(0, -1);
  return clipped.toWellFormed();
}

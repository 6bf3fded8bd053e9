import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { fail } from '../../contract/errors.ts';
import type { Engine, Gate, WebBroker } from '../../pipeline/engine.ts';
import { acceptTls } from '../../wire/tls.ts';
import { answerError } from '../../wire/web/answer.ts';
import { FrontDoor } from './front-door.ts';
import type { WebRoutes } from './routes.ts';

export interface WebEngineDeps {
  readonly brokers: readonly WebBroker[];
  /** tokens for workloads, and the metadata that leads to them */
  readonly oauth: WebRoutes;
  /** our own MCP server, at `/mcp/postern` */
  readonly own: WebRoutes;
}

interface Connection {
  readonly gate: Gate;
  /** requests without an answer yet, by what tells their brokers that nobody waits any more */
  readonly running: Set<AbortController>;
  /** runs all the time, and counts while nothing else does */
  idle: NodeJS.Timeout;
  isFirst: boolean;
}

/** from one answer to the last byte of the next request's head */
const idleMs = 75_000;
const maxHeaderBytes = 16_384;
const maxHeaders = 96;
const maxRequests = 100_000;
const tlsHandshake = 0x16;

/** HTTP/1.1 for the protocols that are HTTP: one port, many resources. See README.md. */
export function createWebEngine(deps: WebEngineDeps): Engine {
  const engine = new WebEngine(deps);
  return { protocol: 'web', serve: (client, gate, signal) => engine.serve(client, gate, signal) };
}

class WebEngine {
  readonly #door: FrontDoor;
  readonly #server: Server;
  readonly #connections = new WeakMap<Duplex, Connection>();

  constructor(deps: WebEngineDeps) {
    this.#door = new FrontDoor(deps);
    this.#server = createServer({
      insecureHTTPParser: false,
      maxHeaderSize: maxHeaderBytes,
      // answers take as long as people take to decide; heads and bodies have deadlines of their own
      requestTimeout: 0,
      headersTimeout: 0,
      keepAliveTimeout: idleMs,
      noDelay: true,
      // others (`h2c`) are ignored, as RFC 9110 section 7.8 allows
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    });
    this.#server.maxHeadersCount = maxHeaders;
    this.#server.maxRequestsPerSocket = maxRequests;
    this.#listen();
  }

  async serve(client: Socket, gate: Gate, signal: AbortSignal): Promise<void> {
    const stop = (): void => {
      client.destroy();
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      const socket = await secured(client, gate);
      if (socket !== null) await this.#serve(socket, gate, signal);
    } catch {
      // a handshake that came to nothing is nobody else's business
      client.destroy();
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #serve(socket: Socket, gate: Gate, signal: AbortSignal): Promise<void> {
    const idle = setTimeout(() => {
      socket.destroy();
    }, gate.limits.handshakeTimeoutMs);
    const connection: Connection = { gate, running: new Set(), idle, isFirst: true };
    this.#connections.set(socket, connection);
    const stop = (): void => {
      for (const gone of connection.running) leave(gone);
    };
    signal.addEventListener('abort', stop, { once: true });
    const closed = new Promise<void>((resolve) => {
      socket.once('close', () => {
        signal.removeEventListener('abort', stop);
        clearTimeout(connection.idle);
        resolve();
      });
    });
    this.#server.emit('connection', socket);
    // it was accepted paused
    socket.resume();
    return closed;
  }

  #listen(): void {
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#handle(request, response, null);
    });
    // `100 Continue` goes out when somebody reads the body
    this.#server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      this.#handle(request, response, null);
    });
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // Node hands over the bare socket: an answer that is none of the new protocol's is written like any other
      const response = new ServerResponse(request);
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Node types it as any stream, and gives a socket
      response.assignSocket(socket as Socket);
      response.shouldKeepAlive = false;
      response.once('finish', () => {
        // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- as above
        response.detachSocket(socket as Socket);
        socket.end();
      });
      this.#handle(request, response, { socket, head });
    });
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      if (socket.writable) socket.end(rawAnswer(error.code === 'HPE_HEADER_OVERFLOW' ? 'ERR_STATEMENT_TOO_LARGE' : 'ERR_PROTOCOL_VIOLATION'));
      else socket.destroy();
    });
  }

  #handle(request: IncomingMessage, response: ServerResponse, upgrade: { socket: Duplex; head: Buffer } | null): void {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined) {
      response.destroy();
      return;
    }
    if (connection.isFirst) idleFrom(connection, request.socket);
    const { running } = connection;
    const gone = new AbortController();
    running.add(gone);
    (upgrade === null ? response : upgrade.socket).once('close', () => {
      running.delete(gone);
      if (upgrade !== null || !response.writableFinished) leave(gone);
      if (running.size === 0 && !request.socket.destroyed) connection.idle.refresh();
    });
    this.#door.enter({ request, response, upgrade, gate: connection.gate, gone: gone.signal }).catch((error: unknown) => {
      answerError(response, error);
    });
  }
}

function leave(gone: AbortController): void {
  gone.abort(fail('ERR_SESSION_ENDED', { message: 'The client disconnected.' }));
}

/** One timer for all requests of a connection: each answer sets it anew, and while one is awaited it begins again by itself. */
function idleFrom(connection: Connection, socket: Socket): void {
  connection.isFirst = false;
  clearTimeout(connection.idle);
  connection.idle = setTimeout(() => {
    if (connection.running.size === 0) socket.destroy();
    else connection.idle.refresh();
  }, idleMs);
}

/** The connection behind TLS; null: it was turned away with a word. */
async function secured(client: Socket, gate: Gate): Promise<Socket | null> {
  client.on('error', () => client.destroy());
  const { tls } = gate;
  if (tls === null) return client;
  const deadline = setTimeout(() => client.destroy(), gate.limits.handshakeTimeoutMs);
  try {
    const first = await firstBytes(client);
    if (first[0] === tlsHandshake) {
      const socket = await acceptTls(client, tls, ['http/1.1'], first);
      socket.on('error', () => socket.destroy());
      return socket;
    }
  } finally {
    clearTimeout(deadline);
  }
  client.end(rawAnswer('ERR_PROTOCOL_VIOLATION', 'This port speaks HTTPS only: use https:// in the address.'));
  return null;
}

function firstBytes(client: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.once('data', (chunk: Buffer) => {
      client.pause();
      resolve(chunk);
    });
    client.once('close', () => {
      reject(fail('ERR_PROTOCOL_VIOLATION'));
    });
    client.resume();
  });
}

/** For what never became a request. */
function rawAnswer(code: 'ERR_PROTOCOL_VIOLATION' | 'ERR_STATEMENT_TOO_LARGE', message?: string): string {
  const { message: text, hint } = fail(code, message === undefined ? {} : { message });
  const body = `${JSON.stringify({ error: { code, message: text, hint } })}\n`;
  const status = code === 'ERR_STATEMENT_TOO_LARGE' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  return [
    `HTTP/1.1 ${status}`,
    'content-type: application/json; charset=utf-8',
    'cache-control: no-store',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}

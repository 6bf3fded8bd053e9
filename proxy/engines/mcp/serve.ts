import { asAppError, errorTable, fail, type ErrorCode } from '../../contract/errors.ts';
import type { McpResource } from '../../contract/resource.ts';
import type { AppError } from '../../lib/errors.ts';
import { member, text } from '../../lib/json/node.ts';
import type { Gate, Session, WebExchange } from '../../pipeline/engine.ts';
import { parsedBytes, type BodyRoom } from '../../wire/web/body-room.ts';
import { readBody } from '../../wire/web/request-body.ts';
import { errorAnswer, refusalAnswer, toldOf, type Told } from './answers.ts';
import { Call, type Shared } from './call.ts';
import { isUnreadable, maxMessageBytes, metaOf, readMessage, type Message, type RequestMessage } from './envelope.ts';
import { eraOf, isModern, type Era } from './era.ts';
import { Group } from './group.ts';
import type { LegacySessions } from './legacy-sessions.ts';
import type { Link } from './link.ts';
import { serveStream } from './listen.ts';
import { ReplyWriter } from './reply-writer.ts';
import { serveNotification, serveResponse } from './tell.ts';

export interface ServeDeps {
  readonly shared: Shared;
  readonly sessions: LegacySessions;
  readonly room: BodyRoom;
  readonly running: WeakMap<Session, Map<string, Call>>;
  readonly link: (session: Session, resource: McpResource, era: Era) => Promise<Link>;
}

const bodyDeadlineMs = 60_000;
/** why a body was not looked at */
const unreadable: ReadonlySet<ErrorCode> = new Set(['ERR_BODY_REFUSED', 'ERR_STATEMENT_TOO_LARGE', 'ERR_TOO_MANY_CONNECTIONS']);
const modernIdleMs = 300_000;
const stateless = 'stateless';
const hidden: Told = { code: 'ERR_RESOURCE_UNKNOWN', message: errorTable.ERR_RESOURCE_UNKNOWN.message, hint: 'Check the address, or ask the administrator.' };

/** One HTTP request at the address of a server; never rejects. */
export async function serveExchange(deps: ServeDeps, exchange: WebExchange, gate: Gate): Promise<void> {
  const served = new Served(deps, exchange, gate);
  try {
    await served.run();
  } catch (error) {
    served.fault(asAppError(error));
  }
}

class Served {
  readonly #deps: ServeDeps;
  readonly #exchange: WebExchange;
  readonly #gate: Gate;
  readonly #resource: McpResource;
  readonly #writer: ReplyWriter;
  #message: Message | null = null;

  constructor(deps: ServeDeps, exchange: WebExchange, gate: Gate) {
    const { resource } = exchange;
    if (resource.protocol !== 'mcp') throw fail('ERR_INTERNAL', { detail: 'no MCP server' });
    this.#deps = deps;
    this.#exchange = exchange;
    this.#gate = gate;
    this.#resource = resource;
    this.#writer = new ReplyWriter(exchange.response, gate.limits.highWaterBytes);
  }

  async run(): Promise<void> {
    const { request, path } = this.#exchange;
    if (path !== '' && path !== '/' && this.#gate.pinned === null) throw fail('ERR_NOT_FOUND');
    switch (request.method) {
      case 'POST':
        return this.#post();
      case 'GET':
      case 'DELETE':
        return this.#sessionOnly(request.method);
      default:
        this.#writer.empty(405, ['allow', 'POST, GET, DELETE']);
    }
  }

  /** What failed before there was anything to decide, or on the way. */
  fault({ code, message, hint }: AppError<ErrorCode>): void {
    if (this.#exchange.gone.aborted) {
      this.#writer.cut();
      return;
    }
    // whether a server exists is not told to who may not use it
    const isHidden = code === 'ERR_ACCESS_DENIED' || code === 'ERR_RESOURCE_UNKNOWN';
    const told: Told = isHidden ? hidden : { code, message, hint: hint ?? '' };
    const id = this.#message?.kind === 'request' ? this.#message.id : null;
    this.#last(refusalAnswer(id, told), errorTable[told.code].status);
  }

  #last(bytes: Uint8Array, status: number): void {
    const writer = this.#writer;
    if (writer.hasBegun && !writer.isStream) writer.cut();
    else {
      void writer.message(bytes, status);
      writer.end();
    }
  }

  async #post(): Promise<void> {
    const { request, response, gone } = this.#exchange;
    const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
    const bytes = await this.#body(type);
    if (bytes === null) return;
    response.on('error', () => undefined);
    const message = await this.#parsed(bytes);
    if (message === null || gone.aborted) return;
    this.#message = message;
    const era = message.kind === 'response' ? 'legacy' : eraOf(message, request.headers);
    const session = await this.#session(message, era);
    if (session === null) return;
    if (this.#resource.upstream.transport === 'group') return this.#grouped(message, era, session);
    const link = await this.#deps.link(session, this.#resource, era);
    await this.#handle(link, message);
  }

  #grouped(message: Message, era: Era, session: Session): Promise<void> {
    const { shared, link } = this.#deps;
    const given = { shared, link, resource: this.#resource, exchange: this.#exchange, gate: this.#gate, writer: this.#writer, era, session };
    const group = new Group({ ...given, key: era, running: this.#running(session) });
    if (message.kind === 'request') return group.request(message);
    return message.kind === 'notification' ? group.notification(message) : group.response(message);
  }

  async #body(type: string | undefined): Promise<Buffer | null> {
    const { request, response, gone, caller } = this.#exchange;
    const room = this.#deps.room.share(JSON.stringify([caller.issuer, caller.subject]));
    response.once('close', () => {
      room.release();
    });
    try {
      if (type !== 'application/json') throw fail('ERR_BODY_REFUSED', { message: 'Messages are JSON: application/json.' });
      const bytes = await readBody(request, response, { maxBytes: maxMessageBytes, deadlineMs: bodyDeadlineMs, signal: gone, room });
      room.take(parsedBytes(bytes));
      return bytes;
    } catch (error) {
      const { code, message } = asAppError(error);
      if (gone.aborted || !unreadable.has(code)) throw error;
      const session = await this.#shared('');
      const denial = session.refuse({ code, message, exact: [], kind: 'mcp message' });
      this.#last(errorAnswer(null, -32600, toldOf(denial)), errorTable[code].status);
      return null;
    }
  }

  /** What cannot be read strictly is on record, and goes nowhere. */
  async #parsed(bytes: Buffer): Promise<Message | null> {
    try {
      return readMessage(bytes);
    } catch (error) {
      const { message } = asAppErrorOf(error);
      const session = await this.#shared('');
      const denial = session.refuse({ code: 'ERR_PROTOCOL_VIOLATION', message, exact: [bytes], kind: 'mcp message' });
      this.#last(errorAnswer(null, isUnreadable(error) ? -32700 : -32600, toldOf(denial)), 400);
      return null;
    }
  }

  /** The live session a message belongs to; null: it was answered that there is none. */
  async #session(message: Message, era: Era): Promise<Session | null> {
    if (era === 'modern') return this.#shared('');
    const { caller } = this.#exchange;
    if (message.kind === 'request' && message.method === 'initialize') {
      const id = this.#deps.sessions.begin(caller, this.#resource);
      this.#writer.header('mcp-session-id', id);
      return this.#known(id);
    }
    const id = this.#exchange.request.headers['mcp-session-id'];
    if (typeof id === 'string') return this.#known(id);
    if (this.#resource.upstream.transport === 'streamable-http') return this.#shared(stateless);
    const session = await this.#shared('');
    const denial = session.refuse({ code: 'ERR_PROTOCOL_VIOLATION', message: 'A session begins with initialize.', exact: [], kind: 'no session' });
    this.#last(errorAnswer(message.kind === 'request' ? message.id : null, -32600, toldOf(denial)), 400);
    return null;
  }

  async #known(id: string): Promise<Session | null> {
    const { caller } = this.#exchange;
    const session = await this.#deps.sessions.session(id, { caller, resource: this.#resource, gate: this.#gate, applicationName: this.#applicationName() });
    if (session === null) {
      const told: Told = { code: 'ERR_SESSION_ENDED', message: 'There is no such session.', hint: 'Begin again with initialize.' };
      this.#last(errorAnswer(this.#message?.kind === 'request' ? this.#message.id : null, -32600, told), 404);
    }
    return session;
  }

  #shared(key: string): Promise<Session> {
    return this.#gate.share(this.#exchange.caller, { resource: this.#resource.name, key, applicationName: this.#applicationName(), idleMs: modernIdleMs });
  }

  /** What the client calls itself; nothing is decided by it. */
  #applicationName(): string {
    const params = this.#message?.kind === 'request' ? this.#message.params : undefined;
    const info = member(params, 'clientInfo') ?? member(metaOf(params), 'io.modelcontextprotocol/clientInfo');
    const parts = [text(member(info, 'name')), text(member(info, 'version'))].filter((part) => part !== undefined);
    return (parts.length > 0 ? parts.join(' ') : (this.#exchange.request.headers['user-agent'] ?? '')).slice(0, 200);
  }

  async #handle(link: Link, message: Message): Promise<void> {
    const { shared } = this.#deps;
    const running = this.#running(link.session);
    const given = { shared, link, exchange: this.#exchange, writer: this.#writer, running };
    if (message.kind === 'notification') return serveNotification(given, message);
    if (message.kind === 'response') return serveResponse(given, message);
    const call = new Call({ ...given, message, requestHeaders: this.#exchange.request.headers });
    running.set(message.key, call);
    try {
      await call.run();
    } finally {
      if (running.get(message.key) === call) running.delete(message.key);
      this.#afterInitialize(call, message);
    }
  }

  /** A session that did not begin is none. */
  #afterInitialize(call: Call, message: RequestMessage): void {
    if (message.method !== 'initialize' || call.link.era !== 'legacy' || call.hasSucceeded) return;
    const { session } = call.link;
    void session.close('it did not begin');
  }

  #running(session: Session): Map<string, Call> {
    const known = this.#deps.running.get(session);
    if (known !== undefined) return known;
    const made = new Map<string, Call>();
    this.#deps.running.set(session, made);
    return made;
  }

  /** GET opens the stream of a session, DELETE ends it; the revision without sessions has neither. */
  async #sessionOnly(method: 'GET' | 'DELETE'): Promise<void> {
    const { headers } = this.#exchange.request;
    const id = headers['mcp-session-id'];
    const version = headers['mcp-protocol-version'];
    if (typeof id !== 'string' || (typeof version === 'string' && isModern(version))) {
      this.#writer.empty(405, ['allow', 'POST']);
      return;
    }
    const session = await this.#known(id);
    if (session === null) return;
    if (method === 'GET' && this.#resource.upstream.transport === 'group') {
      this.#writer.empty(405, ['allow', 'POST, DELETE']);
      return;
    }
    if (method === 'DELETE') {
      this.#deps.sessions.end(id, 'ended by the caller');
      this.#writer.empty(200);
      return;
    }
    const link = await this.#deps.link(session, this.#resource, 'legacy');
    await serveStream({ shared: this.#deps.shared, link, exchange: this.#exchange, writer: this.#writer });
  }
}

/** The parser's own faults are of no row of the table. */
function asAppErrorOf(error: unknown): { message: string } {
  return error instanceof Error ? error : fail('ERR_PROTOCOL_VIOLATION');
}

import { fail } from '../../contract/errors.ts';
import { member, type JsonNode, type JsonObject } from '../../lib/json/node.ts';
import { serialise } from '../../lib/json/serialise.ts';
import { metaOf, stringNode, tokenKey, withMember, type Message, type NotificationMessage, type RequestMessage, type ResponseMessage } from './envelope.ts';
import { Inbox } from './inbox.ts';
import { badServer, incoming, type Incoming, type McpUpstream, type Outgoing, type Reply, type Way } from './upstream.ts';

const subscriptionKey = 'io.modelcontextprotocol/subscriptionId';
const maxPending = 1_024;
/** requests of the server that wait for the caller */
const maxAsked = 256;

/** A request that the server has not answered. */
interface Pending {
  readonly number: number;
  readonly message: RequestMessage;
  readonly inbox: Inbox;
  /** what the caller called its progress by */
  readonly token: JsonNode | undefined;
}

/** How messages get to the server and back. */
export interface Wire {
  send(message: Uint8Array): true | Promise<void>;
  stop(reason: string): Promise<void>;
}

/**
 * One connection on which everything goes: requests get numbers of ours, and what comes back is put where it belongs, under
 * the names the caller gave: ids, progress tokens, subscriptions (mcp.md T5).
 */
export class Channel implements McpUpstream {
  readonly version: number;
  readonly #wire: Wire;
  readonly #gone = new AbortController();
  readonly #pending = new Map<number, Pending>();
  /** our id of a request of the server → its own */
  readonly #asked = new Map<string, JsonNode>();
  #number = 0;
  #listener: Inbox | null = null;

  constructor(wire: Wire, version: number) {
    this.#wire = wire;
    this.version = version;
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  outgoing(message: RequestMessage): Outgoing {
    const number = ++this.#number;
    const id: JsonNode = { kind: 'number', text: String(number) };
    const meta = metaOf(message.params);
    const token = member(meta, 'progressToken');
    let node = withMember(message.node, 'id', id);
    if (meta !== undefined && message.params !== undefined && token !== undefined) {
      node = withMember(node, 'params', withMember(message.params, '_meta', withMember(meta, 'progressToken', id)));
    }
    return { message, bytes: serialise(node), number };
  }

  async request({ message, number }: Outgoing, bytes: Uint8Array, { signal }: Way): Promise<Reply> {
    signal.throwIfAborted();
    if (this.#gone.signal.aborted) throw this.#gone.signal.reason;
    if (this.#pending.size >= maxPending) throw fail('ERR_TOO_MANY_CONNECTIONS', { message: 'Too many calls wait for this server.' });
    const inbox = new Inbox();
    this.#pending.set(number, { number, message, inbox, token: member(metaOf(message.params), 'progressToken') });
    const cancel = (): void => {
      this.#cancel(number);
    };
    signal.addEventListener('abort', cancel, { once: true });
    const over = (): void => {
      signal.removeEventListener('abort', cancel);
      this.#cancel(number);
    };
    try {
      await this.#send(bytes);
    } catch (error) {
      this.#pending.delete(number);
      over();
      throw error;
    }
    return { status: 200, isStream: null, messages: this.#answers(inbox, over) };
  }

  async tell(message: NotificationMessage | ResponseMessage, bytes: Uint8Array): Promise<void> {
    const sent = message.kind === 'response' ? this.#answered(message) : this.#notified(message, bytes);
    if (sent !== null) await this.#send(sent);
  }

  listen(_lastEventId: string | null, { signal }: Way): Promise<Reply | null> {
    this.#listener?.close();
    const inbox = new Inbox();
    this.#listener = inbox;
    signal.addEventListener('abort', () => {
      inbox.close();
      if (this.#listener === inbox) this.#listener = null;
    });
    return Promise.resolve({ status: 200, isStream: true, messages: inbox });
  }

  async close(reason: string): Promise<void> {
    this.ended(fail('ERR_SESSION_ENDED', { message: reason }));
    await this.#wire.stop(reason);
  }

  /** The server is gone: whoever waits for it learns why. */
  ended(reason: Error): void {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort(reason);
    for (const { inbox } of this.#pending.values()) inbox.close(reason);
    this.#pending.clear();
    this.#listener?.close();
  }

  /** What the server sent: one message. Throws ERR_TARGET_UNREACHABLE for what is none. */
  receive(bytes: Uint8Array): true | Promise<void> {
    const arrived = incoming(bytes);
    const { message } = arrived;
    if (message === null) return true;
    switch (message.kind) {
      case 'response':
        return this.#response(message, arrived);
      case 'notification':
        return this.#notification(message, arrived);
      case 'request':
        return this.#serverRequest(message, arrived);
    }
  }

  #response(message: ResponseMessage, arrived: Incoming): true {
    const pending = this.#pending.get(numberOf(message.key));
    // an answer to what was cancelled
    if (pending === undefined) return true;
    this.#pending.delete(pending.number);
    const node = withSubscription(withMember(message.node, 'id', pending.message.id), pending.message.id);
    void pending.inbox.push(rewritten(arrived, { ...message, node, result: member(node, 'result'), key: pending.message.key }));
    pending.inbox.close();
    return true;
  }

  #notification(message: NotificationMessage, arrived: Incoming): true | Promise<void> {
    const meta = metaOf(message.params);
    const subscription = member(meta, subscriptionKey);
    if (subscription !== undefined) {
      const pending = this.#pending.get(numberOf(tokenKey(subscription)));
      if (pending === undefined) return true;
      return pending.inbox.push(renamed(arrived, message, pending.message.id));
    }
    if (message.method === 'notifications/progress') return this.#progress(message, arrived);
    return this.#unasked(arrived);
  }

  #progress(message: NotificationMessage, arrived: Incoming): true | Promise<void> {
    const pending = this.#pending.get(numberOf(tokenKey(member(message.params, 'progressToken'))));
    if (pending?.token === undefined || message.params === undefined) return true;
    const params = withMember(message.params, 'progressToken', pending.token);
    const node = withMember(message.node, 'params', params);
    return pending.inbox.push(rewritten(arrived, { ...message, node, params }));
  }

  #serverRequest(message: RequestMessage, arrived: Incoming): true | Promise<void> {
    if (this.#asked.size >= maxAsked) throw badServer('too many requests of the server wait');
    const id = stringNode(`s${++this.#number}`);
    const key = `ss${this.#number}`;
    this.#asked.set(key, message.id);
    const node = withMember(message.node, 'id', id);
    return this.#unasked(rewritten(arrived, { ...message, node, id, key }));
  }

  /** Belongs to no request by name: to the newest that runs, so that it comes before its answer; else to the stream of the session. */
  #unasked(arrived: Incoming): true | Promise<void> {
    const newest = [...this.#pending.values()].findLast(({ message }) => message.method !== 'subscriptions/listen');
    const inbox = newest?.inbox ?? this.#listener;
    return inbox === null ? true : inbox.push(arrived);
  }

  #answered(message: ResponseMessage): Uint8Array | null {
    const id = this.#asked.get(message.key ?? '');
    if (id === undefined) return null;
    this.#asked.delete(message.key ?? '');
    return serialise(withMember(message.node, 'id', id));
  }

  /** A cancellation names the request by the caller's id; for what is gone there is nothing to cancel. */
  #notified({ method, node, params }: NotificationMessage, bytes: Uint8Array): Uint8Array | null {
    if (method === 'notifications/cancelled' && params !== undefined) {
      const key = tokenKey(member(params, 'requestId'));
      const pending = [...this.#pending.values()].find(({ message }) => message.key === key);
      if (pending === undefined) return null;
      return serialise(withMember(node, 'params', withMember(params, 'requestId', { kind: 'number', text: String(pending.number) })));
    }
    if (method !== 'notifications/progress') return bytes;
    const asked = this.#asked.get(tokenKey(member(params, 'progressToken')) ?? '');
    return params === undefined || asked === undefined ? bytes : serialise(withMember(node, 'params', withMember(params, 'progressToken', asked)));
  }

  #cancel(number: number): void {
    const pending = this.#pending.get(number);
    if (pending === undefined) return;
    this.#pending.delete(number);
    pending.inbox.close(fail('ERR_SESSION_ENDED', { message: 'The caller went away.' }));
    const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${number},"reason":"The caller went away."}}`;
    void this.#send(Buffer.from(cancelled)).catch(() => undefined);
  }

  async *#answers(inbox: Inbox, over: () => void): AsyncGenerator<Incoming> {
    try {
      yield* inbox;
    } finally {
      over();
    }
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const sent = this.#wire.send(bytes);
    if (sent !== true) await sent;
  }
}

function numberOf(key: string | null): number {
  return key?.startsWith('n') === true ? Number(key.slice(1)) : Number.NaN;
}

function rewritten(arrived: Incoming, message: Message): Incoming {
  return { ...arrived, message, bytes: serialise(message.node) };
}

/** The subscription under the id that the caller knows it by. */
function renamed(arrived: Incoming, message: NotificationMessage, id: JsonNode): Incoming {
  const meta = metaOf(message.params);
  if (meta === undefined || message.params === undefined) return arrived;
  const params = withMember(message.params, '_meta', withMember(meta, subscriptionKey, id));
  const node = withMember(message.node, 'params', params);
  return rewritten(arrived, { ...message, node, params });
}

function withSubscription(node: JsonObject, id: JsonNode): JsonObject {
  const result = member(node, 'result');
  const meta = member(result, '_meta');
  if (result?.kind !== 'object' || meta?.kind !== 'object' || member(meta, subscriptionKey) === undefined) return node;
  return withMember(node, 'result', withMember(result, '_meta', withMember(meta, subscriptionKey, id)));
}

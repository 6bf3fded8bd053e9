import { fail } from '../../contract/errors.ts';
import { serialise } from '../../lib/json/serialise.ts';
import { readAll } from '../../wire/web/read-all.ts';
import type { TargetAccess } from '../../wire/web/target-access.ts';
import type { UpstreamReply } from '../../wire/web/upstream.ts';
import { maxMessageBytes, type NotificationMessage, type RequestMessage, type ResponseMessage } from './envelope.ts';
import { discard, quiet } from './discard.ts';
import { EventReader } from './server-events.ts';
import { badServer, incoming, type Incoming, type McpUpstream, type Outgoing, type Reply, type Way } from './upstream.ts';

const endDeadlineMs = 5_000;
const tellDeadlineMs = 30_000;
const maxSessionIdChars = 1_024;

/** Streamable HTTP towards a server, in both eras; the server's session id stays here. */
export class HttpUpstream implements McpUpstream {
  readonly version: number;
  readonly #access: TargetAccess;
  readonly #gone = new AbortController();
  #sessionId: string | null = null;

  constructor(access: TargetAccess, version: number) {
    this.#access = access;
    this.version = version;
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  outgoing(message: RequestMessage): Outgoing {
    return { message, bytes: serialise(message.node), number: 0 };
  }

  async request({ message }: Outgoing, bytes: Uint8Array, way: Way): Promise<Reply> {
    const reply = await this.#send('POST', bytes, way);
    if (message.method === 'initialize') this.#sessionId = sessionIdOf(reply);
    return this.#read(reply, way.signal);
  }

  async tell(_message: NotificationMessage | ResponseMessage, bytes: Uint8Array, way: Way): Promise<void> {
    const reply = await this.#send('POST', bytes, { headers: way.headers, signal: AbortSignal.any([way.signal, AbortSignal.timeout(tellDeadlineMs)]) });
    discard(reply.body);
    if (reply.status >= 300) throw this.#faultOf(reply.status);
  }

  async listen(lastEventId: string | null, { headers, signal }: Way): Promise<Reply | null> {
    const more = lastEventId === null ? headers : [...headers, 'last-event-id', lastEventId];
    const reply = await this.#send('GET', null, { headers: more, signal });
    if (reply.status === 405) {
      discard(reply.body);
      return null;
    }
    const read = await this.#read(reply, signal);
    if (read.isStream === true) return read;
    throw badServer('a stream that is none');
  }

  async close(): Promise<void> {
    if (this.#gone.signal.aborted) return;
    if (this.#sessionId !== null) {
      const reply = await this.#send('DELETE', null, { headers: [], signal: AbortSignal.timeout(endDeadlineMs) }).catch(() => null);
      if (reply !== null) discard(reply.body);
    }
    this.#gone.abort(fail('ERR_SESSION_ENDED'));
  }

  async #send(method: string, body: Uint8Array | null, { headers, signal }: Way): Promise<UpstreamReply> {
    const { upstream, headers: credential } = await this.#access.use();
    const own = [
      'accept',
      method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
      'accept-encoding',
      'identity',
      'user-agent',
      'postern',
    ];
    if (body !== null) own.push('content-type', 'application/json');
    if (this.#sessionId !== null) own.push('mcp-session-id', this.#sessionId);
    const path = upstream.base === '' ? '/' : upstream.base;
    // an answer may take as long as the tool does: the caller's patience and the end of the session are the limits
    const reply = await upstream.request({ method, path, headers: [...own, ...headers, ...credential], body, signal, headersTimeoutMs: 0 });
    quiet(reply.body);
    return reply;
  }

  async #read(reply: UpstreamReply, signal: AbortSignal): Promise<Reply> {
    const { status, body } = reply;
    const type = headerOf(reply, 'content-type')?.split(';')[0]?.trim().toLowerCase();
    if (status < 300 && type === 'text/event-stream' && isPlain(reply)) return { status, isStream: true, messages: eventsOf(body) };
    if (type === 'application/json' && isPlain(reply) && !isRefusal(status))
      return { status, isStream: false, messages: once(await this.#only(reply, signal)) };
    discard(body);
    throw this.#faultOf(status);
  }

  async #only({ status, body }: UpstreamReply, signal: AbortSignal): Promise<Incoming> {
    const only = incoming(await readAll(body, maxMessageBytes, signal));
    if (only.message?.kind !== 'response') throw badServer('no answer');
    // a session it has forgotten is over for the caller, too
    if (status === 404 && this.#sessionId !== null) this.#gone.abort(fail('ERR_SESSION_ENDED'));
    return only;
  }

  #faultOf(status: number): Error {
    if (status === 404 && this.#sessionId !== null) this.#gone.abort(fail('ERR_SESSION_ENDED'));
    if (status === 401 || status === 403) {
      this.#access.refused();
      return fail('ERR_TARGET_UNREACHABLE', { message: 'The server refused the credential of this gateway.', detail: `status ${status}` });
    }
    return fail('ERR_TARGET_UNREACHABLE', { message: `The server answered with status ${status} and no message.` });
  }
}

/** Not compressed, and from there. */
function isPlain(reply: UpstreamReply): boolean {
  return (headerOf(reply, 'content-encoding') ?? 'identity') === 'identity' && (reply.status < 300 || reply.status >= 400);
}

/** What it says of our credential is not the caller's business. */
function isRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 407;
}

function headerOf({ headers }: UpstreamReply, name: string): string | undefined {
  return headers.find(([key]) => key === name)?.[1];
}

function sessionIdOf(reply: UpstreamReply): string | null {
  const id = headerOf(reply, 'mcp-session-id');
  return id !== undefined && id.length <= maxSessionIdChars && /^[\x21-\x7e]+$/.test(id) ? id : null;
}

// eslint-disable-next-line @typescript-eslint/require-await -- an iterable of one
async function* once(only: Incoming): AsyncGenerator<Incoming> {
  yield only;
}

/** The messages of a stream, each as soon as it is complete. */
export async function* eventsOf(body: AsyncIterable<Buffer> & { destroy(): unknown }): AsyncGenerator<Incoming> {
  const reader = new EventReader(maxMessageBytes);
  try {
    for await (const chunk of body) {
      for (const { data, event, id, retry } of reader.push(chunk)) {
        if (event !== '' && event !== 'message') continue;
        yield data.length === 0 ? { message: null, bytes: data, id, retry } : incoming(data, { id, retry });
      }
    }
  } finally {
    body.destroy();
  }
}

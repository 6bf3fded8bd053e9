import type { IncomingMessage } from 'node:http';
import { Agent, request, type RequestOptions } from 'node:https';
import type { CallName } from '../contract/bridge.ts';
import { api, type Input, type Output, type StreamName } from '../../proxy/contract/api.ts';
import { addressOf, errorOf, isErrorAnswer } from '../../proxy/contract/api-call.ts';
import type { AnyRoute } from '../../proxy/contract/api-route.ts';
import { fail } from '../../proxy/contract/errors.ts';
import { eventData } from '../../proxy/contract/server-events.ts';
import type { Secret } from '../../proxy/lib/secret.ts';
import { brokenOff, connectionFault } from './connection-fault.ts';

const answerTimeoutMs = 60_000;
// the service writes a comment every 15 s
const silentEventsMs = 45_000;
const maxAnswerBytes = 128 * 1_048_576;
const maxLineBytes = 16 * 1_048_576;
const maxSockets = 16;

export interface ControlAddress {
  /** `https://host:port` */
  readonly url: string;
  /** PEM of the one CA that is trusted */
  readonly caPem: string;
}

interface Asking {
  readonly token: Secret<string> | null;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

interface Streaming extends Asking {
  readonly signal: AbortSignal;
  /** resumes server-sent events behind this one */
  readonly after?: number | undefined;
  /** the answer has begun */
  readonly opened?: () => void;
}

/**
 * The control API of one service over HTTPS with a pinned authority, TLS 1.2 or newer, and the host's name checked. Answers are
 * taken as their types say, unknown members too: the service may be one version newer.
 */
export class ControlClient {
  readonly #address: ControlAddress;
  readonly #agent = new Agent({ keepAlive: true, maxSockets, timeout: answerTimeoutMs });

  constructor(address: ControlAddress) {
    this.#address = address;
  }

  async call<K extends CallName>(name: K, input: Input<K>, asking: Asking): Promise<Output<K>> {
    const body = await this.#answer(api[name], input, asking);
    try {
      // the service checks what it sends against the contract
      return JSON.parse(body) as Output<K>;
    } catch {
      throw notOurs(this.#address.url);
    }
  }

  /** JSON lines or server-sent events. A lost connection is ERR_CONTROL_UNAVAILABLE; ends quietly when aborted. */
  async *stream<K extends StreamName>(name: K, input: Input<K>, { after, opened, ...asking }: Streaming): AsyncGenerator<Output<K>> {
    const route: AnyRoute = api[name];
    const events = route.stream === 'events';
    try {
      const response = await this.#send(route, input, { ...asking, fresh: true, streams: true, ...(after !== undefined && { after }) });
      if (response.statusCode !== 200) throw errorOf(await readAll(response));
      opened?.();
      if (events) response.setTimeout(silentEventsMs, () => response.destroy(fail('ERR_TIMEOUT')));
      const lines = linesOf(response);
      for await (const line of events ? eventData(lines, maxLineBytes) : lines) yield itemOf<K>(line, this.#address.url);
    } catch (error) {
      if (!asking.signal.aborted) throw brokenOff(error, this.#address.url);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #answer(route: AnyRoute, input: Readonly<Record<string, unknown>>, asking: Asking): Promise<string> {
    // a change is sent once, on a connection of its own; a read is repeated when a kept connection had just been closed
    const reads = route.method === 'GET';
    for (let fresh = !reads; ; fresh = true) {
      try {
        const response = await this.#send(route, input, { ...asking, fresh, streams: false });
        const body = await readAll(response);
        if (response.statusCode !== 200) throw errorOf(body);
        return body;
      } catch (error) {
        if (fresh || !wasReset(error)) throw brokenOff(error, this.#address.url);
      }
    }
  }

  #send(
    route: AnyRoute,
    input: Readonly<Record<string, unknown>>,
    { token, signal, timeoutMs = answerTimeoutMs, fresh, streams, after }: Asking & { fresh: boolean; streams: boolean; after?: number },
  ): Promise<IncomingMessage> {
    const { path, body } = addressOf(route, input);
    const { url, caPem } = this.#address;
    const options: RequestOptions = {
      method: route.method,
      ca: caPem,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      agent: fresh ? false : this.#agent,
      timeout: timeoutMs,
      ...(signal && { signal }),
      headers: {
        accept: streams ? (route.stream === 'events' ? 'text/event-stream' : 'application/jsonl') : 'application/json',
        ...(after !== undefined && { 'last-event-id': String(after) }),
        ...(token && { authorization: `Bearer ${token.reveal()}` }),
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    };
    return new Promise((resolve, reject) => {
      let answered: IncomingMessage | null = null;
      const sent = request(new URL(path, url), options, (response) => {
        answered = response;
        // lines may be silent for as long as nothing happens
        if (streams && response.statusCode === 200) response.socket.setTimeout(0);
        resolve(response);
      });
      const end = (): void => {
        (answered ?? sent).destroy(fail('ERR_TIMEOUT', { message: `${url} did not answer in time.` }));
      };
      sent.once('timeout', end);
      // of the whole exchange, not of silence alone: a hostile service must not hold anybody with a byte now and then
      const late = streams ? undefined : setTimeout(end, timeoutMs);
      sent.once('close', () => clearTimeout(late));
      sent.on('error', (error) => reject(connectionFault(error, sent, url)));
      sent.end(body);
    });
  }
}

function itemOf<K extends StreamName>(line: string, url: string): Output<K> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw notOurs(url);
  }
  if (isErrorAnswer(value)) throw errorOf(line);
  // the service checks what it sends against the contract
  return value as Output<K>;
}

function notOurs(url: string): Error {
  return fail('ERR_INTERNAL', {
    message: `${url} answered with something that is no answer of Postern.`,
    hint: 'Check that the address is the service’s own.',
  });
}

function wasReset(error: unknown): boolean {
  const cause: unknown = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error && 'code' in cause && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE');
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw fail('ERR_INTERNAL', { message: 'The answer is too long.' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Copies each byte a few times at most, in however small pieces a line comes. */
async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let kept = Buffer.alloc(65_536);
  let filled = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        yield Buffer.concat([kept.subarray(0, filled), chunk.subarray(from, end)]).toString();
        filled = 0;
        from = end + 1;
      }
      const needed = filled + chunk.length - from;
      if (needed > maxLineBytes) throw fail('ERR_INTERNAL', { message: 'A line of the answer is too long.' });
      if (needed > kept.length) kept = Buffer.concat([kept], Math.min(2 * needed, maxLineBytes));
      chunk.copy(kept, filled, from);
      filled = needed;
    }
  } finally {
    response.destroy();
  }
}

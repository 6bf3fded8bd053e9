import { request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { api, type Input, type Output, type RouteName, type StreamName } from '../contract/api.ts';
import { addressOf, errorOf, isErrorAnswer } from '../contract/api-call.ts';
import type { AnyRoute } from '../contract/api-route.ts';
import { errorTable, fail, type ErrorCode } from '../contract/errors.ts';
import { AppError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import { eventData } from '../contract/server-events.ts';

export interface ClientOptions {
  /** `https://host:port` */
  readonly url: string;
  /** PEM of the CA that the server's certificate must come from; without it the system's roots */
  readonly ca: string | undefined;
  readonly token: Secret<string> | undefined;
}

const answerTimeoutMs = 60_000;
// the service writes a comment every 15 s
const silentEventsMs = 45_000;
const maxAnswerBytes = 256 * 1_048_576;
const maxLineBytes = 16 * 1_048_576;

interface Sending {
  readonly deadline: boolean;
  readonly lastEvent?: number | undefined;
}

/** The control API over HTTPS; every call and answer is checked against the contract. */
export class Client {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  async call<K extends Exclude<RouteName, StreamName>>(name: K, input: Input<K>): Promise<Output<K>> {
    const response = await this.#send(api[name], input, { deadline: true });
    const body = await this.#unbroken(() => readAll(response));
    if (response.statusCode !== 200) throw errorOf(body);
    // the contract's own schema gives this type
    return api[name].output.parse(JSON.parse(body)) as Output<K>;
  }

  /** JSON lines or server-sent events; `lastEvent` resumes the latter. A lost connection is ERR_CONTROL_UNAVAILABLE. */
  async *stream<K extends StreamName>(name: K, input: Input<K>, lastEvent?: number): AsyncGenerator<Output<K>> {
    const route: AnyRoute = api[name];
    const events = route.stream === 'events';
    // events have a heartbeat; lines may be silent for as long as nothing happens
    const response = await this.#send(route, input, { deadline: events, lastEvent });
    if (response.statusCode !== 200) throw errorOf(await readAll(response));
    if (events) response.setTimeout(silentEventsMs, () => response.destroy(fail('ERR_TIMEOUT')));
    const lines = events ? eventData(linesOf(response), maxLineBytes) : linesOf(response);
    try {
      for await (const line of lines) {
        const value: unknown = JSON.parse(line);
        if (isErrorAnswer(value)) throw errorOf(line);
        // the contract's own schema gives this type
        yield api[name].output.parse(value) as Output<K>;
      }
    } catch (error) {
      throw this.#broken(error);
    } finally {
      response.destroy();
    }
  }

  async #unbroken<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw this.#broken(error);
    }
  }

  /** Faults of the connection by their own name; all others as they are. */
  #broken(error: unknown): unknown {
    const ofSystem = error instanceof Error && !(error instanceof AppError) && 'code' in error;
    return ofSystem
      ? fail('ERR_CONTROL_UNAVAILABLE', {
          message: `The connection to ${this.#options.url} was lost.`,
          hint: 'Try again; `postern status` tells how it is.',
          cause: error,
        })
      : error;
  }

  #send(route: AnyRoute, input: Readonly<Record<string, unknown>>, { deadline, lastEvent }: Sending): Promise<IncomingMessage> {
    const { path, body } = addressOf(route, input);
    const { url, ca, token } = this.#options;
    const target = new URL(path, url);
    const options: RequestOptions = {
      method: route.method,
      ...(ca !== undefined && { ca }),
      ...(deadline && { timeout: answerTimeoutMs }),
      headers: {
        accept: route.stream === 'events' ? 'text/event-stream' : 'application/json',
        ...(lastEvent !== undefined && { 'last-event-id': String(lastEvent) }),
        ...(token && { authorization: `Bearer ${token.reveal()}` }),
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    };
    return new Promise((resolve, reject) => {
      const sent = request(target, options, resolve);
      sent.once('timeout', () => sent.destroy(fail('ERR_TIMEOUT')));
      sent.once('error', (error) => {
        reject(unreachable(error, url));
      });
      sent.end(body);
    });
  }
}

function unreachable(error: Error, url: string): AppError {
  if ('code' in error && typeof error.code === 'string' && error.code in errorTable) return fail(error.code as ErrorCode);
  if ('code' in error && (error.code === 'ECONNREFUSED' || error.code === 'ENOENT')) {
    return fail('ERR_CONTROL_UNAVAILABLE', {
      message: `Nothing answers at ${url}.`,
      hint: 'Start it with `postern serve --data DIR`, or name the service with --url.',
    });
  }
  return fail('ERR_CONTROL_UNAVAILABLE', {
    message: `No trusted connection to ${url}: ${error.message}`,
    hint: 'Name the CA of the installation with --ca (DIR/tls/ca.crt).',
  });
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

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let unread = Buffer.alloc(0);
  for await (const chunk of response as AsyncIterable<Buffer>) {
    unread = unread.length === 0 ? Buffer.from(chunk) : Buffer.concat([unread, chunk]);
    for (let end = unread.indexOf(10); end >= 0; end = unread.indexOf(10)) {
      yield unread.subarray(0, end).toString();
      unread = unread.subarray(end + 1);
    }
    if (unread.length > maxLineBytes) throw fail('ERR_INTERNAL', { message: 'A line of the answer is too long.' });
  }
}

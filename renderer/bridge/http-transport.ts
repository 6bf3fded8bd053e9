import { api, type Input, type Output, type StreamName } from '../../proxy/contract/api.ts';
import { addressOf, errorOf, isErrorAnswer } from '../../proxy/contract/api-call.ts';
import { fail } from '../../proxy/contract/errors.ts';
import { eventData } from '../../proxy/contract/server-events.ts';
import { reasonOf } from '../../proxy/lib/errors.ts';
import type { Secret } from '../../proxy/lib/secret.ts';
import type { CallName } from '../../main/contract/bridge.ts';

const callMs = 60_000;
const openMs = 15_000;
/** the service says something every 15 s on a stream of events */
const silenceMs = 45_000;
const maxAnswerChars = 64 * 1_048_576;
const maxLineChars = 16 * 1_048_576;

type Fetch = typeof globalThis.fetch;

/** Calls the control API of one origin. `base`: empty in the console, whose own origin it is. */
export class Transport {
  readonly #base: string;
  readonly #fetch: Fetch;
  #token: Secret<string> | null = null;

  constructor(base: string, fetcher: Fetch) {
    this.#base = base;
    this.#fetch = fetcher;
  }

  get isSignedIn(): boolean {
    return this.#token !== null;
  }

  use(token: Secret<string> | null): void {
    this.#token = token;
  }

  async call<K extends CallName>(name: K, input: Input<K>): Promise<Output<K>> {
    const response = await this.#send(name, input, { signal: AbortSignal.timeout(callMs) });
    const text = await textOf(response);
    if (!response.ok) throw errorOf(text);
    const value = parsed(text);
    if (isErrorAnswer(value)) throw errorOf(text);
    // lenient on purpose: a service one version newer may say more than the schema knows
    return value as Output<K>;
  }

  /** Server-sent events behind the event `after`. Throws ERR_CONTROL_UNAVAILABLE when it falls silent. */
  async *events<K extends StreamName>(
    name: K,
    { input, after, signal }: { input: Input<K>; after: number | undefined; signal: AbortSignal },
  ): AsyncGenerator<Output<K>> {
    const headers: Record<string, string> = after === undefined ? {} : { 'last-event-id': String(after) };
    const wanted = after === undefined ? input : { ...input, after };
    for await (const data of eventData(this.#linesOf(name, wanted, { headers, signal, silenceMs }), maxLineChars)) {
      if (isErrorAnswer(parsed(data))) throw errorOf(data);
      yield parsed(data) as Output<K>;
    }
  }

  /** JSON lines, to the end. */
  async *lines<K extends StreamName>(name: K, input: Input<K>, signal: AbortSignal): AsyncGenerator<Output<K>> {
    for await (const line of this.#linesOf(name, input, { headers: {}, signal, silenceMs: null })) {
      if (line === '') continue;
      const value = parsed(line);
      if (isErrorAnswer(value)) throw errorOf(line);
      yield value as Output<K>;
    }
  }

  async *#linesOf<K extends StreamName>(
    name: K,
    input: Input<K>,
    how: { headers: Record<string, string>; signal: AbortSignal; silenceMs: number | null },
  ): AsyncGenerator<string> {
    const opening = new AbortController();
    const late = setTimeout(() => opening.abort(), openMs);
    try {
      const response = await this.#send(name, input, { headers: how.headers, signal: AbortSignal.any([how.signal, opening.signal]) });
      clearTimeout(late);
      if (!response.ok) throw errorOf(await textOf(response));
      if (response.body) yield* linesOf(response.body, how.silenceMs);
    } finally {
      clearTimeout(late);
      // also ends the connection when the reader of these lines leaves
      opening.abort();
    }
  }

  async #send(
    name: keyof typeof api,
    input: Readonly<Record<string, unknown>>,
    { headers = {}, signal }: { headers?: Record<string, string>; signal: AbortSignal },
  ): Promise<Response> {
    const route = api[name];
    const { path, body } = addressOf(route, input);
    const token = route.roles === 'public' ? null : this.#token;
    if (route.roles !== 'public' && token === null) throw fail('ERR_UNAUTHENTICATED', { message: 'You are not signed in.' });
    const init: RequestInit = {
      method: route.method,
      credentials: 'omit',
      redirect: 'error',
      cache: 'no-store',
      headers: { ...headers, ...(token && { authorization: `Bearer ${token.reveal()}` }), ...(body !== undefined && { 'content-type': 'application/json' }) },
      signal,
      ...(body !== undefined && { body }),
    };
    return this.#fetch(`${this.#base}${path}`, init).catch((error: unknown) => {
      throw unreachable(error);
    });
  }
}

export function unreachable(error: unknown): Error {
  return fail('ERR_CONTROL_UNAVAILABLE', {
    message: 'The service does not answer.',
    hint: 'Check that it runs, and the network to it.',
    detail: reasonOf(error),
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw fail('ERR_INTERNAL', { message: 'The service answered with something that is no JSON.' });
  }
}

async function textOf(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of chunksOf(response.body, null)) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > maxAnswerChars) throw fail('ERR_INTERNAL', { message: 'The answer is too long.' });
  }
  return text + decoder.decode();
}

async function* linesOf(body: ReadableStream<Uint8Array>, quietMs: number | null): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunksOf(body, quietMs)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineChars) throw fail('ERR_INTERNAL', { message: 'A line of the answer is too long.' });
    yield* lines;
  }
  if (rest !== '') yield rest;
}

async function* chunksOf(body: ReadableStream<Uint8Array> | null, quietMs: number | null): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  let quiet: ReturnType<typeof setTimeout> | undefined;
  try {
    for (;;) {
      if (quietMs !== null) quiet = setTimeout(() => void reader.cancel('silent'), quietMs);
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw unreachable(error);
      });
      clearTimeout(quiet);
      if (done) return;
      yield value;
    }
  } finally {
    clearTimeout(quiet);
    void reader.cancel().catch(() => undefined);
  }
}

import { createHash } from 'node:crypto';
import type { Duplex, Readable } from 'node:stream';
import { buildConnector, errors, Pool, type Dispatcher } from 'undici';
import { fail, type ErrorCode } from '../../contract/errors.ts';
import { AppError, reasonOf } from '../../lib/errors.ts';
import type { Secret } from '../../lib/secret.ts';
import { checkLiteral, guardedLookup } from './address-guard.ts';
import { TargetBody } from './target-body.ts';

export interface WebTarget {
  readonly url: string;
  /** PEM of the authority; absent: the system's roots */
  readonly ca?: string | undefined;
  readonly allowLocal: boolean;
}

/** RFC 8705 */
export interface ClientCertificate {
  readonly certificate: string;
  readonly key: Secret<string>;
}

export interface UpstreamRequest {
  readonly method: string;
  /** path and query at the target, the base already in front */
  readonly path: string;
  /** name, value, name, value, … */
  readonly headers: readonly string[];
  readonly body: Uint8Array | Readable | null;
  readonly signal: AbortSignal;
  /** until the head of the answer; 0: no limit. Default 60 s */
  readonly headersTimeoutMs?: number;
}

export interface UpstreamReply {
  readonly status: number;
  /** names in lower case, in the order they came */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** must be read to its end or destroyed */
  readonly body: Readable;
}

export interface UpstreamUpgrade {
  readonly headers: UpstreamReply['headers'];
  readonly socket: Duplex;
}

/** One target over HTTP/1.1: kept connections, checked addresses, no redirects followed, nothing repeated. */
export interface Upstream {
  /** `scheme://host:port`, as a URL writes it */
  readonly origin: string;
  /** path of the address, without a slash at its end */
  readonly base: string;
  /** Throws ERR_TARGET_UNREACHABLE and ERR_TIMEOUT; rejects with the reason of the signal when that aborts. */
  request(given: UpstreamRequest): Promise<UpstreamReply>;
  upgrade(given: Omit<UpstreamRequest, 'body'>): Promise<UpstreamUpgrade>;
}

export interface UpstreamOptions {
  /** connections to one target at once; more requests wait. Default 256 */
  readonly connections?: number;
  readonly connectTimeoutMs?: number;
}

interface Kept {
  readonly upstream: PooledUpstream;
  lastUsed: number;
}

const defaultHeadersTimeoutMs = 60_000;
const defaultConnectTimeoutMs = 10_000;
const keepAliveMs = 4_000;
const maxResponseHeaderBytes = 65_536;
const maxKept = 1_024;

/** The pools of all targets; a change of address, authority or certificate is another target. */
export class Upstreams {
  readonly #options: UpstreamOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: UpstreamOptions = {}) {
    this.#options = options;
  }

  /** Throws ERR_TARGET_UNREACHABLE when no target may be at the address. */
  for(target: WebTarget, client: ClientCertificate | null = null): Upstream {
    const { hostname } = new URL(target.url);
    checkLiteral(hostname, target.allowLocal);
    const key = JSON.stringify([target.url, target.ca ?? '', target.allowLocal, client === null ? '' : digestOf(client)]);
    const known = this.#kept.get(key);
    if (known !== undefined) {
      known.lastUsed = performance.now();
      return known.upstream;
    }
    if (this.#kept.size >= maxKept) this.#forgetOldest();
    const upstream = new PooledUpstream(target, client, this.#options);
    this.#kept.set(key, { upstream, lastUsed: performance.now() });
    return upstream;
  }

  async close(): Promise<void> {
    const all = [...this.#kept.values()];
    this.#kept.clear();
    await Promise.all(all.map(({ upstream }) => upstream.destroy()));
  }

  #forgetOldest(): void {
    let oldest: [string, Kept] | null = null;
    for (const entry of this.#kept) if (oldest === null || entry[1].lastUsed < oldest[1].lastUsed) oldest = entry;
    if (oldest === null) return;
    this.#kept.delete(oldest[0]);
    void oldest[1].upstream.close();
  }
}

class PooledUpstream implements Upstream {
  readonly origin: string;
  readonly base: string;
  readonly #pool: Pool;

  constructor(target: WebTarget, client: ClientCertificate | null, options: UpstreamOptions) {
    const url = new URL(target.url);
    this.origin = url.origin;
    this.base = url.pathname.replace(/\/+$/, '');
    const connector = buildConnector({
      timeout: options.connectTimeoutMs ?? defaultConnectTimeoutMs,
      lookup: guardedLookup(target.allowLocal),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      allowH2: false,
      rejectUnauthorized: true,
      ...(target.ca === undefined ? {} : { ca: target.ca }),
      ...(client === null ? {} : { cert: client.certificate, key: client.key.reveal() }),
    });
    this.#pool = new Pool(url.origin, {
      connect: connector,
      connections: options.connections ?? 256,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: maxResponseHeaderBytes,
      headersTimeout: defaultHeadersTimeoutMs,
      // streams of events may be silent for long; who waits has a deadline of their own
      bodyTimeout: 0,
      allowH2: false,
    });
  }

  request(given: UpstreamRequest): Promise<UpstreamReply> {
    if (given.signal.aborted) return Promise.reject(given.signal.reason as Error);
    const reply = new ReplyHandler(given.signal);
    try {
      // an answer without the streams, promises and signals of `Pool.request`
      this.#pool.dispatch(
        {
          method: given.method,
          path: given.path,
          headers: [...given.headers],
          body: given.body,
          headersTimeout: given.headersTimeoutMs ?? defaultHeadersTimeoutMs,
        },
        reply,
      );
    } catch (error) {
      reply.onResponseError(null, error);
    }
    return reply.head;
  }

  async upgrade(given: Omit<UpstreamRequest, 'body'>): Promise<UpstreamUpgrade> {
    try {
      const { headers, socket } = await this.#pool.upgrade({
        method: given.method,
        path: given.path,
        headers: [...given.headers],
        signal: given.signal,
        protocol: 'websocket',
        responseHeaders: 'raw',
      });
      return { headers: pairsOf(headers), socket };
    } catch (error) {
      throw faultOf(error, given.signal);
    }
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  destroy(): Promise<void> {
    return this.#pool.destroy();
  }
}

/** One answer: its head as soon as it is here, then its body. */
class ReplyHandler implements Dispatcher.DispatchHandler {
  readonly #signal: AbortSignal;
  readonly #head = Promise.withResolvers<UpstreamReply>();
  readonly #onAbort = (): void => {
    this.#abort();
  };
  #controller: Dispatcher.DispatchController | null = null;
  #body: TargetBody | null = null;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort);
  }

  get head(): Promise<UpstreamReply> {
    return this.#head.promise;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // it may have waited for a connection
    if (this.#signal.aborted) this.#abort();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    this.#body = new TargetBody(controller, () => {
      this.#leave();
    });
    this.#head.resolve({ status, headers: pairsOf(controller.rawHeaders), body: this.#body });
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    this.#body?.arrive(chunk);
  }

  onResponseEnd(): void {
    this.#body?.complete();
  }

  onResponseError(_controller: unknown, error: unknown): void {
    if (this.#body === null) {
      this.#leave();
      this.#head.reject(faultOf(error, this.#signal));
    } else this.#body.fail(cutOff(error, this.#signal));
  }

  #abort(): void {
    const reason = this.#signal.reason as Error;
    if (this.#body !== null) this.#body.fail(reason);
    else {
      this.#controller?.abort(reason);
      this.onResponseError(null, reason);
    }
  }

  #leave(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
}

/** Raw headers are name, value, name, value; their type does not say so. */
function pairsOf(raw: unknown): UpstreamReply['headers'] {
  const pairs: [string, string][] = [];
  if (!Array.isArray(raw)) return pairs;
  for (let index = 0; index + 1 < raw.length; index += 2) pairs.push([textOf(raw[index]).toLowerCase(), textOf(raw[index + 1])]);
  return pairs;
}

function textOf(part: unknown): string {
  return Buffer.isBuffer(part) ? part.toString('latin1') : String(part);
}

const late = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT']);

/** A fault of the way to the target as the caller may see it: never its address. */
export function faultOf(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof AppError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const kind: ErrorCode = late.has(code) ? 'ERR_TIMEOUT' : 'ERR_TARGET_UNREACHABLE';
  const message = kind === 'ERR_TIMEOUT' ? 'The target did not answer in time.' : whatFailed(error, code);
  return fail(kind, { message, detail: `${code} ${reasonOf(error)}`, cause: error });
}

/** What came after the head was not all of the answer. */
function cutOff(error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  if (error instanceof AppError) return error;
  return fail('ERR_TARGET_UNREACHABLE', { message: 'The target ended its answer before it was whole.', detail: reasonOf(error), cause: error });
}

function whatFailed(error: unknown, code: string): string {
  if (error instanceof errors.HTTPParserError || code.startsWith('HPE_')) return 'The target broke the protocol.';
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return 'The headers of the target are longer than this gateway accepts.';
  if (code.includes('CERT') || code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL')) return 'The certificate of the target is not trusted.';
  return 'The target could not be reached.';
}

function digestOf({ certificate, key }: ClientCertificate): string {
  return createHash('sha256').update(certificate).update('\0').update(key.reveal()).digest('base64url');
}

import type { ServerResponse } from 'node:http';
import { asAppError, errorTable } from '../../contract/errors.ts';

const protection: readonly (readonly [string, string])[] = [
  ['cache-control', 'no-store'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['cross-origin-resource-policy', 'same-origin'],
  ['referrer-policy', 'no-referrer'],
  ['x-content-type-options', 'nosniff'],
];

const maxUnreadBytes = 65_536;

/** Headers of every answer of our own. */
export function protect(response: ServerResponse): void {
  for (const [name, value] of protection) response.setHeader(name, value);
}

/** An answer of our own. Nothing when one has begun already: then the connection is cut. */
export function answerJson(response: ServerResponse, status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) if (name !== 'connection') response.removeHeader(name);
  protect(response);
  // a long body that nobody read is not read to its end either
  const { complete, headers: sent } = response.req;
  if (!complete && (sent['transfer-encoding'] !== undefined || Number(sent['content-length'] ?? 0) > maxUnreadBytes)) response.setHeader('connection', 'close');
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': String(body.length), ...headers });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

export interface ErrorExtras {
  /** HTTP status; absent: that of the error's row */
  readonly status?: number;
  /** the id of the request people were asked by */
  readonly request?: string;
  readonly policies?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** `{error: {code, message, hint, request?, policies?}}`; never a detail. */
export function answerError(response: ServerResponse, error: unknown, { status, request, policies, headers }: ErrorExtras = {}): void {
  const { code, message, hint } = asAppError(error);
  const body = { code, message, hint: hint ?? errorTable[code].remedy, ...(request !== undefined && { request }), ...(policies !== undefined && { policies }) };
  answerJson(response, status ?? errorTable[code].status, { error: body }, headers);
}

/** The answer to one request as the core writes it: the head goes out with the first bytes, or with the end. */
export class ResponseSink {
  readonly #response: ServerResponse;
  readonly #highWaterBytes: number;
  #head: { status: number; headers: readonly string[] } | null = null;
  #room: Promise<void> | null = null;

  constructor(response: ServerResponse, highWaterBytes: number) {
    this.#response = response;
    this.#highWaterBytes = highWaterBytes;
  }

  /** Status and headers (name in lower case, value, …), before the first write. */
  begin(status: number, headers: readonly string[]): void {
    this.#head = { status, headers };
  }

  write(bytes: Uint8Array): true | Promise<void> {
    const response = this.#response;
    // what is all there is goes out with its head and its end, in one piece
    const isAll = this.#head !== null && bytes.length > 0 && bytes.length === lengthOf(this.#head.headers);
    this.#sendHead();
    if (!response.headersSent || response.destroyed || response.writableEnded) return true;
    if (isAll) response.end(bytes);
    // without bytes only the head goes out
    else if (bytes.length > 0) response.write(bytes);
    else response.flushHeaders();
    if (response.writableLength <= this.#highWaterBytes) return true;
    this.#room ??= roomOf(response, () => {
      this.#room = null;
    });
    return this.#room;
  }

  end(): void {
    this.#sendHead();
    if (this.#response.headersSent && !this.#response.writableEnded) this.#response.end();
  }

  /** The answer must not look complete. */
  cut(): void {
    this.#head = null;
    if (!this.#response.writableFinished) this.#response.destroy();
  }

  #sendHead(): void {
    const head = this.#head;
    if (head === null || this.#response.headersSent || this.#response.destroyed) return;
    this.#head = null;
    this.#response.writeHead(head.status, [...head.headers]);
  }
}

/** The announced length of a body in bytes; NaN: there is none. */
function lengthOf(headers: readonly string[]): number {
  for (let index = 0; index < headers.length; index += 2) if (headers[index] === 'content-length') return Number(headers[index + 1]);
  return Number.NaN;
}

/** Resolves when the client has taken what waits for it, or is gone. */
function roomOf(response: ServerResponse, onFree: () => void): Promise<void> {
  return new Promise((resolve) => {
    const freed = (): void => {
      response.off('drain', freed).off('close', freed);
      onFree();
      resolve();
    };
    response.on('drain', freed).on('close', freed);
  });
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { fail } from '../../contract/errors.ts';
import type { RoomShare } from './body-room.ts';

export interface BodyLimits {
  readonly maxBytes: number;
  /** from now to the last byte */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** counts what is read */
  readonly room?: RoomShare;
}

const nothing = Buffer.alloc(0);

/**
 * A caller's whole body. Throws ERR_STATEMENT_TOO_LARGE, ERR_TIMEOUT, ERR_BODY_REFUSED (compressed), ERR_PROTOCOL_VIOLATION
 * (cut off), what `room` throws; the rest of a refused body is not read.
 */
export async function readBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<Buffer> {
  checkAnnounced(request, limits.maxBytes);
  if (!announcesBody(request) || (request.complete && request.readableLength === 0)) return nothing;
  if (request.headers.expect !== undefined) response.writeContinue();
  return request.complete ? arrived(request, limits) : arriving(request, response, limits);
}

/** Whether a body belongs to the request: RFC 9112 section 6.3. */
export function announcesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** It is all here already, as short ones are that came with their head: nothing to wait for. */
function arrived(request: IncomingMessage, { maxBytes, signal, room }: BodyLimits): Buffer {
  if (signal.aborted) throw signal.reason;
  const { readableLength } = request;
  if (readableLength > maxBytes) throw tooLarge(maxBytes);
  room?.take(readableLength);
  const bytes = (request.read() as Buffer | null) ?? nothing;
  if (bytes.length !== readableLength) throw cutOff();
  return bytes;
}

async function arriving(request: IncomingMessage, response: ServerResponse, { maxBytes, deadlineMs, signal, room }: BodyLimits): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  const onData = (chunk: Buffer): void => {
    length += chunk.length;
    try {
      if (length > maxBytes) throw tooLarge(maxBytes);
      room?.take(chunk.length);
      chunks.push(chunk);
    } catch (error) {
      reject(error);
    }
  };
  const onEnd = (): void => {
    const [first] = chunks;
    // the stream closes before anybody here runs again, and a fault costs as much as the rest of the request
    request.off('close', onCut).off('error', onCut);
    resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, length));
  };
  const onCut = (): void => {
    reject(cutOff());
  };
  const onAbort = (): void => {
    reject(signal.reason as Error);
  };
  const timer = setTimeout(() => {
    reject(fail('ERR_TIMEOUT', { message: 'The body did not arrive in time.' }));
  }, deadlineMs);
  signal.addEventListener('abort', onAbort, { once: true });
  request.on('data', onData).once('end', onEnd).once('error', onCut).once('close', onCut);
  try {
    if (signal.aborted) onAbort();
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    request.off('data', onData).off('end', onEnd).off('close', onCut).off('error', onCut);
    request.on('error', () => undefined);
    // what is left of a refused body is not read: the connection closes with the answer
    if (!request.complete) {
      request.pause();
      if (!response.headersSent) response.setHeader('connection', 'close');
    }
  }
}

function checkAnnounced({ headers }: IncomingMessage, maxBytes: number): void {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (coding !== 'identity' && coding !== '') throw fail('ERR_BODY_REFUSED', { message: 'Compressed request bodies are refused.' });
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

function cutOff(): Error {
  return fail('ERR_PROTOCOL_VIOLATION', { message: 'The body was cut off.' });
}

function tooLarge(maxBytes: number): Error {
  return fail('ERR_STATEMENT_TOO_LARGE', { message: `The body is longer than the ${maxBytes} bytes accepted here.` });
}

import type { Readable } from 'node:stream';
import { fail } from '../../contract/errors.ts';
import { TargetBody } from './target-body.ts';

/** A whole body of a target. Throws ERR_BODY_REFUSED beyond `maxBytes`, and the reason of the signal when that aborts. */
export async function readAll(body: Readable, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const taken = body instanceof TargetBody && !signal.aborted ? body.takeWhole() : null;
  if (taken === null) return readStream(body, maxBytes, signal);
  if (taken.length > maxBytes) throw tooLong(maxBytes);
  return taken;
}

async function readStream(body: Readable, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  // listeners and no iterator: that costs more than the body of a short answer
  const onData = (chunk: Buffer): void => {
    length += chunk.length;
    if (length > maxBytes) reject(tooLong(maxBytes));
    else chunks.push(chunk);
  };
  const onEnd = (): void => {
    const [first] = chunks;
    resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, length));
  };
  const onClose = (): void => {
    if (!body.readableEnded) reject(fail('ERR_TARGET_UNREACHABLE', { message: 'The target ended its answer before it was whole.' }));
  };
  const onAbort = (): void => {
    reject(signal.reason as Error);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  body.on('data', onData).once('end', onEnd).once('error', reject).once('close', onClose);
  try {
    if (signal.aborted) onAbort();
    if (body.destroyed) onClose();
    return await promise;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    body.off('data', onData).off('end', onEnd).off('error', reject).off('close', onClose);
    if (!body.readableEnded) body.on('error', () => undefined).destroy();
  }
}

function tooLong(maxBytes: number): Error {
  return fail('ERR_BODY_REFUSED', { message: `A body that must be seen whole may have ${maxBytes} bytes.` });
}

import type { Readable } from 'node:stream';

const maxBytes = 65_536;

/** Reads what nobody needs to its end, so that the connection can be used again; a long one is cut off. */
export function discard(body: Readable): void {
  quiet(body);
  let bytes = 0;
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) body.destroy();
  });
}

/** A body that is destroyed before its end says so with an error, which must not bring the process down. */
export function quiet(body: Readable): void {
  body.on('error', () => undefined);
}

import { hash, randomFillSync } from 'node:crypto';

const saltBytes = 16;
const pool = new Uint8Array(4096);
let used = pool.length;

/** 16 fresh random bytes, drawn from the system in batches. */
export function newSalt(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += saltBytes;
  return pool.slice(used - saltBytes, used);
}

/** base64url of SHA-256(salt || UTF-8 of text): commits an event's header to its body without showing it. */
export function commitment(salt: Uint8Array, text: string): string {
  const bytes = Buffer.allocUnsafe(saltBytes + Buffer.byteLength(text));
  bytes.set(salt, 0);
  bytes.write(text, saltBytes);
  return hash('sha256', bytes, 'base64url');
}

import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import type { Token } from '../contract/principal.ts';

/** RFC 5802 and RFC 7677, server side. */
export type ScramVerifier = Token['verifiers']['scram'];

/**
 * RFC 7677's minimum. Stretching protects guessable passwords; a token has 256 random bits, so more rounds would only
 * slow logins down.
 */
export const scramIterations = 4096;
export const scramSaltBytes = 16;
const digestBytes = 32;

/** `token`: letters only, so SASLprep leaves it as it is. */
export function scramVerifier(token: string, salt: Uint8Array): ScramVerifier {
  const salted = pbkdf2Sync(token, salt, scramIterations, digestBytes, 'sha256');
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64');
  return { iterations: scramIterations, storedKey, serverKey: hmac(salted, 'Server Key').toString('base64') };
}

/**
 * Index of the verifier the proof fits, with the server's signature; null for none. The work depends on the number of
 * verifiers only, not on which one fits.
 */
export function verifyScram(
  verifiers: readonly ScramVerifier[],
  authMessage: string,
  clientProof: Uint8Array,
): { index: number; serverSignature: Uint8Array } | null {
  let found = -1;
  let serverSignature: Uint8Array = new Uint8Array(0);
  const proof = Buffer.alloc(digestBytes);
  proof.set(clientProof.subarray(0, digestBytes));
  verifiers.forEach((verifier, index) => {
    const storedKey = Buffer.from(verifier.storedKey, 'base64');
    const signature = hmac(storedKey, authMessage);
    const clientKey = Buffer.alloc(digestBytes);
    for (let byte = 0; byte < digestBytes; byte += 1) clientKey[byte] = (proof[byte] ?? 0) ^ (signature[byte] ?? 0);
    const computed = createHash('sha256').update(clientKey).digest();
    const ours = hmac(Buffer.from(verifier.serverKey, 'base64'), authMessage);
    if (storedKey.length === digestBytes && timingSafeEqual(computed, storedKey) && clientProof.length === digestBytes) {
      found = index;
      serverSignature = ours;
    }
  });
  return found === -1 ? null : { index: found, serverSignature };
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';
import { fail } from '../contract/errors.ts';
import type { Sha256, VerifyEd25519 } from '../proof/bytes.ts';
import { type Checkpoint, formatCheckpoint } from '../proof/checkpoint.ts';
import { formatNote, formatVerifierKey, parseVerifierKey, type VerifierKey } from '../proof/note.ts';

/** DER prefixes of RFC 8410: what stands before the 32 raw bytes of an Ed25519 key. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

export const sha256: Sha256 = (bytes) => hash('sha256', bytes, 'buffer');

export const verifyEd25519: VerifyEd25519 = (publicKey, message, signature) =>
  verify(null, message, { key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' }, signature);

/** The log's signing key under the log's origin. */
export interface LogSigner {
  /** what others verify with: `origin+id+base64` */
  readonly verifierKey: string;
  readonly verifier: VerifierKey;
  sign(checkpoint: Omit<Checkpoint, 'origin'>): string;
}

/** `seed`: the 32 raw bytes of the Ed25519 private key. Throws ERR_INVALID_INPUT. */
export function logSigner(seed: Uint8Array, origin: string): LogSigner {
  if (seed.length !== 32) throw fail('ERR_INVALID_INPUT', { detail: 'the log key is not 32 bytes' });
  const secret: KeyObject = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(spkiPrefix.length);
  const verifierKey = formatVerifierKey(origin, publicKey, sha256);
  const verifier = parseVerifierKey(verifierKey, sha256);
  if (verifier === null) throw fail('ERR_INVALID_INPUT', { detail: 'the origin is no key name' });
  return {
    verifierKey,
    verifier,
    sign: ({ size, root }) => {
      const text = formatCheckpoint({ origin, size, root });
      return formatNote(text, [{ name: origin, id: verifier.id, signature: sign(null, Buffer.from(text), secret) }]);
    },
  };
}

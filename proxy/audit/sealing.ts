import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { fail } from '../contract/errors.ts';

/**
 * Bodies of one commit, encrypted: version | 32 bytes salt | 12 bytes nonce | AES-256-GCM ciphertext | 16 bytes tag.
 * The key is HKDF-SHA-256(body key, salt); each writer draws one salt and counts its nonces, so none repeats under a key.
 */
const version = 1;
const saltBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const prefixBytes = 1 + saltBytes + nonceBytes;
const info = 'postern audit bodies v1';

function subkey(bodyKey: Uint8Array, salt: Uint8Array): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', bodyKey, salt, info, 32)));
}

function context(firstIndex: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(firstIndex));
  return bytes;
}

export type Seal = (firstIndex: number, parts: readonly Uint8Array[]) => Buffer;

/** `firstIndex`, the place of the batch in the log, is authenticated with the bodies. Throws ERR_INVALID_INPUT on a short key. */
export function bodySealer(bodyKey: Uint8Array): Seal {
  if (bodyKey.length !== 32) throw fail('ERR_INVALID_INPUT', { detail: 'the body key is not 32 bytes' });
  const salt = randomBytes(saltBytes);
  const key = subkey(bodyKey, salt);
  let counter = 0;
  return (firstIndex, parts) => {
    const nonce = Buffer.alloc(nonceBytes);
    nonce.writeUIntBE(++counter, nonceBytes - 6, 6);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(context(firstIndex));
    const sealed = [Buffer.of(version), salt, nonce, ...parts.map((part) => cipher.update(part)), cipher.final()];
    return Buffer.concat([...sealed, cipher.getAuthTag()]);
  };
}

export type Unseal = (firstIndex: number, sealed: Buffer) => Buffer;

/** Throws ERR_VERIFICATION_FAILED when the bytes were not sealed for this place with this key. */
export function bodyOpener(bodyKey: Uint8Array): Unseal {
  let last: { salt: Buffer; key: KeyObject } | null = null;
  return (firstIndex, sealed) => {
    if (sealed.length < prefixBytes + tagBytes || sealed[0] !== version) throw fail('ERR_VERIFICATION_FAILED', { detail: 'not sealed bodies' });
    const salt = sealed.subarray(1, 1 + saltBytes);
    if (last?.salt.equals(salt) !== true) last = { salt: Buffer.from(salt), key: subkey(bodyKey, salt) };
    const cipher = createDecipheriv('aes-256-gcm', last.key, sealed.subarray(1 + saltBytes, prefixBytes), { authTagLength: tagBytes });
    cipher.setAAD(context(firstIndex));
    cipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
    try {
      return Buffer.concat([cipher.update(sealed.subarray(prefixBytes, sealed.length - tagBytes)), cipher.final()]);
    } catch (error) {
      throw fail('ERR_VERIFICATION_FAILED', { detail: 'sealed bodies do not open', cause: error });
    }
  };
}

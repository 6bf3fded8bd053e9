import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import type { Secret } from '../lib/secret.ts';

export const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** AES-256-GCM: base64 of the nonce, and of ciphertext and tag together. */
export const Sealed = z.strictObject({ nonce: z.base64().length(16), box: z.base64().max(1_500_000) });
export type Sealed = z.infer<typeof Sealed>;

export type RandomBytes = (size: number) => Uint8Array;

/** `context` is authenticated and not stored: what is opened elsewhere than it was sealed for fails. */
export function seal(key: Secret<Uint8Array>, plain: string | Uint8Array, context: readonly string[], random: RandomBytes): Sealed {
  const nonce = random(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key.reveal(), nonce, { authTagLength: tagBytes });
  cipher.setAAD(bindingOf(context));
  const bytes = typeof plain === 'string' ? Buffer.from(plain, 'utf8') : Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  const box = Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  return { nonce: base64(nonce), box: base64(box) };
}

/** Throws ERR_VAULT_DAMAGED when the key, the bytes or the context is not the one it was sealed with. */
export function unseal(key: Secret<Uint8Array>, sealed: Sealed, context: readonly string[]): Buffer {
  const nonce = Buffer.from(sealed.nonce, 'base64');
  const box = Buffer.from(sealed.box, 'base64');
  if (nonce.length !== nonceBytes || box.length < tagBytes) throw damaged(context);
  const decipher = createDecipheriv('aes-256-gcm', key.reveal(), nonce, { authTagLength: tagBytes });
  decipher.setAAD(bindingOf(context));
  decipher.setAuthTag(box.subarray(box.length - tagBytes));
  const plain = decipher.update(box.subarray(0, box.length - tagBytes));
  try {
    return Buffer.concat([plain, decipher.final()]);
  } catch {
    throw damaged(context);
  } finally {
    plain.fill(0);
  }
}

/** HKDF-SHA-256 (RFC 5869), 32 bytes; the purpose keeps the uses of one key apart. */
export function deriveKey(key: Secret<Uint8Array>, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key.reveal(), new Uint8Array(0), `postern/v1/${purpose}`, keyBytes));
}

// a length before each part, so that no two contexts give the same bytes
function bindingOf(context: readonly string[]): Buffer {
  return Buffer.from(context.map((part) => `${String(Buffer.byteLength(part))}:${part}`).join(','), 'utf8');
}

function damaged(context: readonly string[]): Error {
  return fail('ERR_VAULT_DAMAGED', { detail: `authentication failed for ${context.join(' ')}` });
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

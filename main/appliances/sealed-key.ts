import { createCipheriv, createDecipheriv, createHash, randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { z } from 'zod';
import { fail } from '../../proxy/contract/errors.ts';
import { Secret } from '../../proxy/lib/secret.ts';
import { utf8 } from '../../proxy/proof/bytes.ts';
import { canonicalJson } from '../../proxy/proof/canonical.ts';
import type { KeychainPort } from '../ports.ts';
import { SigningKey } from './signing-key.ts';

const Base64url = (chars: number) => z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${String(chars)}}$`));

/** A key as it lies in the file. Both forms are bound to what stands beside them: moved or edited, they do not open. */
export const SealedKey = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('keychain'),
    /** what the keychain made of the key and of SHA-256 of what it is bound to */
    box: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/)
      .max(8_192),
  }),
  z.strictObject({
    type: z.literal('scrypt-aes-256-gcm'),
    // fixed, so that a file cannot ask for all memory, nor for a cheap key
    n: z.literal(2 ** 17),
    r: z.literal(8),
    p: z.literal(1),
    salt: Base64url(22),
    nonce: Base64url(16),
    /** ciphertext of the 32 bytes and the tag */
    box: Base64url(64),
  }),
]);
export type SealedKey = z.infer<typeof SealedKey>;

/** What a key is bound to; any member counts. */
export type KeyContext = Readonly<Record<string, string>>;

const cost = { n: 2 ** 17, r: 8, p: 1 } as const;
const tagBytes = 16;
const seedBytes = 32;
const minPassphraseChars = 12;

/** Under the passphrase where there is one, else by the keychain. Throws ERR_INVALID_INPUT when that one protects nothing. */
export async function sealKey(key: SigningKey, context: KeyContext, by: { keychain: KeychainPort; passphrase: Secret<string> | null }): Promise<SealedKey> {
  const { keychain, passphrase } = by;
  if (passphrase !== null) return sealUnder(passphrase, key.seed(), context);
  if (!(await keychain.isProtected())) throw unprotected(keychain.backend);
  const box = await keychain.wrap(Buffer.concat([key.seed().reveal(), digestOf(context)]));
  return { type: 'keychain', box: Buffer.from(box).toString('base64url') };
}

function unprotected(backend: string): Error {
  return fail('ERR_INVALID_INPUT', {
    message: `The keychain of this machine (${backend}) would not protect the key, so it needs a passphrase.`,
    hint: `Choose one of at least ${String(minPassphraseChars)} characters.`,
    faults: [{ path: 'passphrase', message: `at least ${String(minPassphraseChars)} characters` }],
  });
}

/** Throws ERR_UNAUTHENTICATED: no passphrase, a wrong one, or a file that was changed. */
export async function openKey(sealed: SealedKey, context: KeyContext, by: { keychain: KeychainPort; passphrase: Secret<string> | null }): Promise<SigningKey> {
  if (sealed.type === 'keychain') return new SigningKey(await unwrap(sealed.box, context, by.keychain));
  if (by.passphrase === null) throw fail('ERR_UNAUTHENTICATED', { message: 'The key is kept under a passphrase.', hint: 'Sign in with it.' });
  const { salt, nonce, box } = sealed;
  const wrapping = await derive(by.passphrase, Buffer.from(salt, 'base64url'));
  const bytes = Buffer.from(box, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', wrapping.reveal(), Buffer.from(nonce, 'base64url')).setAAD(bound(context));
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  try {
    return new SigningKey(new Secret(new Uint8Array(Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()]))));
  } catch {
    throw fail('ERR_UNAUTHENTICATED', {
      message: 'The passphrase is not right, or the key file was changed.',
      hint: 'Try again; a lost key is replaced by a new invitation.',
    });
  }
}

async function unwrap(box: string, context: KeyContext, keychain: KeychainPort): Promise<Secret<Uint8Array>> {
  const opened = await keychain.unwrap(Buffer.from(box, 'base64url')).catch((error: unknown) => {
    throw fail('ERR_UNAUTHENTICATED', {
      message: `The keychain of this machine (${keychain.backend}) did not open the key.`,
      hint: 'Unlock it and try again; a lost key is replaced by a new invitation.',
      cause: error,
    });
  });
  const digest = opened.subarray(seedBytes);
  const fits = opened.length === 2 * seedBytes && timingSafeEqual(digest, digestOf(context));
  if (!fits)
    throw fail('ERR_UNAUTHENTICATED', { message: 'The key file was changed: this key belongs to another entry.', hint: 'Enrol again with a new invitation.' });
  return new Secret(new Uint8Array(opened.subarray(0, seedBytes)));
}

/** Throws ERR_INVALID_INPUT where `sealKey` would: before anything that cannot be taken back is done. */
export async function proveSealable(keychain: KeychainPort, passphrase: Secret<string> | null): Promise<void> {
  if (passphrase !== null) {
    requireLength(passphrase);
    return;
  }
  if (!(await keychain.isProtected())) throw unprotected(keychain.backend);
  const probe = randomBytes(seedBytes);
  const back = await keychain.unwrap(await keychain.wrap(probe)).catch(() => new Uint8Array());
  if (!probe.equals(back)) throw unprotected(keychain.backend);
}

function requireLength(passphrase: Secret<string>): void {
  if (passphrase.reveal().length >= minPassphraseChars) return;
  throw fail('ERR_INVALID_INPUT', {
    message: `The passphrase must have at least ${String(minPassphraseChars)} characters.`,
    faults: [{ path: 'passphrase', message: `at least ${String(minPassphraseChars)} characters` }],
  });
}

async function sealUnder(passphrase: Secret<string>, seed: Secret<Uint8Array>, context: KeyContext): Promise<SealedKey> {
  requireLength(passphrase);
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const wrapping = await derive(passphrase, salt);
  const cipher = createCipheriv('aes-256-gcm', wrapping.reveal(), nonce).setAAD(bound(context));
  const box = Buffer.concat([cipher.update(seed.reveal()), cipher.final(), cipher.getAuthTag()]);
  const text = (bytes: Buffer): string => bytes.toString('base64url');
  return { type: 'scrypt-aes-256-gcm', ...cost, salt: text(salt), nonce: text(nonce), box: text(box) };
}

function bound(context: KeyContext): Uint8Array {
  return utf8(canonicalJson({ type: 'postern-desktop-key', v: 1, ...context }));
}

function digestOf(context: KeyContext): Uint8Array {
  return createHash('sha256').update(bound(context)).digest();
}

function derive(passphrase: Secret<string>, salt: Buffer): Promise<Secret<Buffer>> {
  const options: ScryptOptions = { N: cost.n, r: cost.r, p: cost.p, maxmem: 256 * cost.n * cost.r };
  return new Promise((resolve, reject) => {
    scrypt(passphrase.reveal().normalize('NFC'), salt, 32, options, (error, key) => {
      if (error) reject(error);
      else resolve(new Secret(key));
    });
  });
}

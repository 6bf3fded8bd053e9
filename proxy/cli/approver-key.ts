import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  scrypt,
  sign,
  type KeyObject,
  type ScryptOptions,
} from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import { Secret } from '../lib/secret.ts';
import { utf8 } from '../proof/bytes.ts';
import { canonicalJson } from '../proof/canonical.ts';
import type { Environment } from './session.ts';

const Https = z.url({ protocol: /^https$/ }).max(500);
const Base64url32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const Line = z.string().min(1).max(200);

const SealedSeed = z.strictObject({
  type: z.literal('scrypt-aes-256-gcm'),
  // caps, so that a file cannot ask for all memory
  n: z
    .int()
    .min(2 ** 14)
    .max(2 ** 17),
  r: z.literal(8),
  p: z.literal(1),
  salt: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  nonce: z.string().regex(/^[A-Za-z0-9_-]{16}$/),
  /** ciphertext of the 32 bytes and the tag */
  box: z.string().regex(/^[A-Za-z0-9_-]{64}$/),
});
type SealedSeed = z.infer<typeof SealedSeed>;

/** An approver's key with the service it is enrolled at; what stands beside `key` is bound to it where there is a passphrase. */
const KeyFile = z.strictObject({
  v: z.literal(1),
  url: Https,
  /** the CA this service's certificates come from; no other is trusted */
  caPem: z.string().max(16_384),
  /** origin of the service's log */
  service: Line,
  user: Line,
  userId: Line,
  keyId: Line,
  publicKey: Base64url32,
  key: z.discriminatedUnion('type', [SealedSeed, z.strictObject({ type: z.literal('plain'), seed: Base64url32 })]),
});
export type KeyFile = z.infer<typeof KeyFile>;
/** Where and whose a key is. */
export type KeyPlace = Pick<KeyFile, 'url' | 'caPem' | 'service' | 'user' | 'userId' | 'keyId'>;

/** An Ed25519 key that can sign; `publicKey` in base64url (RFC 8032). */
export class SigningKey {
  readonly publicKey: string;
  readonly #key: Secret<KeyObject>;
  readonly #seed: Secret<string>;

  /** `seed`: base64url of the 32 bytes. */
  constructor(seed: Secret<string>, publicKey: string) {
    this.#key = new Secret(createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d: seed.reveal(), x: publicKey }, format: 'jwk' }));
    this.#seed = seed;
    this.publicKey = publicKey;
  }

  static make(): SigningKey {
    const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    return new SigningKey(new Secret(d), x);
  }

  /** base64url */
  sign(bytes: Uint8Array): string {
    return sign(null, bytes, this.#key.reveal()).toString('base64url');
  }

  /** As it is stored; without a passphrase the key lies open in the file. */
  async stored(place: KeyPlace, passphrase: Secret<string> | null): Promise<KeyFile> {
    const head = { v: 1 as const, ...place, publicKey: this.publicKey };
    const seed = this.#seed.reveal();
    return { ...head, key: passphrase === null ? { type: 'plain', seed } : await seal(seed, passphrase, context(head)) };
  }
}

/** Throws ERR_UNAUTHENTICATED when the passphrase is not the one, or the file was changed. */
export async function unlock(file: KeyFile, passphrase: () => Promise<string>): Promise<SigningKey> {
  const { key, ...head } = file;
  const seed = key.type === 'plain' ? new Secret(key.seed) : await unseal(key, new Secret(await passphrase()), context(head));
  const { x } = publicPart(seed);
  if (x !== file.publicKey) throw fail('ERR_VERIFICATION_FAILED', { message: 'The key file holds two different keys.', hint: 'Enrol again.' });
  return new SigningKey(seed, file.publicKey);
}

/** DER prefix of RFC 8410: what stands before the 32 raw bytes of an Ed25519 key. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

function publicPart(seed: Secret<string>): JsonWebKey {
  const der = Buffer.concat([pkcs8Prefix, Buffer.from(seed.reveal(), 'base64url')]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
}

interface JsonWebKey {
  readonly x?: string;
}

function context(head: Omit<KeyFile, 'key'>): Uint8Array {
  return utf8(canonicalJson({ type: 'postern-approver-key', ...head }));
}

const cost = { n: 2 ** 15, r: 8, p: 1 } as const;
const tagBytes = 16;

async function seal(seed: string, passphrase: Secret<string>, bound: Uint8Array): Promise<SealedSeed> {
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const wrapping = await derive(passphrase, salt, cost.n);
  const cipher = createCipheriv('aes-256-gcm', wrapping.reveal(), nonce).setAAD(bound);
  const box = Buffer.concat([cipher.update(Buffer.from(seed, 'base64url')), cipher.final(), cipher.getAuthTag()]);
  const text = (bytes: Buffer): string => bytes.toString('base64url');
  return { type: 'scrypt-aes-256-gcm', ...cost, salt: text(salt), nonce: text(nonce), box: text(box) };
}

async function unseal({ n, salt, nonce, box }: SealedSeed, passphrase: Secret<string>, bound: Uint8Array): Promise<Secret<string>> {
  const wrapping = await derive(passphrase, Buffer.from(salt, 'base64url'), n);
  const bytes = Buffer.from(box, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', wrapping.reveal(), Buffer.from(nonce, 'base64url')).setAAD(bound);
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  try {
    return new Secret(Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()]).toString('base64url'));
  } catch {
    throw fail('ERR_UNAUTHENTICATED', {
      message: 'The passphrase is not right, or the key file was changed.',
      hint: 'Try again; a lost key is replaced by a new invitation.',
    });
  }
}

function derive(passphrase: Secret<string>, salt: Buffer, n: number): Promise<Secret<Buffer>> {
  const options: ScryptOptions = { N: n, r: cost.r, p: cost.p, maxmem: 256 * n * cost.r };
  return new Promise((resolve, reject) => {
    scrypt(passphrase.reveal().normalize('NFC'), salt, 32, options, (error, key) => {
      if (error) reject(error);
      else resolve(new Secret(key));
    });
  });
}

const maxFileBytes = 65_536;
const onlyOwner = process.platform !== 'win32';

/** `$XDG_CONFIG_HOME/postern/approver.json`, else below `~/.config`; undefined where there is no home. */
export function defaultKeyFile({ XDG_CONFIG_HOME, HOME }: Environment): string | undefined {
  const config = XDG_CONFIG_HOME?.startsWith('/') === true ? XDG_CONFIG_HOME : HOME && join(HOME, '.config');
  return config ? join(config, 'postern', 'approver.json') : undefined;
}

/** Null when there is none. Throws ERR_INVALID_INPUT when others may read it, or when it is no key file. */
export async function readKeyFile(path: string): Promise<KeyFile | null> {
  const file = await open(path, constants.O_RDONLY).catch((error: unknown) => {
    if (isAbsent(error)) return null;
    throw fail('ERR_INVALID_INPUT', { message: `${path} cannot be read.`, hint: 'Check the path and its permissions.', cause: error });
  });
  if (file === null) return null;
  try {
    const { mode, size } = await file.stat();
    if (onlyOwner && (mode & 0o077) !== 0)
      throw fail('ERR_INVALID_INPUT', { message: `Others may read ${path}.`, hint: `Run chmod 600 ${path}, and replace the key if they did.` });
    if (size > maxFileBytes) throw notAKey(path);
    return KeyFile.parse(JSON.parse(await file.readFile('utf8')));
  } catch (error) {
    throw error instanceof z.ZodError || error instanceof SyntaxError ? notAKey(path) : error;
  } finally {
    await file.close();
  }
}

function notAKey(path: string): Error {
  return fail('ERR_INVALID_INPUT', { message: `${path} is no approver key of Postern.`, hint: 'Enrol again, or name another file with --key-file.' });
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

/** A key file about to be written: the place is proven writable before a one-time code is spent. */
export interface PreparedKeyFile {
  /** Durable, and whole or not at all. */
  save(key: KeyFile): Promise<void>;
  /** Takes back what was prepared; nothing to do after `save`. */
  discard(): Promise<void>;
}

/** Makes the directory (0700) and an empty file (0600) beside `path`. Throws ERR_CONFLICT when there is a key already and it may not be replaced. */
export async function prepareKeyFile(path: string, replace: boolean): Promise<PreparedKeyFile> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await refuseExisting(path, replace);
  const temporary = join(directory, `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`);
  const file = await open(temporary, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
  let closed = false;
  const close = async (): Promise<void> => {
    if (!closed) await file.close();
    closed = true;
  };
  return {
    async save(key) {
      await file.writeFile(`${JSON.stringify(key, null, 2)}\n`);
      await file.sync();
      await close();
      await refuseExisting(path, replace);
      await rename(temporary, path);
      await syncDirectory(directory);
    },
    async discard() {
      await close();
      await rm(temporary, { force: true });
    },
  };
}

async function refuseExisting(path: string, replace: boolean): Promise<void> {
  if (replace || (await stat(path).catch(() => null)) === null) return;
  throw fail('ERR_CONFLICT', {
    message: `There is a key at ${path} already.`,
    hint: 'Give --replace if it is no longer needed, or another place with --key-file.',
  });
}

async function syncDirectory(path: string): Promise<void> {
  if (!onlyOwner) return;
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

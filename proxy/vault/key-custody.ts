import { randomBytes, scrypt, type ScryptOptions } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import { AppError, reasonOf } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import { nodeFiles, replaceFile } from '../store/files.ts';
import { base64, keyBytes } from './envelope.ts';

/** Where the key-encryption key comes from. Any other place (keychain, TPM, KMS) is one more of these. */
export interface KeyCustody {
  readonly id: string;
  /** 32 bytes. Throws ERR_VAULT_LOCKED with the reason as detail. */
  load(): Promise<Secret<Uint8Array>>;
}

const Salt = z.strictObject({ format: z.literal('postern-passphrase/1'), salt: z.base64().length(24) });
const minPassphraseLength = 12;
// OWASP's strongest scrypt setting: 128 MiB, about half a second
const scryptCost: ScryptOptions = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 };

/** scrypt over the passphrase. `saltFile` is made when `create` is set and it does not exist. */
export function passphraseCustody(options: { passphrase: Secret<string>; saltFile: string; create: boolean }): KeyCustody {
  return {
    id: 'passphrase',
    load: () =>
      lockedOnFailure(async () => {
        const passphrase = options.passphrase.reveal().normalize('NFKC');
        const salt = await readSalt(options.saltFile, options.create && passphrase.length >= minPassphraseLength);
        return new Promise<Secret<Uint8Array>>((resolve, reject) => {
          scrypt(passphrase, salt, keyBytes, scryptCost, (error, key) => {
            if (error === null) resolve(new Secret<Uint8Array>(key));
            else reject(error);
          });
        });
      }),
  };
}

/** A systemd credential (`LoadCredentialEncrypted=`): `directory` is the unit's $CREDENTIALS_DIRECTORY. */
export function systemdCustody(options: { directory: string; name: string }): KeyCustody {
  return {
    id: 'systemd-credential',
    // systemd owns the file and may grant access by ACL, which shows as group bits; others must have none
    load: () => lockedOnFailure(() => readKey(join(options.directory, options.name), { forbidden: 0o007, ours: false })),
  };
}

/** A 0400 file of our own. Made on the first start when `create` is set. */
export function keyFileCustody(options: { path: string; create: boolean }): KeyCustody {
  return {
    id: 'key-file',
    load: () =>
      lockedOnFailure(async () => {
        if (options.create) await createKeyFile(options.path);
        return readKey(options.path, { forbidden: 0o077, ours: true });
      }),
  };
}

async function readSalt(path: string, create: boolean): Promise<Buffer> {
  try {
    return Buffer.from(Salt.parse(JSON.parse(await readFile(path, 'utf8'))).salt, 'base64');
  } catch (error) {
    if (!create || !isCode(error, 'ENOENT')) throw error;
  }
  const salt = randomBytes(16);
  await replaceFile(path, Buffer.from(`${JSON.stringify({ format: 'postern-passphrase/1', salt: base64(salt) })}\n`));
  return salt;
}

async function createKeyFile(path: string): Promise<void> {
  try {
    const file = await nodeFiles.create(path, 0o400);
    try {
      await file.write(Buffer.from(`${base64(randomBytes(keyBytes))}\n`));
      await file.sync();
    } finally {
      await file.close();
    }
    await nodeFiles.syncDirectory(dirname(path));
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
  }
}

async function readKey(path: string, access: { forbidden: number; ours: boolean }): Promise<Secret<Uint8Array>> {
  // checked on the open file, so that it cannot be swapped in between
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { mode, uid, size } = await file.stat();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw unusable('not a regular file');
    if ((mode & access.forbidden) !== 0) throw unusable(`others may read it: mode ${(mode & 0o777).toString(8)}`);
    if (access.ours && process.getuid !== undefined && uid !== process.getuid()) throw unusable(`it belongs to uid ${String(uid)}`);
    if (size > 4096) throw unusable('too long for a key');
    return new Secret(keyOf(await file.readFile()));
  } finally {
    await file.close();
  }
}

// 32 raw bytes, or their base64 on one line
function keyOf(bytes: Buffer): Uint8Array {
  if (bytes.length === keyBytes) return bytes;
  const text = bytes.toString('latin1').trimEnd();
  const key = Buffer.from(text, 'base64');
  if (key.length !== keyBytes || base64(key) !== text) throw unusable('not 32 bytes, raw or in base64');
  return key;
}

async function lockedOnFailure<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw error instanceof AppError ? error : fail('ERR_VAULT_LOCKED', { detail: reasonOf(error), cause: error });
  }
}

function unusable(detail: string): Error {
  return fail('ERR_VAULT_LOCKED', { detail });
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

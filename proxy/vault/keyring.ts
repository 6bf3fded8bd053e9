import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import { Secret } from '../lib/secret.ts';
import { replaceFile, type Files } from '../store/files.ts';
import { deriveKey, keyBytes, seal, Sealed, unseal, type RandomBytes } from './envelope.ts';
import { isCode, type KeyCustody } from './key-custody.ts';

const KekId = z.string().regex(/^kek_[a-p]{16}$/);
const maxFileBytes = 65_536;

/**
 * `DIR/vault/keyring.json`: the root key under the key-encryption key (KEK). While a KEK rotation is unfinished,
 * `pending` holds each of the two KEKs under the other, so that whichever one is given opens everything.
 */
const KeyringFile = z.strictObject({
  format: z.literal('postern-keyring/1'),
  kek: KekId,
  root: Sealed,
  pending: z.strictObject({ kek: KekId, forward: Sealed, back: Sealed }).nullable(),
});
type KeyringFile = z.infer<typeof KeyringFile>;

/** A key-encryption key: what wraps is derived from it, so that its public id tells nothing. */
export class Kek {
  readonly id: string;
  readonly raw: Secret<Uint8Array>;
  readonly wrapping: Secret<Uint8Array>;

  constructor(raw: Secret<Uint8Array>) {
    if (raw.reveal().length !== keyBytes) throw fail('ERR_VAULT_LOCKED', { detail: 'the key-encryption key is not 32 bytes' });
    this.raw = raw;
    this.wrapping = new Secret<Uint8Array>(deriveKey(raw, 'kek/wrapping'));
    this.id = `kek_${letters(deriveKey(raw, 'kek/id').subarray(0, 8))}`;
  }

  wipe(): void {
    this.raw.reveal().fill(0);
    this.wrapping.reveal().fill(0);
  }
}

interface Place {
  readonly directory: string;
  readonly files: Files;
  readonly random: RandomBytes;
}

export class Keyring {
  readonly #place: Place;
  readonly root: Secret<Uint8Array>;
  #file: KeyringFile;
  #current: Kek;
  /** the other KEK of an unfinished rotation */
  #next: Kek | null;
  /** a failed write may have reached the disk all the same: what the file says is then unknown */
  #uncertain = false;

  private constructor(place: Place, file: KeyringFile, keys: { root: Secret<Uint8Array>; current: Kek; next: Kek | null }) {
    this.#place = place;
    this.#file = file;
    this.root = keys.root;
    this.#current = keys.current;
    this.#next = keys.next;
  }

  /** A fresh root key. */
  static async create(place: Place, kek: Kek): Promise<Keyring> {
    const root = new Secret<Uint8Array>(place.random(keyBytes));
    const file: KeyringFile = { format: 'postern-keyring/1', kek: kek.id, root: sealRoot(place, root, kek), pending: null };
    const keyring = new Keyring(place, file, { root, current: kek, next: null });
    await keyring.#save(file);
    return keyring;
  }

  /** Null when there is none. Throws ERR_VAULT_LOCKED for another key, ERR_VAULT_DAMAGED. */
  static async open(place: Place, kek: Kek): Promise<Keyring | null> {
    const file = await readKeyring(place.directory);
    if (file === null) return null;
    let current = kek;
    let next: Kek | null = null;
    if (kek.id === file.kek) {
      if (file.pending !== null) next = new Kek(new Secret<Uint8Array>(unseal(kek.wrapping, file.pending.forward, bridge(file.kek, file.pending.kek))));
    } else if (kek.id === file.pending?.kek) {
      next = kek;
      current = new Kek(new Secret<Uint8Array>(unseal(kek.wrapping, file.pending.back, bridge(file.pending.kek, file.kek))));
    } else {
      throw fail('ERR_VAULT_LOCKED', { detail: `the vault is under ${file.kek}, the key given is ${kek.id}` });
    }
    const root = new Secret<Uint8Array>(unseal(current.wrapping, file.root, rootContext(file.kek)));
    return new Keyring(place, file, { root, current, next });
  }

  /** New wraps go under this one. */
  get current(): Kek {
    if (this.#uncertain) throw fail('ERR_VAULT_LOCKED', { detail: 'writing keyring.json failed: open the vault again' });
    return this.#current;
  }

  /** The KEK a rotation was started towards and not finished. */
  get pending(): Kek | null {
    return this.#next;
  }

  /** Throws ERR_VAULT_DAMAGED for a KEK this keyring does not know. */
  find(id: string): Kek {
    if (id === this.#current.id) return this.#current;
    if (this.#next !== null && id === this.#next.id) return this.#next;
    throw fail('ERR_VAULT_DAMAGED', { detail: `wrapped under ${id}, which is not a key of this vault` });
  }

  /** First step of a rotation: from here on both keys open the vault. */
  async begin(next: Kek): Promise<void> {
    const from = this.current;
    const { random } = this.#place;
    const forward = seal(from.wrapping, next.raw.reveal(), bridge(from.id, next.id), random);
    const back = seal(next.wrapping, from.raw.reveal(), bridge(next.id, from.id), random);
    await this.#save({ ...this.#file, pending: { kek: next.id, forward, back } });
    this.#next = next;
  }

  /** Last step, forwards or back: everything is wrapped under `kek`; the other key opens nothing any more. */
  async finish(kek: Kek): Promise<void> {
    const other = kek === this.current ? this.#next : this.#current;
    await this.#save({ format: 'postern-keyring/1', kek: kek.id, root: sealRoot(this.#place, this.root, kek), pending: null });
    this.#current = kek;
    this.#next = null;
    other?.wipe();
  }

  wipe(): void {
    this.root.reveal().fill(0);
    this.#current.wipe();
    this.#next?.wipe();
  }

  async #save(file: KeyringFile): Promise<void> {
    this.#uncertain = true;
    await replaceFile(join(this.#place.directory, 'keyring.json'), Buffer.from(`${JSON.stringify(file)}\n`), this.#place.files);
    this.#uncertain = false;
    this.#file = file;
  }
}

async function readKeyring(directory: string): Promise<KeyringFile | null> {
  let text: string;
  try {
    text = await readFile(join(directory, 'keyring.json'), 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw fail('ERR_VAULT_LOCKED', { detail: 'keyring.json cannot be read', cause: error });
  }
  return parseFile(KeyringFile, text, 'keyring.json');
}

/** Throws ERR_VAULT_DAMAGED naming the file. */
export function parseFile<T>(schema: z.ZodType<T>, text: string, name: string): T {
  if (text.length > maxFileBytes * 64) throw fail('ERR_VAULT_DAMAGED', { detail: `${name} is too long` });
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw fail('ERR_VAULT_DAMAGED', { detail: `${name} is malformed`, cause: error });
  }
}

/** Loads and names the key of a custody. */
export async function loadKek(custody: KeyCustody): Promise<Kek> {
  return new Kek(await custody.load());
}

function sealRoot(place: Place, root: Secret<Uint8Array>, kek: Kek): Sealed {
  return seal(kek.wrapping, root.reveal(), rootContext(kek.id), place.random);
}

function rootContext(kek: string): string[] {
  return ['postern root key', kek];
}

function bridge(from: string, to: string): string[] {
  return ['postern kek rotation', from, to];
}

// hexadecimal in letters: never a run of digits
function letters(bytes: Uint8Array): string {
  return [...bytes].map((byte) => 'abcdefghijklmnop'.charAt(byte >> 4) + 'abcdefghijklmnop'.charAt(byte & 15)).join('');
}

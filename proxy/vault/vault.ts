import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../contract/errors.ts';
import type { Clock } from '../lib/clock.ts';
import { Secret } from '../lib/secret.ts';
import { nodeFiles, replaceFile, type Files } from '../store/files.ts';
import type { LogPosition } from '../store/position.ts';
import { deriveKey, type RandomBytes } from './envelope.ts';
import { isCode, type KeyCustody } from './key-custody.ts';
import { Keyring, loadKek, parseFile, type Kek } from './keyring.ts';
import { openVersion, rewrap, sealVersion, SecretFile, SecretId } from './secret-file.ts';

/** What is derived from the root key: one key per use. */
export type KeyPurpose = 'audit-body' | 'input-digest' | 'recording-wrapping' | 'scram-fake-salt';

export interface SecretEntry {
  readonly id: string;
  readonly purpose: string;
  readonly version: number;
  readonly createdAt: string;
}

export interface LeaseRecord {
  readonly secret: string;
  readonly version: number;
  /** session the credential was lent to */
  readonly holder: string;
  /** milliseconds since the epoch */
  readonly leasedAt: number;
  readonly expiresAt: number;
}

export interface Lease extends LeaseRecord {
  readonly value: Secret<string>;
}

/** Changes take the position of the event that announced them. A stored value comes out by `lease` alone. */
export interface Vault {
  /** `version` must be newer than the stored one: ERR_CONFLICT. Values up to 64 KiB. */
  put(at: LogPosition, secret: { id: string; version: number; purpose: string; value: Secret<string> }): Promise<void>;
  /** Removes the only copy of the wrapped data keys. What a disk may still hold dies with the next KEK rotation. */
  delete(at: LogPosition, id: string): Promise<void>;
  /** `version`: the one the caller's records name; another one stored is ERR_VAULT_DAMAGED. */
  lease(id: string, terms: { holder: string; ttlMs: number; version?: number }): Promise<Lease>;
  /** live ones, oldest first */
  leases(): readonly LeaseRecord[];
  release(holder: string): void;
  list(): Promise<SecretEntry[]>;
  /** HKDF of the root key; stable over every rotation of the KEK. 32 bytes. */
  derive(purpose: KeyPurpose): Secret<Uint8Array>;
  /** Re-encrypts every kept version under new data keys. */
  rotateDataKey(at: LogPosition, id: string): Promise<void>;
  /** Re-wraps everything; gives how many secrets. Interrupted, either key opens the vault; called again it goes on. */
  rotateKek(at: LogPosition, next: KeyCustody): Promise<number>;
  readonly rotationPending: boolean;
  /** Waits for changes under way and wipes the keys. */
  close(): Promise<void>;
}

interface VaultOptions {
  readonly directory: string;
  readonly custody: KeyCustody;
  /** first start: make the keyring when there is none */
  readonly create: boolean;
  readonly clock: Clock;
  readonly files?: Files;
  readonly random?: RandomBytes;
}

const maxValueBytes = 65_536;

/** Throws ERR_VAULT_LOCKED without the right key, ERR_VAULT_DAMAGED when the files do not fit it. */
export async function openVault(options: VaultOptions): Promise<Vault> {
  const { directory } = options;
  const place = { directory, files: options.files ?? nodeFiles, random: options.random ?? randomBytes };
  const kek = await loadKek(options.custody);
  let keyring = await Keyring.open(place, kek);
  if (keyring === null) {
    if (!options.create) throw fail('ERR_VAULT_LOCKED', { detail: 'there is no keyring' });
    await place.files.makeDirectory(directory);
    // a lost keyring must not be replaced: the secrets would be unreadable for ever
    if ((await secretFiles(directory)).length > 0) throw fail('ERR_VAULT_DAMAGED', { detail: 'there are secrets but no keyring' });
    keyring = await Keyring.create(place, kek);
  }
  for (const name of await readdir(directory)) if (/^\..+\.tmp$/.test(name)) await place.files.remove(join(directory, name));
  const vault = new FileVault({ ...place, clock: options.clock }, keyring);
  // opened with the new key: the rotation had been decided
  if (keyring.pending === kek) await vault.finishRotation(kek);
  return vault;
}

class FileVault implements Vault {
  readonly #place: { directory: string; files: Files; random: RandomBytes; clock: Clock };
  readonly #keyring: Keyring;
  readonly #leases = new Map<string, LeaseRecord>();
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(place: { directory: string; files: Files; random: RandomBytes; clock: Clock }, keyring: Keyring) {
    this.#place = place;
    this.#keyring = keyring;
  }

  get rotationPending(): boolean {
    return this.#keyring.pending !== null;
  }

  put(at: LogPosition, secret: { id: string; version: number; purpose: string; value: Secret<string> }): Promise<void> {
    return this.#inTurn(async () => {
      checkValue(secret);
      const stored = await this.#read(secret.id);
      const newest = stored?.versions[0]?.version ?? 0;
      if (secret.version <= newest || (stored !== null && stored.purpose !== secret.purpose)) throw fail('ERR_CONFLICT');
      const facts = { version: secret.version, createdAt: new Date(this.#place.clock.now()).toISOString(), position: at };
      const sealed = sealVersion(secret, facts, secret.value, { kek: this.#keyring.current, random: this.#place.random });
      const versions = [sealed, ...(stored?.versions.slice(0, 1) ?? [])];
      await this.#write({ format: 'postern-secret/1', id: secret.id, purpose: secret.purpose, versions });
    });
  }

  delete(_at: LogPosition, id: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#place.files.remove(this.#pathOf(id));
      await this.#place.files.syncDirectory(this.#place.directory);
    });
  }

  async lease(id: string, terms: { holder: string; ttlMs: number; version?: number }): Promise<Lease> {
    this.#assertOpen();
    const file = await this.#need(id);
    const newest = file.versions[0];
    if (newest === undefined) throw fail('ERR_VAULT_DAMAGED');
    // an older file put back would pass every check of its own
    if (terms.version !== undefined && terms.version !== newest.version)
      throw fail('ERR_VAULT_DAMAGED', { detail: `${id} is at version ${String(newest.version)}, the log says ${String(terms.version)}` });
    const value = openVersion(file, newest, this.#keyring);
    const leasedAt = this.#place.clock.now();
    const record = { secret: id, version: newest.version, holder: terms.holder, leasedAt, expiresAt: leasedAt + terms.ttlMs };
    this.#dropExpired();
    this.#leases.set(`${terms.holder} ${id}`, record);
    return { ...record, value };
  }

  leases(): readonly LeaseRecord[] {
    this.#dropExpired();
    return [...this.#leases.values()];
  }

  release(holder: string): void {
    for (const [key, record] of this.#leases) if (record.holder === holder) this.#leases.delete(key);
  }

  async list(): Promise<SecretEntry[]> {
    this.#assertOpen();
    const entries: SecretEntry[] = [];
    for (const id of await secretFiles(this.#place.directory)) {
      const file = await this.#read(id);
      const newest = file?.versions[0];
      if (file !== null && newest !== undefined) entries.push({ id, purpose: file.purpose, version: newest.version, createdAt: newest.createdAt });
    }
    return entries;
  }

  derive(purpose: KeyPurpose): Secret<Uint8Array> {
    this.#assertOpen();
    return new Secret<Uint8Array>(deriveKey(this.#keyring.root, purpose));
  }

  rotateDataKey(_at: LogPosition, id: string): Promise<void> {
    return this.#inTurn(async () => {
      const file = await this.#need(id);
      const keys = { kek: this.#keyring.current, random: this.#place.random };
      const versions = file.versions.map((version) => sealVersion(file, version, openVersion(file, version, this.#keyring), keys));
      await this.#write({ ...file, versions });
    });
  }

  rotateKek(_at: LogPosition, custody: KeyCustody): Promise<number> {
    return this.#inTurn(async () => {
      const next = await loadKek(custody);
      const { current, pending } = this.#keyring;
      if (pending !== null && pending.id === next.id) return this.#finish(pending);
      // another target than the unfinished one: back to the key that surely opens the vault, then anew
      if (pending !== null) await this.#finish(current);
      if (next.id === current.id) return 0;
      await this.#keyring.begin(next);
      return this.#finish(next);
    });
  }

  finishRotation(kek: Kek): Promise<number> {
    return this.#inTurn(() => this.#finish(kek));
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    if (this.#closed) return;
    this.#closed = true;
    this.#leases.clear();
    this.#keyring.wipe();
  }

  async #finish(kek: Kek): Promise<number> {
    let count = 0;
    for (const id of await secretFiles(this.#place.directory)) {
      const moved = rewrap(await this.#need(id), kek, { keyring: this.#keyring, random: this.#place.random });
      if (moved === null) continue;
      await this.#write(moved);
      count += 1;
    }
    await this.#keyring.finish(kek);
    return count;
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(() => {
      this.#assertOpen();
      return change();
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  #assertOpen(): void {
    if (this.#closed) throw fail('ERR_VAULT_LOCKED');
  }

  #dropExpired(): void {
    const now = this.#place.clock.now();
    for (const [key, record] of this.#leases) if (record.expiresAt <= now) this.#leases.delete(key);
  }

  #pathOf(id: string): string {
    // the id becomes a file name
    if (!SecretId.safeParse(id).success) throw fail('ERR_INVALID_INPUT', { detail: 'malformed secret id' });
    return join(this.#place.directory, `${id}.json`);
  }

  async #need(id: string): Promise<SecretFile> {
    const file = await this.#read(id);
    if (file === null) throw fail('ERR_NOT_FOUND', { detail: `no secret ${id}` });
    return file;
  }

  async #read(id: string): Promise<SecretFile | null> {
    let text: string;
    try {
      text = await readFile(this.#pathOf(id), 'utf8');
    } catch (error) {
      if (isCode(error, 'ENOENT')) return null;
      throw error;
    }
    const file = parseFile(SecretFile, text, `${id}.json`);
    if (file.id !== id) throw fail('ERR_VAULT_DAMAGED', { detail: `${id}.json holds another secret` });
    return { ...file, versions: file.versions.toSorted((a, b) => b.version - a.version) };
  }

  #write(file: SecretFile): Promise<void> {
    return replaceFile(this.#pathOf(file.id), Buffer.from(`${JSON.stringify(file)}\n`), this.#place.files);
  }
}

async function secretFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => name.endsWith('.json') && SecretId.safeParse(name.slice(0, -5)).success)
    .map((name) => name.slice(0, -5))
    .sort();
}

function checkValue(secret: { id: string; purpose: string; value: Secret<string> }): void {
  const size = Buffer.byteLength(secret.value.reveal());
  if (size === 0 || size > maxValueBytes) throw fail('ERR_INVALID_INPUT', { message: 'A credential is 1 to 65536 bytes long.' });
  if (!SecretId.safeParse(secret.id).success || secret.purpose.length === 0 || secret.purpose.length > 64) throw fail('ERR_INVALID_INPUT');
}

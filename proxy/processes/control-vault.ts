import { randomBytes } from 'node:crypto';
import { readdir, rename } from 'node:fs/promises';
import { fail } from '../contract/errors.ts';
import type { Secrets } from '../control/ports.ts';
import { systemClock } from '../lib/clock.ts';
import { nodeFiles } from '../store/files.ts';
import type { LogPosition } from '../store/position.ts';
import { isCode, keyFileCustody } from '../vault/key-custody.ts';
import { openVault, type Vault } from '../vault/vault.ts';
import { custodyOf, type Custody } from './settings.ts';

/** The key a rotation goes to; it takes the place of the old one when everything is wrapped under it. */
export function nextKeyPath(path: string): string {
  return `${path}.next`;
}

/** Opens the vault; a key-encryption key whose rotation was cut short by a crash is put in its place first. */
export async function openVaultOf(directory: string, custody: Custody, create: boolean): Promise<Vault> {
  const open = (from: Custody): Promise<Vault> => openVault({ directory, custody: custodyOf(from, create), create, clock: systemClock });
  if (custody.from !== 'key-file') return open(custody);
  const next = nextKeyPath(custody.path);
  try {
    return await open({ from: 'key-file', path: custody.path });
  } catch (error) {
    if (!isCode(error, 'ERR_VAULT_LOCKED')) throw error;
    const vault = await openVault({ directory, custody: keyFileCustody({ path: next, create: false }), create: false, clock: systemClock }).catch(() => {
      throw error;
    });
    await rename(next, custody.path);
    return vault;
  }
}

export function secretsOf(vault: Vault, custody: Custody): Secrets {
  return {
    put: (at, secret) => vault.put(at, secret),
    delete: (at, id) => vault.delete(at, id),
    lease: (id, terms) => vault.lease(id, terms),
    release: (holder) => {
      vault.release(holder);
    },
    rotate: (at, what) => (what === 'data-keys' ? rotateDataKeys(vault, at) : rotateKek(vault, at, custody)),
  };
}

async function rotateDataKeys(vault: Vault, at: LogPosition): Promise<number> {
  const entries = await vault.list();
  for (const { id } of entries) await vault.rotateDataKey(at, id);
  return entries.length;
}

async function rotateKek(vault: Vault, at: LogPosition, custody: Custody): Promise<number> {
  if (custody.from !== 'key-file') {
    throw fail('ERR_FEATURE_REFUSED', {
      message: 'This key-encryption key is not a file of the service, so the service cannot replace it.',
      hint: 'Rotate the data keys, or move to a key file first.',
    });
  }
  const next = nextKeyPath(custody.path);
  await writeKey(next);
  await vault.rotateKek(at, keyFileCustody({ path: next, create: false }));
  await rename(next, custody.path);
  await nodeFiles.syncDirectory(custody.path.slice(0, custody.path.lastIndexOf('/')));
  return (await vault.list()).length;
}

/** One that a crash left behind is used again: the vault may already be under it. */
async function writeKey(path: string): Promise<void> {
  const directory = path.slice(0, path.lastIndexOf('/'));
  if ((await readdir(directory)).some((name) => path.endsWith(`/${name}`))) return;
  const file = await nodeFiles.create(path, 0o400);
  try {
    await file.write(Buffer.from(`${randomBytes(32).toString('base64')}\n`));
    await file.sync();
  } finally {
    await file.close();
  }
  await nodeFiles.syncDirectory(directory);
}

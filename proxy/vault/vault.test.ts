import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { filesStoppingAt } from '../store/failing-files.fake.ts';
import type { Files } from '../store/files.ts';
import { positionOf } from '../store/position.ts';
import type { KeyCustody } from './key-custody.ts';
import { newRecordingKey, openRecordingKey } from './secret-file.ts';
import { openVault, type Vault } from './vault.ts';

const clock = { time: Date.UTC(2026, 0, 1), now: () => clock.time };
const at = positionOf(1);
const terms = { holder: 'ses_a', ttlMs: 1000 };
let directory: string;

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'postern-vault-')), 'vault');
});
afterEach(async () => {
  await rm(join(directory, '..'), { recursive: true, force: true });
});

function custodyOf(seed: number): KeyCustody {
  return { id: 'test', load: async () => new Secret<Uint8Array>(new Uint8Array(32).fill(seed)) };
}

function open(more: { seed?: number; directory?: string; files?: Files; create?: boolean } = {}): Promise<Vault> {
  const files = more.files === undefined ? {} : { files: more.files };
  return openVault({ directory: more.directory ?? directory, custody: custodyOf(more.seed ?? 1), create: more.create ?? true, clock, ...files });
}

async function put(vault: Vault, id: string, value: string, version = 1): Promise<void> {
  await vault.put(at, { id, version, purpose: 'target-password', value: new Secret(value) });
}

/** A rotation from the first key to the second that stops after so many changes. */
async function interrupted(changes: number): Promise<void> {
  const rotating = await openVault({ directory, custody: custodyOf(1), create: false, clock, files: filesStoppingAt(changes) });
  await expect(rotating.rotateKek(at, custodyOf(2))).rejects.toThrow('no space');
}

/** All files as they are, and everything in them that may be base64, decoded. */
async function everyByte(): Promise<string> {
  const names = await readdir(directory);
  const raw = (await Promise.all(names.map((name) => readFile(join(directory, name), 'latin1')))).join('\n');
  const decoded = (raw.match(/[A-Za-z0-9+/=]{8,}/g) ?? []).map((run) => Buffer.from(run, 'base64').toString('latin1'));
  return [raw, ...decoded].join('\n');
}

describe('vault', () => {
  it('gives any value back by lease and keeps none of it readable on disk', async () => {
    const vault = await open();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 8, maxLength: 200 }), async (value) => {
        const id = newId('sec');
        await put(vault, id, value);
        expect((await vault.lease(id, terms)).value.reveal()).toBe(Buffer.from(value).toString());
        expect(await everyByte()).not.toContain(Buffer.from(value).toString('latin1'));
        await vault.delete(at, id);
      }),
      { numRuns: 30 },
    );
  });

  it('never prints a value', async () => {
    const vault = await open();
    await put(vault, 'sec_a', 'hunter2-hunter2');
    const lease = await vault.lease('sec_a', terms);
    const shown = [
      inspect(lease, { depth: 9, showHidden: true }),
      JSON.stringify(lease),
      String(lease.value),
      inspect(vault, { depth: 9, showHidden: true }),
      inspect(vault.leases()),
      inspect(vault.derive('audit-body')),
    ];
    for (const text of shown) expect(text).not.toContain('hunter2');
    expect(shown[0]).toContain('[secret]');
  });

  it('writes its files 0600 in a 0700 directory', async () => {
    const vault = await open();
    await put(vault, 'sec_a', 'password-a');
    for (const name of await readdir(directory)) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  it('refuses another key, a missing keyring and a lost one', async () => {
    await expect(open({ create: false })).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
    const vault = await open();
    await put(vault, 'sec_a', 'password-a');
    await expect(open({ seed: 2 })).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
    await rm(join(directory, 'keyring.json'));
    await expect(open()).rejects.toMatchObject({ code: 'ERR_VAULT_DAMAGED' });
  });

  it('detects any changed byte of a stored secret', async () => {
    const vault = await open();
    await put(vault, 'sec_a', 'password-a');
    const path = join(directory, 'sec_a.json');
    const good = await readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 2), fc.integer({ min: 1, max: 255 }), async (index, change) => {
        const bad = Buffer.from(good);
        bad[index] = (bad[index] ?? 0) ^ change;
        await writeFile(path, bad);
        const outcome = await vault.lease('sec_a', terms).then(
          (lease) => lease.value.reveal(),
          (error: unknown) => error,
        );
        // the only harmless changes are those that JSON or base64 do not see
        if (outcome !== 'password-a') expect(outcome).toMatchObject({ code: 'ERR_VAULT_DAMAGED' });
      }),
      { numRuns: 150 },
    );
  });

  it('refuses a secret moved to another name, and an older file put back', async () => {
    const vault = await open();
    await put(vault, 'sec_a', 'password-a');
    await put(vault, 'sec_b', 'password-b');
    const old = await readFile(join(directory, 'sec_a.json'), 'utf8');
    await writeFile(join(directory, 'sec_b.json'), old.replace('"sec_a"', '"sec_b"'));
    await expect(vault.lease('sec_b', terms)).rejects.toMatchObject({ code: 'ERR_VAULT_DAMAGED' });
    await put(vault, 'sec_a', 'password-new', 2);
    await writeFile(join(directory, 'sec_a.json'), old);
    await expect(vault.lease('sec_a', { ...terms, version: 2 })).rejects.toMatchObject({ code: 'ERR_VAULT_DAMAGED' });
  });

  it('keeps the newest two versions, lends the newest and takes only newer ones', async () => {
    const vault = await open();
    for (const version of [1, 2, 5]) await put(vault, 'sec_a', `password-${String(version)}`, version);
    await expect(put(vault, 'sec_a', 'password-4', 4)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    const lease = await vault.lease('sec_a', terms);
    expect([lease.version, lease.value.reveal()]).toEqual([5, 'password-5']);
    const file = JSON.parse(await readFile(join(directory, 'sec_a.json'), 'utf8')) as { versions: { version: number }[] };
    expect(file.versions.map((entry) => entry.version)).toEqual([5, 2]);
  });

  it('deletes, and refuses malformed ids and sizes', async () => {
    const vault = await open();
    await put(vault, 'sec_a', 'password-a');
    await vault.delete(at, 'sec_a');
    await expect(vault.lease('sec_a', terms)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await expect(vault.lease('sec_../../etc/passwd', terms)).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
    await expect(put(vault, 'sec_a', 'x'.repeat(65_537))).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
    expect(await vault.list()).toEqual([]);
  });

  it('records leases until they expire or their session ends', async () => {
    const vault = await open();
    await put(vault, 'sec_a', 'password-a');
    await vault.lease('sec_a', terms);
    await vault.lease('sec_a', { holder: 'ses_b', ttlMs: 5000 });
    expect(vault.leases().map((lease) => lease.holder)).toEqual(['ses_a', 'ses_b']);
    clock.time += 1000;
    expect(vault.leases().map((lease) => lease.holder)).toEqual(['ses_b']);
    vault.release('ses_b');
    expect(vault.leases()).toEqual([]);
  });

  it('derives one stable key per purpose', async () => {
    const vault = await open();
    const body = vault.derive('audit-body').reveal();
    expect((await open()).derive('audit-body').reveal()).toEqual(body);
    expect(vault.derive('input-digest').reveal()).not.toEqual(body);
  });

  it('opens nothing after close', async () => {
    const vault = await open();
    await put(vault, 'sec_a', 'password-a');
    await vault.close();
    await expect(vault.lease('sec_a', terms)).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
    await expect(put(vault, 'sec_b', 'password-b')).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
    expect(() => vault.derive('audit-body')).toThrow('locked');
  });
});

describe('rotation', () => {
  it('of a data key changes every stored byte of it and not the value', async () => {
    const vault = await open();
    await put(vault, 'sec_a', 'password-a');
    const before = JSON.parse(await readFile(join(directory, 'sec_a.json'), 'utf8')) as { versions: { wrapped: unknown; sealed: unknown }[] };
    await vault.rotateDataKey(at, 'sec_a');
    const after = JSON.parse(await readFile(join(directory, 'sec_a.json'), 'utf8')) as typeof before;
    expect(after.versions[0]?.wrapped).not.toEqual(before.versions[0]?.wrapped);
    expect(after.versions[0]?.sealed).not.toEqual(before.versions[0]?.sealed);
    expect((await vault.lease('sec_a', terms)).value.reveal()).toBe('password-a');
  });

  // CVE-2023-0690: rotated credentials written in plaintext
  it('leaves nothing readable on disk and locks the old key out', async () => {
    const vault = await open();
    await put(vault, 'sec_a', 'password-a');
    const body = vault.derive('audit-body').reveal();
    await vault.rotateKek(at, custodyOf(2));
    await vault.rotateDataKey(at, 'sec_a');
    expect(await everyByte()).not.toContain('password-a');
    await expect(open({ seed: 1 })).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
    const again = await open({ seed: 2 });
    expect((await again.lease('sec_a', terms)).value.reveal()).toBe('password-a');
    expect(again.derive('audit-body').reveal()).toEqual(body);
  });

  it('of the key-encryption key survives a stop at every step, with either key', async () => {
    const vault = await open();
    const ids = ['sec_a', 'sec_b', 'sec_c'];
    for (const id of ids) await put(vault, id, `password of ${id}`);
    let steps = 0;
    for (let stop = 0; ; stop += 1) {
      const files = filesStoppingAt(stop);
      const scratch = `${directory}-${String(stop)}`;
      await cp(directory, scratch, { recursive: true });
      const stopped = await open({ directory: scratch }).then(async () => {
        const rotating = await openVault({ directory: scratch, custody: custodyOf(1), create: false, clock, files });
        return rotating.rotateKek(at, custodyOf(2)).then(
          () => false,
          () => true,
        );
      });
      steps = stop;
      const opened: number[] = [];
      for (const seed of [1, 2]) {
        const copy = `${scratch}-${String(seed)}`;
        await cp(scratch, copy, { recursive: true });
        const reopened = await open({ directory: copy, seed, create: false }).catch(() => null);
        if (reopened === null) continue;
        opened.push(seed);
        for (const id of ids) expect((await reopened.lease(id, terms)).value.reveal()).toBe(`password of ${id}`);
        await reopened.rotateKek(at, custodyOf(2));
        expect(reopened.rotationPending).toBe(false);
        await expect(open({ directory: copy, seed: 1, create: false })).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
        const final = await open({ directory: copy, seed: 2, create: false });
        for (const id of ids) expect((await final.lease(id, terms)).value.reveal()).toBe(`password of ${id}`);
        expect((await readdir(copy)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      }
      expect(opened).not.toEqual([]);
      if (!stopped) {
        expect(opened).toEqual([2]);
        break;
      }
    }
    // keyring, three secrets, keyring: five durable replacements of six changes each
    expect(steps).toBe(30);
  });

  it('goes on by itself when the vault is opened with the new key', async () => {
    const vault = await open();
    for (const id of ['sec_a', 'sec_b']) await put(vault, id, `password of ${id}`);
    await interrupted(9);
    const reopened = await open({ seed: 2 });
    expect(reopened.rotationPending).toBe(false);
    await expect(open({ seed: 1 })).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
    for (const id of ['sec_a', 'sec_b']) expect((await reopened.lease(id, terms)).value.reveal()).toBe(`password of ${id}`);
  });

  it('can be turned to a third key, stopped at every step, without the second', async () => {
    const vault = await open();
    const ids = ['sec_a', 'sec_b', 'sec_c'];
    for (const id of ids) await put(vault, id, `password of ${id}`);
    // two of three secrets are under the second key already
    await interrupted(20);
    for (let stop = 0; ; stop += 1) {
      const scratch = `${directory}-${String(stop)}`;
      await cp(directory, scratch, { recursive: true });
      const turning = await openVault({ directory: scratch, custody: custodyOf(1), create: false, clock, files: filesStoppingAt(stop) }).catch(() => null);
      // the first change is the removal of a left-over
      if (turning === null) continue;
      expect(turning.rotationPending).toBe(true);
      const done = await turning.rotateKek(at, custodyOf(3)).then(
        () => true,
        () => false,
      );
      const reopened = await open({ directory: scratch, seed: 1, create: false }).catch(() => open({ directory: scratch, seed: 3, create: false }));
      for (const id of ids) expect((await reopened.lease(id, terms)).value.reveal()).toBe(`password of ${id}`);
      await reopened.rotateKek(at, custodyOf(3));
      for (const seed of [1, 2]) await expect(open({ directory: scratch, seed, create: false })).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
      if (done) break;
    }
  });

  it('refuses changes after an uncertain write of the keyring', async () => {
    const vault = await openVault({ directory, custody: custodyOf(1), create: true, clock });
    await vault.close();
    const unsure = await openVault({ directory, custody: custodyOf(1), create: false, clock, files: filesStoppingAt(5) });
    await expect(unsure.rotateKek(at, custodyOf(2))).rejects.toThrow('no space');
    await expect(put(unsure, 'sec_a', 'password-a')).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
  });
});

describe('recording keys', () => {
  it('open for their own session only', async () => {
    const wrapping = (await open()).derive('recording-wrapping');
    const { key, wrapped } = newRecordingKey(wrapping, 'ses_a', randomBytes);
    expect(Buffer.from(openRecordingKey(wrapping, 'ses_a', wrapped).reveal()).toString('base64')).toBe(key);
    expect(() => openRecordingKey(wrapping, 'ses_b', wrapped)).toThrow('integrity');
    expect(() => openRecordingKey(wrapping, 'ses_a', 'nonsense')).toThrow('integrity');
  });
});

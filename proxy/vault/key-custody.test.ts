import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../lib/secret.ts';
import { keyFileCustody, passphraseCustody, systemdCustody } from './key-custody.ts';

const locked = { code: 'ERR_VAULT_LOCKED' };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-custody-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('key file', () => {
  it('is made 0400 on the first start and read the same ever after', async () => {
    const path = join(directory, 'kek');
    await expect(keyFileCustody({ path, create: false }).load()).rejects.toMatchObject(locked);
    const first = await keyFileCustody({ path, create: true }).load();
    expect((await stat(path)).mode & 0o777).toBe(0o400);
    expect((await keyFileCustody({ path, create: true }).load()).reveal()).toEqual(first.reveal());
    expect(first.reveal()).toHaveLength(32);
  });

  it.each([0o440, 0o404, 0o420, 0o777])('is refused with mode %o', async (mode) => {
    const path = join(directory, 'kek');
    await keyFileCustody({ path, create: true }).load();
    await chmod(path, mode);
    await expect(keyFileCustody({ path, create: false }).load()).rejects.toMatchObject(locked);
  });

  it('is refused through a link, when a directory, and when it is no key', async () => {
    const path = join(directory, 'kek');
    await keyFileCustody({ path, create: true }).load();
    await symlink(path, join(directory, 'link'));
    await expect(keyFileCustody({ path: join(directory, 'link'), create: false }).load()).rejects.toMatchObject(locked);
    await chmod(directory, 0o700);
    await expect(keyFileCustody({ path: directory, create: false }).load()).rejects.toMatchObject(locked);
    await writeFile(join(directory, 'short'), 'too short', { mode: 0o400 });
    await expect(keyFileCustody({ path: join(directory, 'short'), create: false }).load()).rejects.toMatchObject(locked);
  });
});

describe('systemd credential', () => {
  it('takes 32 bytes, raw or in base64, that others cannot read', async () => {
    const key = Buffer.alloc(32, 7);
    await writeFile(join(directory, 'raw'), key, { mode: 0o440 });
    await writeFile(join(directory, 'text'), `${key.toString('base64')}\n`, { mode: 0o400 });
    await writeFile(join(directory, 'open'), key, { mode: 0o404 });
    for (const name of ['raw', 'text']) expect(Buffer.from((await systemdCustody({ directory, name }).load()).reveal())).toEqual(key);
    await expect(systemdCustody({ directory, name: 'open' }).load()).rejects.toMatchObject(locked);
    await expect(systemdCustody({ directory, name: 'absent' }).load()).rejects.toMatchObject(locked);
  });
});

describe('passphrase', () => {
  const passphrase = new Secret('correct horse battery');

  it('gives one key per passphrase and salt', async () => {
    const saltFile = join(directory, 'salt.json');
    const key = await passphraseCustody({ passphrase, saltFile, create: true }).load();
    expect((await stat(saltFile)).mode & 0o777).toBe(0o600);
    expect(await readFile(saltFile, 'utf8')).not.toContain('horse');
    expect((await passphraseCustody({ passphrase, saltFile, create: false }).load()).reveal()).toEqual(key.reveal());
    expect((await passphraseCustody({ passphrase: new Secret('wrong horse battery'), saltFile, create: false }).load()).reveal()).not.toEqual(key.reveal());
  });

  it('refuses a short one at first and a missing or malformed salt later', async () => {
    const saltFile = join(directory, 'salt.json');
    await expect(passphraseCustody({ passphrase: new Secret('short'), saltFile, create: true }).load()).rejects.toMatchObject(locked);
    await expect(passphraseCustody({ passphrase, saltFile, create: false }).load()).rejects.toMatchObject(locked);
    await writeFile(saltFile, '{}');
    await expect(passphraseCustody({ passphrase, saltFile, create: true }).load()).rejects.toMatchObject(locked);
  });
});

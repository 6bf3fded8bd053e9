import { createPublicKey, verify } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseEnrolmentCode } from '../contract/enrolment-code.ts';
import { Secret } from '../lib/secret.ts';
import { decisionBytes, holds } from '../proof/decision.ts';
import { defaultKeyFile, prepareKeyFile, readKeyFile, SigningKey, unlock, type KeyFile, type KeyPlace } from './approver-key.ts';

const place: KeyPlace = { url: 'https://127.0.0.1:8443', caPem: 'PEM', service: 'postern.example/log', user: 'ann', userId: 'usr_a', keyId: 'key_a' };
const passphrase = new Secret('correct horse');
const given = (text: string) => (): Promise<string> => Promise.resolve(text);
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-key-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function verifies(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') }, format: 'jwk' });
  return verify(null, message, key, signature);
}

describe('the key', () => {
  test('signs the same after it was locked and unlocked, and others can check it', async () => {
    const key = SigningKey.make();
    const file = await key.stored(place, passphrase);
    const again = await unlock(file, given('correct horse'));
    const bytes = decisionBytes({ request: { id: 'req_a' }, verdict: 'approve', approver: 'usr_a', human: 'ann', reason: 'why', at: '2026-01-01T00:00:00Z' });
    expect(again.sign(bytes)).toBe(key.sign(bytes));
    expect(await holds(verifies, { publicKey: file.publicKey, bytes, signature: again.sign(bytes) })).toBe(true);
    expect(await holds(verifies, { publicKey: SigningKey.make().publicKey, bytes, signature: again.sign(bytes) })).toBe(false);
  });

  test('a wrong passphrase, and any change of what stands beside it, is refused', async () => {
    const file = await SigningKey.make().stored(place, passphrase);
    await expect(unlock(file, given('Correct horse'))).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
    const changes: Partial<KeyFile>[] = [
      { url: 'https://evil.example' },
      { caPem: 'other' },
      { service: 'other' },
      { userId: 'usr_b' },
      { publicKey: SigningKey.make().publicKey },
    ];
    for (const change of changes) await expect(unlock({ ...file, ...change }, given('correct horse'))).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
  });

  test('without a passphrase nobody is asked; a public key that is not its own is refused', async () => {
    const file = await SigningKey.make().stored(place, null);
    const never = (): Promise<string> => Promise.reject(new Error('asked'));
    expect((await unlock(file, never)).publicKey).toBe(file.publicKey);
    await expect(unlock({ ...file, publicKey: SigningKey.make().publicKey }, never)).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
  });

  test('neither the seed nor the passphrase stands in a locked file, and printing a key shows none', async () => {
    const key = SigningKey.make();
    const open = await key.stored(place, null);
    const locked = JSON.stringify(await key.stored(place, passphrase));
    const seed = open.key.type === 'plain' ? open.key.seed : '';
    expect(seed).toHaveLength(43);
    expect(locked).not.toContain(seed);
    expect(locked).not.toContain('correct horse');
    expect(JSON.stringify(key)).not.toContain(seed);
  });
});

describe('the file', () => {
  test('is 0600 in a 0700 directory, whole, and read back', async () => {
    const path = join(directory, 'new', 'postern', 'approver.json');
    const file = await SigningKey.make().stored(place, null);
    const prepared = await prepareKeyFile(path, false);
    await prepared.save(file);
    await prepared.discard();
    expect(await readKeyFile(path)).toEqual(file);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'new', 'postern'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(directory, 'new', 'postern'))).toEqual(['approver.json']);
  });

  test('is overwritten only when that is asked for, also when it appears meanwhile', async () => {
    const path = join(directory, 'approver.json');
    const [first, second] = await Promise.all([SigningKey.make().stored(place, null), SigningKey.make().stored(place, null)]);
    const [early, late] = [await prepareKeyFile(path, false), await prepareKeyFile(path, false)];
    await early.save(first);
    await expect(late.save(second)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await late.discard();
    await expect(prepareKeyFile(path, false)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    expect(await readKeyFile(path)).toEqual(first);
    await (await prepareKeyFile(path, true)).save(second);
    expect(await readKeyFile(path)).toEqual(second);
    expect((await readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('that others may read, that is long or no key, is refused; an absent one is none', async () => {
    const path = join(directory, 'odd.json');
    expect(await readKeyFile(path)).toBeNull();
    const good = JSON.stringify(await SigningKey.make().stored(place, null));
    for (const text of ['', 'not JSON', '{}', good.replace('"v":1', '"v":2'), good + ' '.repeat(70_000)]) {
      await writeFile(path, text, { mode: 0o600 });
      await expect(readKeyFile(path)).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
    }
    await writeFile(path, good);
    await chmod(path, 0o640);
    await expect(readKeyFile(path)).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
    await chmod(path, 0o600);
    expect(JSON.stringify(await readKeyFile(path))).toBe(good);
    expect(await readFile(path, 'utf8')).toBe(good);
  });

  test('stands in the configuration directory of the person', () => {
    expect(defaultKeyFile({ XDG_CONFIG_HOME: '/c', HOME: '/h' })).toBe('/c/postern/approver.json');
    expect(defaultKeyFile({ XDG_CONFIG_HOME: 'relative', HOME: '/h' })).toBe('/h/.config/postern/approver.json');
    expect(defaultKeyFile({})).toBeUndefined();
  });
});

describe('an enrolment code', () => {
  const code = { url: 'https://postern.internal:8443', ca: 'a'.repeat(64), service: 'postern.example/log', user: 'ann', code: 'c'.repeat(27) };
  const written = (value: unknown): string => `postern-enrol:${Buffer.from(JSON.stringify(value)).toString('base64url')}`;

  test('is read', () => {
    expect(parseEnrolmentCode(` ${written(code)}\n`)).toEqual(code);
  });

  test('anything else is refused without being repeated', () => {
    const wrong = [
      { ...code, url: 'http://postern.internal' },
      { ...code, ca: 'zz' },
      { ...code, more: 1 },
      { ...code, service: 'x'.repeat(5_000) },
      null,
      'text',
    ].map(written);
    for (const text of [...wrong, '', 'postern-enrol:', written(code).slice(0, -3), written(code).slice(14), `${written(code)}=`]) {
      let fault: unknown;
      try {
        parseEnrolmentCode(text);
      } catch (error) {
        fault = error;
      }
      expect(fault).toMatchObject({ code: 'ERR_INVALID_INPUT' });
      expect(String(fault)).not.toContain('cccc');
    }
  });
});

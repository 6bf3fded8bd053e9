import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../proxy/lib/secret.ts';
import type { KeychainPort } from '../ports.ts';
import { openKey, proveSealable, sealKey } from './sealed-key.ts';
import { SigningKey } from './signing-key.ts';

/** What it wrapped it gives back, and nothing else: as a keychain does. */
function keychainOf(isProtected: boolean): KeychainPort {
  const kept = new Map<string, Uint8Array>();
  return {
    backend: isProtected ? 'gnome_libsecret' : 'basic_text',
    isProtected: async () => isProtected,
    wrap: async (bytes) => {
      const name = randomBytes(16);
      kept.set(name.toString('hex'), bytes);
      return name;
    },
    unwrap: async (name) => {
      const bytes = kept.get(Buffer.from(name).toString('hex'));
      if (bytes === undefined) throw new Error('another key');
      return bytes;
    },
  };
}

const place = { url: 'https://gate.example', user: 'alice', use: 'approver' };
const passphrase = new Secret('a long enough phrase');

// each derivation takes a second of a processor, and more where it is shared
describe('a sealed key', { timeout: 90_000 }, () => {
  it.each([
    ['keychain', null],
    ['scrypt-aes-256-gcm', passphrase],
  ])('opens where it was sealed, and is bound to its place: %s', async (type, given) => {
    const keychain = keychainOf(true);
    const key = SigningKey.make();
    const sealed = await sealKey(key, place, { keychain, passphrase: given });
    expect(sealed.type).toBe(type);
    const seed = Buffer.from(key.seed().reveal()).toString('base64url');
    expect(JSON.stringify(sealed)).not.toContain(seed);
    const opened = await openKey(sealed, place, { keychain, passphrase: given });
    expect(opened.publicKey).toBe(key.publicKey);
    expect(opened.signText(Buffer.from('text'))).toBe(key.signText(Buffer.from('text')));
    const elsewhere = openKey(sealed, { ...place, url: 'https://other.example' }, { keychain, passphrase: given });
    await expect(elsewhere).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
  });

  it('is not kept by a keychain that protects nothing', async () => {
    const keychain = keychainOf(false);
    await expect(sealKey(SigningKey.make(), place, { keychain, passphrase: null })).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
      message: expect.stringContaining('basic_text') as string,
      faults: [{ path: 'passphrase' }],
    });
    await expect(proveSealable(keychain, null)).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
    await expect(proveSealable(keychain, new Secret('too short'))).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
    await expect(proveSealable(keychain, passphrase)).resolves.toBeUndefined();
  });

  it('needs its own passphrase, and a keychain that still knows it', async () => {
    const sealed = await sealKey(SigningKey.make(), place, { keychain: keychainOf(false), passphrase });
    for (const given of [null, new Secret('another passphrase')]) {
      await expect(openKey(sealed, place, { keychain: keychainOf(true), passphrase: given })).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
    }
    const kept = await sealKey(SigningKey.make(), place, { keychain: keychainOf(true), passphrase: null });
    await expect(openKey(kept, place, { keychain: keychainOf(true), passphrase: null })).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
  });
});

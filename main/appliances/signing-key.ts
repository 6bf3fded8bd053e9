import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { fail } from '../../proxy/contract/errors.ts';
import { Secret } from '../../proxy/lib/secret.ts';

/** DER prefix of RFC 8410: what stands before the 32 raw bytes of an Ed25519 key. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const seedBytes = 32;

/** An Ed25519 key of this machine; `publicKey` in base64url (RFC 8032). */
export class SigningKey {
  readonly publicKey: string;
  readonly #key: Secret<KeyObject>;
  readonly #seed: Secret<Uint8Array>;

  /** `seed`: 32 bytes. */
  constructor(seed: Secret<Uint8Array>) {
    if (seed.reveal().length !== seedBytes) throw fail('ERR_VERIFICATION_FAILED', { message: 'This is no key of Postern.', hint: 'Enrol again.' });
    const der = Buffer.concat([pkcs8Prefix, seed.reveal()]);
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    this.#key = new Secret(key);
    this.#seed = seed;
    this.publicKey = key.export({ format: 'jwk' }).x ?? '';
  }

  static make(): SigningKey {
    const der = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
    return new SigningKey(new Secret(new Uint8Array(der.subarray(-seedBytes))));
  }

  /** 64 bytes */
  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, bytes, this.#key.reveal()));
  }

  /** base64url */
  signText(bytes: Uint8Array): string {
    return Buffer.from(this.sign(bytes)).toString('base64url');
  }

  seed(): Secret<Uint8Array> {
    return this.#seed;
  }
}

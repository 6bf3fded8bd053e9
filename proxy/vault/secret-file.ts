import { z } from 'zod';
import { Secret } from '../lib/secret.ts';
import { base64, keyBytes, seal, Sealed, unseal, type RandomBytes } from './envelope.ts';
import type { Kek, Keyring } from './keyring.ts';

export const SecretId = z.string().regex(/^sec_[A-Za-z0-9]{1,64}$/);

/** One version of a secret: `sealed` under a data key of its own, the data key `wrapped` under a KEK. */
const Version = z.strictObject({
  version: z.int().min(1),
  createdAt: z.iso.datetime(),
  /** place in the audit log of the event that stored it */
  position: z.int().min(0),
  kek: z.string(),
  wrapped: Sealed,
  sealed: Sealed,
});
export type Version = z.infer<typeof Version>;

/** `DIR/vault/sec_….json`, newest version first; the one before it is kept for a rollback of the target's password. */
export const SecretFile = z.strictObject({
  format: z.literal('postern-secret/1'),
  id: SecretId,
  purpose: z.string().min(1).max(64),
  versions: z.array(Version).min(1).max(2),
});
export type SecretFile = z.infer<typeof SecretFile>;

type Facts = Pick<Version, 'version' | 'createdAt' | 'position'>;
type Named = Pick<SecretFile, 'id' | 'purpose'>;

export function sealVersion(name: Named, facts: Facts, value: Secret<string>, keys: { kek: Kek; random: RandomBytes }): Version {
  const dataKey = new Secret<Uint8Array>(Buffer.from(keys.random(keyBytes)));
  try {
    const sealed = seal(dataKey, value.reveal(), context('value', name, facts), keys.random);
    const wrapped = seal(keys.kek.wrapping, dataKey.reveal(), context('data key', name, facts), keys.random);
    return { version: facts.version, createdAt: facts.createdAt, position: facts.position, kek: keys.kek.id, wrapped, sealed };
  } finally {
    dataKey.reveal().fill(0);
  }
}

/** Throws ERR_VAULT_DAMAGED. */
export function openVersion(name: Named, version: Version, keyring: Keyring): Secret<string> {
  const dataKey = new Secret<Uint8Array>(unseal(keyring.find(version.kek).wrapping, version.wrapped, context('data key', name, version)));
  try {
    const plain = unseal(dataKey, version.sealed, context('value', name, version));
    const value = new Secret(plain.toString('utf8'));
    plain.fill(0);
    return value;
  } finally {
    dataKey.reveal().fill(0);
  }
}

/** The same data key under another KEK; the value is not touched. Null when nothing is to do. */
export function rewrap(file: SecretFile, to: Kek, keys: { keyring: Keyring; random: RandomBytes }): SecretFile | null {
  if (file.versions.every((version) => version.kek === to.id)) return null;
  const versions = file.versions.map((version) => {
    const binding = context('data key', file, version);
    const dataKey = new Secret<Uint8Array>(unseal(keys.keyring.find(version.kek).wrapping, version.wrapped, binding));
    const wrapped = seal(to.wrapping, dataKey.reveal(), binding, keys.random);
    dataKey.reveal().fill(0);
    return { ...version, kek: to.id, wrapped };
  });
  return { ...file, versions };
}

/** The root-derived wrapping of a session's recording key: `key` for the gateway, `wrapped` for the recording's header. */
export function newRecordingKey(wrapping: Secret<Uint8Array>, session: string, random: RandomBytes): { key: string; wrapped: string } {
  const key = random(keyBytes);
  const { nonce, box } = seal(wrapping, key, recordingContext(session), random);
  return { key: base64(key), wrapped: `${nonce}.${box}` };
}

/** Throws ERR_VAULT_DAMAGED when it was not wrapped for this session by this vault. */
export function openRecordingKey(wrapping: Secret<Uint8Array>, session: string, wrapped: string): Secret<Uint8Array> {
  const [nonce = '', box = ''] = wrapped.split('.');
  return new Secret<Uint8Array>(unseal(wrapping, { nonce, box }, recordingContext(session)));
}

function context(part: 'value' | 'data key', name: Named, facts: Facts): string[] {
  return ['postern secret', part, name.id, String(facts.version), name.purpose, facts.createdAt, String(facts.position)];
}

function recordingContext(session: string): string[] {
  return ['postern recording key', session];
}

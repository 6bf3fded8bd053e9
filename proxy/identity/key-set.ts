import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import type { TrustRule } from '../contract/trust-rule.ts';

export type Algorithm = TrustRule['algorithms'][number];

/** A public key that signatures of some algorithms are checked with. */
export interface VerificationKey {
  readonly kid: string | null;
  readonly algorithms: readonly Algorithm[];
  readonly key: KeyObject;
}

const maxKeys = 32;
const minRsaBits = 2_048;
const maxRsaBits = 8_192;

const Jwks = z.object({ keys: z.array(z.record(z.string(), z.unknown())).min(1).max(maxKeys) });
const Text = z.string().max(4_096);
const Jwk = z.discriminatedUnion('kty', [
  z.object({ kty: z.literal('RSA'), n: Text, e: Text }),
  z.object({ kty: z.literal('EC'), crv: z.enum(['P-256', 'P-384']), x: Text, y: Text }),
  z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: Text }),
]);
const About = z.object({ kid: z.string().min(1).max(500).optional(), alg: z.string().max(40).optional(), use: z.literal('sig').optional() });
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** The keys of a set (RFC 7517) that we can use; others are left out. Throws ERR_INVALID_INPUT for what is no set at all. */
export function usableKeys(value: unknown): readonly VerificationKey[] {
  const set = Jwks.safeParse(value);
  if (!set.success) throw fail('ERR_INVALID_INPUT', { message: 'This is no set of keys (RFC 7517).' });
  return set.data.keys.flatMap((member) => {
    const key = keyOf(member);
    return typeof key === 'string' ? [] : [key];
  });
}

/**
 * What an administrator uploads, as it is kept: public members only. Throws ERR_INVALID_INPUT for a private or symmetric key, and
 * for a key that could not be used: it would be missed only when a job fails.
 */
export function publicKeySet(text: string): string {
  const set = Jwks.safeParse(parsed(text));
  if (!set.success) throw keyFault('This is no set of keys (RFC 7517): JSON like {"keys":[…]}.');
  const keys = set.data.keys.map((member, index) => {
    if (privateMembers.some((name) => name in member) || member['kty'] === 'oct') {
      throw keyFault(`Key ${String(index + 1)} holds a secret. Upload public keys only, and replace that key: it has left its owner.`);
    }
    const key = keyOf(member);
    if (typeof key === 'string') throw keyFault(`Key ${String(index + 1)} cannot be used: ${key}.`);
    const { alg } = About.parse(member);
    return { ...key.key.export({ format: 'jwk' }), ...(key.kid !== null && { kid: key.kid }), ...(alg !== undefined && { alg }), use: 'sig' };
  });
  return JSON.stringify({ keys });
}

/** The key, or why it cannot be used. */
function keyOf(member: Readonly<Record<string, unknown>>): VerificationKey | string {
  const about = About.safeParse(member);
  const jwk = Jwk.safeParse(member);
  if (!about.success) return 'it is not for signatures';
  if (!jwk.success) return 'only RSA, EC P-256 and P-384, and Ed25519 keys are';
  const { kid = null, alg } = about.data;
  const algorithms = algorithmsOf(jwk.data).filter((name) => alg === undefined || alg === name || (alg === 'Ed25519' && name === 'EdDSA'));
  if (algorithms.length === 0) return `no signature of algorithm ${alg?.slice(0, 20) ?? ''} is taken`;
  try {
    const key = createPublicKey({ key: jwk.data, format: 'jwk' });
    const bits = key.asymmetricKeyDetails?.modulusLength;
    if (bits !== undefined && (bits < minRsaBits || bits > maxRsaBits)) return `RSA keys have ${String(minRsaBits)} to ${String(maxRsaBits)} bits`;
    return { kid, algorithms, key };
  } catch {
    return 'its numbers are no key';
  }
}

function algorithmsOf(jwk: z.infer<typeof Jwk>): readonly Algorithm[] {
  if (jwk.kty === 'RSA') return ['RS256', 'PS256'];
  if (jwk.kty === 'OKP') return ['EdDSA'];
  return jwk.crv === 'P-256' ? ['ES256'] : ['ES384'];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function keyFault(message: string): ReturnType<typeof fail> {
  return fail('ERR_INVALID_INPUT', { message, faults: [{ path: 'keys.jwks', message }] });
}

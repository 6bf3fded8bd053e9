import { hash, randomBytes } from 'node:crypto';
import type { ServiceAccount, Token } from '../contract/principal.ts';
import { fail } from '../contract/errors.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { assertNetworks } from './network.ts';
import { scramSaltBytes, scramVerifier } from './scram.ts';

export type RandomBytes = (size: number) => Uint8Array;

export interface TokenScope {
  /** milliseconds since the epoch */
  readonly expiresAt: number;
  readonly resources: readonly string[];
  readonly networks: readonly string[];
  readonly roles: Token['roles'];
}

// letters only: a token must never look like a run of card digits
const alphabet = 'abcdefghijkmnpqrstuvwxyzACDEFGHJ';
/** 52 letters of 5 bits: 260 random bits */
const secretLetters = 52;
const form = /^postern_[a-zA-Z]{8}_[a-zA-Z]{52}$/;

/**
 * `postern_` + the first 8 letters of the record's id + `_` + 52 random letters. The token is shown once; the record holds
 * its hash and verifiers. Throws ERR_INVALID_INPUT for a scope that has expired or a network that is none.
 */
export function mintToken(
  principal: ServiceAccount,
  scope: TokenScope,
  clock: Clock,
  random: RandomBytes = randomBytes,
): { token: Secret<string>; record: Token } {
  const now = clock.now();
  if (!(scope.expiresAt > now)) throw fail('ERR_INVALID_INPUT', { message: 'The expiry must lie in the future.' });
  assertNetworks(scope.networks);
  const id = newId('tok');
  const letters = Array.from(random(secretLetters), (byte) => alphabet.charAt(byte & 31)).join('');
  const token = `postern_${id.slice(4, 12)}_${letters}`;
  return {
    token: new Secret(token),
    record: {
      id,
      serviceAccount: principal.id,
      hash: tokenHash(token),
      expiresAt: new Date(scope.expiresAt).toISOString(),
      createdAt: new Date(now).toISOString(),
      revokedAt: null,
      resources: [...scope.resources],
      networks: [...scope.networks],
      roles: [...scope.roles],
      verifiers: { scram: scramVerifier(token, Buffer.from(principal.scramSalt, 'base64')) },
    },
  };
}

/** The one SCRAM salt of a new principal, base64. */
export function newScramSalt(random: RandomBytes = randomBytes): string {
  return Buffer.from(random(scramSaltBytes)).toString('base64');
}

export function looksLikeToken(text: string): boolean {
  return form.test(text);
}

/** A plain hash is enough: 256 random bits cannot be searched. */
export function tokenHash(token: string): string {
  return hash('sha256', token, 'base64url');
}

import { createHash, randomBytes } from 'node:crypto';
import { fail } from '../contract/errors.ts';
import type { User } from '../contract/user.ts';
import type { Clock } from '../lib/clock.ts';
import type { AppError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import { holds, signInBytes } from '../proof/decision.ts';
import { verifyEd25519 } from './quorum.ts';

export interface SignInAttempt {
  /** name of the user */
  readonly user: string;
  readonly at: string;
  /** 32 bytes, base64url */
  readonly nonce: string;
  readonly signature: string;
}

/** A person whose key signed in, and since when. */
export interface SignedIn {
  readonly user: User;
  /** id of the key */
  readonly key: string;
  /** milliseconds since the epoch */
  readonly signedInAt: number;
  /** why it is no longer good, or not with the roles that `user` had; null: it is */
  revoked(): string | null;
  /** Signs out: the token is good for nothing any more. */
  end(): void;
}

export interface SignInsOptions {
  readonly clock: Clock;
  /** origin of the service's log: a signature is good for this service alone */
  readonly service: string;
  readonly users: { find(id: string): User | null; named(name: string): User | null };
}

interface Entry {
  readonly user: string;
  readonly key: string;
  readonly signedInAt: number;
  readonly expiresAt: number;
}

const clockMs = 60_000;
const lifeMs = 28_800_000;
const maxTokens = 10_000;
const maxPerUser = 20;
const maxNonces = 10_000;
/** signs in that often within two minutes: no person */
const maxNoncesPerUser = 200;
const form = /^pau_[a-zA-Z]{52}$/;
// letters only: a token must never look like a run of card digits
const alphabet = 'abcdefghijkmnpqrstuvwxyzACDEFGHJ';
/** The public key of RFC 8032's first test: unknown names cost a verification, too. */
const nobodysKey = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';

/** The same words for every fault. */
function refusal(): AppError {
  const hint = 'It may have been replaced, the account disabled, or the clock of one machine be wrong: ask an administrator.';
  return fail('ERR_UNAUTHENTICATED', { message: 'This key cannot sign in.', hint });
}

/** Tokens of approvers, in memory: they end with the process, with the user, and with the key. */
export class SignIns {
  readonly #options: SignInsOptions;
  /** by hash of the token, oldest first */
  readonly #entries = new Map<string, Entry>();
  /** nonce → when it may be forgotten */
  readonly #nonces = new Map<string, { until: number; user: string }>();

  constructor(options: SignInsOptions) {
    this.#options = options;
  }

  /** Who signed. Throws ERR_UNAUTHENTICATED, the same for every fault; the nonce is spent when it resolves. */
  async verify({ user: name, at, nonce, signature }: SignInAttempt): Promise<{ user: User; key: string }> {
    const { clock, service, users } = this.#options;
    const user = users.named(name);
    const bytes = signInBytes({ service, user: name, at, nonce });
    const isKeyHolder = await holds(verifyEd25519, { publicKey: user?.key?.publicKey ?? nobodysKey, bytes, signature });
    const now = clock.now();
    const isTimely = Math.abs(Date.parse(at) - now) <= clockMs;
    const key = user?.key ?? null;
    if (!isKeyHolder || !isTimely || user === null || key === null || user.disabled) throw refusal();
    this.#spend(nonce, user.id, now);
    return { user, key: key.id };
  }

  /** A token for who was verified; only its hash is kept. Throws ERR_TOO_MANY_CONNECTIONS. */
  issue({ user, key }: { user: User; key: string }): { token: Secret<string>; expiresAt: number } {
    const now = this.#options.clock.now();
    this.#prune(now);
    const own = [...this.#entries].filter(([, entry]) => entry.user === user.id);
    for (const [hash] of own.slice(0, Math.max(0, own.length + 1 - maxPerUser))) this.#entries.delete(hash);
    if (this.#entries.size >= maxTokens) throw fail('ERR_TOO_MANY_CONNECTIONS', { message: 'Too many approvers are signed in.' });
    const token = `pau_${Array.from(randomBytes(52), (byte) => alphabet.charAt(byte & 31)).join('')}`;
    const expiresAt = now + lifeMs;
    this.#entries.set(hashOf(token), { user: user.id, key, signedInAt: now, expiresAt });
    return { token: new Secret(token), expiresAt };
  }

  /** Null for anything that is not a live token of an enabled user with the same key. */
  find(token: Secret<string>): SignedIn | null {
    if (!looksLikeSignIn(token)) return null;
    const hash = hashOf(token.reveal());
    const entry = this.#entries.get(hash);
    if (entry === undefined || this.#fault(hash) !== null) return null;
    const user = this.#options.users.find(entry.user);
    if (user === null) return null;
    return {
      user,
      key: entry.key,
      signedInAt: entry.signedInAt,
      revoked: () => this.#fault(hash) ?? this.#roleFault(user),
      end: () => {
        this.#entries.delete(hash);
      },
    };
  }

  #fault(hash: string): string | null {
    const { clock, users } = this.#options;
    const entry = this.#entries.get(hash);
    if (entry === undefined) return 'the sign-in has ended';
    const user = users.find(entry.user);
    const fault = !(clock.now() < entry.expiresAt) ? 'the sign-in has expired' : userFault(user, entry.key);
    // for good: a user who is enabled again signs in again
    if (fault !== null) this.#entries.delete(hash);
    return fault;
  }

  /** The sign-in goes on, but what was begun with a role that was taken away since does not. */
  #roleFault({ id, roles }: User): string | null {
    const kept = this.#options.users.find(id)?.roles ?? [];
    return roles.every((role) => kept.includes(role)) ? null : 'a role was taken away';
  }

  #prune(now: number): void {
    for (const hash of [...this.#entries.keys()]) this.#fault(hash);
    for (const [nonce, { until }] of this.#nonces) if (until < now) this.#nonces.delete(nonce);
  }

  #spend(nonce: string, user: string, now: number): void {
    this.#prune(now);
    let own = 0;
    for (const spent of this.#nonces.values()) if (spent.user === user) own++;
    // whoever signs so often waits until the old ones may be forgotten, and nobody else does
    if (this.#nonces.has(nonce) || own >= maxNoncesPerUser || this.#nonces.size >= maxNonces) throw refusal();
    this.#nonces.set(nonce, { until: now + 2 * clockMs, user });
  }
}

export function looksLikeSignIn(token: Secret<string>): boolean {
  return form.test(token.reveal());
}

function userFault(user: User | null, key: string): string | null {
  if (user === null) return 'the user was deleted';
  if (user.disabled) return 'the user was disabled';
  return user.key?.id === key ? null : 'the key was replaced';
}

/** A plain hash is enough: 260 random bits cannot be searched. */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

import { randomBytes } from 'node:crypto';
import { fail } from '../../proxy/contract/errors.ts';
import type { User } from '../../proxy/contract/user.ts';
import { AppError } from '../../proxy/lib/errors.ts';
import { Secret } from '../../proxy/lib/secret.ts';
import { signInBytes } from '../../proxy/proof/decision.ts';
import type { ClockPort, KeychainPort } from '../ports.ts';
import { keyContext, type ApplianceRecord } from './appliance-record.ts';
import { passes } from './connection-fault.ts';
import type { ControlClient } from './control-client.ts';
import { openKey } from './sealed-key.ts';
import type { SigningKey } from './signing-key.ts';

export interface KeyHolderPorts {
  readonly client: ControlClient;
  readonly keychain: KeychainPort;
  readonly clock: ClockPort;
  /** told of every sign-in, also of those that nobody asked for */
  readonly signedIn: (user: User) => void;
}

interface Unlocked {
  readonly approver: SigningKey;
  readonly witness: SigningKey;
  /** milliseconds since the epoch; a passphrase is asked for again then */
  readonly until: number;
}

const unlockedMs = 28_800_000;

/** A new token from a new signature of the key. Throws ERR_UNAUTHENTICATED. */
export async function callSignIn(
  client: ControlClient,
  { service, user: name, key, at }: { service: string; user: string; key: SigningKey; at: string },
): Promise<{ token: Secret<string>; user: User }> {
  const nonce = randomBytes(32).toString('base64url');
  const signature = key.signText(signInBytes({ service, user: name, at, nonce }));
  const { token, user } = await client.call('signIn', { user: name, at, nonce, signature }, { token: null });
  return { token: new Secret(token), user };
}

/** The keys of one enrolment while they are unlocked, and the token of the last sign-in. */
export class KeyHolder {
  readonly #record: ApplianceRecord;
  readonly #ports: KeyHolderPorts;
  #unlocked: Unlocked | null = null;
  #token: Secret<string> | null = null;
  #user: User | null = null;
  #signingIn: Promise<User> | null = null;

  constructor(record: ApplianceRecord, ports: KeyHolderPorts) {
    this.#record = record;
    this.#ports = ports;
  }

  get token(): Secret<string> | null {
    return this.#token;
  }

  get opensAlone(): boolean {
    return this.#record.key.type === 'keychain' || this.#live() !== null;
  }

  /** Opens the keys. Throws ERR_UNAUTHENTICATED when a passphrase is missing or wrong. */
  async unlock(passphrase: Secret<string> | null): Promise<void> {
    if (passphrase === null && this.#live() !== null) return;
    const by = { keychain: this.#ports.keychain, passphrase };
    const { key, publicKey, witness } = this.#record;
    const [approver, cosigner] = await Promise.all([
      openKey(key, keyContext(this.#record, 'approver', publicKey), by),
      openKey(witness.key, keyContext(this.#record, 'witness', witness.publicKey), by),
    ]);
    if (approver.publicKey !== publicKey || cosigner.publicKey !== witness.publicKey) {
      throw fail('ERR_VERIFICATION_FAILED', { message: 'The file of keys holds another key than it says.', hint: 'Enrol again with a new invitation.' });
    }
    this.#unlocked = { approver, witness: cosigner, until: this.#ports.clock.now() + unlockedMs };
  }

  /**
   * Proves possession of the key anew; several who ask at once share one proof. Throws ERR_UNAUTHENTICATED, and ERR_CONFLICT when
   * another key was enrolled since.
   */
  signIn(passphrase: Secret<string> | null): Promise<User> {
    this.#signingIn ??= this.#signIn(passphrase).finally(() => (this.#signingIn = null));
    return this.#signingIn;
  }

  /** What `use` gives with a token; when it is no longer good, once more with a new one. */
  async withToken<T>(use: (token: Secret<string>) => Promise<T>): Promise<T> {
    const token = this.#token;
    if (token === null) throw notSignedIn();
    try {
      return await use(token);
    } catch (error) {
      if (!isUnauthenticated(error)) throw error;
      const renewed = await this.#renew(token);
      return use(renewed);
    }
  }

  /** A good token in place of one that is not. Throws ERR_UNAUTHENTICATED when a person must sign in. */
  async #renew(stale: Secret<string>): Promise<Secret<string>> {
    if (this.#token === stale) {
      try {
        if (!this.opensAlone) throw notSignedIn();
        await this.signIn(null);
      } catch (error) {
        if (this.#token === stale && !passes(error)) this.#token = null;
        throw error;
      }
    }
    if (this.#token === null) throw notSignedIn();
    return this.#token;
  }

  /** Whose key signed in last, as the service knows this person. */
  user(): User {
    if (this.#user === null) throw notSignedIn();
    return this.#user;
  }

  /** The key of the approver, while somebody is signed in. */
  approver(): SigningKey {
    return this.#need().approver;
  }

  witness(): SigningKey {
    return this.#need().witness;
  }

  /** Keys and token leave the memory. */
  lock(): void {
    this.#unlocked = null;
    this.#token = null;
    this.#user = null;
  }

  #need(): Unlocked {
    const unlocked = this.#token === null ? null : this.#live();
    if (unlocked === null) throw notSignedIn();
    return unlocked;
  }

  #live(): Unlocked | null {
    if (this.#unlocked !== null && !(this.#ports.clock.now() < this.#unlocked.until)) this.#unlocked = null;
    return this.#unlocked;
  }

  async #signIn(passphrase: Secret<string> | null): Promise<User> {
    await this.unlock(passphrase);
    const unlocked = this.#live();
    if (unlocked === null) throw notSignedIn();
    const { service, user: name, userId, keyId } = this.#record;
    const at = new Date(this.#ports.clock.now()).toISOString();
    const { token, user } = await callSignIn(this.#ports.client, { service, user: name, key: unlocked.approver, at });
    if (user.id !== userId || user.key?.id !== keyId) {
      throw fail('ERR_CONFLICT', { message: 'Another key is enrolled for you now.', hint: 'If that was not you, tell an administrator at once.' });
    }
    // signed out meanwhile
    if (this.#unlocked === null) throw notSignedIn();
    this.#token = token;
    this.#user = user;
    this.#ports.signedIn(user);
    return user;
  }
}

export function notSignedIn(): AppError {
  return fail('ERR_UNAUTHENTICATED', { message: 'Nobody is signed in at this service.', hint: 'Sign in first.' });
}

export function isUnauthenticated(error: unknown): boolean {
  return error instanceof AppError && error.code === 'ERR_UNAUTHENTICATED';
}

import { sha256 } from '@noble/hashes/sha2.js';
import { parseEnrolmentCode, type EnrolmentCode } from '../../proxy/contract/enrolment-code.ts';
import type { Output } from '../../proxy/contract/api.ts';
import { fail } from '../../proxy/contract/errors.ts';
import type { User } from '../../proxy/contract/user.ts';
import { AppError, reasonOf } from '../../proxy/lib/errors.ts';
import { Secret } from '../../proxy/lib/secret.ts';
import { utf8 } from '../../proxy/proof/bytes.ts';
import { canonicalJson } from '../../proxy/proof/canonical.ts';
import { decisionBytes, enrolmentBytes, signInBytes, type SignedRequest } from '../../proxy/proof/decision.ts';
import type { DecisionInput } from '../../main/contract/bridge.ts';
import type { ApplianceView } from '../../main/contract/views.ts';
import { kept, makeKey, nonce, sign, toBase64url, type DeviceKey } from './device-key.ts';
import type { Transport } from './http-transport.ts';
import { Watched } from './watched.ts';

export const applianceId = 'here';

/** Who this browser is at the service it came from: enrols, signs in, decides. */
export class Account {
  readonly view: Watched<ApplianceView>;
  readonly #transport: Transport;
  readonly #origin: string;
  #key: DeviceKey | null = null;
  #user: User | null = null;
  #signingIn: Promise<void> | null = null;

  constructor(transport: Transport, origin: string) {
    this.#transport = transport;
    this.#origin = origin;
    this.view = new Watched<ApplianceView>({
      id: applianceId,
      name: new URL(origin).host,
      url: origin,
      service: '',
      user: '',
      state: 'unknown',
      detail: '',
      roles: [],
      version: null,
      keyProtection: 'none',
    });
  }

  get service(): string | null {
    return this.#key?.service ?? null;
  }

  /** Reads the key that lies here, and signs in with it. */
  async start(): Promise<void> {
    try {
      this.#key = await kept.key();
    } catch (error) {
      this.#show({ detail: reasonOf(error) });
      return;
    }
    if (this.#key === null) return;
    this.#show({ state: 'enrolled', user: this.#key.user, service: this.#key.service, keyProtection: 'browser' });
    // the view says why it failed
    await this.signIn().catch(() => undefined);
  }

  /** One at a time; a second caller waits for the first. */
  signIn(): Promise<void> {
    this.#signingIn ??= this.#signIn().finally(() => (this.#signingIn = null));
    return this.#signingIn;
  }

  async #signIn(): Promise<void> {
    const held = this.#key;
    if (held === null)
      throw fail('ERR_UNAUTHENTICATED', { message: 'This browser is not enrolled here.', hint: 'Ask an administrator for an enrolment link.' });
    try {
      const { user, token } = await this.#proveKey(held);
      this.#transport.use(new Secret(token));
      this.#user = user;
      const { roles, version } = await this.#transport.call('whoAmI', {});
      this.#show({ state: 'signed-in', detail: '', roles, version });
    } catch (error) {
      const gone = error instanceof AppError && (error.code === 'ERR_CONTROL_UNAVAILABLE' || error.code === 'ERR_TIMEOUT');
      this.#transport.use(null);
      this.#show({ state: gone ? 'unreachable' : 'enrolled', detail: reasonOf(error), roles: [] });
      throw error;
    }
  }

  async #proveKey({ service, user, key }: Pick<DeviceKey, 'service' | 'user' | 'key'>): Promise<Output<'signIn'>> {
    const said = { service, user, at: new Date().toISOString(), nonce: nonce() };
    return this.#transport.call('signIn', { user, at: said.at, nonce: said.nonce, signature: await sign(key, signInBytes(said)) });
  }

  async enrol(text: string): Promise<void> {
    const code = parseEnrolmentCode(text);
    if (new URL(code.url).origin !== this.#origin) {
      throw fail('ERR_INVALID_INPUT', {
        message: `This link is for ${new URL(code.url).host}, not for ${new URL(this.#origin).host}.`,
        hint: 'Open the console at that address; a key is good for one service only.',
      });
    }
    const before = this.#key;
    if (before !== null && (before.user !== code.user || before.service !== code.service)) {
      throw fail('ERR_CONFLICT', {
        message: `This browser is enrolled as ${before.user} already.`,
        hint: 'Open the link in another browser or profile; or forget that key first, in the menu at the top.',
      });
    }
    const { key, publicKey } = await makeKey();
    const user = await this.#enrolKey(code, { key, publicKey });
    if (user.key?.publicKey !== publicKey) {
      throw fail('ERR_VERIFICATION_FAILED', { message: 'The service enrolled another key than the one it was given.', hint: 'Tell an administrator at once.' });
    }
    const held = { service: code.service, user: user.name, userId: user.id, keyId: user.key.id, publicKey, key };
    // what is remembered of the log stays: the key is another one, the log is not
    await kept.putKey(held);
    this.#key = held;
    this.#show({ state: 'enrolled', user: held.user, service: held.service, keyProtection: 'browser' });
    await this.signIn();
  }

  async #enrolKey({ code, service, user }: EnrolmentCode, { key, publicKey }: { key: CryptoKey; publicKey: string }): Promise<User> {
    const proof = await sign(key, enrolmentBytes(toBase64url(sha256(utf8(code))), publicKey));
    try {
      return await this.#transport.call('enrol', { code, publicKey, proof });
    } catch (error) {
      if (!(error instanceof AppError) || (error.code !== 'ERR_CONTROL_UNAVAILABLE' && error.code !== 'ERR_TIMEOUT')) throw error;
      // the answer was lost, perhaps after the key was enrolled: whoever can sign in is enrolled
      const signedIn = await this.#proveKey({ service, user, key }).catch(() => null);
      if (signedIn === null) throw error;
      return signedIn.user;
    }
  }

  async signOut(): Promise<void> {
    this.#user = null;
    // first, so that nothing on the screen signs in again
    this.#show({ state: this.#key ? 'enrolled' : 'unknown', detail: '', roles: [] });
    // a service that is gone has no sign-in of ours left
    if (this.#transport.isSignedIn) await this.#transport.call('signOut', {}).catch(() => undefined);
    this.#transport.use(null);
  }

  async forget(): Promise<void> {
    await this.signOut();
    await kept.forget();
    this.#key = null;
    this.#show({ state: 'unknown', user: '', service: '', keyProtection: 'none', version: null });
  }

  /** Signs what was shown, and nothing else. */
  async decide(input: DecisionInput): Promise<Output<'decideRequest'>> {
    const [held, user] = [this.#key, this.#user];
    if (held === null || user === null) throw fail('ERR_UNAUTHENTICATED', { message: 'You are not signed in.' });
    const { request } = await this.#transport.call('showRequest', { id: input.request });
    const canonical: SignedRequest = request.canonical;
    if (request.canonical.id !== input.request || toBase64url(sha256(utf8(canonicalJson(canonical)))) !== input.shown) {
      throw fail('ERR_CONFLICT', {
        message: 'The request is not the one that was shown.',
        hint: 'Look at it again, and tell an administrator: requests never change.',
      });
    }
    const said = {
      verdict: input.verdict,
      approver: user.id,
      human: user.human,
      reason: input.reason,
      at: new Date().toISOString(),
      ...(input.seconds !== undefined && { seconds: input.seconds }),
    };
    const signature = await sign(held.key, decisionBytes({ request: canonical, ...said }));
    return this.#transport.call('decideRequest', {
      id: input.request,
      decision: { request: input.request, ...said, signature: { type: 'ed25519', key: held.keyId, signature } },
    });
  }

  /** The sign-in has ended: eight hours have passed, or the service was started again. */
  lost(): void {
    this.#transport.use(null);
  }

  /** Whether the service answers, as the live view sees it. */
  answers(yes: boolean, why = ''): void {
    const { state } = this.view.value;
    if (!yes && state === 'signed-in') this.#show({ detail: why });
    if (yes && this.view.value.detail !== '' && state === 'signed-in') this.#show({ detail: '' });
  }

  #show(change: Partial<ApplianceView>): void {
    this.view.set({ ...this.view.value, ...change });
  }
}

import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import type { TrustRule } from '../contract/trust-rule.ts';
import type { Clock } from '../lib/clock.ts';
import { usableKeys, type VerificationKey } from './key-set.ts';

/** Gets a JSON document over HTTP, following no redirect; rejects when there is none. Which addresses may be reached is the giver's to decide. */
export type FetchJson = (
  url: string,
  limits: { readonly ca: string | undefined; readonly allowLocal: boolean; readonly maxBytes: number; readonly signal: AbortSignal },
) => Promise<unknown>;

type Source = TrustRule['keys'];

interface Fetched {
  readonly keys: readonly VerificationKey[];
  readonly at: number;
}

const deadlineMs = 5_000;
const maxBytes = 262_144;
/** so long an issuer's keys are used without asking again */
const freshMs = 600_000;
/** an issuer whose keys do not know a `kid` is asked again no more often than this */
const pauseMs = 60_000;
/** and one that did not answer */
const retryMs = 10_000;
/** so long keys are used though the issuer no longer answers */
const staleMs = 3_600_000;
const maxIssuers = 256;

const Metadata = z.object({ issuer: z.string().max(2_000), jwks_uri: z.string().max(2_000) });

/** The keys of issuers: uploaded, or fetched by discovery (OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3). */
export class IssuerKeys {
  readonly #clock: Clock;
  readonly #fetchJson: FetchJson;
  readonly #fetched = new Map<string, Fetched>();
  readonly #asked = new Map<string, number>();
  readonly #running = new Map<string, Promise<Fetched | null>>();
  readonly #uploaded = new Map<string, readonly VerificationKey[]>();

  constructor({ clock, fetchJson }: { clock: Clock; fetchJson: FetchJson }) {
    this.#clock = clock;
    this.#fetchJson = fetchJson;
  }

  /** The keys that may have signed: of that `kid`, or without one. Empty when there are none, or the issuer does not answer. */
  async find({ issuer, keys }: Pick<TrustRule, 'issuer' | 'keys'>, kid: string | null): Promise<readonly VerificationKey[]> {
    if (keys.from === 'uploaded') return fitting(this.#parsed(keys.jwks), kid);
    const id = JSON.stringify([issuer, keys.ca ?? '', keys.allowLocal]);
    const known = this.#fetched.get(id);
    const age = known === undefined ? Infinity : this.#clock.now() - known.at;
    const found = known === undefined || age > staleMs ? [] : fitting(known.keys, kid);
    if (found.length > 0 && age <= freshMs) return found;
    const anew = await this.#refreshed(id, issuer, keys);
    return anew === null ? found : fitting(anew.keys, kid);
  }

  #parsed(jwks: string): readonly VerificationKey[] {
    let keys = this.#uploaded.get(jwks);
    if (keys === undefined) {
      keys = usableKeys(JSON.parse(jwks));
      if (this.#uploaded.size >= maxIssuers) this.#uploaded.clear();
      this.#uploaded.set(jwks, keys);
    }
    return keys;
  }

  /** Null when it was asked a moment ago, or gave nothing. */
  #refreshed(id: string, issuer: string, keys: Extract<Source, { from: 'issuer' }>): Promise<Fetched | null> {
    const running = this.#running.get(id);
    if (running !== undefined) return running;
    if (this.#clock.now() - (this.#asked.get(id) ?? -Infinity) < pauseMs) return Promise.resolve(null);
    if (this.#asked.size >= maxIssuers) {
      this.#asked.clear();
      this.#fetched.clear();
    }
    this.#asked.set(id, this.#clock.now());
    const fetching = this.#fetch(issuer, keys)
      .then((set) => {
        const fetched = { keys: set, at: this.#clock.now() };
        this.#fetched.set(id, fetched);
        return fetched;
      })
      .catch(() => {
        this.#asked.set(id, this.#clock.now() - pauseMs + retryMs);
        return null;
      })
      .finally(() => this.#running.delete(id));
    this.#running.set(id, fetching);
    return fetching;
  }

  async #fetch(issuer: string, { ca, allowLocal }: Extract<Source, { from: 'issuer' }>): Promise<readonly VerificationKey[]> {
    // one deadline for both documents: a slow issuer must not hold callers twice as long
    const limits = { ca, allowLocal, maxBytes, signal: AbortSignal.timeout(deadlineMs) };
    const metadata = await this.#discover(issuer, limits);
    // RFC 8414 section 3.3: else one issuer could speak for another
    if (metadata.issuer !== issuer) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'the metadata names another issuer' });
    assertAddress(metadata.jwks_uri, allowLocal);
    return usableKeys(await this.#fetchJson(metadata.jwks_uri, limits));
  }

  async #discover(issuer: string, limits: Parameters<FetchJson>[1]): Promise<z.infer<typeof Metadata>> {
    assertAddress(issuer, limits.allowLocal);
    const { origin, pathname } = new URL(issuer);
    const path = pathname.replace(/\/$/, '');
    try {
      return Metadata.parse(await this.#fetchJson(`${origin}${path}/.well-known/openid-configuration`, limits));
    } catch {
      return Metadata.parse(await this.#fetchJson(`${origin}/.well-known/oauth-authorization-server${path}`, limits));
    }
  }
}

function fitting(keys: readonly VerificationKey[], kid: string | null): readonly VerificationKey[] {
  return kid === null ? keys : keys.filter((key) => key.kid === null || key.kid === kid);
}

function assertAddress(address: string, allowLocal: boolean): void {
  const url = URL.parse(address);
  const fits = url !== null && (url.protocol === 'https:' || (allowLocal && url.protocol === 'http:')) && url.username === '' && url.password === '';
  if (!fits) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'the keys of an issuer are fetched over https' });
}

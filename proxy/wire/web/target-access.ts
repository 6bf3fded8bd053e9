import { createPrivateKey } from 'node:crypto';
import { importPKCS8 } from 'jose';
import * as oauth from 'openid-client';
import { fail } from '../../contract/errors.ts';
import type { HttpCredential } from '../../contract/resource.ts';
import type { Clock } from '../../lib/clock.ts';
import { AppError, reasonOf } from '../../lib/errors.ts';
import { Secret } from '../../lib/secret.ts';
import { readAll } from './read-all.ts';
import type { Upstream, Upstreams, WebTarget } from './upstream.ts';

/** What a session gives for it; see Session in the pipeline's engine contract. */
export interface Leasing {
  lease<T>(use: (credential: { account: string; password: Secret<string>; version: number }) => Promise<T>): Promise<T>;
  conceal(secret: Secret<string>): void;
}

export interface Access {
  readonly upstream: Upstream;
  /** name, value, …: what the target knows us by */
  readonly headers: readonly string[];
  /** the vault's version of the secret; 0: there is none */
  readonly version: number;
}

interface Given {
  readonly session: Leasing;
  readonly target: WebTarget;
  readonly credential: HttpCredential;
  readonly upstreams: Upstreams;
  readonly clock: Clock;
}

interface Kept {
  readonly access: Access;
  readonly until: number;
}

type OauthCredential = Extract<HttpCredential, { type: 'oauth-client-credentials' }>;

/** a changed secret is used this soon */
const keptMs = 30_000;
const maxTokenMs = 3_600_000;
const tokenMarginMs = 10_000;
const tokenDeadlineMs = 10_000;
const maxTokenResponseBytes = 65_536;

/** The way of one live session to its target: the pool of connections and the credential the target is shown. */
export class TargetAccess {
  readonly #given: Given;
  #kept: Kept | null = null;
  #token: { readonly version: number; readonly value: Secret<string>; readonly until: number } | null = null;
  #opening: Promise<Access> | null = null;

  constructor(given: Given) {
    this.#given = given;
  }

  /** Throws what the lease throws, ERR_TARGET_UNREACHABLE when the target's authority gives no token. */
  use(): Promise<Access> {
    const kept = this.#kept;
    if (kept !== null && this.#given.clock.now() < kept.until) return Promise.resolve(kept.access);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  /** The target does not take what it was shown: secret and token are asked for anew. */
  refused(): void {
    this.#kept = null;
    this.#token = null;
  }

  async #open(): Promise<Access> {
    const { session, target, credential, upstreams, clock } = this.#given;
    if (credential.type === 'none') {
      const access = { upstream: upstreams.for(target), headers: [], version: 0 };
      this.#kept = { access, until: clock.now() + keptMs };
      return access;
    }
    return session.lease(async ({ account, password, version }) => {
      const { headers, until } = await this.#headers(credential, { account, password, version });
      const client = credential.type === 'mtls' ? { certificate: credential.certificate, key: password } : null;
      const access = { upstream: upstreams.for(target, client), headers, version };
      this.#kept = { access, until: Math.min(clock.now() + keptMs, until) };
      return access;
    });
  }

  async #headers(
    credential: Exclude<HttpCredential, { type: 'none' }>,
    leased: { account: string; password: Secret<string>; version: number },
  ): Promise<{ headers: readonly string[]; until: number }> {
    const { session } = this.#given;
    const until = Number.POSITIVE_INFINITY;
    switch (credential.type) {
      case 'mtls':
        return { headers: [], until };
      case 'header':
        return { headers: [credential.header, headerValue(credential.prefix, leased.password)], until };
      case 'basic': {
        const encoded = new Secret(Buffer.from(`${leased.account}:${leased.password.reveal()}`).toString('base64'));
        session.conceal(encoded);
        return { headers: ['authorization', `Basic ${encoded.reveal()}`], until };
      }
      case 'oauth-client-credentials': {
        const token = await this.#oauthToken(credential, leased);
        return { headers: ['authorization', headerValue('Bearer', token.value)], until: token.until };
      }
    }
  }

  async #oauthToken(
    credential: OauthCredential,
    { password, version }: { password: Secret<string>; version: number },
  ): Promise<{ value: Secret<string>; until: number }> {
    const { clock, session } = this.#given;
    const known = this.#token;
    if (known !== null && known.version === version && clock.now() < known.until) return known;
    const { value, seconds } = await this.#grant(credential, password);
    session.conceal(value);
    this.#token = { version, value, until: clock.now() + Math.max(Math.min(seconds * 1000, maxTokenMs) - tokenMarginMs, 1_000) };
    return this.#token;
  }

  /** RFC 6749 section 4.4, over the same guarded connections as everything else. */
  async #grant(credential: OauthCredential, secret: Secret<string>): Promise<{ value: Secret<string>; seconds: number }> {
    const { tokenUrl, clientId, scope, resource } = credential;
    try {
      const server = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
      const configuration = new oauth.Configuration(server, clientId, undefined, await authentication(credential, secret));
      configuration.timeout = tokenDeadlineMs / 1000;
      configuration[oauth.customFetch] = (url, options) => this.#fetch(url, options);
      // a plain address was set by the administrator, and is held to the same rules as the target's
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so only to stand out
      if (tokenUrl.startsWith('http:')) oauth.allowInsecureRequests(configuration);
      const answer = await oauth.clientCredentialsGrant(configuration, {
        ...(scope === '' ? {} : { scope }),
        ...(resource === '' ? {} : { resource }),
      });
      return { value: new Secret(answer.access_token), seconds: answer.expires_in ?? 300 };
    } catch (error) {
      throw fail('ERR_TARGET_UNREACHABLE', { message: "The target's authorization server gave no token.", detail: whyNot(error), cause: error });
    }
  }

  async #fetch(url: string, options: oauth.CustomFetchOptions): Promise<Response> {
    const { target, upstreams } = this.#given;
    const { pathname, search, origin } = new URL(url);
    const signal = AbortSignal.any([AbortSignal.timeout(tokenDeadlineMs), ...(options.signal === undefined ? [] : [options.signal])]);
    const { status, headers, body } = await upstreams.for({ url: origin, ca: target.ca, allowLocal: target.allowLocal }).request({
      method: options.method,
      path: `${pathname}${search}`,
      headers: Object.entries(options.headers).flat(),
      body: options.body === null || options.body === undefined ? null : bytesOf(options.body),
      signal,
    });
    const bytes = await readAll(body, maxTokenResponseBytes, signal);
    return new Response(status === 204 ? null : Buffer.from(bytes), { status, headers: headers.map(([name, value]): [string, string] => [name, value]) });
  }
}

/** The library's own words tell nothing: what it met stands behind them, or in the answer. */
function whyNot(error: unknown): string {
  const met = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (met instanceof AppError) return met.detail ?? met.message;
  const said: unknown = met instanceof Error && 'error' in met ? met.error : '';
  // a code of RFC 6749 section 5.2; anything else could be an echo of what was sent
  return typeof said === 'string' && /^[a-z_]{1,40}$/.test(said) ? `${reasonOf(met)}: ${said}` : reasonOf(met);
}

function bytesOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (typeof body === 'string' || body instanceof URLSearchParams) return Buffer.from(body.toString());
  throw fail('ERR_INTERNAL', { detail: 'a token request with a body of another kind' });
}

async function authentication({ authentication: method }: OauthCredential, secret: Secret<string>): Promise<oauth.ClientAuth> {
  switch (method) {
    case 'client_secret_basic':
      return oauth.ClientSecretBasic(secret.reveal());
    case 'client_secret_post':
      return oauth.ClientSecretPost(secret.reveal());
    case 'private_key_jwt':
      return oauth.PrivateKeyJwt(await signingKey(secret));
  }
}

const curves: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };

async function signingKey(secret: Secret<string>): Promise<oauth.CryptoKey> {
  const key = createPrivateKey(secret.reveal());
  const { asymmetricKeyType: type, asymmetricKeyDetails } = key;
  const algorithm = type === 'rsa' ? 'RS256' : type === 'ed25519' ? 'EdDSA' : curves[asymmetricKeyDetails?.namedCurve ?? ''];
  if (algorithm === undefined) throw fail('ERR_TARGET_UNREACHABLE', { detail: `a key of type ${String(type)} cannot sign assertions` });
  return importPKCS8(key.export({ type: 'pkcs8', format: 'pem' }).toString(), algorithm);
}

/** A header of ours must not become two. */
function headerValue(prefix: string, secret: Secret<string>): string {
  const value = prefix === '' ? secret.reveal() : `${prefix} ${secret.reveal()}`;
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'the secret cannot stand in a header' });
  return value;
}

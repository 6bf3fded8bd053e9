import { hash } from 'node:crypto';
import { compactVerify } from 'jose';
import { z } from 'zod';
import type { Run } from '../contract/run.ts';
import type { TrustRule } from '../contract/trust-rule.ts';
import type { Clock } from '../lib/clock.ts';
import { holds, isObject, runOf, type Claims } from './claims.ts';
import { IssuerKeys, type FetchJson } from './issuer-keys.ts';

export interface TrustOptions {
  readonly clock: Clock;
  readonly fetchJson: FetchJson;
  /** The detector over free text: what a token says of its run goes into every event. */
  readonly mask: (text: string) => string;
}

export interface Wanted {
  /** addresses of ours; every audience of the token must be one of them */
  readonly audience: readonly string[];
  /** name of a rule, or a client id: decides where several rules would take the token */
  readonly named?: string;
}

/** A workload that is who it says. */
export interface Trusted {
  readonly rule: TrustRule;
  readonly run: Run;
  /** `jwt:` and a digest of issuer and `jti` */
  readonly credential: string;
  /** milliseconds since the epoch */
  readonly expiresAt: number;
}

/** `refused`: why, for the log alone: whoever asks learns nothing of the rules. */
export type Verdict = { readonly trusted: Trusted } | { readonly refused: string };

const maxTokenChars = 16_384;
const maxLifetimeSeconds = 3_600;
const skewSeconds = 60;
const maxTries = 4;
/** a signature once checked need not be checked again for so long: the same job token comes with each of its calls */
const checkedMs = 300_000;
const maxChecked = 2_000;

const Text = z.string().min(1).max(1_000);
const Header = z.object({
  alg: z.string().max(40),
  kid: z.string().min(1).max(500).nullable().default(null),
  typ: z.string().max(100).optional(),
  // RFC 7515 section 4.1.11: what must be understood is not
  crit: z.never().optional(),
});
const Registered = z.object({
  iss: z.string().min(1).max(500),
  sub: Text,
  aud: z.union([Text, z.array(Text).min(1).max(16)]),
  exp: z.int(),
  iat: z.int(),
  nbf: z.int().optional(),
  jti: Text.optional(),
});
/** RFC 7519 section 5.1, RFC 7523 section 3.1 of its update: tokens made for something else say so here */
const types = new Set(['jwt', 'client-authentication+jwt']);

interface Opened {
  readonly token: string;
  readonly header: z.infer<typeof Header>;
  readonly registered: z.infer<typeof Registered>;
  readonly claims: Claims;
}

/** Tokens of others, trusted under the rules of the snapshot. */
export class Trust {
  readonly #options: TrustOptions;
  readonly #keys: IssuerKeys;
  #rules: ReadonlyMap<string, readonly TrustRule[]> = new Map();
  /** digest of token and rule → until when its signature counts as checked */
  readonly #checked = new Map<string, number>();

  constructor(options: TrustOptions) {
    this.#options = options;
    this.#keys = new IssuerKeys(options);
  }

  update(rules: readonly TrustRule[]): void {
    this.#rules = Map.groupBy(rules, ({ issuer }) => issuer);
  }

  /** Never rejects. The claims are looked at first: an issuer is asked for keys only for tokens that could be good. */
  async verify(token: string, wanted: Wanted): Promise<Verdict> {
    const opened = open(token);
    if (typeof opened === 'string') return { refused: opened };
    const known = (this.#rules.get(opened.registered.iss) ?? []).filter(({ disabled }) => !disabled);
    if (known.length === 0) return { refused: 'no rule trusts its issuer' };
    const fault = faultOf(opened, wanted.audience, Math.floor(this.#options.clock.now() / 1_000));
    if (fault !== null) return { refused: fault };
    const meeting = known.filter((rule) => meets(rule, opened));
    if (meeting.length === 0) return { refused: `the conditions of ${namesOf(known)} do not hold` };
    const signed = await this.#signed(meeting, opened);
    if (signed.length === 0) return { refused: `no key of ${namesOf(meeting)} made its signature` };
    return this.#chosen(signed, opened, wanted.named);
  }

  async #signed(rules: readonly TrustRule[], opened: Opened): Promise<readonly TrustRule[]> {
    const signed: TrustRule[] = [];
    for (const rule of rules) if (await this.#isSigned(rule, opened)) signed.push(rule);
    return signed;
  }

  async #isSigned(rule: TrustRule, { token, header }: Opened): Promise<boolean> {
    const algorithm = rule.algorithms.find((name) => name === header.alg);
    if (algorithm === undefined) return false;
    const now = this.#options.clock.now();
    const id = hash('sha256', `${rule.id}|${rule.changedAt}|${token}`, 'base64url');
    if ((this.#checked.get(id) ?? 0) > now) return true;
    const keys = (await this.#keys.find(rule, header.kid)).filter(({ algorithms }) => algorithms.includes(algorithm)).slice(0, maxTries);
    for (const { key } of keys) {
      // the key is one of the rule: `jwk`, `jku` and `x5u` are never looked at
      const good = await compactVerify(token, key, { algorithms: [algorithm] }).then(
        () => true,
        () => false,
      );
      if (good) {
        this.#remember(id, now + checkedMs);
        return true;
      }
    }
    return false;
  }

  #remember(id: string, until: number): void {
    this.#checked.set(id, until);
    const [oldest] = this.#checked.keys();
    if (this.#checked.size > maxChecked && oldest !== undefined) this.#checked.delete(oldest);
  }

  /** Which account a workload gets must not rest on the order of rules. */
  #chosen(rules: readonly TrustRule[], { token, registered, claims }: Opened, named: string | undefined): Verdict {
    const wanted = rules.length === 1 ? rules : rules.filter(({ name }) => name === named);
    const [rule] = wanted;
    if (rule === undefined || wanted.length > 1) return { refused: `${namesOf(rules)} would all take it` };
    const { iss, sub, exp } = registered;
    const jti = jtiOf(token, registered.jti);
    const digest = hash('sha256', `${iss}|${jti}`, 'base64url');
    return {
      trusted: {
        rule,
        run: runOf(rule, claims, { issuer: iss, subject: sub, jti }, this.#options.mask),
        credential: `jwt:${digest.slice(0, 32)}`,
        expiresAt: exp * 1_000,
      },
    };
  }
}

/** What it says, unchecked; or what is wrong with its form. */
function open(token: string): Opened | string {
  if (token.length > maxTokenChars) return 'it is too long';
  const [head, payload] = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/.exec(token)?.slice(1) ?? [];
  if (head === undefined || payload === undefined) return 'it is no signed token';
  const header = Header.safeParse(jsonOf(head));
  if (!header.success) return 'its header is not understood';
  const claims = jsonOf(payload);
  const registered = Registered.safeParse(claims);
  if (!registered.success || !isObject(claims)) return `it lacks ${z.prettifyError(registered.error ?? new z.ZodError([])).slice(0, 200)}`;
  return { token, header: header.data, registered: registered.data, claims };
}

function jsonOf(part: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(part, 'base64url')));
  } catch {
    return null;
  }
}

function faultOf({ header, registered }: Opened, audience: readonly string[], now: number): string | null {
  const { aud, exp, iat, nbf } = registered;
  if (header.typ !== undefined && !types.has(header.typ.toLowerCase().replace(/^application\//, ''))) return 'it is a token for something else';
  // one that is good elsewhere too could be played back to us from there
  if (![aud].flat().every((name) => audience.includes(name))) return 'it is made out to somebody else';
  if (exp <= now) return 'it has expired';
  if (iat > now + skewSeconds || (nbf ?? 0) > now + skewSeconds) return 'it is not good yet';
  if (exp - iat > maxLifetimeSeconds) return 'it is good for more than an hour';
  return null;
}

function meets(rule: TrustRule, { registered, claims }: Opened): boolean {
  // RFC 7523 section 3: a client that signs for itself is both
  if (rule.platform === 'client' && registered.sub !== registered.iss) return false;
  return holds(rule.conditions, claims);
}

/** Tokens without one are known by what was signed; the signature itself may have several forms. */
function jtiOf(token: string, jti: string | undefined): string {
  if (jti !== undefined && jti.length <= 200) return jti;
  return `sha256-${hash('sha256', jti ?? token.slice(0, token.lastIndexOf('.')), 'base64url')}`;
}

function namesOf(rules: readonly TrustRule[]): string {
  return rules
    .map(({ name }) => name)
    .sort()
    .slice(0, 10)
    .join(', ');
}

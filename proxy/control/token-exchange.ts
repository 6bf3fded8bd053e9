import { z } from 'zod';
import type { Actor } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import type { ServiceAccount, Token } from '../contract/principal.ts';
import { Run } from '../contract/run.ts';
import type { TrustRule } from '../contract/trust-rule.ts';
import { mintToken } from '../identity/token.ts';
import type { Clock } from '../lib/clock.ts';
import type { Secret } from '../lib/secret.ts';
import type { ReadableState } from '../store/repositories.ts';
import type { Change } from './context.ts';

/** What a gateway asks for a workload whose token it checked. */
export const ExchangeWanted = z.strictObject({
  trustRule: z.string().max(60),
  run: Run,
  /** `jwt:` and a digest: how the workload's own token is known */
  credential: z.string().max(64),
  /** the one resource it is to be good for; null: those of the rule */
  resource: z.string().max(63).nullable(),
  seconds: z.int().min(1).max(3_600),
  /** the workload's address */
  origin: z.string().max(64),
});
export type ExchangeWanted = z.infer<typeof ExchangeWanted>;

export interface TokenExchangePorts {
  readonly clock: Clock;
  readonly read: Pick<ReadableState, 'serviceAccounts' | 'trustRules' | 'tokens' | 'resources'>;
  /** one change at a time in the whole process */
  readonly exclusive: <T>(work: () => Promise<T>) => Promise<T>;
  /** the event becomes durable, then the state follows */
  readonly commit: (code: 'token.created', who: { actor: Actor; origin: string }, change: Change) => Promise<void>;
}

/** live tokens of one rule */
const maxLive = 1_000;
/** new tokens of one rule: so many at once, then one a second */
const burst = 120;
const refillMs = 1_000;
/** our own MCP server, which is no resource */
const ownServer = 'postern';

/** Mints tokens for workloads: each assertion gets one, ever, whatever restarts in between. */
export class TokenExchange {
  readonly #ports: TokenExchangePorts;
  readonly #buckets = new Map<string, { left: number; at: number }>();

  constructor(ports: TokenExchangePorts) {
    this.#ports = ports;
  }

  /**
   * `expiresIn`: seconds. Throws ERR_CONFLICT for an assertion that was used before, ERR_NOT_FOUND when rule, account or resource
   * are not (or no longer) there, ERR_TOO_MANY_CONNECTIONS.
   */
  exchange(wanted: ExchangeWanted): Promise<{ token: Secret<string>; expiresIn: number }> {
    const { clock, read, exclusive, commit } = this.#ports;
    return exclusive(async () => {
      const { rule, account } = this.#standing(wanted);
      this.#assertRoom(rule, wanted);
      const seconds = Math.min(wanted.seconds, rule.tokenSeconds);
      const minted = mintToken(
        account,
        { expiresAt: clock.now() + seconds * 1_000, resources: resourcesOf(rule, wanted, read), networks: rule.networks, roles: [] },
        clock,
      );
      const record: Token = { ...minted.record, run: wanted.run, trustRule: rule.id };
      const actor: Actor = {
        issuer: 'postern',
        subject: account.id,
        name: account.name,
        kind: 'service-account',
        credential: wanted.credential,
        run: wanted.run,
      };
      await commit('token.created', { actor, origin: wanted.origin }, { affected: `token:${record.id}`, value: record });
      return { token: minted.token, expiresIn: seconds };
    });
  }

  /** Rule and account as they are now: what the gateway saw may be older. */
  #standing({ trustRule, run }: ExchangeWanted): { rule: TrustRule; account: ServiceAccount } {
    const { read } = this.#ports;
    const rule = read.trustRules.find(trustRule);
    const account = rule === null ? null : read.serviceAccounts.find(rule.serviceAccount);
    if (rule === null || rule.disabled || account === null || account.disabled || run['issuer'] !== rule.issuer) {
      throw fail('ERR_NOT_FOUND', { message: 'The trust rule is not in force.' });
    }
    return { rule, account };
  }

  #assertRoom(rule: TrustRule, { run }: ExchangeWanted): void {
    const { clock, read } = this.#ports;
    const now = clock.now();
    const jti = run['jti'] ?? '';
    if (jti === '' || read.tokens.isSpent({ issuer: run['issuer'] ?? '', jti })) throw fail('ERR_CONFLICT', { message: 'The assertion was used before.' });
    const live = read.tokens.live(rule.id, new Date(now).toISOString());
    if (live >= maxLive || !this.#admits(rule.id, now)) throw fail('ERR_TOO_MANY_CONNECTIONS', { message: 'The trust rule has too many tokens.' });
  }

  #admits(rule: string, now: number): boolean {
    const bucket = this.#buckets.get(rule) ?? { left: burst, at: now };
    bucket.left = Math.min(burst, bucket.left + (now - bucket.at) / refillMs);
    bucket.at = now;
    this.#buckets.set(rule, bucket);
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }
}

function resourcesOf(rule: TrustRule, { resource }: ExchangeWanted, read: TokenExchangePorts['read']): readonly string[] {
  if (resource === null) return rule.resources;
  const within = rule.resources.length === 0 || rule.resources.includes(resource);
  if (!within || (resource !== ownServer && read.resources.named(resource) === null)) throw fail('ERR_NOT_FOUND', { message: 'There is no such resource.' });
  return [resource];
}

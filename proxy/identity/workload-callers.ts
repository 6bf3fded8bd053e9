import type { Caller, ServiceAccount } from '../contract/principal.ts';
import type { TrustRule } from '../contract/trust-rule.ts';
import type { Clock } from '../lib/clock.ts';
import type { Trusted } from './trust.ts';

interface Accepted {
  /** of the rule as it was */
  readonly changedAt: string;
  readonly expiresAt: number;
}

const maxAccepted = 50_000;

/** Callers known by a workload's own token: nothing of it is stored, so what they rest on is remembered here. */
export class WorkloadCallers {
  readonly #clock: Clock;
  /** by credential, the one used last at the end */
  readonly #accepted = new Map<string, Accepted>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  accept({ rule, run, credential, expiresAt }: Trusted, account: ServiceAccount, granted: readonly string[]): Caller {
    this.#accepted.delete(credential);
    this.#accepted.set(credential, { changedAt: rule.changedAt, expiresAt });
    this.#forget();
    return {
      issuer: 'postern',
      subject: account.id,
      name: account.name,
      kind: 'service-account',
      groups: [...account.groups, ...granted],
      granted,
      credential,
      method: 'jwt',
      run,
      trustRule: rule.id,
      resources: rule.resources,
      networks: rule.networks,
      expiresAt,
    };
  }

  /** Null while what the caller rests on is as it was; grants are looked at by whoever knows them. */
  revoked(caller: Caller, { rule, account }: { rule: TrustRule | undefined; account: ServiceAccount | undefined }): string | null {
    if (!(caller.expiresAt > this.#clock.now())) return 'the token of the workload has expired';
    if (rule === undefined) return 'the trust rule was deleted';
    if (rule.disabled) return 'the trust rule was disabled';
    if (this.#accepted.get(caller.credential)?.changedAt !== rule.changedAt) return 'the trust rule was changed';
    return accountFault(caller, account);
  }

  /** What has expired, and beyond the limit the oldest: their sessions end, none goes on unwatched. */
  #forget(): void {
    for (const [credential, { expiresAt }] of this.#accepted) {
      if (expiresAt > this.#clock.now() && this.#accepted.size <= maxAccepted) return;
      this.#accepted.delete(credential);
    }
  }
}

function accountFault(caller: Caller, account: ServiceAccount | undefined): string | null {
  if (account === undefined) return 'the service account was deleted';
  if (account.disabled) return 'the service account was disabled';
  const own = caller.groups.filter((group) => !caller.granted.includes(group));
  const same = account.name === caller.name && own.length === account.groups.length && own.every((group, index) => group === account.groups[index]);
  return same ? null : 'the service account was changed';
}

import type { Action } from '../contract/operation.ts';
import type { ServiceAccount } from '../contract/principal.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import type { AccessPolicy, WantedGroup } from '../control/ports.ts';
import type { Clock } from '../lib/clock.ts';
import { decideAccess, type AccessDecision } from '../policy/access.ts';
import type { CompiledPolicies } from '../policy/compile.ts';
import { compiledOrThrow } from '../policy/policy.ts';

/** What the policies in force say about joining a group for a time; a service account asks with its own groups, not with granted ones. */
export function accessPolicy(snapshot: () => Snapshot, clock: Clock): AccessPolicy {
  let known: { version: string; compiled: CompiledPolicies } | null = null;
  const decide = (account: ServiceAccount, { group, origin }: WantedGroup, action: Extract<Action, `access:${string}`>): AccessDecision => {
    const { version, files } = snapshot().policies;
    if (known?.version !== version) known = { version, compiled: compiledOrThrow(files) };
    return decideAccess(known.compiled, { principal: account, origin, group, action, now: clock.now() });
  };
  return {
    request: (account, wanted) => {
      const { permitted, approve, policies, message } = decide(account, wanted, 'access:request');
      return { permitted, terms: approve, policies, policyVersion: snapshot().policies.version, message };
    },
    breakGlass: (account, wanted) => decide(account, wanted, 'access:break-glass'),
  };
}

import { createHmac } from 'node:crypto';
import type { Grant } from '../contract/approval-request.ts';
import type { Caller, ServiceAccount, Token } from '../contract/principal.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import type { TrustRule } from '../contract/trust-rule.ts';
import type { Clock } from '../lib/clock.ts';
import type { Secret } from '../lib/secret.ts';
import type { IdentityPort } from '../pipeline/ports.ts';
import { compileNetworks, type Networks } from './network.ts';
import { scramIterations, scramSaltBytes, verifyScram, type ScramVerifier } from './scram.ts';
import { looksLikeToken, tokenHash } from './token.ts';
import { Trust, type Trusted, type TrustOptions, type Wanted } from './trust.ts';
import { WorkloadCallers } from './workload-callers.ts';

export interface Identity {
  readonly port: IdentityPort;
  /** The control API's credential check; null for anything that is not a live token from an allowed network. */
  verifyBearer(token: string, origin: string): { caller: Caller; roles: Token['roles'] } | null;
  /**
   * A workload's own token, shown to be exchanged for one of ours; `refused`: why, for the log alone. That it is shown once only is
   * for whoever mints to see to. Never rejects.
   */
  assertion(token: string, origin: string, wanted: Wanted): Promise<{ trusted: Trusted; account: ServiceAccount } | { refused: string }>;
  update(snapshot: Known): void;
}

type Known = Pick<Snapshot, 'serviceAccounts' | 'tokens' | 'grants' | 'trustRules' | 'version'>;

/** How many tokens of one principal a SCRAM proof is tried against: the newest. Proofs cost the same for every name. */
const maxCandidates = 8;

interface Entry {
  readonly token: Token;
  readonly account: ServiceAccount;
  readonly networks: Networks;
  readonly expiresAt: number;
}

interface Directory {
  readonly version: number;
  readonly byName: ReadonlyMap<string, ServiceAccount>;
  readonly accounts: ReadonlyMap<string, ServiceAccount>;
  readonly rules: ReadonlyMap<string, TrustRule>;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly byHash: ReadonlyMap<string, Entry>;
  /** by service account, newest first */
  readonly byAccount: ReadonlyMap<string, readonly Entry[]>;
  /** by service account, ended ones too */
  readonly grants: ReadonlyMap<string, readonly Grant[]>;
}

/**
 * `pepperKey`: 32 secret bytes, stable over restarts; makes the salts of names nobody has. `trusting`: what it takes to check tokens
 * of others; without it only our own are good.
 */
export function createIdentity(clock: Clock, pepperKey: Secret<Uint8Array>, trusting?: Omit<TrustOptions, 'clock'>): Identity {
  let directory = compile({ version: 0, serviceAccounts: [], tokens: [], grants: [], trustRules: [] }, null);
  const current: Current = { clock, directory: () => directory };
  const trust = trusting === undefined ? null : new Trust({ clock, ...trusting });
  const workloads = new WorkloadCallers(clock);
  const assertion = assertions(current, trust);

  const found = (token: string, origin: string): Entry | null => {
    if (!looksLikeToken(token)) return null;
    // found by its hash: a look-up's timing tells nothing about a preimage
    const entry = directory.byHash.get(tokenHash(token));
    return entry !== undefined && isLive(current, entry, origin) ? entry : null;
  };

  const port: IdentityPort = {
    scram: scramExchanges(current, pepperKey),
    async bearer(token, origin, audience) {
      if (looksLikeToken(token)) {
        const entry = found(token, origin);
        if (entry === null) return { refused: 'the token is unknown, revoked or has expired, or may not come from there' };
        // roles belong to the control API; such a token opens no resource
        if (entry.token.roles.length > 0) return { refused: 'the token is one of the control API' };
        return callerOf(entry, 'bearer', grantedTo(current, entry.account));
      }
      const shown = await assertion(token, origin, { audience });
      return 'refused' in shown ? shown : workloads.accept(shown.trusted, shown.account, grantedTo(current, shown.account));
    },
    revoked(caller) {
      if (caller.method === 'jwt') {
        const account = directory.accounts.get(caller.subject);
        const fault = workloads.revoked(caller, { rule: directory.rules.get(caller.trustRule ?? ''), account });
        return fault ?? (account === undefined ? 'the service account was deleted' : lostGrant(caller, grantedTo(current, account)));
      }
      const entry = directory.entries.get(caller.credential);
      if (entry === undefined || entry.account.id !== caller.subject) return 'the token or its service account was deleted';
      return faultIn(current, entry) ?? changeOf(entry, caller) ?? lostGrant(caller, grantedTo(current, entry.account));
    },
  };

  return {
    port,
    assertion,
    verifyBearer(token, origin) {
      const entry = found(token, origin);
      return entry === null ? null : { caller: callerOf(entry, 'bearer', grantedTo(current, entry.account)), roles: entry.token.roles };
    },
    update(snapshot) {
      // an older snapshot would bring revoked tokens back
      if (snapshot.version < directory.version) return;
      directory = compile(snapshot, directory);
      trust?.update(snapshot.trustRules);
    },
  };
}

/** The newest snapshot, as it is looked at. */
interface Current {
  readonly clock: Clock;
  readonly directory: () => Directory;
}

function scramExchanges(current: Current, pepperKey: Secret<Uint8Array>): IdentityPort['scram'] {
  const keyed = (label: string): Buffer => createHmac('sha256', pepperKey.reveal()).update(label).digest();
  // never fits a proof: nobody knows the password behind it
  const dummy: ScramVerifier = {
    iterations: scramIterations,
    storedKey: keyed('stored key').toString('base64'),
    serverKey: keyed('server key').toString('base64'),
  };
  return (user, origin) => {
    const { byName, byAccount } = current.directory();
    const account = byName.get(user);
    const known = account === undefined ? [] : (byAccount.get(account.id) ?? []);
    // roles belong to the control API; such a token opens no resource
    const candidates = known
      .filter((entry) => entry.token.roles.length === 0 && entry.token.verifiers.scram.iterations === scramIterations && isLive(current, entry, origin))
      .slice(0, maxCandidates);
    const fake = keyed(`salt ${user}`).subarray(0, scramSaltBytes);
    return {
      // the principal's own salt even when no token fits, so that expiry and network do not show in it
      salt: account === undefined ? fake : Buffer.from(account.scramSalt, 'base64'),
      iterations: scramIterations,
      verify(authMessage, clientProof) {
        const verifiers = Array.from({ length: maxCandidates }, (_, index) => candidates[index]?.token.verifiers.scram ?? dummy);
        const match = verifyScram(verifiers, authMessage, clientProof);
        const entry = match === null ? undefined : current.directory().entries.get(candidates[match.index]?.token.id ?? '');
        // looked up anew: it may have been revoked since the exchange began
        if (match === null || entry === undefined || !isLive(current, entry, origin)) return null;
        return { caller: callerOf(entry, 'scram-sha-256', grantedTo(current, entry.account)), serverSignature: match.serverSignature };
      },
    };
  };
}

function assertions({ directory }: Current, trust: Trust | null): Identity['assertion'] {
  return async (token, origin, wanted) => {
    const verdict = trust === null ? { refused: 'tokens of others are not taken here' } : await trust.verify(token, wanted);
    if ('refused' in verdict) return verdict;
    const { trusted } = verdict;
    // looked up now: it took a while, and the rule may be gone
    const rule = directory().rules.get(trusted.rule.id);
    const account = directory().accounts.get(trusted.rule.serviceAccount);
    if (rule === undefined || rule.disabled || rule.changedAt !== trusted.rule.changedAt || account === undefined) {
      return { refused: 'the trust rule was changed' };
    }
    if (account.disabled) return { refused: `the service account ${account.name} is disabled` };
    if (!compileNetworks(rule.networks).includes(origin)) return { refused: `${rule.name} does not take it from this address` };
    return { trusted, account };
  };
}

function isLive(current: Current, entry: Entry, origin: string): boolean {
  return faultIn(current, entry) === null && entry.networks.includes(origin);
}

function faultIn({ clock, directory }: Current, entry: Entry): string | null {
  return faultOf(entry, clock.now()) ?? ruleFault(entry, directory().rules);
}

function grantedTo({ clock, directory }: Current, account: ServiceAccount): string[] {
  const live = (directory().grants.get(account.id) ?? []).filter(({ revokedAt, expiresAt }) => revokedAt === null && Date.parse(expiresAt) > clock.now());
  return [...new Set(live.map(({ group }) => group))].filter((group) => !account.groups.includes(group)).sort();
}

function faultOf(entry: Entry, now: number): string | null {
  if (entry.token.revokedAt !== null) return 'the token was revoked';
  if (!(entry.expiresAt > now)) return 'the token has expired';
  if (entry.account.disabled) return 'the service account was disabled';
  return null;
}

/** A token got in exchange is as good as the rule is that it was got under. */
function ruleFault({ token }: Entry, rules: Directory['rules']): string | null {
  if (token.trustRule === undefined) return null;
  const rule = rules.get(token.trustRule);
  if (rule === undefined) return 'the trust rule was deleted';
  if (rule.disabled) return 'the trust rule was disabled';
  return Date.parse(token.createdAt) > Date.parse(rule.changedAt) ? null : 'the trust rule was changed';
}

/** What a live session was decided on and is no longer so. */
function changeOf(entry: Entry, caller: Caller): string | null {
  if (!equal(entry.token.resources, caller.resources)) return 'the resources of the token were changed';
  if (!equal(entry.token.networks, caller.networks)) return 'the networks of the token were changed';
  const own = caller.groups.filter((group) => !caller.granted.includes(group));
  if (entry.account.name !== caller.name || !equal(entry.account.groups, own)) return 'the service account was changed';
  return null;
}

function lostGrant(caller: Caller, granted: readonly string[]): string | null {
  const lost = caller.granted.find((group) => !granted.includes(group));
  return lost === undefined ? null : `the grant of group ${lost} has ended`;
}

function callerOf(entry: Entry, method: Caller['method'], granted: readonly string[]): Caller {
  const { account, token } = entry;
  return {
    issuer: 'postern',
    subject: account.id,
    name: account.name,
    kind: 'service-account',
    groups: [...account.groups, ...granted],
    granted,
    credential: token.id,
    method,
    resources: token.resources,
    networks: token.networks,
    expiresAt: entry.expiresAt,
    ...(token.run !== undefined && { run: token.run }),
    ...(token.trustRule !== undefined && { trustRule: token.trustRule }),
  };
}

function compile(snapshot: Known, previous: Directory | null): Directory {
  const accounts = new Map(snapshot.serviceAccounts.map((account) => [account.id, account]));
  const entries = new Map<string, Entry>();
  const byAccount = new Map<string, Entry[]>();
  for (const token of snapshot.tokens) {
    const account = accounts.get(token.serviceAccount);
    if (account === undefined) continue;
    const before = previous?.entries.get(token.id);
    const networks = before !== undefined && equal(before.token.networks, token.networks) ? before.networks : compileNetworks(token.networks);
    const entry = { token, account, networks, expiresAt: Date.parse(token.expiresAt) };
    entries.set(token.id, entry);
    const siblings = byAccount.get(account.id);
    if (siblings === undefined) byAccount.set(account.id, [entry]);
    else siblings.push(entry);
  }
  for (const list of byAccount.values()) list.sort((a, b) => Date.parse(b.token.createdAt) - Date.parse(a.token.createdAt));
  return {
    version: snapshot.version,
    accounts,
    rules: new Map(snapshot.trustRules.map((rule) => [rule.id, rule])),
    byName: new Map(snapshot.serviceAccounts.map((account) => [account.name, account])),
    entries,
    byHash: new Map([...entries.values()].map((entry) => [entry.token.hash, entry])),
    byAccount,
    grants: Map.groupBy(snapshot.grants, ({ principal }) => principal),
  };
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

import { fail } from '../../contract/errors.ts';
import type { Snapshot } from '../../contract/snapshot.ts';
import type { TrustRule } from '../../contract/trust-rule.ts';
import { publicKeySet } from '../../identity/key-set.ts';
import { assertNetworks } from '../../identity/network.ts';
import { faultsOf } from '../../identity/trust-faults.ts';
import { newId } from '../../lib/ids.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { merged, pageOf } from './paging.ts';
import { needAccount } from './service-accounts.ts';

type Names = 'listTrustRules' | 'createTrustRule' | 'updateTrustRule' | 'deleteTrustRule';
type Settings = Omit<TrustRule, 'id' | 'createdAt' | 'changedAt'>;

/** every gateway looks through the rules of an issuer at each call */
const maxRules = 256;

export function trustRuleHandlers({ state, clock }: Pick<ControlPorts, 'state' | 'clock'>): Pick<Handlers, Names> {
  return {
    listTrustRules: (input) => pageOf(state.snapshot().trustRules, ({ name }) => name, input),
    createTrustRule: ({ serviceAccount, ...given }, { exclusive }) =>
      exclusive(async (commit) => {
        const snapshot = state.snapshot();
        if (snapshot.trustRules.some(({ name }) => name === given.name)) throw fail('ERR_CONFLICT');
        if (snapshot.trustRules.length >= maxRules) throw fail('ERR_CONFLICT', { message: `There are ${String(maxRules)} trust rules already.` });
        const settings = checked({ ...given, serviceAccount: needAccount(snapshot, serviceAccount).id }, snapshot);
        const now = new Date(clock.now()).toISOString();
        const rule: TrustRule = { id: newId('tru'), ...settings, createdAt: now, changedAt: now };
        await commit('trust-rule.created', { affected: `trust-rule:${rule.name}`, value: rule });
        return rule;
      }),
    updateTrustRule: ({ name, serviceAccount, ...patch }, { exclusive }) =>
      exclusive(async (commit) => {
        const snapshot = state.snapshot();
        const before = needRule(snapshot, name);
        const account = serviceAccount === undefined ? before.serviceAccount : needAccount(snapshot, serviceAccount).id;
        const { id, createdAt, changedAt, ...settings } = merged(before, { ...patch, serviceAccount: account });
        // later than before, whatever the clock says: what rests on the rule as it was must end
        const changed = new Date(Math.max(clock.now(), Date.parse(changedAt) + 1)).toISOString();
        const rule: TrustRule = { id, ...checked(settings, snapshot), createdAt, changedAt: changed };
        await commit('trust-rule.updated', { affected: `trust-rule:${name}`, value: rule });
        return rule;
      }),
    deleteTrustRule: ({ name }, { exclusive }) =>
      exclusive(async (commit) => {
        await commit('trust-rule.deleted', { affected: `trust-rule:${name}`, value: needRule(state.snapshot(), name) });
        return { done: true };
      }),
  };
}

/** Throws ERR_INVALID_INPUT with all faults, ERR_NOT_FOUND for a resource that is not there. */
function checked(settings: Settings, { resources }: Snapshot): Settings {
  const keys = settings.keys.from === 'uploaded' ? { ...settings.keys, jwks: publicKeySet(settings.keys.jwks) } : settings.keys;
  const faults = faultsOf(settings);
  if (faults.length > 0) throw fail('ERR_INVALID_INPUT', { message: faults[0]?.message ?? '', hint: 'docs/ci.md says why, with examples.', faults });
  assertNetworks(settings.networks);
  const unknown = settings.resources.find((name) => !resources.some((resource) => resource.name === name));
  if (unknown !== undefined) throw fail('ERR_NOT_FOUND', { message: `There is no resource ${unknown}.` });
  return { ...settings, keys };
}

function needRule({ trustRules }: Snapshot, name: string): TrustRule {
  const rule = trustRules.find((candidate) => candidate.name === name);
  if (!rule) throw fail('ERR_NOT_FOUND', { message: `There is no trust rule ${name}.` });
  return rule;
}

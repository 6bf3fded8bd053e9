import type { ServiceAccountView } from '../../contract/api-views.ts';
import { fail } from '../../contract/errors.ts';
import type { ServiceAccount, Token } from '../../contract/principal.ts';
import type { Snapshot } from '../../contract/snapshot.ts';
import { newScramSalt } from '../../identity/token.ts';
import type { Clock } from '../../lib/clock.ts';
import { newId } from '../../lib/ids.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { merged, pageOf } from './paging.ts';

type Names = 'listServiceAccounts' | 'showServiceAccount' | 'createServiceAccount' | 'updateServiceAccount' | 'deleteServiceAccount';

export function serviceAccountHandlers({ state, clock }: Pick<ControlPorts, 'state' | 'clock'>): Pick<Handlers, Names> {
  return {
    listServiceAccounts: (input) => pageOf(state.snapshot().serviceAccounts.map(viewOf), ({ name }) => name, input),
    showServiceAccount: ({ name }) => viewOf(needAccount(state.snapshot(), name)),
    createServiceAccount: ({ name, owner, purpose, groups }, { exclusive }) =>
      exclusive(async (commit) => {
        if (state.snapshot().serviceAccounts.some((account) => account.name === name)) throw fail('ERR_CONFLICT');
        const account: ServiceAccount = {
          id: newId('svc'),
          name,
          owner,
          purpose,
          groups,
          disabled: false,
          createdAt: new Date(clock.now()).toISOString(),
          scramSalt: newScramSalt(),
        };
        await commit('service-account.created', { affected: `service-account:${name}`, value: account });
        return viewOf(account);
      }),
    updateServiceAccount: ({ name, ...patch }, { exclusive }) =>
      exclusive(async (commit) => {
        const snapshot = state.snapshot();
        const account = merged(needAccount(snapshot, name), patch);
        assertAdministratorRemains(
          { accounts: snapshot.serviceAccounts.map((other) => (other.id === account.id ? account : other)), tokens: snapshot.tokens },
          clock,
        );
        await commit('service-account.updated', { affected: `service-account:${name}`, value: account });
        return viewOf(account);
      }),
    deleteServiceAccount: ({ name }, { exclusive }) =>
      exclusive(async (commit) => {
        const { serviceAccounts, tokens } = state.snapshot();
        const account = needAccount(state.snapshot(), name);
        assertAdministratorRemains({ accounts: serviceAccounts.filter((other) => other.id !== account.id), tokens }, clock);
        const live = tokens.filter((token) => token.serviceAccount === account.id && token.revokedAt === null);
        for (const token of live)
          await commit('token.revoked', { affected: `token:${token.id}`, value: { ...token, revokedAt: new Date(clock.now()).toISOString() } });
        await commit('service-account.deleted', { affected: `service-account:${name}`, value: account });
        return { done: true };
      }),
  };
}

export function needAccount(snapshot: Snapshot, name: string): ServiceAccount {
  const account = snapshot.serviceAccounts.find((candidate) => candidate.name === name);
  if (!account) throw fail('ERR_NOT_FOUND', { message: `There is no service account ${name}.` });
  return account;
}

/** Refuses what would leave nobody who can administer: nothing could undo it. */
export function assertAdministratorRemains({ accounts, tokens }: { accounts: readonly ServiceAccount[]; tokens: readonly Token[] }, clock: Clock): void {
  if (!hasAdministrator(accounts, tokens, clock)) {
    throw fail('ERR_CONFLICT', { message: 'No administrator would remain.', hint: 'Create another service account with an administrator token first.' });
  }
}

export function hasAdministrator(accounts: readonly ServiceAccount[], tokens: readonly Token[], clock: Clock): boolean {
  const enabled = new Set(accounts.filter((account) => !account.disabled).map(({ id }) => id));
  return tokens.some(
    (token) =>
      token.roles.includes('administrator') && token.revokedAt === null && Date.parse(token.expiresAt) > clock.now() && enabled.has(token.serviceAccount),
  );
}

function viewOf({ scramSalt: _, ...view }: ServiceAccount): ServiceAccountView {
  return view;
}

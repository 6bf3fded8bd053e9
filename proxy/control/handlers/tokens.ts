import type { TokenView } from '../../contract/api-views.ts';
import { fail } from '../../contract/errors.ts';
import type { Token } from '../../contract/principal.ts';
import { mintToken } from '../../identity/token.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { pageOf } from './paging.ts';
import { assertAdministratorRemains, needAccount } from './service-accounts.ts';

export function tokenHandlers({ state, clock }: Pick<ControlPorts, 'state' | 'clock'>): Pick<Handlers, 'listTokens' | 'createToken' | 'revokeToken'> {
  return {
    listTokens: ({ serviceAccount, ...page }) => {
      const snapshot = state.snapshot();
      const owner = serviceAccount === undefined ? null : needAccount(snapshot, serviceAccount).id;
      const tokens = snapshot.tokens.filter((token) => owner === null || token.serviceAccount === owner);
      return pageOf(tokens.map(viewOf), ({ id }) => id, page);
    },
    createToken: ({ serviceAccount, expiresInSeconds, resources, networks, roles }, { exclusive }) =>
      exclusive(async (commit) => {
        const snapshot = state.snapshot();
        const account = needAccount(snapshot, serviceAccount);
        if (account.disabled) throw fail('ERR_CONFLICT', { message: `The service account ${serviceAccount} is disabled.` });
        const unknown = resources.find((name) => !snapshot.resources.some((resource) => resource.name === name));
        if (unknown !== undefined) throw fail('ERR_NOT_FOUND', { message: `There is no resource ${unknown}.` });
        const { token, record } = mintToken(account, { expiresAt: clock.now() + expiresInSeconds * 1_000, resources, networks, roles }, clock);
        await commit('token.created', { affected: `token:${record.id}`, value: record });
        return { ...viewOf(record), token: token.reveal() };
      }),
    revokeToken: ({ id }, { exclusive }) =>
      exclusive(async (commit) => {
        const { tokens, serviceAccounts } = state.snapshot();
        const token = tokens.find((candidate) => candidate.id === id);
        if (!token) throw fail('ERR_NOT_FOUND', { message: `There is no token ${id}.` });
        const revoked: Token = { ...token, revokedAt: token.revokedAt ?? new Date(clock.now()).toISOString() };
        assertAdministratorRemains({ accounts: serviceAccounts, tokens: tokens.map((other) => (other.id === id ? revoked : other)) }, clock);
        await commit('token.revoked', { affected: `token:${id}`, value: revoked });
        return viewOf(revoked);
      }),
  };
}

function viewOf({ hash: _hash, verifiers: _verifiers, ...view }: Token): TokenView {
  return view;
}

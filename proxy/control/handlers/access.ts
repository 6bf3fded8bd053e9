import { fail } from '../../contract/errors.ts';
import type { Grant } from '../../contract/approval-request.ts';
import type { ServiceAccount } from '../../contract/principal.ts';
import { newId } from '../../lib/ids.ts';
import { endOf } from '../../store/request-repositories.ts';
import type { ControlCaller, Handlers } from '../context.ts';
import { humansCalling, humansNamed, overlap } from '../humans.ts';
import type { ControlPorts } from '../ports.ts';
import { indexOf, newestPage } from './paging.ts';

type Names = 'requestAccess' | 'showOwnRequest' | 'breakGlass' | 'reviewBreakGlass' | 'listGrants' | 'revokeGrant';
type Ports = Pick<ControlPorts, 'state' | 'clock' | 'read' | 'requests' | 'access' | 'tell' | 'mask'>;

const maxPending = 1_000;

export function accessHandlers(ports: Ports): Pick<Handlers, Names> {
  return { ...callerHandlers(ports), ...grantHandlers(ports) };
}

function callerHandlers(ports: Ports): Pick<Handlers, 'requestAccess' | 'showOwnRequest' | 'breakGlass'> {
  const { clock, read, requests, access, tell, mask } = ports;
  return {
    requestAccess: ({ group, seconds, reason, ticket }, { caller, origin, exclusive }) => {
      const account = needSelf(caller, ports);
      const { permitted, terms, policies, policyVersion, message } = access.request(account, { group, origin });
      if (!permitted || terms === null) throw fail('ERR_ACCESS_DENIED', { message });
      assertOutside(account, group, ports);
      if (isAsked(account, group, ports)) throw fail('ERR_CONFLICT', { message: 'A request to join this group is waiting already.' });
      const { issuer, subject, name, credential } = caller.actor;
      const draft = {
        id: newId('req'),
        principal: { issuer, subject, name, credential },
        subject: { kind: 'access' as const, joins: group, seconds },
        terms,
        policies: [...policies],
        policyVersion,
      };
      return requests.create(draft, { gateway: 'control', reason: mask(reason), ticket: mask(ticket) }, { exclusive });
    },
    showOwnRequest: ({ id }, { caller }) => {
      const request = read.requests.find(id);
      if (request?.canonical.principal.subject !== caller.actor.subject) throw fail('ERR_NOT_FOUND', { message: `There is no request ${id} of yours.` });
      return request;
    },
    breakGlass: ({ group, seconds, reason }, { caller, origin, exclusive }) =>
      exclusive(async (commit) => {
        const account = needSelf(caller, ports);
        const { permitted, message } = access.breakGlass(account, { group, origin });
        if (!permitted) throw fail('ERR_ACCESS_DENIED', { message });
        assertOutside(account, group, ports);
        const now = clock.now();
        const grant: Grant = {
          id: newId('gra'),
          principal: account.id,
          principalName: account.name,
          group,
          request: null,
          reason: mask(reason),
          createdAt: new Date(now).toISOString(),
          expiresAt: new Date(now + seconds * 1_000).toISOString(),
          revokedAt: null,
          review: null,
        };
        await commit('access.broke-glass', { affected: `grant:${grant.id}`, value: grant });
        tell({ code: 'access.broke-glass', grant });
        return grant;
      }),
  };
}

function grantHandlers(ports: Ports): Pick<Handlers, 'reviewBreakGlass' | 'listGrants' | 'revokeGrant'> {
  const { clock, read, tell, mask } = ports;
  return {
    reviewBreakGlass: ({ id, finding }, { caller, exclusive }) =>
      exclusive(async (commit) => {
        const grant = needGrant(id, ports);
        if (grant.request !== null) throw fail('ERR_CONFLICT', { message: 'This access was approved: there is nothing to review.' });
        if (grant.review !== null) throw fail('ERR_CONFLICT', { message: 'It was reviewed already.' });
        const isOwn = overlap(humansNamed(grant.principalName, ports), humansCalling(caller, ports));
        if (grant.principal === caller.actor.subject || isOwn) throw fail('ERR_FORBIDDEN', { message: 'Nobody reviews their own access.' });
        const review = { by: caller.actor.name, at: new Date(clock.now()).toISOString(), finding: mask(finding) };
        const reviewed = { ...grant, review };
        await commit('break-glass.reviewed', { affected: `grant:${id}`, value: reviewed });
        tell({ code: 'break-glass.reviewed', grant: reviewed });
        return reviewed;
      }),
    listGrants: ({ live, limit, cursor }) => {
      const rows = read.grants.newest({ limit: limit + 1, before: indexOf(cursor), ...(live && { endsAfter: clock.now() }) });
      return newestPage(rows, ({ grant }) => grant, limit);
    },
    revokeGrant: ({ id, reason }, { exclusive }) =>
      exclusive(async (commit) => {
        const grant = needGrant(id, ports);
        const now = clock.now();
        if (endOf(grant) <= now) throw fail('ERR_CONFLICT', { message: 'The grant has ended already.' });
        const revoked = { ...grant, revokedAt: new Date(now).toISOString() };
        await commit('grant.revoked', {
          affected: `grant:${id}`,
          value: revoked,
          reason: mask(reason),
          ...(grant.request !== null && { request: grant.request }),
        });
        tell({ code: 'grant.revoked', grant: revoked });
        return revoked;
      }),
  };
}

/** The service account that calls. */
function needSelf(caller: ControlCaller, { state }: Pick<Ports, 'state'>): ServiceAccount {
  const account = state.snapshot().serviceAccounts.find(({ id }) => id === caller.actor.subject);
  if (account === undefined) throw fail('ERR_ACCESS_DENIED');
  return account;
}

function needGrant(id: string, { read }: Pick<Ports, 'read'>): Grant {
  const grant = read.grants.find(id);
  if (grant === null) throw fail('ERR_NOT_FOUND', { message: `There is no grant ${id}.` });
  return grant;
}

function assertOutside(account: ServiceAccount, group: string, { read, clock }: Pick<Ports, 'read' | 'clock'>): void {
  const holds = read.grants.endingAfter(clock.now()).some((grant) => grant.principal === account.id && grant.group === group);
  if (holds || account.groups.includes(group)) throw fail('ERR_CONFLICT', { message: `${account.name} is in group ${group} already.` });
}

function isAsked(account: ServiceAccount, group: string, { read }: Pick<Ports, 'read'>): boolean {
  return read.requests
    .accesses('pending', maxPending)
    .some(({ canonical: { principal, subject } }) => principal.subject === account.id && subject.kind === 'access' && subject.joins === group);
}

import { whyNotDecide } from '../../approval/machine.ts';
import type { RequestDetails } from '../../contract/api-approvals.ts';
import type { Output } from '../../contract/api.ts';
import type { ApprovalRequest } from '../../contract/approval-request.ts';
import { fail } from '../../contract/errors.ts';
import { compilePolicies, type Policy } from '../../policy/compile.ts';
import type { ControlCaller, Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { indexOf, newestPage } from './paging.ts';

type Names = 'listRequests' | 'watchRequests' | 'showRequest' | 'decideRequest' | 'revokeRequest';
type Ports = Pick<ControlPorts, 'state' | 'clock' | 'read' | 'requests' | 'nextRequestChange' | 'mask'>;

const maxOthers = 100;
const watchBatch = 100;
const maxBecauseChars = 10_000;

export function requestHandlers(ports: Ports): Pick<Handlers, Names> {
  return { ...readHandlers(ports), ...changeHandlers(ports) };
}

function readHandlers(ports: Ports): Pick<Handlers, 'listRequests' | 'watchRequests' | 'showRequest'> {
  const { read } = ports;
  return {
    listRequests: ({ status, limit, cursor }, { caller }) => {
      const filter = { status, groups: seesAll(caller) ? undefined : groupsOf(caller, read) };
      const rows = read.requests.newest(filter, { limit: limit + 1, before: indexOf(cursor) });
      return newestPage(rows, ({ request }) => request, limit);
    },
    watchRequests: ({ after }, { caller, signal }) => watched(after ?? read.cursor, { ports, caller, signal }),
    showRequest: ({ id }, { caller }) => detailsOf(needVisible(id, caller, read), caller, ports),
  };
}

function changeHandlers({ read, requests, mask }: Ports): Pick<Handlers, 'decideRequest' | 'revokeRequest'> {
  return {
    decideRequest: ({ id, decision }, { caller, exclusive }) => {
      if (decision.request !== id) throw fail('ERR_INVALID_INPUT', { message: 'The decision is on another request.' });
      if (decision.approver !== caller.actor.subject) throw fail('ERR_FORBIDDEN', { message: 'The decision is somebody else’s.' });
      // it is signed, so it cannot be masked
      if (mask(decision.reason) !== decision.reason) throw fail('ERR_INVALID_INPUT', { message: 'The reason must not hold a card number.' });
      return requests.decide(decision, { exclusive, signedInAt: caller.signedInAt ?? 0 });
    },
    revokeRequest: ({ id, reason }, { caller, exclusive }) => {
      needVisible(id, caller, read);
      return requests.withdraw(id, mask(reason), { exclusive });
    },
  };
}

type Read = Ports['read'];

/** Administrators and auditors see every request, approvers those of their groups. */
function seesAll({ roles }: ControlCaller): boolean {
  return roles.includes('administrator') || roles.includes('auditor');
}

function groupsOf(caller: ControlCaller, { users }: Pick<Read, 'users'>): readonly string[] {
  return users.find(caller.actor.subject)?.groups ?? [];
}

function needVisible(id: string, caller: ControlCaller, read: Read): ApprovalRequest {
  const request = read.requests.find(id);
  if (request === null || !(seesAll(caller) || groupsOf(caller, read).includes(request.canonical.terms.group))) {
    throw fail('ERR_NOT_FOUND', { message: `There is no approval request ${id}.` });
  }
  return request;
}

/** What changed after a position, then what changes, until the caller is gone. Each look asks anew what the caller may see. */
async function* watched(
  after: number,
  { ports, caller, signal }: { ports: Ports; caller: ControlCaller; signal: AbortSignal },
): AsyncGenerator<Output<'watchRequests'>> {
  const { read, nextRequestChange } = ports;
  for (let from = after; !signal.aborted; ) {
    const found = read.requests.requestsAfter(from, watchBatch);
    for (const { position, request } of found) {
      from = position;
      if (seesAll(caller) || groupsOf(caller, read).includes(request.canonical.terms.group)) yield { id: position, request };
    }
    if (found.length === 0) await nextRequestChange(signal);
  }
}

function detailsOf(request: ApprovalRequest, caller: ControlCaller, { state, read, clock }: Ports): RequestDetails {
  const { canonical } = request;
  const { approved, used, denied, withdrawn, expired } = read.requests.countsOf(canonical.principal.subject);
  const account = state.snapshot().serviceAccounts.find(({ id }) => id === canonical.principal.subject);
  const approver = caller.roles.includes('approver') ? read.users.find(caller.actor.subject) : null;
  const fault = whyNotDecide(request, { now: clock.now(), approver });
  return {
    request,
    because: becauseOf(canonical, read),
    history: { approved: approved + used, denied, withdrawn, expired },
    requester: account === undefined ? null : { owner: account.owner, purpose: account.purpose },
    others: [...read.requests.neighbours(request, maxOthers)],
    rowEstimate: request.rowEstimate ?? null,
    may: { decide: fault === null, why: fault ?? '' },
  };
}

/** The policies that ask, as they stood when the request was made. */
function becauseOf({ policies, policyVersion }: ApprovalRequest['canonical'], read: Read): RequestDetails['because'] {
  const files = read.policies.history().find(({ version }) => version === policyVersion)?.files ?? [];
  const compilation = compilePolicies(files);
  const byName = compilation.ok ? compilation.compiled.byName : new Map<string, Policy>();
  const asking = policies.filter((policy) => byName.get(policy)?.approve !== null);
  return asking.map((policy) => {
    const text = byName.get(policy)?.text ?? '';
    return { policy, text: (descriptionOf(text) ?? text).slice(0, maxBecauseChars) };
  });
}

function descriptionOf(text: string): string | null {
  const quoted = /@description\s*\(\s*("(?:\\.|[^"\\])*")\s*\)/.exec(text)?.[1];
  if (quoted === undefined) return null;
  try {
    const described: unknown = JSON.parse(quoted);
    return typeof described === 'string' ? described : null;
  } catch {
    // Cedar knows escapes that JSON does not: the policy itself is shown
    return null;
  }
}

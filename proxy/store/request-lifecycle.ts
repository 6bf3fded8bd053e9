import type { ApprovalRequest, RequestStatus } from '../contract/approval-request.ts';
import { humanKey } from '../contract/user.ts';
import { canonicalJson, type Canonical } from '../proof/canonical.ts';

/** Whatever is not here never happens: four of six states are the end. */
const nextStates: Readonly<Record<RequestStatus, readonly RequestStatus[]>> = {
  pending: ['pending', 'approved', 'denied', 'expired', 'withdrawn'],
  approved: ['used', 'expired', 'withdrawn'],
  denied: [],
  expired: [],
  withdrawn: [],
  used: [],
};

export function isTerminal(status: RequestStatus): boolean {
  return nextStates[status].length === 0;
}

/** Whether a stored request may become `after`; null: it is new. Pure, and knows nothing of who may decide. */
export function mayFollow(before: ApprovalRequest | null, after: ApprovalRequest): boolean {
  if (before === null) return isFresh(after);
  return (
    nextStates[before.status].includes(after.status) &&
    sameMatter(before, after) &&
    decisionsFit(before, after) &&
    isTerminal(after.status) === (after.closedAt !== null)
  );
}

function isFresh({ id, canonical, status, decisions, closedAt, closedReason }: ApprovalRequest): boolean {
  return id === canonical.id && status === 'pending' && decisions.length === 0 && closedAt === null && closedReason === null;
}

/** Everything that was there when it was made stays. */
function sameMatter(before: ApprovalRequest, after: ApprovalRequest): boolean {
  return textOf(matterOf(before)) === textOf(matterOf(after));
}

function matterOf({ id, canonical, reason, ticket, barred, gateway, rowEstimate }: ApprovalRequest): Canonical {
  return { id, canonical, reason, ticket, barred, gateway, rowEstimate };
}

/** Decisions only grow, by one where people decide and not at all elsewhere; nothing is approved by fewer humans than asked for. */
function decisionsFit(before: ApprovalRequest, after: ApprovalRequest): boolean {
  const decides = before.status === 'pending' && ['pending', 'approved', 'denied'].includes(after.status);
  if (after.decisions.length !== before.decisions.length + (decides ? 1 : 0)) return false;
  if (!before.decisions.every((decision, place) => textOf(decision) === textOf(after.decisions[place] ?? null))) return false;
  const denied = after.decisions.some(({ verdict }) => verdict === 'deny');
  if (denied !== (after.status === 'denied')) return false;
  const enough = humansOf(after).size >= after.canonical.terms.needed;
  return after.status === 'approved' || after.status === 'used' ? enough : after.status !== 'pending' || !enough;
}

/** The humans who approved, each once however the name is written. */
export function humansOf({ decisions }: Pick<ApprovalRequest, 'decisions'>): ReadonlySet<string> {
  return new Set(decisions.filter(({ verdict }) => verdict === 'approve').map(({ human }) => humanKey(human)));
}

function textOf(value: Canonical): string {
  return canonicalJson(value);
}

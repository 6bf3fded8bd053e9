import { humanKey } from '../../../proxy/contract/user.ts';
import type { ApprovalRequest, RequestStatus } from '../../../proxy/contract/approval-request.ts';
import { span } from './sentence.ts';

export interface Moment {
  /** RFC 3339 */
  readonly at: string;
  readonly kind: 'asked' | 'approved' | 'denied' | 'used' | 'closed';
  readonly who: string;
  /** “asked”, “approved for 30 min” */
  readonly did: string;
  /** the words of the one who did it; empty: none */
  readonly words: string;
}

const ends: Readonly<Partial<Record<RequestStatus, { kind: Moment['kind']; operation: string; access: string }>>> = {
  used: { kind: 'used', operation: 'The command ran, once', access: 'The access began' },
  expired: { kind: 'closed', operation: 'It expired: the command did not run', access: 'It expired: no access was given' },
  withdrawn: { kind: 'closed', operation: 'It was withdrawn: the command did not run', access: 'It was withdrawn: no access was given' },
};

/** Everything that happened to a request, oldest first. */
export function timelineOf(request: Pick<ApprovalRequest, 'canonical' | 'status' | 'reason' | 'decisions' | 'closedAt' | 'closedReason'>): readonly Moment[] {
  const { canonical, decisions, status, closedAt, closedReason } = request;
  const asked: Moment = { at: canonical.createdAt, kind: 'asked', who: canonical.principal.name, did: 'asked', words: request.reason };
  const decided = decisions.map(({ at, verdict, human, reason, seconds }): Moment => {
    const did = verdict === 'deny' ? 'denied' : seconds === undefined ? 'approved' : `approved for ${span(seconds)}`;
    return { at, kind: verdict === 'deny' ? 'denied' : 'approved', who: human, did, words: reason };
  });
  const end = ends[status];
  if (end === undefined || closedAt === null) return [asked, ...decided];
  return [asked, ...decided, { at: closedAt, kind: end.kind, who: '', did: end[canonical.subject.kind], words: closedReason ?? '' }];
}

/** Distinct humans who approved: what N of M counts. */
export function approvalsOf({ decisions }: Pick<ApprovalRequest, 'decisions'>): number {
  return new Set(decisions.filter(({ verdict }) => verdict === 'approve').map(({ human }) => humanKey(human))).size;
}

/** “1 of 2 approvals by the group dba; the next must be a different person.” */
export function thresholdText(request: Pick<ApprovalRequest, 'decisions' | 'canonical'>): string {
  const { needed, group } = request.canonical.terms;
  const got = approvalsOf(request);
  const count = `${got} of ${needed} ${needed === 1 ? 'approval' : 'approvals'} by the group ${group}`;
  if (got >= needed) return `${count}.`;
  return got > 0 ? `${count}; the next must be a different person.` : needed > 1 ? `${count}; each must be a different person.` : `${count}.`;
}

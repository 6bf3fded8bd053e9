import type { ApprovalRequest, RequestStatus, SignedDecision } from '../contract/approval-request.ts';
import { fail } from '../contract/errors.ts';
import { humanKey, type Approver } from '../contract/user.ts';
import { humansOf, isTerminal } from '../store/request-lifecycle.ts';
import { barredFault, secondsFault } from './quorum.ts';

/**
 * pending → approved | denied | expired | withdrawn, approved → used | expired | withdrawn, and nothing else. Pure: each step
 * gives the new request or throws. Whether a signature holds is asked elsewhere (`quorum.ts`).
 */

/** how far an approver's clock may be from ours */
const clockAheadMs = 300_000;
const clockBehindMs = 60_000;

export interface Deciding {
  /** milliseconds since the epoch */
  readonly now: number;
  /** as enrolled now; null: nobody has that id */
  readonly approver: Approver | null;
}

/** One person's verdict. Throws ERR_FORBIDDEN when they may not give it, ERR_CONFLICT when the request no longer takes one. */
export function decide(request: ApprovalRequest, decision: SignedDecision, { now, approver }: Deciding): ApprovalRequest {
  assertLive(request, ['pending'], now);
  if (approver === null || !isBy(decision, approver) || decision.request !== request.id)
    throw fail('ERR_FORBIDDEN', { message: 'This is not a decision of yours on this request.' });
  const fault = decidingFault(request, approver) ?? secondsFault(request, decision) ?? clockFault(request, decision, now);
  if (fault !== null) throw fail('ERR_FORBIDDEN', { message: fault });
  if (hasDecided(request, approver)) throw fail('ERR_CONFLICT', { message: 'You have decided already: every human counts once.' });
  const decided = { ...request, decisions: [...request.decisions, decision] };
  if (decision.verdict === 'deny') return closed(decided, { status: 'denied', now, why: null });
  return humansOf(decided).size >= request.canonical.terms.needed ? { ...decided, status: 'approved' } : decided;
}

/** Why this person may not decide on the request as it stands; null: they may. */
export function whyNotDecide(request: ApprovalRequest, { now, approver }: Deciding): string | null {
  if (approver === null) return 'Only approvers decide.';
  if (request.status !== 'pending') return `The request is ${request.status}.`;
  if (isOver(request, now)) return 'The request has expired.';
  if (approver.key === null) return 'No key is enrolled.';
  return decidingFault(request, approver) ?? (hasDecided(request, approver) ? 'You have decided already.' : null);
}

/** Taken back: cancelled, revoked, or what it rests on changed. Throws ERR_CONFLICT. */
export function withdraw(request: ApprovalRequest, { now, reason }: { readonly now: number; readonly reason: string }): ApprovalRequest {
  assertLive(request, ['pending', 'approved'], now);
  return closed(request, { status: 'withdrawn', now, why: reason });
}

/** Nobody decided, or nobody used it, in time. Throws ERR_CONFLICT before its time and after its end. */
export function expire(request: ApprovalRequest, now: number): ApprovalRequest {
  if (isTerminal(request.status) || !isOver(request, now)) throw conflict(request);
  return closed(request, { status: 'expired', now, why: null });
}

/** How long an approved access lasts: what was asked for, or what the most careful of those who approved allowed. */
export function accessSeconds(asked: number, decisions: readonly SignedDecision[]): number {
  return Math.min(asked, ...decisions.map(({ seconds }) => seconds ?? asked));
}

/** Used up, once. Throws ERR_CONFLICT. */
export function use(request: ApprovalRequest, now: number): ApprovalRequest {
  assertLive(request, ['approved'], now);
  return closed(request, { status: 'used', now, why: null });
}

/** At `expiresAt` it is over; a time that cannot be read is over, too. */
export function isOver({ canonical }: Pick<ApprovalRequest, 'canonical'>, now: number): boolean {
  return !(now < Date.parse(canonical.expiresAt));
}

function assertLive(request: ApprovalRequest, from: readonly RequestStatus[], now: number): void {
  if (!from.includes(request.status)) throw conflict(request);
  if (isOver(request, now)) throw fail('ERR_CONFLICT', { message: 'The request has expired.' });
}

function conflict({ status }: ApprovalRequest): Error {
  return fail('ERR_CONFLICT', { message: `The request is ${status}.` });
}

function isBy({ approver: id, human, signature }: SignedDecision, approver: Approver): boolean {
  return id === approver.id && humanKey(human) === humanKey(approver.human) && signature.key === approver.key?.id;
}

function decidingFault({ canonical, barred }: ApprovalRequest, approver: Approver): string | null {
  const { subject, name } = canonical.principal;
  return barredFault(approver, canonical.terms.group, [...barred, subject, name]);
}

function clockFault({ canonical }: ApprovalRequest, { at }: SignedDecision, now: number): string | null {
  const signed = Date.parse(at);
  const fits = Math.abs(signed - now) <= clockAheadMs && signed >= Date.parse(canonical.createdAt) - clockBehindMs;
  return fits ? null : 'The clock of the machine that signed is wrong.';
}

function hasDecided({ decisions }: ApprovalRequest, { human }: Approver): boolean {
  return decisions.some((decision) => humanKey(decision.human) === humanKey(human));
}

function closed(request: ApprovalRequest, { status, now, why }: { status: RequestStatus; now: number; why: string | null }): ApprovalRequest {
  return { ...request, status, closedAt: new Date(now).toISOString(), closedReason: why };
}

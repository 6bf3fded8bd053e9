import { createPublicKey, verify as verifySignature } from 'node:crypto';
import type { ApprovalRequest, SignedDecision } from '../contract/approval-request.ts';
import { humanKey, type Approver } from '../contract/user.ts';
import type { VerifyEd25519 } from '../proof/bytes.ts';
import { decisionBytes, holds } from '../proof/decision.ts';

/** Ed25519 (RFC 8032) by Node's crypto. */
export const verifyEd25519: VerifyEd25519 = (publicKey, message, signature) => {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') }, format: 'jwk' });
  return verifySignature(null, message, key, signature);
};

export interface Surroundings {
  readonly approvers: readonly Approver[];
  /** humans (or names) who may not decide on it */
  readonly barred: readonly string[];
  /** milliseconds since the epoch */
  readonly now: number;
}

/** The signature of one decision, by the key that its approver has now. */
export async function isSigned({ canonical }: Pick<ApprovalRequest, 'canonical'>, decision: SignedDecision, approver: Approver): Promise<boolean> {
  const { key } = approver;
  if (key === null || key.id !== decision.signature.key || decision.request !== canonical.id) return false;
  const { verdict, human, reason, seconds, at } = decision;
  const bytes = decisionBytes({ request: canonical, verdict, approver: approver.id, human, reason, seconds, at });
  return holds(verifyEd25519, { publicKey: key.publicKey, bytes, signature: decision.signature.signature });
}

/** Why this person may not decide on it; null: they may. */
export function barredFault(approver: Approver, group: string, barred: readonly string[]): string | null {
  if (approver.disabled) return 'This approver is disabled.';
  if (!approver.groups.includes(group)) return `Only members of group ${group} decide on this.`;
  const isBarred = barred.some((name) => humanKey(name) === humanKey(approver.human) || humanKey(name) === humanKey(approver.name));
  return isBarred ? 'Nobody decides on their own request.' : null;
}

/** Why this decision may not shorten what was asked for, or not so; null: it does not, or it may. */
export function secondsFault({ canonical }: Pick<ApprovalRequest, 'canonical'>, { verdict, seconds }: SignedDecision): string | null {
  if (seconds === undefined) return null;
  if (canonical.subject.kind !== 'access' || verdict !== 'approve') return 'Only the approval of an access can shorten it.';
  return seconds <= canonical.subject.seconds ? null : 'An approver may shorten an access, not lengthen it.';
}

/** Why the request is not approved by as many distinct humans as its terms ask for; null: it is. */
export async function approvalFault(request: ApprovalRequest, { approvers, barred, now }: Surroundings): Promise<string | null> {
  const { terms, expiresAt } = request.canonical;
  if (!(now < Date.parse(expiresAt))) return 'The approval has expired.';
  const humans = new Set<string>();
  for (const decision of request.decisions) {
    if (decision.verdict !== 'approve') return 'The request was denied.';
    const approver = approvers.find(({ id }) => id === decision.approver);
    if (approver === undefined) return 'An approver is no longer known.';
    const fault = barredFault(approver, terms.group, barred) ?? secondsFault(request, decision);
    if (fault !== null) return fault;
    if (humanKey(decision.human) !== humanKey(approver.human) || !(await isSigned(request, decision, approver))) return 'A signature does not hold.';
    humans.add(humanKey(approver.human));
  }
  return humans.size >= terms.needed ? null : `${String(humans.size)} of ${String(terms.needed)} people approved.`;
}

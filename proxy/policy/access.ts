import type { ApprovalTerms } from '../contract/approval-request.ts';
import type { CompiledPolicies } from './compile.ts';
import { decideAct, standingOf } from './decide.ts';
import { alone } from './scope.ts';
import { createSlices } from './slices.ts';

export interface AccessAsked {
  readonly principal: { readonly name: string; readonly groups: readonly string[] };
  /** the client's address */
  readonly origin: string;
  /** the group that is to be joined */
  readonly group: string;
  readonly action: 'access:request' | 'access:break-glass';
  /** milliseconds since the epoch */
  readonly now: number;
}

export interface AccessDecision {
  readonly permitted: boolean;
  /** people who must approve; null: nobody */
  readonly approve: ApprovalTerms | null;
  readonly policies: readonly string[];
  readonly message: string;
}

/** Whether a principal may join a group for a time: by request, or by breaking the glass. Throws when Cedar fails. */
export function decideAccess(compiled: CompiledPolicies, { principal, origin, group, action, now }: AccessAsked): AccessDecision {
  const slices = createSlices(compiled);
  try {
    const standing = standingOf({ principal, resource: '', database: '', account: '', origin });
    const act = { action, object: { type: 'Group', path: [group] } } as const;
    const { permitted, approve, policies, message } = decideAct(slices, standing, { act, command: alone(action), now });
    return { permitted, approve, policies, message };
  } finally {
    slices.release();
  }
}

import type { ApprovalTerms } from '../contract/approval-request.ts';
import type { Act, Facts } from '../contract/operation.ts';
import type { CompiledPolicies } from './compile.ts';
import { shownContext } from './context.ts';
import { type ScopeRequest, decideAct, standingOf } from './decide.ts';
import { entityId, objectEntity } from './entity.ts';
import { actsOf, conjunction } from './scope.ts';
import { createSlices } from './slices.ts';

/** Why one act is permitted or refused. Serialisable. */
export interface ActExplanation {
  readonly action: Act['action'];
  /** the object as a policy would write it: `Table::"payments/shop/public/orders"`, `Tool::"dbhub/query"` */
  readonly object: string;
  readonly permitted: boolean;
  readonly message: string;
  /** how many policies could apply */
  readonly considered: number;
  readonly policies: readonly {
    readonly name: string;
    readonly effect: 'permit' | 'forbid';
    readonly file: string;
    readonly line: number;
    readonly text: string;
  }[];
}

export interface Explanation {
  readonly permitted: boolean;
  readonly message: string;
  readonly hint: string;
  /** permitted, but only after people decided; null: at once, or not at all */
  readonly approve: ApprovalTerms | null;
  /** every act is explained, also those after the first refusal */
  readonly acts: readonly ActExplanation[];
  /** everything that the policies could read */
  readonly context: Readonly<Record<string, unknown>>;
}

/** Decides a command as a session would and says why. `now`: milliseconds since the epoch. Throws when Cedar fails. */
export function explain(compiled: CompiledPolicies, request: ScopeRequest, { facts, now }: { readonly facts: Facts; readonly now: number }): Explanation {
  const slices = createSlices(compiled);
  try {
    const standing = standingOf(request);
    const verdictOn = (act: Act) => decideAct(slices, standing, { act, command: facts.context, now });
    const { verdict } = conjunction(facts, verdictOn);
    const acts = actsOf(facts).map((act): ActExplanation => {
      const { permitted, message, considered, policies } = verdictOn(act);
      return { action: act.action, object: nameOf(request, act), permitted, message, considered, policies: policies.flatMap((name) => cite(compiled, name)) };
    });
    const context = shownContext({ ...request, address: standing.address ?? request.origin, now }, facts.context);
    return { permitted: verdict.permitted, message: verdict.message, hint: verdict.hint, approve: verdict.approve, acts, context };
  } finally {
    slices.release();
  }
}

function nameOf(request: ScopeRequest, act: Act): string {
  const { type, path } = act.object;
  const id = objectEntity(request, act)?.uid.id ?? entityId([request.resource, request.database, ...path]);
  return `${type}::${JSON.stringify(id)}`;
}

function cite(compiled: CompiledPolicies, name: string): ActExplanation['policies'] {
  const policy = compiled.byName.get(name);
  return policy === undefined ? [] : [{ name, effect: policy.effect, file: policy.file, line: policy.line, text: policy.text }];
}

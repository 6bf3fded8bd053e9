import type { Decision, PolicyScope, ShadowDecision } from '../pipeline/ports.ts';
import type { InForce } from './scope.ts';

/** Policies that are evaluated beside those in force. */
export interface Shadow {
  readonly inForce: InForce;
  /** evaluations in which something went wrong: they have no result */
  faults: number;
  /** milliseconds of the monotonic clock; until then it is not evaluated */
  restsUntil: number;
}

/** one evaluation that takes longer is followed by a rest, so that a slow set costs little */
const slowMs = 50;
const restMs = 1_000;

export function newShadow(inForce: InForce): Shadow {
  return { inForce, faults: 0, restsUntil: 0 };
}

/**
 * The scope in force. Its decisions also say what the shadow policies would have done, where that differs; nothing else of
 * them is changed, and whatever goes wrong beside them leaves them as they are.
 */
export function besideOf(scope: PolicyScope, beside: PolicyScope, current: () => Shadow | null): PolicyScope {
  const compared = new WeakMap<Decision, { readonly other: Decision; readonly decision: Decision }>();
  return {
    permits: (action, object) => scope.permits(action, object),
    possible: (facts) => scope.possible(facts),
    decide: (facts) => {
      const decision = scope.decide(facts);
      const shadow = current();
      const other = shadow === null ? null : evaluated(shadow, () => beside.decide(facts));
      if (other === null || doneBy(other) === doneBy(decision)) return decision;
      const known = compared.get(decision);
      // the same object as long as both are the same: what is made of it is cached by identity
      if (known?.other === other) return known.decision;
      const said = { ...decision, shadow: { would: doneBy(other), version: other.policyVersion } };
      compared.set(decision, { other, decision: said });
      return said;
    },
  };
}

function evaluated(shadow: Shadow, decide: () => Decision): Decision | null {
  const began = performance.now();
  if (began < shadow.restsUntil) return null;
  const { faults } = shadow;
  try {
    const decision = decide();
    return shadow.faults === faults ? decision : null;
  } catch {
    return null;
  } finally {
    const now = performance.now();
    if (now - began > slowMs) shadow.restsUntil = now + restMs;
  }
}

function doneBy({ permitted, approve }: Decision): ShadowDecision['would'] {
  if (!permitted) return 'refuse';
  return approve === undefined ? 'forward' : 'hold';
}

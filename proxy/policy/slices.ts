import {
  type AuthorizationAnswer,
  type DetailedError,
  type StatefulAuthorizationCall,
  preparsePolicySet,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs';
import { fail } from '../contract/errors.ts';
import type { AppError } from '../lib/errors.ts';
import type { CompiledPolicies, Policy } from './compile.ts';
import type { Entity } from './entity.ts';
import { type Reads, readsArguments, readsOfAll } from './reads.ts';

/** The policies whose heads match one request: all that its decision can depend on. */
export interface Slice {
  readonly policies: readonly Policy[];
  /** what of the context its policies may read */
  readonly reads: Reads;
  /** Pre-parsed on first use. Throws when Cedar refuses the call. */
  ask(request: Omit<StatefulAuthorizationCall, 'preparsedPolicySetId'>): Extract<AuthorizationAnswer, { type: 'success' }>['response'];
}

export interface Slices {
  /** `candidates` as given by `narrow`. */
  of(candidates: readonly number[], resource: Entity): Slice;
  /** The same for a call whose arguments nobody knows yet: forbids that read them are left out, permits that do have no conditions. */
  possible(candidates: readonly number[], resource: Entity): Slice;
  /** The policies (by index) that can apply to a principal and an action, whatever the object is. */
  narrow(principal: Entity, action: Entity): readonly number[];
  /** Gives the memory inside the WebAssembly module back. */
  release(): void;
}

interface Kept extends Slice {
  readonly name: string | null;
}

// Cedar keeps a pre-parsed set under its name until another replaces it, so names are used again
const free: string[] = [];
let named = 0;
const maxKept = 256;

/** Slices of one compiled set, each parsed once; the least recently used is given up beyond 256. */
export function createSlices({ policies }: CompiledPolicies): Slices {
  const kept = new Map<string, Kept>();
  const drop = (key: string): void => {
    const slice = kept.get(key);
    kept.delete(key);
    if (slice !== undefined && slice.name !== null) surrender(slice.name);
  };
  const keptUnder = (key: string, make: () => readonly Policy[]): Slice => {
    const known = kept.get(key);
    if (known !== undefined) {
      kept.delete(key);
      kept.set(key, known);
      return known;
    }
    const slice = prepare(make());
    kept.set(key, slice);
    const oldest = kept.keys().next();
    if (kept.size > maxKept && oldest.done !== true) drop(oldest.value);
    return slice;
  };
  const matching = (candidates: readonly number[], resource: Entity): readonly number[] =>
    candidates.filter((index) => policies[index]?.head.resource(resource));
  const chosen = (places: readonly number[]): readonly Policy[] => places.flatMap((index) => policies[index] ?? []);
  return {
    narrow: (principal, action) => indices(policies, ({ head }) => head.principal(principal) && head.action(action)),
    of: (candidates, resource) => {
      const places = matching(candidates, resource);
      return keptUnder(places.join(','), () => chosen(places));
    },
    possible: (candidates, resource) => {
      const places = matching(candidates, resource);
      return keptUnder(`possible ${places.join(',')}`, () => chosen(places).flatMap(withoutArguments));
    },
    release: () => {
      for (const key of [...kept.keys()]) drop(key);
    },
  };
}

function indices(policies: readonly Policy[], matches: (policy: Policy) => boolean): number[] {
  return policies.flatMap((policy, index) => (matches(policy) ? [index] : []));
}

/** Its head matches already. */
function withoutArguments(policy: Policy): Policy[] {
  if (!readsArguments(policy.reads)) return [policy];
  return policy.effect === 'forbid' ? [] : [{ ...policy, text: 'permit(principal, action, resource);', reads: readsOfAll([]) }];
}

function prepare(policies: readonly Policy[]): Kept {
  const reads = readsOfAll(policies.map((policy) => policy.reads));
  // without a permit nothing can be allowed, but a forbid's message may still be wanted
  if (policies.length === 0) return { policies, reads, name: null, ask: () => ({ decision: 'deny', diagnostics: { reason: [], errors: [] } }) };
  const name = free.pop() ?? `slice-${(named += 1)}`;
  const parsed = preparsePolicySet(name, { staticPolicies: Object.fromEntries(policies.map((policy) => [policy.name, policy.text])) });
  if (parsed.type === 'failure') throw fault(parsed.errors);
  return {
    policies,
    reads,
    name,
    ask: (request) => {
      const answer = statefulIsAuthorized({ ...request, preparsedPolicySetId: name });
      if (answer.type === 'failure') throw fault(answer.errors);
      return answer.response;
    },
  };
}

function fault(errors: readonly DetailedError[]): AppError {
  return fail('ERR_INTERNAL', { detail: `Cedar: ${errors.map(({ message }) => message).join('; ')}` });
}

function surrender(name: string): void {
  preparsePolicySet(name, {});
  free.push(name);
}

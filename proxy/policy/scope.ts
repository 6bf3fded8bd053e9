import type { Act, Action, FactContext, Facts, ObjectRef } from '../contract/operation.ts';
import type { Clock } from '../lib/clock.ts';
import type { Decision, PolicyScope } from '../pipeline/ports.ts';
import type { ApprovalTerms } from '../contract/approval-request.ts';
import { type ScopeRequest, type Standing, type Verdict, decideAct, refusal, standingOf, together } from './decide.ts';
import { actionEntity, key } from './entity.ts';
import { type Volatility, volatility, worse } from './head.ts';
import type { Slices } from './slices.ts';

/** One version of the policies, ready to be asked. */
export interface InForce {
  readonly version: string;
  readonly slices: Slices;
}

interface Surroundings {
  readonly clock: Clock;
  readonly onFault: (error: unknown) => void;
  readonly inForce: () => InForce | null;
}

const limits = { acts: 256, cachedActs: 4096 } as const;

/** What was decided under one version; dropped whole when the version changes. */
interface Memory {
  readonly inForce: InForce;
  readonly commands: WeakMap<Facts, Decision>;
  /** verdicts that no command fact can change */
  readonly acts: Map<string, Verdict>;
  readonly narrowed: Map<Action, readonly number[]>;
}

type Ask = (act: Act, command: FactContext) => Verdict;

/** Decisions for one principal on one database. */
export function createScope(request: ScopeRequest, { clock, onFault, inForce }: Surroundings): PolicyScope {
  const standing = standingOf(request);
  let memory: Memory | null = null;
  const recall = (): Memory | null => {
    const current = inForce();
    if (current === null) return null;
    if (memory?.inForce !== current) memory = { inForce: current, commands: new WeakMap(), acts: new Map(), narrowed: new Map() };
    return memory;
  };
  /** A fault while deciding is a refusal, and is tried again next time. */
  const asking =
    (known: Memory): Ask =>
    (act, command) => {
      try {
        return verdictOn(known, standing, { act, command, now: clock.now() });
      } catch (error) {
        onFault(error);
        return { ...refusal('the policies could not be evaluated'), volatility: volatility.time };
      }
    };
  return {
    decide: (facts) => {
      const known = recall();
      if (known === null) return unloaded();
      return known.commands.get(facts) ?? decideFacts(known, facts, asking(known));
    },
    permits: (action: Action, object: ObjectRef) => {
      const known = recall();
      return known === null ? unloaded() : toDecision(asking(known)({ action, object }, alone(action)), known);
    },
  };
}

function decideFacts(memory: Memory, facts: Facts, ask: Ask): Decision {
  const { verdict, most } = conjunction(facts, (act) => ask(act, facts.context));
  const decision = toDecision(verdict, memory);
  if (most !== volatility.time) memory.commands.set(facts, decision);
  return decision;
}

/** Every act must be permitted; the first refusal decides, and permits are named together. */
export function conjunction(facts: Facts, decide: (act: Act) => Verdict): { readonly verdict: Verdict; readonly most: Volatility } {
  const acts = actsOf(facts);
  if (acts.length > limits.acts) return { verdict: refusal(`the command touches more than ${limits.acts} objects`), most: volatility.session };
  const policies = new Set<string>();
  let most: Volatility = volatility.session;
  let considered = 0;
  const terms: ApprovalTerms[] = [];
  for (const act of acts) {
    const verdict = decide(act);
    most = worse(most, verdict.volatility);
    considered += verdict.considered;
    if (!verdict.permitted) return { verdict, most };
    for (const name of verdict.policies) policies.add(name);
    if (verdict.approve !== null) terms.push(verdict.approve);
  }
  const approve = together(terms);
  if (approve === undefined) return { verdict: refusal('the policies ask different groups for approval of one command'), most };
  return { verdict: { permitted: true, policies: [...policies], message: '', hint: '', approve, volatility: most, considered }, most };
}

/**
 * A command that names no object must be permitted too. Proven to do nothing (`select 1`, `begin`) it needs what the
 * session itself needs; not proven (`select random()`, operators of users) it needs leave to run code on the database.
 */
export function actsOf({ acts, effect }: Facts): readonly Act[] {
  if (acts.length > 0) return acts;
  const isProven = effect === 'none' || effect === 'read';
  return [{ action: isProven ? 'connect' : 'sql:execute', object: { type: 'Database', path: [] } }];
}

function verdictOn(memory: Memory, standing: Standing, asked: { act: Act; command: FactContext; now: number }): Verdict {
  const { act } = asked;
  const id = `${act.action} ${key({ type: act.object.type, id: JSON.stringify(act.object.path) })}`;
  const cached = memory.acts.get(id);
  if (cached !== undefined) return cached;
  const verdict = decideAct(memory.inForce.slices, standing, { ...asked, narrowed: narrow(memory, standing, act.action) });
  if (verdict.volatility === volatility.session) {
    if (memory.acts.size >= limits.cachedActs) memory.acts.clear();
    memory.acts.set(id, verdict);
  }
  return verdict;
}

function narrow(memory: Memory, standing: Standing, action: Action): readonly number[] {
  const known = memory.narrowed.get(action) ?? memory.inForce.slices.narrow(standing.principal, actionEntity(action));
  memory.narrowed.set(action, known);
  return known;
}

function unloaded(): Decision {
  const { message, hint } = refusal('no policies are loaded yet');
  return { permitted: false, policies: [], message, hint, policyVersion: 'none' };
}

function toDecision({ permitted, policies, message, hint, approve }: Verdict, { inForce }: Memory): Decision {
  return { permitted, policies, message, hint, policyVersion: inForce.version, ...(approve !== null && { approve }) };
}

/** The facts of an act that is no command. */
export function alone(action: Action): FactContext {
  return { kind: action, statements: 0, has_where: false, has_limit: false, tables: [], columns: [], functions: [] };
}

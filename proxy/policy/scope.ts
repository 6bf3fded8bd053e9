import type { Act, Action, FactContext, Facts, ObjectRef } from '../contract/operation.ts';
import type { Clock } from '../lib/clock.ts';
import type { Decision, PolicyScope } from '../pipeline/ports.ts';
import type { ApprovalTerms } from '../contract/approval-request.ts';
import { type Asked, type ScopeRequest, type Standing, type Verdict, decideAct, possibleAct, refusal, standingOf, together } from './decide.ts';
import { actionEntity, key } from './entity.ts';
import { type Volatility, volatility, worse } from './reads.ts';
import { actionTable } from './schema.ts';
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

/** `idCharacters`: names of callers that are longer are not worth remembering */
const limits = { acts: 256, cachedActs: 4096, idCharacters: 512 } as const;

/** What was decided under one version; dropped whole when the version changes. */
interface Memory {
  readonly inForce: InForce;
  readonly commands: WeakMap<Facts, Decision>;
  /** verdicts that no command fact can change */
  readonly acts: Map<string, Verdict>;
  /** what a call could be permitted, by act and what is known of a call before it is made */
  readonly possible: Map<string, boolean>;
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
    if (memory?.inForce !== current) memory = { inForce: current, commands: new WeakMap(), acts: new Map(), possible: new Map(), narrowed: new Map() };
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
    possible: (facts) => {
      const known = recall();
      const acts = actsOf(facts);
      if (known === null || acts.length === 0 || acts.length > limits.acts) return false;
      try {
        return acts.every((act) => possibleOn(known, standing, { act, command: facts.context, now: clock.now() }));
      } catch (error) {
        onFault(error);
        return false;
      }
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
  if (acts.length === 0) return { verdict: refusal('the call names nothing that policies can decide on'), most: volatility.session };
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
 * A call always names what is called.
 */
export function actsOf({ acts, effect, context }: Facts): readonly Act[] {
  if (acts.length > 0 || context.call !== undefined) return acts;
  const isProven = effect === 'none' || effect === 'read';
  return [{ action: isProven ? 'connect' : 'sql:execute', object: { type: 'Database', path: [] } }];
}

function verdictOn(memory: Memory, standing: Standing, asked: Asked): Verdict {
  const id = idOf(asked.act);
  const cached = memory.acts.get(id);
  if (cached !== undefined) return cached;
  const verdict = decideAct(memory.inForce.slices, standing, { ...asked, narrowed: narrow(memory, standing, asked.act.action) });
  if (verdict.volatility === volatility.session) remember(memory.acts, id, verdict);
  return verdict;
}

/** The whole name of an act: `on` other than the session's is another object. */
function idOf({ action, object: { type, path, on } }: Act): string {
  const names = on === undefined ? path : { on: [on.resource, on.database], path };
  return `${action} ${key({ type, id: JSON.stringify(names) })}`;
}

function possibleOn(memory: Memory, standing: Standing, asked: Asked): boolean {
  const { call } = asked.command;
  const id = `${JSON.stringify([call?.method, call?.read_only])} ${idOf(asked.act)}`;
  const cached = memory.possible.get(id);
  if (cached !== undefined) return cached;
  const { possible, volatility: depends } = possibleAct(memory.inForce.slices, standing, { ...asked, narrowed: narrow(memory, standing, asked.act.action) });
  // of a call, only what is part of the id is read
  if (depends !== volatility.time && call !== undefined && actionTable[asked.act.action].context === 'Call') remember(memory.possible, id, possible);
  return possible;
}

function remember<T>(known: Map<string, T>, id: string, value: T): void {
  if (id.length > limits.idCharacters) return;
  if (known.size >= limits.cachedActs) known.clear();
  known.set(id, value);
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

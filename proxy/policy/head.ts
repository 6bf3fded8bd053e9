import type { EntityUid, PolicyJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import { type Entity, key } from './entity.ts';

/** The part of a policy before its conditions, as tests. True whenever Cedar could find the head satisfied. */
export interface Head {
  readonly principal: Test;
  readonly action: Test;
  readonly resource: Test;
}

type Test = (entity: Entity) => boolean;
type Constraint = PolicyJson['principal'] | PolicyJson['action'] | PolicyJson['resource'];

const always: Test = () => true;

/**
 * Heads hold only `==`, `in` and `is` on entities of the request, which cannot fail, so leaving out a policy whose head
 * is false changes neither the decision nor its reasons. A form not known here keeps the policy.
 */
export function headOf(policy: PolicyJson): Head {
  return { principal: test(policy.principal), action: test(policy.action), resource: test(policy.resource) };
}

function test(constraint: Constraint): Test {
  switch (constraint.op) {
    case 'All':
      return always;
    case '==':
      return 'entity' in constraint ? equals(constraint.entity) : always;
    case 'in':
      return within(constraint);
    case 'is':
      return isType(constraint);
    default:
      return always;
  }
}

function equals(uid: EntityUid): Test {
  const { type, id } = plain(uid);
  return (entity) => entity.uid.type === type && entity.uid.id === id;
}

function within(constraint: { entity: EntityUid } | { entities: EntityUid[] } | { slot: string }): Test {
  if ('slot' in constraint) return always;
  const keys = ('entity' in constraint ? [constraint.entity] : constraint.entities).map((uid) => key(plain(uid)));
  return (entity) => keys.some((candidate) => entity.within.has(candidate));
}

function isType(constraint: { entity_type: string; in?: { entity: EntityUid } | { slot: string } }): Test {
  const inside = constraint.in === undefined ? always : within(constraint.in);
  return (entity) => entity.uid.type === constraint.entity_type && inside(entity);
}

function plain(uid: EntityUid): TypeAndId {
  return '__entity' in uid ? uid.__entity : uid;
}

const sessionAttributes = ['database', 'account', 'source_ip'] as const;
const commandAttributes = ['kind', 'statements', 'has_where', 'has_limit', 'tables', 'columns', 'functions'] as const;
export const contextAttributes = [...commandAttributes, ...sessionAttributes, 'now'] as const;
export type ContextAttribute = (typeof contextAttributes)[number];

/** What a decision depends on besides its act: nothing that changes in a session, the command, or the time. */
export type Volatility = 0 | 1 | 2;
export const volatility = { session: 0, command: 1, time: 2 } as const satisfies Record<string, Volatility>;

/** Everything the conditions of a policy may read of the context; all of it, unless each use is a plain `context.x`. */
export function readsOf(policy: PolicyJson): ReadonlySet<ContextAttribute> {
  const found = new Set<ContextAttribute>();
  for (const clause of policy.conditions) scan(clause.body, found);
  return found;
}

export function volatilityOf(reads: ReadonlySet<ContextAttribute>): Volatility {
  if (reads.has('now')) return volatility.time;
  return commandAttributes.some((attribute) => reads.has(attribute)) ? volatility.command : volatility.session;
}

function scan(node: unknown, found: Set<ContextAttribute>): void {
  if (typeof node !== 'object' || node === null) return;
  const read = readBy(node);
  if (read === null) for (const inner of Object.values(node)) scan(inner, found);
  else for (const attribute of read) found.add(attribute);
}

/** One attribute for `context.x`, all for any other use of `context`, null when the node itself is neither. */
function readBy(node: object): readonly ContextAttribute[] | null {
  if (isContext(node)) return contextAttributes;
  const access: unknown = '.' in node ? node['.'] : null;
  if (typeof access !== 'object' || access === null || !('left' in access) || !('attr' in access) || !isContext(access.left)) return null;
  const known = contextAttributes.find((attribute) => attribute === access.attr);
  return known === undefined ? contextAttributes : [known];
}

function isContext(node: unknown): boolean {
  return typeof node === 'object' && node !== null && 'Var' in node && node.Var === 'context';
}

export function worse(a: Volatility, b: Volatility): Volatility {
  return a > b ? a : b;
}

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

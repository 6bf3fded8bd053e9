import type { EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { Act, ObjectRef } from '../contract/operation.ts';
import { actionTable } from './schema.ts';

/** What a scope is about: names only. */
export interface Subject {
  readonly principal: { readonly name: string; readonly groups: readonly string[] };
  readonly resource: string;
  readonly database: string;
}

/** One Cedar entity of a request and every entity it is a member of, itself included (`Type::id`). */
export interface Entity {
  readonly uid: TypeAndId;
  readonly within: ReadonlySet<string>;
  readonly json: EntityJson;
}

const attributes = {
  Database: [],
  Schema: ['name'],
  Table: ['schema', 'name'],
  Column: ['schema', 'table', 'name'],
  Function: ['schema', 'name'],
  Setting: ['name'],
  Utility: ['name'],
  Group: ['name'],
} as const satisfies Record<ObjectRef['type'], readonly string[]>;

const unresolved = '?';

/** A path component as it stands in an entity id: a `/` inside a name can't forge another path. */
export function escapeComponent(name: string): string {
  return name.replaceAll('%', '%25').replaceAll('/', '%2F');
}

/** The entity id of a path, outermost name first. */
export function entityId(path: readonly string[]): string {
  return path.map(escapeComponent).join('/');
}

export function principalEntity({ principal }: Subject): Entity {
  return entity(
    { type: 'ServiceAccount', id: principal.name },
    { name: principal.name },
    principal.groups.map((id) => ({ type: 'Group', id })),
  );
}

/** The action with its groups, which Cedar learns from the request and not from the schema. */
export function actionEntity(action: Act['action']): Entity {
  return entity(
    { type: 'Action', id: action },
    {},
    actionTable[action].groups.map((id) => ({ type: 'Action', id })),
  );
}

/** Null when the object does not fit the schema: wrong kind for the action, wrong number of names, not Unicode. */
export function objectEntity(subject: Subject, act: Act): Entity | null {
  const { type, path } = act.object;
  const names: readonly string[] = attributes[type];
  if (!actionTable[act.action].on.includes(type) || path.length !== names.length) return null;
  if (type === 'Group') return path[0]?.isWellFormed() === true ? entity({ type, id: path[0] }, {}, []) : null;
  const root = [subject.resource, subject.database];
  // a lone surrogate becomes U+FFFD on its way into Cedar, so two names would be one
  if (![...root, ...path].every((name) => name.isWellFormed())) return null;
  const attrs = type === 'Database' ? { name: subject.database } : Object.fromEntries(names.map((name, index) => [name, path[index] ?? '']));
  return entity({ type, id: entityId([...root, ...path]) }, attrs, ancestors(root, type, path));
}

function ancestors(root: readonly string[], type: ObjectRef['type'], path: readonly string[]): TypeAndId[] {
  const resource = { type: 'Resource', id: entityId(root.slice(0, 1)) };
  if (type === 'Database') return [resource];
  const database = [resource, { type: 'Database', id: entityId(root) }];
  const schema = path[0] ?? unresolved;
  if (type === 'Schema' || type === 'Setting' || type === 'Utility' || schema === unresolved) return database;
  const inSchema = [...database, { type: 'Schema', id: entityId([...root, schema]) }];
  return type === 'Column' ? [...inSchema, { type: 'Table', id: entityId([...root, ...path.slice(0, 2)]) }] : inSchema;
}

function entity(uid: TypeAndId, attrs: Record<string, string>, parents: TypeAndId[]): Entity {
  return { uid, within: new Set([uid, ...parents].map(key)), json: { uid, attrs, parents } };
}

/** One string per entity; types hold no colon, so it is unambiguous. */
export function key(uid: TypeAndId): string {
  return `${uid.type}::${uid.id}`;
}

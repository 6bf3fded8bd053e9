import type { EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { Act, ObjectType } from '../contract/operation.ts';
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
} as const satisfies Partial<Record<ObjectType, readonly string[]>>;

/** Parts of an MCP server, by the attribute that names them. */
const serverParts = { Tool: 'name', Prompt: 'name', McpResource: 'uri', Method: 'name' } as const satisfies Partial<Record<ObjectType, string>>;

/** Names of callers: each segment of a path is one more entity it is in. */
const limits = { segments: 64, characters: 8_192 } as const;

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

/** Null when the object does not fit the schema: wrong kind for the action, wrong number of names, not Unicode, too long. */
export function objectEntity(subject: Subject, act: Act): Entity | null {
  const { type, path, on } = act.object;
  const root = on === undefined ? [subject.resource, subject.database] : [on.resource, on.database];
  // a lone surrogate becomes U+FFFD on its way into Cedar, so two names would be one
  if (!actionTable[act.action].on.includes(type) || ![...root, ...path].every((name) => name.isWellFormed())) return null;
  if (type in attributes) return databaseObject(root, type as keyof typeof attributes, path);
  if (path.length > limits.segments || path.reduce((sum, name) => sum + name.length, 0) > limits.characters) return null;
  return callObject(root[0] ?? '', type, path);
}

function databaseObject(root: readonly string[], type: keyof typeof attributes, path: readonly string[]): Entity | null {
  const names: readonly string[] = attributes[type];
  if (path.length !== names.length) return null;
  if (type === 'Group') return entity({ type, id: path[0] ?? '' }, {}, []);
  const attrs = type === 'Database' ? { name: root[1] ?? '' } : Object.fromEntries(names.map((name, index) => [name, path[index] ?? '']));
  return entity({ type, id: entityId([...root, ...path]) }, attrs, ancestors(root, type, path));
}

/** What a call is on: an MCP server and its parts, or an API and the paths in it. */
function callObject(resource: string, type: ObjectType, path: readonly string[]): Entity | null {
  const within = { type: 'Resource', id: entityId([resource]) };
  if (type === 'McpServer' || type === 'HttpApi') return path.length === 0 ? entity({ type, id: within.id }, { name: resource }, [within]) : null;
  if (type === 'Path') return pathEntity(resource, path, within);
  const [name] = path;
  if (!isServerPart(type) || path.length !== 1 || name === undefined) return null;
  const attrs = { [serverParts[type]]: name, server: resource };
  return entity({ type, id: entityId([resource, name]) }, attrs, [within, { type: 'McpServer', id: within.id }]);
}

function isServerPart(type: ObjectType): type is keyof typeof serverParts {
  return type in serverParts;
}

/** A path is in every path that it begins with, segment by segment, and in the root. */
function pathEntity(resource: string, segments: readonly string[], within: TypeAndId): Entity {
  const above = segments.map((_, index) => ({ type: 'Path', id: entityId([resource, ...segments.slice(0, index)]) }));
  const attrs = { path: `/${entityId(segments)}` };
  return entity({ type: 'Path', id: entityId([resource, ...segments]) }, attrs, [within, { type: 'HttpApi', id: within.id }, ...above]);
}

function ancestors(root: readonly string[], type: ObjectType, path: readonly string[]): TypeAndId[] {
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

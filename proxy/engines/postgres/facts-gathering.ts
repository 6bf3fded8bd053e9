import type { Act, Action, ObjectRef } from '../../contract/operation.ts';
import { builtinTypes, guardedFunctions, harmlessFunctions, inertFunctions } from './functions-inert.ts';
import type { Catalogue, Relation } from './statement.ts';
import { namesOf, textAt } from './classify-tree.ts';
import type { Tree } from './classify-tree.ts';

/** How a function call counts. */
export type Standing = 'inert' | 'harmless' | 'act';

/** What has been seen of one SQL statement so far. */
export class Gathering {
  readonly catalogue: Catalogue;
  readonly acts = new Map<string, Act>();
  readonly tables = new Set<string>();
  readonly columns = new Set<string>();
  readonly functions = new Set<string>();
  /** every stored relation read or written, with what the catalogue knows */
  readonly relations = new Set<Relation>();
  /** alias or bare name → the stored relations it may stand for; null when it may stand for something else */
  readonly sources = new Map<string, readonly Relation[] | null>();
  /** something was written, in a way the parser sees whole */
  writes = false;
  /** something may happen that the parser cannot see */
  unknown = false;
  /** facts depend on the value of a literal, so the text itself must be the key */
  readsLiterals = false;
  /** all columns of all tables are named: `*`, whole rows, NATURAL, renamed columns */
  star = false;
  /** a table name the catalogue doesn't know */
  unresolved = false;
  /** subqueries, CTEs, functions in FROM: a column reference may mean their columns */
  derived = false;
  /** an UPDATE or DELETE without a condition on a column */
  unconditional = false;
  readonly #references: { readonly qualifier: string; readonly name: string }[] = [];
  readonly #bareNames = new Set<string>();

  constructor(catalogue: Catalogue) {
    this.catalogue = catalogue;
  }

  act(action: Action, type: ObjectRef['type'], path: readonly string[]): void {
    const key = `${action}\0${type}\0${path.join('\0')}`;
    if (!this.acts.has(key)) this.acts.set(key, { action, object: { type, path } });
  }

  /** `body` is a RangeVar: an act for each relation the name may mean. Gives those the catalogue knows. */
  table(action: Action, body: Tree): readonly Relation[] {
    return this.tableNamed(action, textAt(body, 'schemaname'), textAt(body, 'relname'));
  }

  tableNamed(action: Action, schema: string, name: string): readonly Relation[] {
    const found = this.catalogue.relations(schema === '' ? null : schema, name);
    if (found.length === 0) {
      this.unresolved = true;
      this.unknown = true;
      const as = schema === '' ? '?' : schema;
      this.act(action, 'Table', [as, name]);
      this.tables.add(`${as}.${name}`);
    }
    for (const relation of found) {
      this.act(action, 'Table', [relation.schema, relation.name]);
      this.tables.add(`${relation.schema}.${relation.name}`);
      this.relations.add(relation);
      if (!relation.inert) this.unknown = true;
    }
    return found;
  }

  source(name: string, relations: readonly Relation[] | null): void {
    const known = this.sources.get(name);
    this.sources.set(name, known === undefined ? relations : known === null || relations === null ? null : [...known, ...relations]);
  }

  /** Whether calling this function is an act; records nothing. */
  standing(path: readonly string[]): Standing {
    const name = path.at(-1) ?? '';
    const schema = path.at(-2);
    if (schema !== undefined && schema !== 'pg_catalog') return 'act';
    if (schema === undefined && this.catalogue.isUserFunction(name)) return 'act';
    if (inertFunctions.has(name)) return 'inert';
    return harmlessFunctions.has(name) ? 'harmless' : 'act';
  }

  /** A function of users, or one of pg_catalog whose call is an act. */
  isFunction(name: string): boolean {
    return this.catalogue.isUserFunction(name) || guardedFunctions.has(name) || harmlessFunctions.has(name);
  }

  /** `path` is `[name]` or `[schema, name]` as written. */
  call(path: readonly string[]): void {
    const name = path.at(-1) ?? '';
    const standing = this.standing(path);
    this.functions.add(path.length > 1 ? path.slice(-2).join('.') : name);
    if (standing !== 'inert') this.unknown = true;
    if (standing !== 'act') return;
    for (const schema of this.#functionSchemas(path)) this.act('sql:execute', 'Function', [schema, name]);
  }

  #functionSchemas(path: readonly string[]): readonly string[] {
    const name = path.at(-1) ?? '';
    const written = path.at(-2);
    if (written !== undefined) return [written];
    const schemas = this.catalogue.isUserFunction(name) ? (this.catalogue.functionSchemas?.(name) ?? ['?']) : [];
    const isBuiltin = inertFunctions.has(name) || harmlessFunctions.has(name) || guardedFunctions.has(name);
    if (isBuiltin) return [...schemas, 'pg_catalog'];
    return schemas.length === 0 ? ['?'] : schemas;
  }

  /** A cast, a column definition: anything but a type of pg_catalog may run code of users. */
  type(body: Tree): void {
    const path = namesOf((body['names'] as readonly unknown[] | undefined) ?? []);
    if (!isBuiltinType(path)) this.unknown = true;
  }

  /** `name` is an operator's qualified name. */
  operator(name: readonly unknown[]): void {
    const path = namesOf(name);
    if (path.length > 1 && path[0] !== 'pg_catalog') this.unknown = true;
  }

  column(name: string): void {
    this.columns.add(name);
  }

  reference(fields: readonly string[]): void {
    const name = fields.at(-1) ?? '';
    this.columns.add(name);
    const qualifier = fields.at(-2);
    if (qualifier === undefined) this.#bareNames.add(name);
    else this.#references.push({ qualifier, name });
  }

  /** After the whole statement was seen: what names turned out to mean. */
  settle(): void {
    for (const name of this.#bareNames) if (this.isRow(name)) this.star = true;
    for (const { qualifier, name } of this.#references) this.#settleReference(qualifier, name);
    if (this.catalogue.hasUserOperators) this.unknown = true;
    if (!this.star) return;
    for (const relation of this.relations) for (const column of relation.columns) this.columns.add(column);
  }

  /** A bare name that is a table or alias stands for the whole row. */
  isRow(name: string): boolean {
    return this.sources.has(name) || name === 'excluded' || name === 'old' || name === 'new';
  }

  /** `t.f` calls function f on the row when t has no such column. */
  #settleReference(qualifier: string, name: string): void {
    if (this.isRow(name)) this.star = true;
    const relations = this.sources.get(qualifier);
    const isColumn = relations !== undefined && relations !== null && relations.length > 0 && relations.every((relation) => relation.columns.includes(name));
    if (!isColumn && this.catalogue.isUserFunction(name)) {
      this.star = true;
      this.call([name]);
    }
  }
}

export function isBuiltinType(path: readonly string[]): boolean {
  const schema = path.at(-2);
  return (schema === undefined || schema === 'pg_catalog') && builtinTypes.has(path.at(-1) ?? '');
}

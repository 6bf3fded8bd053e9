import { createHash } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import type { ColumnName } from '../../contract/operation.ts';
import { fail } from '../../contract/errors.ts';
import { catalogueSql } from './catalogue-sql.ts';
import { analyseViews } from './catalogue-views.ts';
import type { ViewText } from './catalogue-views.ts';
import type { SqlParser } from './classify.ts';
import type { Lineage } from './facts-lineage.ts';
import type { Catalogue, Relation } from './statement.ts';

/** Runs one query at the target, as text. */
export type CatalogueQuery = (sql: string) => Promise<readonly (readonly (string | null)[])[]>;

type Rows = readonly (readonly (string | null)[])[];

/** While views are being proven, `inert` changes; afterwards nothing does. */
export interface Entry extends Relation {
  inert: boolean;
  readonly numbers: ReadonlyMap<number, string>;
  readonly parents: readonly number[];
}

/** Objects below this OID were made by initdb. */
const firstUserOid = 16_384;
const maxRelations = 50_000;
const maxColumns = 200_000;
const maxViews = 20_000;
const maxLineageDepth = 64;

/** System views and tables whose columns hold values of users' columns. */
const valueBearing: ReadonlySet<string> = new Set(['pg_statistic', 'pg_statistic_ext_data', 'pg_stats', 'pg_stats_ext', 'pg_stats_ext_exprs']);

/** Commands of other sessions, with the values in them. */
const commandTexts: ReadonlySet<string> = new Set(['pg_stat_activity.query']);

/** What one target database said of itself. */
export class LoadedCatalogue implements Catalogue {
  readonly epoch: number;
  readonly digest: string;
  readonly hasUserOperators: boolean;
  readonly #byOid: ReadonlyMap<number, Entry>;
  readonly #byName: ReadonlyMap<string, readonly Entry[]>;
  readonly #functions: ReadonlyMap<string, readonly string[]>;
  #views: ReadonlyMap<number, Lineage> = new Map();

  constructor(identity: { readonly epoch: number; readonly digest: string }, content: Content) {
    this.epoch = identity.epoch;
    this.digest = identity.digest;
    this.hasUserOperators = content.hasUserOperators;
    this.#byOid = content.relations;
    this.#byName = byName(content.relations.values());
    this.#functions = content.functions;
  }

  origin(tableOid: number, attribute: number): ColumnName | null {
    const entry = this.#byOid.get(tableOid);
    const column = entry?.numbers.get(attribute);
    return entry === undefined || column === undefined ? null : { schema: entry.schema, table: entry.name, column };
  }

  relations(schema: string | null, name: string): readonly Relation[] {
    const all = this.#byName.get(name) ?? [];
    return schema === null ? all : all.filter((relation) => relation.schema === schema);
  }

  isUserFunction(name: string): boolean {
    return this.#functions.has(name);
  }

  functionSchemas(name: string): readonly string[] {
    return this.#functions.get(name) ?? [];
  }

  /**
   * The stored columns a result column with this origin shows: its own name, the same column of inheritance parents, and
   * for a view what its text computes the column from. Null when that is unknown.
   */
  baseColumns(tableOid: number, attribute: number): readonly ColumnName[] | null {
    const found = new Map<string, ColumnName>();
    return this.#collect(tableOid, attribute, { found, depth: 0 }) ? [...found.values()] : null;
  }

  stored(column: ColumnName): readonly ColumnName[] | null {
    const found = new Map<string, ColumnName>();
    for (const relation of this.relations(column.schema, column.table)) {
      if (!this.#collectNamed(relation.oid, column.column, { found, depth: 0 })) return null;
    }
    return found.size === 0 ? [column] : [...found.values()];
  }

  #collect(oid: number, attribute: number, into: { readonly found: Map<string, ColumnName>; readonly depth: number }): boolean {
    const own = this.origin(oid, attribute);
    const entry = this.#byOid.get(oid);
    if (own === null || entry === undefined || into.depth > maxLineageDepth) return false;
    if (showsOthers(own)) return false;
    const key = `${own.schema}\0${own.table}\0${own.column}`;
    if (into.found.has(key)) return true;
    into.found.set(key, own);
    const deeper = { found: into.found, depth: into.depth + 1 };
    for (const parent of entry.parents) if (!this.#collectNamed(parent, own.column, deeper)) return false;
    const isUserView = (entry.kind === 'v' || entry.kind === 'm') && oid >= firstUserOid;
    return !isUserView || this.#collectView(oid, attribute, deeper);
  }

  #collectView(oid: number, attribute: number, into: { readonly found: Map<string, ColumnName>; readonly depth: number }): boolean {
    const lineage = this.#views.get(oid);
    if (lineage === undefined) return false;
    const column = lineage.columns[attribute - 1];
    const reads = column === undefined ? lineage.rest : column.reads;
    if (reads === null) return false;
    return reads.every((read) => this.relations(read.schema, read.table).every((relation) => this.#collectNamed(relation.oid, read.column, into)));
  }

  #collectNamed(oid: number, column: string, into: { readonly found: Map<string, ColumnName>; readonly depth: number }): boolean {
    for (const [number, name] of this.#byOid.get(oid)?.numbers ?? []) if (name === column) return this.#collect(oid, number, into);
    // a parent's column that the child does not have under this name
    return true;
  }

  /** Part of loading: what the views' texts say. */
  async prove(views: readonly ViewText[], parser: SqlParser): Promise<void> {
    this.#views = await analyseViews(views, { catalogue: this, byOid: this.#byOid, parser });
  }
}

/** System columns with values of other tables, or with other sessions' commands. */
function showsOthers({ schema, table, column }: ColumnName): boolean {
  return schema === 'pg_catalog' && (valueBearing.has(table) || commandTexts.has(`${table}.${column}`));
}

interface Content {
  readonly relations: ReadonlyMap<number, Entry>;
  readonly functions: ReadonlyMap<string, readonly string[]>;
  readonly hasUserOperators: boolean;
}

/**
 * Reads the catalogue of the database `query` runs in. Gives `previous` itself when nothing changed. Throws ERR_INTERNAL
 * when the catalogue is larger than we hold, and whatever `query` throws.
 */
export async function loadCatalogue(query: CatalogueQuery, parser: SqlParser, previous?: Catalogue): Promise<LoadedCatalogue> {
  const relations = await limited(query, catalogueSql.relations, maxRelations);
  const columns = await limited(query, catalogueSql.columns, maxColumns);
  const inheritance = await limited(query, catalogueSql.inheritance, maxColumns);
  const views = await limited(query, catalogueSql.views, maxViews);
  const functions = await limited(query, catalogueSql.functions, maxColumns);
  const operators = await limited(query, catalogueSql.operators, 1);
  const digest = digestOf([relations, columns, inheritance, views, functions, operators]);
  if (previous instanceof LoadedCatalogue && previous.digest === digest) return previous;
  await breathe();
  const content: Content = {
    relations: entriesOf(relations, columns, inheritance),
    functions: groupedNames(functions),
    hasUserOperators: operators[0]?.[0] !== 'false',
  };
  const catalogue = new LoadedCatalogue({ epoch: (previous?.epoch ?? 0) + 1, digest }, content);
  await catalogue.prove(
    views.map(([oid, text]) => ({ oid: Number(oid), text: text ?? '' })),
    parser,
  );
  return catalogue;
}

async function limited(query: CatalogueQuery, sql: string, max: number): Promise<Rows> {
  const rows = await query(sql);
  if (rows.length > max) throw fail('ERR_INTERNAL', { detail: `the target's catalogue has more than ${max} rows of a kind` });
  return rows;
}

function digestOf(parts: readonly Rows[]): string {
  const hash = createHash('sha256');
  for (const rows of parts) {
    for (const row of rows) hash.update(JSON.stringify(row));
    hash.update('\n');
  }
  return hash.digest('base64');
}

function entriesOf(relations: Rows, columns: Rows, inheritance: Rows): ReadonlyMap<number, Entry> {
  const numbers = new Map<number, Map<number, string>>();
  for (const [oid, number, name] of columns) mapAt(numbers, Number(oid)).set(Number(number), name ?? '');
  const parents = new Map<number, number[]>();
  for (const [child, parent] of inheritance) {
    const known = parents.get(Number(child));
    if (known === undefined) parents.set(Number(child), [Number(parent)]);
    else known.push(Number(parent));
  }
  const entries = new Map<number, Entry>();
  for (const row of relations) {
    const oid = Number(row[0]);
    entries.set(oid, entryOf(row, numbers.get(oid) ?? new Map<number, string>(), parents.get(oid) ?? []));
  }
  spreadToParents(entries);
  return entries;
}

const plainKinds: ReadonlySet<string> = new Set(['r', 'p', 'm', 'S']);

function entryOf(row: readonly (string | null)[], numbers: ReadonlyMap<number, string>, parents: readonly number[]): Entry {
  const [oidText, schema, name, kind, hasOwnRules] = row.map((value) => value ?? '');
  const oid = Number(oidText);
  // what initdb made only shows; a view of users must be proven first
  const inert = oid < firstUserOid || (plainKinds.has(kind ?? '') && hasOwnRules === 'false');
  return { oid, schema: schema ?? '', name: name ?? '', kind: kind ?? '', inert, columns: [...numbers.values()], numbers, parents };
}

/** Reading a parent reads its children. */
function spreadToParents(entries: ReadonlyMap<number, Entry>): void {
  const pending = [...entries.values()].filter((entry) => !entry.inert);
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    for (const oid of entry.parents) {
      const parent = entries.get(oid);
      if (parent?.inert !== true) continue;
      parent.inert = false;
      pending.push(parent);
    }
  }
}

function mapAt(maps: Map<number, Map<number, string>>, key: number): Map<number, string> {
  const known = maps.get(key);
  if (known !== undefined) return known;
  const made = new Map<number, string>();
  maps.set(key, made);
  return made;
}

function byName(entries: Iterable<Entry>): ReadonlyMap<string, readonly Entry[]> {
  const names = new Map<string, Entry[]>();
  for (const entry of entries) {
    const known = names.get(entry.name);
    if (known === undefined) names.set(entry.name, [entry]);
    else known.push(entry);
  }
  return names;
}

function groupedNames(rows: Rows): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const [name, schema] of rows) {
    const known = names.get(name ?? '');
    if (known === undefined) names.set(name ?? '', [schema ?? '']);
    else known.push(schema ?? '');
  }
  return names;
}

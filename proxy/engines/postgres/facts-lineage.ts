import type { ColumnName } from '../../contract/operation.ts';
import { isBuiltinType } from './facts-gathering.ts';
import type { Gathering } from './facts-gathering.ts';
import { listAt, namesOf, nodeAt, nodeOf, textAt, treeAt, walk } from './classify-tree.ts';
import type { Node, Tree } from './classify-tree.ts';

/** What each output column may be computed from. */
export interface Lineage {
  /** by position, with the name the statement gives; only when no `*` shifts positions */
  readonly columns: readonly { readonly name: string | null; readonly reads: readonly ColumnName[] | null }[];
  /** for every other column */
  readonly rest: readonly ColumnName[] | null;
}

/** No output, or output that reads no stored column. */
export const noLineage: Lineage = { columns: [], rest: [] };
export const unknownLineage: Lineage = { columns: [], rest: null };

/** Conservative: more columns than the value depends on, or null, but never fewer. */
export function lineageOf(node: Node, gathering: Gathering): Lineage {
  const targets = outputs(node);
  if (targets === null) return noLineage;
  const whole = readsOf(node.body, gathering);
  const isSetOperation = node.type === 'SelectStmt' && textAt(node.body, 'op') !== 'SETOP_NONE';
  if (isSetOperation || targets.length === 0 || targets.some(hasStar)) return { columns: [], rest: whole };
  const columns = targets.map((target) => ({ name: aliasOf(target), reads: outputReads(target, gathering, whole) }));
  return { columns, rest: whole };
}

function outputs(node: Node): readonly unknown[] | null {
  switch (node.type) {
    case 'SelectStmt':
      return listAt(node.body, 'targetList');
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      return listAt(treeAt(node.body, 'returningClause') ?? {}, 'exprs');
    default:
      return null;
  }
}

function aliasOf(target: unknown): string | null {
  const name = textAt(nodeOf(target)?.body ?? {}, 'name');
  return name === '' ? null : name;
}

/** A `*` of this list; those of subqueries don't shift its positions. */
function hasStar(target: unknown): boolean {
  const value = nodeAt(nodeOf(target)?.body ?? {}, 'val');
  if (value?.type === 'ColumnRef') return listAt(value.body, 'fields').some((field) => nodeOf(field)?.type === 'A_Star');
  return value?.type === 'A_Indirection' && listAt(value.body, 'indirection').some((field) => nodeOf(field)?.type === 'A_Star');
}

export function outputReads(target: unknown, gathering: Gathering, whole: readonly ColumnName[] | null): readonly ColumnName[] | null {
  const reads = readsOf(target, gathering);
  if (reads === null || !gathering.derived) return reads;
  // a name may stand for a column of a subquery, computed from anything in the statement
  return namesSomething(target, gathering) ? whole : reads;
}

function namesSomething(value: unknown, gathering: Gathering): boolean {
  let found = false;
  walk(value, (type, body) => {
    if (isCount(type, body, gathering)) return false;
    if (type === 'ColumnRef' || type === 'SubLink') found = true;
    return !found;
  });
  return found;
}

/** How many rows there are says nothing of their columns. */
function isCount(type: string, body: Tree, gathering: Gathering): boolean {
  if (type !== 'FuncCall') return false;
  const path = namesOf(listAt(body, 'funcname'));
  return path.at(-1) === 'count' && gathering.standing(path) === 'inert';
}

/** The stored columns named anywhere below `value`; null when a function, type or table there is opaque. */
export function readsOf(value: unknown, gathering: Gathering): readonly ColumnName[] | null {
  const found = new Map<string, ColumnName>();
  const state = { isKnown: true };
  walk(value, (type, body) => {
    // an order carries no value
    if (!state.isKnown || type === 'SortBy' || isCount(type, body, gathering)) return false;
    if (body['agg_within_group'] === true) state.isKnown = ordered(body, gathering, found);
    if (!state.isKnown || opaque(type, body, gathering)) state.isKnown = false;
    else if (type === 'ColumnRef') state.isKnown = collect(body, gathering, found);
    else if (type === 'A_Indirection' || namesAll(type, body)) state.isKnown = everything(gathering, found);
    return state.isKnown;
  });
  return state.isKnown ? [...found.values()] : null;
}

/** `mode() WITHIN GROUP (ORDER BY x)` gives a value of x. */
function ordered(body: Tree, gathering: Gathering, found: Map<string, ColumnName>): boolean {
  const reads = readsOf(
    listAt(body, 'agg_order').map((item) => nodeOf(item)?.body['node']),
    gathering,
  );
  for (const column of reads ?? []) add(found, column);
  return reads !== null;
}

/** NATURAL joins, renamed columns */
function namesAll(type: string, body: Tree): boolean {
  return (type === 'JoinExpr' && body['isNatural'] === true) || listAt(body, 'colnames').length > 0 || listAt(body, 'aliascolnames').length > 0;
}

/** They give commands of other sessions, with the values in them. */
const showCommands: ReadonlySet<string> = new Set(['pg_stat_get_activity', 'pg_stat_get_backend_activity']);

function opaque(type: string, body: Tree, gathering: Gathering): boolean {
  switch (type) {
    case 'FuncCall':
      return gathering.standing(namesOf(listAt(body, 'funcname'))) === 'act' || showCommands.has(namesOf(listAt(body, 'funcname')).at(-1) ?? '');
    case 'TypeName':
      return !isBuiltinType(namesOf(listAt(body, 'names')));
    case 'A_Indirection':
      return namesOf(listAt(body, 'indirection')).some((name) => gathering.isFunction(name));
    case 'A_Expr':
      return isForeign(namesOf(listAt(body, 'name')));
    case 'SubLink':
      return isForeign(namesOf(listAt(body, 'operName')));
    default:
      return false;
  }
}

function isForeign(operator: readonly string[]): boolean {
  return operator.length > 1 && operator[0] !== 'pg_catalog';
}

const systemColumns: ReadonlySet<string> = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid']);

/** False when it can't be said what the reference means. */
function collect(body: Tree, gathering: Gathering, found: Map<string, ColumnName>): boolean {
  const fields = listAt(body, 'fields');
  const names = namesOf(fields);
  const name = names.at(-1) ?? '';
  if (names.length < fields.length || gathering.isRow(name)) return everything(gathering, found);
  if (names.length > 1 && gathering.catalogue.isUserFunction(name) && !hasColumn(gathering, name)) return false;
  let isKnown = false;
  for (const relation of gathering.relations) {
    if (!relation.columns.includes(name)) continue;
    isKnown = true;
    add(found, { schema: relation.schema, table: relation.name, column: name });
  }
  if (gathering.unresolved) return false;
  return isKnown || gathering.derived || systemColumns.has(name);
}

function hasColumn(gathering: Gathering, name: string): boolean {
  for (const relation of gathering.relations) if (relation.columns.includes(name)) return true;
  return false;
}

function everything(gathering: Gathering, found: Map<string, ColumnName>): boolean {
  for (const relation of gathering.relations) {
    for (const column of relation.columns) add(found, { schema: relation.schema, table: relation.name, column });
  }
  return !gathering.unresolved;
}

function add(found: Map<string, ColumnName>, column: ColumnName): void {
  found.set(`${column.schema}\0${column.table}\0${column.column}`, column);
}

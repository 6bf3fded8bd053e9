import type { ColumnName, Copy } from '../../contract/operation.ts';
import { guardedFunctions } from './functions-inert.ts';
import { isTree, listAt, namesOf, nodeAt, nodeOf, textAt, treeAt, walk } from './classify-tree.ts';
import type { Node, Tree } from './classify-tree.ts';
import type { Gathering } from './facts-gathering.ts';
import { lineageOf, outputReads, readsOf } from './facts-lineage.ts';

/** They choose rows and carry no value: what they reveal is said by the number of rows anyway. */
const conditions: ReadonlySet<string> = new Set([
  'whereClause',
  'quals',
  'havingClause',
  'sortClause',
  'groupClause',
  'limitCount',
  'limitOffset',
  'joinCondition',
]);
/** Below these something is computed. */
const expressions: ReadonlySet<string> = new Set('A_Expr CoalesceExpr ColumnRef FuncCall SelectStmt SubLink TypeCast'.split(' '));

interface Target {
  readonly gathering: Gathering;
  readonly to: (column: string | undefined) => ColumnName | null;
  readonly whole: readonly ColumnName[];
  readonly found: Map<string, Copy>;
}

/** Stored columns whose values the statement puts into other stored columns: INSERT … SELECT, SET, MERGE, CREATE TABLE AS. */
export function copiesOf(node: Node, gathering: Gathering): readonly Copy[] {
  const found = new Map<string, Copy>();
  if (!gathering.writes && !gathering.unknown) return [];
  const whole = valuesIn(node.body, gathering);
  walk({ [node.type]: node.body }, (type, body) => {
    if (type === 'FuncCall') passed(body, { gathering, whole, found, to: () => null });
    else if (gathering.writes) flows(type, body, { gathering, found });
    return true;
  });
  return [...found.values()];
}

/** Settings, sequences, advisory locks, messages: what is put there can be read back. What functions of users do is theirs. */
function passed(body: Tree, target: Target): void {
  const { gathering } = target;
  const path = namesOf(listAt(body, 'funcname'));
  const name = path.at(-1) ?? '';
  if (gathering.standing(path) !== 'act' || !guardedFunctions.has(name) || (path.length === 1 && gathering.catalogue.isUserFunction(name))) return;
  if (path.length > 1 && path.at(-2) !== 'pg_catalog') return;
  for (const value of listAt(body, 'args')) store({ from: valueOf(value, target), to: null, computed: true }, target.found);
}

function flows(type: string, body: Tree, { gathering, found }: { gathering: Gathering; found: Map<string, Copy> }): void {
  if (type === 'InsertStmt' || type === 'UpdateStmt' || type === 'MergeStmt') {
    const target: Target = { gathering, found, to: columnOf(gathering, body), whole: valuesIn(body, gathering) };
    if (type === 'InsertStmt') insert(body, target);
    else if (type === 'UpdateStmt') assignments(listAt(body, 'targetList'), target);
    else merge(body, target);
  } else if (type === 'CreateTableAsStmt') store({ from: valuesIn(body['query'], gathering), to: null, computed: true }, found);
  else if (type === 'SelectStmt' && treeAt(body, 'intoClause') !== null) store({ from: valuesIn(body, gathering), to: null, computed: true }, found);
}

/** The target's column of a name. */
function columnOf(gathering: Gathering, body: Tree): Target['to'] {
  const relation = treeAt(body, 'relation') ?? {};
  const schema = textAt(relation, 'schemaname');
  const [only, ...others] = gathering.catalogue.relations(schema === '' ? null : schema, textAt(relation, 'relname'));
  // which of several tables it is decides the search path: then no column is known to be as protected as its source
  return (column) => (column === undefined || only === undefined || others.length > 0 ? null : { schema: only.schema, table: only.name, column });
}

function insert(body: Tree, target: Target): void {
  const columns = insertedColumns(body, target);
  const source = nodeAt(body, 'selectStmt');
  if (source !== null) selected(source, columns, target);
  const conflict = treeAt(body, 'onConflictClause');
  if (conflict !== null) assignments(listAt(conflict, 'targetList'), target);
}

function insertedColumns(body: Tree, { gathering }: Target): readonly string[] {
  const cols = listAt(body, 'cols');
  if (cols.length > 0) return cols.map((col) => textAt(nodeOf(col)?.body ?? {}, 'name'));
  const relation = treeAt(body, 'relation') ?? {};
  const schema = textAt(relation, 'schemaname');
  return gathering.catalogue.relations(schema === '' ? null : schema, textAt(relation, 'relname'))[0]?.columns ?? [];
}

function selected(source: Node, columns: readonly string[], target: Target): void {
  const { gathering, found } = target;
  for (const row of listAt(source.body, 'valuesLists')) storedRow(listAt(nodeOf(row)?.body ?? {}, 'items'), columns, target);
  if (listAt(source.body, 'valuesLists').length > 0) return;
  const lineage = lineageOf({ type: source.type, body: withoutConditions(source.body) as Tree }, gathering);
  const rest = lineage.rest ?? named(gathering);
  const list = listAt(source.body, 'targetList');
  const count = Math.max(columns.length, lineage.columns.length, 1);
  for (let at = 0; at < count; at++) {
    const known = lineage.columns[at];
    const from = known === undefined ? rest : (known.reads ?? named(gathering));
    const computed = known === undefined ? gathering.derived : isComputed(nodeOf(list[at])?.body['val'], gathering);
    store({ from, to: target.to(columns[at]), computed }, found);
  }
}

function storedRow(values: readonly unknown[], columns: readonly string[], target: Target): void {
  values.forEach((value, at) => {
    const computed = isComputed(value, target.gathering);
    store({ from: valueOf(value, target), to: target.to(columns[at]), computed }, target.found);
  });
}

function assignments(list: readonly unknown[], target: Target): void {
  for (const item of list) {
    const body = nodeOf(item)?.body ?? {};
    const computed = isComputed(body['val'], target.gathering);
    store({ from: valueOf(body['val'], target), to: target.to(textAt(body, 'name')), computed }, target.found);
  }
}

function merge(body: Tree, target: Target): void {
  for (const item of listAt(body, 'mergeWhenClauses')) {
    const clause = nodeOf(item)?.body ?? {};
    const list = listAt(clause, 'targetList');
    if (textAt(clause, 'commandType') !== 'CMD_INSERT') assignments(list, target);
    else
      storedRow(listAt(clause, 'values'), list.length > 0 ? list.map((one) => textAt(nodeOf(one)?.body ?? {}, 'name')) : insertedColumns(body, target), target);
  }
}

function valueOf(value: unknown, { gathering, whole }: Target): readonly ColumnName[] {
  return outputReads(withoutConditions(value), gathering, whole) ?? named(gathering);
}

function valuesIn(value: unknown, gathering: Gathering): readonly ColumnName[] {
  return readsOf(withoutConditions(value), gathering) ?? named(gathering);
}

function isComputed(value: unknown, gathering: Gathering): boolean {
  return gathering.derived || nodeOf(value)?.type !== 'ColumnRef';
}

function store(copy: { readonly from: readonly ColumnName[]; readonly to: ColumnName | null; readonly computed: boolean }, found: Map<string, Copy>): void {
  const { to, computed } = copy;
  for (const from of copy.from) found.set(JSON.stringify([from, to, computed]), { from, to, computed });
}

function withoutConditions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutConditions);
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([field, inner]) => (conditions.has(field) ? [] : [[field, withoutConditions(inner)]])));
}

/** Every column of a table in the statement that it names. */
function named(gathering: Gathering, all = false): readonly ColumnName[] {
  const found: ColumnName[] = [];
  for (const relation of gathering.relations) {
    for (const column of relation.columns) {
      if (all || gathering.columns.has(column)) found.push({ schema: relation.schema, table: relation.name, column });
    }
  }
  return found;
}

/** What errors and notices may quote: columns that are named, and of a row to be written all. Null: code or tables nobody looked into. */
export function quotableOf(gathering: Gathering): readonly ColumnName[] | null {
  if (gathering.unresolved || [...gathering.acts.values()].some((act) => act.action === 'sql:execute')) return null;
  return named(gathering, gathering.writes);
}

export function evaluates(node: Node): boolean {
  let found = false;
  walk({ [node.type]: node.body }, (type) => {
    if (expressions.has(type)) found = true;
    return !found;
  });
  return found;
}

import type { ColumnName } from '../../contract/operation.ts';
import type { Gathering } from './facts-gathering.ts';
import { listAt, namesOf, nodeAt, nodeOf, textAt, treeAt, walk } from './classify-tree.ts';
import type { Node, Tree } from './classify-tree.ts';

type Found = Map<number, ColumnName>;

/** Which literals are compared with or stored in which column, where that is obvious. */
export function literalColumns(node: Node, gathering: Gathering): readonly (readonly [number, ColumnName])[] {
  const found: Found = new Map();
  walk({ [node.type]: node.body }, (type, body) => {
    if (type === 'A_Expr') comparison(gathering, body, found);
    else if (type === 'InsertStmt') insert(gathering, body, found);
    else if (type === 'UpdateStmt') assignments(gathering, body, listAt(body, 'targetList'), found);
    else if (type === 'MergeStmt') merge(gathering, body, found);
    return true;
  });
  return [...found];
}

function comparison(gathering: Gathering, body: Tree, found: Found): void {
  for (const [side, other] of [
    ['lexpr', 'rexpr'],
    ['rexpr', 'lexpr'],
  ] as const) {
    const column = referenced(gathering, body[side]);
    if (column !== null) constants(body[other], column, found);
  }
}

/** The column of a reference, through casts and functions of one argument. */
function referenced(gathering: Gathering, value: unknown): ColumnName | null {
  const node = nodeOf(value);
  switch (node?.type) {
    case 'TypeCast':
      return referenced(gathering, node.body['arg']);
    case 'FuncCall':
      return listAt(node.body, 'args').length === 1 ? referenced(gathering, listAt(node.body, 'args')[0]) : null;
    case 'ColumnRef':
      return resolved(gathering, namesOf(listAt(node.body, 'fields')));
    default:
      return null;
  }
}

function resolved(gathering: Gathering, names: readonly string[]): ColumnName | null {
  const column = names.at(-1) ?? '';
  const qualifier = names.at(-2);
  const named = qualifier === undefined ? undefined : gathering.sources.get(qualifier);
  for (const relation of named ?? gathering.relations) {
    if (relation.columns.includes(column)) return { schema: relation.schema, table: relation.name, column };
  }
  return null;
}

/** All literals of an expression, except where another comparison is nearer. */
function constants(value: unknown, column: ColumnName, found: Found): void {
  walk(value, (type, body) => {
    if (type === 'A_Const') {
      const location = body['location'];
      const at = typeof location === 'number' ? location : 0;
      if (!found.has(at)) found.set(at, column);
    }
    return type !== 'SubLink';
  });
}

function insert(gathering: Gathering, body: Tree, found: Found): void {
  const columns = targetColumns(gathering, body, listAt(body, 'cols'));
  const source = treeAt(nodeAt(body, 'selectStmt')?.body ?? {}, 'larg') === null ? nodeAt(body, 'selectStmt')?.body : undefined;
  if (source !== undefined) {
    for (const row of listAt(source, 'valuesLists')) storeRow(listAt(nodeOf(row)?.body ?? {}, 'items'), columns, found);
    storeRow(
      listAt(source, 'targetList').map((target) => nodeOf(target)?.body['val']),
      columns,
      found,
    );
  }
  const conflict = treeAt(body, 'onConflictClause');
  if (conflict !== null) assignments(gathering, body, listAt(conflict, 'targetList'), found);
}

function storeRow(values: readonly unknown[], columns: readonly (ColumnName | null)[], found: Found): void {
  values.forEach((value, at) => {
    const column = columns[at];
    if (column !== undefined && column !== null) constants(value, column, found);
  });
}

/** The named columns, or all of the table in its order. */
function targetColumns(gathering: Gathering, body: Tree, cols: readonly unknown[]): readonly (ColumnName | null)[] {
  const relation = targetRelation(gathering, body);
  if (relation === null) return [];
  const names = cols.length > 0 ? cols.map((col) => textAt(nodeOf(col)?.body ?? {}, 'name')) : relation.columns;
  return names.map((column) => (relation.columns.includes(column) ? { schema: relation.schema, table: relation.name, column } : null));
}

function targetRelation(gathering: Gathering, body: Tree): { readonly schema: string; readonly name: string; readonly columns: readonly string[] } | null {
  const relation = treeAt(body, 'relation');
  if (relation === null) return null;
  const schema = textAt(relation, 'schemaname');
  return gathering.catalogue.relations(schema === '' ? null : schema, textAt(relation, 'relname'))[0] ?? null;
}

function assignments(gathering: Gathering, body: Tree, targets: readonly unknown[], found: Found): void {
  const columns = targetColumns(gathering, body, targets);
  targets.forEach((target, at) => {
    const column = columns[at];
    const value = nodeAt(nodeOf(target)?.body ?? {}, 'val');
    if (column === undefined || column === null || value === null) return;
    constants(value.type === 'MultiAssignRef' ? multiSource(value.body) : { [value.type]: value.body }, column, found);
  });
}

/** `(a, b) = (1, 2)`: the source that belongs to this column */
function multiSource(body: Tree): unknown {
  const row = nodeAt(body, 'source');
  const at = typeof body['colno'] === 'number' ? body['colno'] - 1 : 0;
  return row?.type === 'RowExpr' ? listAt(row.body, 'args')[at] : null;
}

function merge(gathering: Gathering, body: Tree, found: Found): void {
  for (const item of listAt(body, 'mergeWhenClauses')) {
    const clause = nodeOf(item)?.body ?? {};
    const targets = listAt(clause, 'targetList');
    if (textAt(clause, 'commandType') === 'CMD_INSERT') storeRow(listAt(clause, 'values'), targetColumns(gathering, body, targets), found);
    else assignments(gathering, body, targets, found);
  }
}

import type { Relation } from './statement.ts';
import { fail } from '../../contract/errors.ts';
import { bareType, constantText, isTree, listAt, namesOf, nodeAt, nodeOf, textAt, treeAt, walk } from './classify-tree.ts';
import type { Tree } from './classify-tree.ts';
import type { Gathering } from './facts-gathering.ts';
import { setting } from './facts-settings.ts';

/** CTE names in scope. */
export type Scope = ReadonlySet<string>;
export const noScope: Scope = new Set();

type Visit = (gathering: Gathering, body: Tree, scope: Scope) => void;

/** Visits everything below `value`; nothing is skipped: what has no treatment of its own is searched. */
export function visit(gathering: Gathering, value: unknown, scope: Scope, field = ''): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(gathering, item, scope, field);
    return;
  }
  if (!isTree(value)) return;
  const node = nodeOf(value);
  const body = node?.body ?? value;
  visitTyped(gathering, { type: node?.type ?? bareType(field, body), body }, scope);
}

function visitTyped(gathering: Gathering, node: { readonly type: string; readonly body: Tree }, scope: Scope): void {
  const special = treatments.get(node.type);
  if (special !== undefined) {
    special(gathering, node.body, scope);
    return;
  }
  if (node.type !== '' && !plain.has(node.type)) gathering.unknown = true;
  visitFields(gathering, node.body, scope);
}

export function visitFields(gathering: Gathering, body: Tree, scope: Scope, except: readonly string[] = []): void {
  for (const field in body) {
    const value = body[field];
    if (typeof value === 'object' && !except.includes(field)) visit(gathering, value, scope, field);
  }
}

/** The scope inside a statement with this WITH clause; visits the CTEs. */
export function withScope(gathering: Gathering, body: Tree, scope: Scope): Scope {
  const clause = treeAt(body, 'withClause');
  if (clause === null) return scope;
  const names: Tree[] = [];
  for (const item of listAt(clause, 'ctes')) {
    const cte = nodeOf(item);
    if (cte !== null) names.push(cte.body);
  }
  gathering.derived = true;
  const inner = new Set(scope);
  const isRecursive = clause['recursive'] === true;
  if (isRecursive) for (const cte of names) inner.add(textAt(cte, 'ctename'));
  for (const cte of names) {
    // a CTE that is not recursive sees only those before it
    visitFields(gathering, cte, isRecursive ? inner : new Set(inner));
    if (listAt(cte, 'aliascolnames').length > 0) gathering.star = true;
    inner.add(textAt(cte, 'ctename'));
    gathering.source(textAt(cte, 'ctename'), null);
  }
  return inner;
}

function rangeVar(gathering: Gathering, body: Tree, scope: Scope): void {
  const name = textAt(body, 'relname');
  const isCte = textAt(body, 'schemaname') === '' && scope.has(name);
  if (isCte) gathering.derived = true;
  nameSource(gathering, body, isCte ? null : gathering.table('sql:select', body));
}

/** Registers the name a FROM item goes by. */
export function nameSource(gathering: Gathering, body: Tree, relations: readonly Relation[] | null): void {
  const alias = treeAt(body, 'alias');
  gathering.source(alias === null ? textAt(body, 'relname') : textAt(alias, 'aliasname'), relations);
  if (alias !== null && listAt(alias, 'colnames').length > 0) renamed(gathering);
}

function renamed(gathering: Gathering): void {
  gathering.star = true;
  gathering.derived = true;
}

function derivedSource(gathering: Gathering, body: Tree, scope: Scope): void {
  gathering.derived = true;
  const alias = treeAt(body, 'alias');
  if (alias !== null) gathering.source(textAt(alias, 'aliasname'), null);
  visitFields(gathering, body, scope);
}

function join(gathering: Gathering, body: Tree, scope: Scope): void {
  if (body['isNatural'] === true) gathering.star = true;
  for (const name of namesOf(listAt(body, 'usingClause'))) gathering.column(name);
  for (const field of ['alias', 'join_using_alias']) {
    const alias = treeAt(body, field);
    if (alias === null) continue;
    gathering.source(textAt(alias, 'aliasname'), null);
    renamed(gathering);
  }
  visitFields(gathering, body, scope, ['usingClause']);
}

function select(gathering: Gathering, body: Tree, scope: Scope): void {
  const inner = withScope(gathering, body, scope);
  if (listAt(body, 'lockingClause').length > 0) gathering.writes = true;
  // the locking clause names aliases, not tables
  visitFields(gathering, body, inner, ['withClause', 'lockingClause']);
}

function into(gathering: Gathering, body: Tree): void {
  const relation = treeAt(body, 'rel');
  gathering.writes = true;
  if (relation !== null) gathering.table('sql:ddl', relation);
}

function target(gathering: Gathering, body: Tree, action: 'sql:insert' | 'sql:update' | 'sql:delete'): void {
  const relation = treeAt(body, 'relation');
  gathering.writes = true;
  if (relation === null) return;
  // the target is never a CTE, even when one has its name
  nameSource(gathering, relation, gathering.table(action, relation));
  if (action === 'sql:update' && textAt(relation, 'relname') === 'pg_settings') {
    throw fail('ERR_FEATURE_REFUSED', { message: 'Settings are changed with SET, not by writing to pg_settings.', detail: 'set' });
  }
}

function reads(gathering: Gathering, body: Tree): void {
  const relation = treeAt(body, 'relation');
  if (relation !== null) gathering.table('sql:select', relation);
}

function returns(body: Tree): boolean {
  return treeAt(body, 'returningClause') !== null;
}

function insert(gathering: Gathering, body: Tree, scope: Scope): void {
  const inner = withScope(gathering, body, scope);
  target(gathering, body, 'sql:insert');
  const conflict = treeAt(body, 'onConflictClause');
  if (returns(body) || conflict !== null) reads(gathering, body);
  if (conflict !== null && textAt(conflict, 'action') === 'ONCONFLICT_UPDATE') target(gathering, body, 'sql:update');
  if (conflict !== null) targets(gathering, listAt(conflict, 'targetList'));
  targets(gathering, listAt(body, 'cols'));
  const relation = treeAt(body, 'relation');
  if (listAt(body, 'cols').length === 0 && relation !== null) allColumns(gathering, relation);
  visitFields(gathering, body, inner, ['withClause', 'relation']);
}

function allColumns(gathering: Gathering, relation: Tree): void {
  const schema = textAt(relation, 'schemaname');
  for (const found of gathering.catalogue.relations(schema === '' ? null : schema, textAt(relation, 'relname'))) {
    for (const column of found.columns) gathering.column(column);
  }
}

/** Names on the left of an assignment. */
function targets(gathering: Gathering, list: readonly unknown[]): void {
  for (const item of list) {
    const node = nodeOf(item);
    if (node !== null) gathering.column(textAt(node.body, 'name'));
  }
}

function update(gathering: Gathering, body: Tree, scope: Scope): void {
  const inner = withScope(gathering, body, scope);
  target(gathering, body, 'sql:update');
  const list = listAt(body, 'targetList');
  targets(gathering, list);
  if (!conditioned(body['whereClause'])) gathering.unconditional = true;
  if (nodeAt(body, 'whereClause') !== null || returns(body) || listAt(body, 'fromClause').length > 0 || namesColumn(list)) reads(gathering, body);
  visitFields(gathering, body, inner, ['withClause', 'relation']);
}

function remove(gathering: Gathering, body: Tree, scope: Scope): void {
  const inner = withScope(gathering, body, scope);
  target(gathering, body, 'sql:delete');
  if (!conditioned(body['whereClause'])) gathering.unconditional = true;
  if (nodeAt(body, 'whereClause') !== null || returns(body) || listAt(body, 'usingClause').length > 0) reads(gathering, body);
  visitFields(gathering, body, inner, ['withClause', 'relation']);
}

const mergeActions: ReadonlyMap<string, 'sql:insert' | 'sql:update' | 'sql:delete'> = new Map([
  ['CMD_INSERT', 'sql:insert'],
  ['CMD_UPDATE', 'sql:update'],
  ['CMD_DELETE', 'sql:delete'],
]);

function merge(gathering: Gathering, body: Tree, scope: Scope): void {
  const inner = withScope(gathering, body, scope);
  gathering.writes = true;
  reads(gathering, body);
  if (!conditioned(body['joinCondition'])) gathering.unconditional = true;
  for (const item of listAt(body, 'mergeWhenClauses')) {
    const clause = nodeOf(item)?.body ?? {};
    const action = mergeActions.get(textAt(clause, 'commandType'));
    if (action !== undefined) target(gathering, body, action);
    targets(gathering, listAt(clause, 'targetList'));
  }
  visitFields(gathering, body, inner, ['withClause', 'relation']);
}

/** `WHERE true` is no condition: it must name a column. */
export function conditioned(where: unknown): boolean {
  return namesColumn(where);
}

function namesColumn(value: unknown): boolean {
  let found = false;
  walk(value, (type) => {
    if (type === 'ColumnRef' || type === 'CurrentOfExpr') found = true;
    return !found;
  });
  return found;
}

function columnRef(gathering: Gathering, body: Tree): void {
  const fields = listAt(body, 'fields');
  const names = namesOf(fields);
  if (names.length < fields.length) gathering.star = true;
  else gathering.reference(names);
}

/** `(x).f`: a field of a row, or a call of function f with x. */
function indirection(gathering: Gathering, body: Tree, scope: Scope): void {
  gathering.star = true;
  for (const name of namesOf(listAt(body, 'indirection'))) {
    gathering.column(name);
    if (gathering.isFunction(name)) gathering.call([name]);
  }
  visitFields(gathering, body, scope);
}

function functionCall(gathering: Gathering, body: Tree, scope: Scope): void {
  const path = namesOf(listAt(body, 'funcname'));
  gathering.call(path);
  if (path.at(-1) === 'set_config') setConfig(gathering, listAt(body, 'args'));
  visitFields(gathering, body, scope, ['funcname']);
}

function setConfig(gathering: Gathering, args: readonly unknown[]): void {
  gathering.readsLiterals = true;
  const named = args.map(nodeOf).find((node) => node?.type === 'NamedArgExpr' && textAt(node.body, 'name') === 'setting_name');
  const first = nodeOf(args[0]);
  const name = named === undefined || named === null ? (first?.type === 'NamedArgExpr' ? null : constantText(args[0])) : constantText(named.body['arg']);
  setting(gathering, { name, value: null });
}

function typeName(gathering: Gathering, body: Tree, scope: Scope): void {
  gathering.type(body);
  visitFields(gathering, body, scope, ['names']);
}

function expression(gathering: Gathering, body: Tree, scope: Scope): void {
  gathering.operator(listAt(body, 'name'));
  visitFields(gathering, body, scope, ['name']);
}

function subLink(gathering: Gathering, body: Tree, scope: Scope): void {
  gathering.derived = true;
  gathering.operator(listAt(body, 'operName'));
  visitFields(gathering, body, scope, ['operName']);
}

function sortBy(gathering: Gathering, body: Tree, scope: Scope): void {
  gathering.operator(listAt(body, 'useOp'));
  visitFields(gathering, body, scope, ['useOp']);
}

const sampleMethods: ReadonlySet<string> = new Set(['bernoulli', 'system']);

function tableSample(gathering: Gathering, body: Tree, scope: Scope): void {
  const path = namesOf(listAt(body, 'method'));
  const isBuiltin =
    sampleMethods.has(path.at(-1) ?? '') && (path.length === 1 || path[0] === 'pg_catalog') && !gathering.catalogue.isUserFunction(path.at(-1) ?? '');
  if (!isBuiltin) gathering.call(path);
  visitFields(gathering, body, scope, ['method']);
}

function indexElement(gathering: Gathering, body: Tree, scope: Scope): void {
  const name = textAt(body, 'name');
  if (name !== '') gathering.column(name);
  visitFields(gathering, body, scope);
}

function columnDefinition(gathering: Gathering, body: Tree, scope: Scope): void {
  const name = textAt(body, 'colname');
  if (name !== '') gathering.column(name);
  visitFields(gathering, body, scope);
}

/** Syntax of newer servers; an older one reads it as the call of a function of users with that name. */
function newerSyntax(...names: readonly string[]): Visit {
  return (gathering, body, scope) => {
    for (const name of names) if (gathering.catalogue.isUserFunction(name)) gathering.call([name]);
    visitFields(gathering, body, scope);
  };
}

function jsonTable(gathering: Gathering, body: Tree, scope: Scope): void {
  newerSyntax('json_table')(gathering, body, scope);
  derivedSource(gathering, { alias: body['alias'] }, scope);
}

const treatments: ReadonlyMap<string, Visit> = new Map<string, Visit>([
  ['RangeVar', rangeVar],
  ['SelectStmt', select],
  ['InsertStmt', insert],
  ['UpdateStmt', update],
  ['DeleteStmt', remove],
  ['MergeStmt', merge],
  ['IntoClause', into],
  ['RangeSubselect', derivedSource],
  ['RangeFunction', derivedSource],
  ['RangeTableFunc', derivedSource],
  ['RangeTableSample', tableSample],
  ['JoinExpr', join],
  ['ColumnRef', columnRef],
  ['A_Indirection', indirection],
  ['FuncCall', functionCall],
  ['TypeName', typeName],
  ['A_Expr', expression],
  ['SubLink', subLink],
  ['SortBy', sortBy],
  ['IndexElem', indexElement],
  ['ColumnDef', columnDefinition],
  ['JsonTable', jsonTable],
  ['JsonFuncExpr', newerSyntax('json_exists', 'json_query', 'json_value')],
  ['JsonParseExpr', newerSyntax('json')],
  ['JsonScalarExpr', newerSyntax('json_scalar')],
  ['JsonSerializeExpr', newerSyntax('json_serialize')],
  ['JsonObjectConstructor', newerSyntax('json_object')],
  ['JsonArrayConstructor', newerSyntax('json_array')],
  ['JsonArrayQueryConstructor', newerSyntax('json_array')],
  ['JsonObjectAgg', newerSyntax('json_objectagg')],
  ['JsonArrayAgg', newerSyntax('json_arrayagg')],
  ['MergeSupportFunc', newerSyntax('merge_action')],
]);

/** Nodes without effect of their own; any other makes the effect unknown. */
const plain: ReadonlySet<string> = new Set(
  (
    'A_ArrayExpr A_Const A_Indices A_Star Alias BitString BoolExpr Boolean BooleanTest CTECycleClause CTESearchClause CaseExpr CaseWhen CoalesceExpr CollateClause ' +
    'CommonTableExpr CurrentOfExpr Float GroupingFunc GroupingSet InferClause Integer JsonAggConstructor JsonArgument JsonBehavior JsonFormat JsonIsPredicate ' +
    'JsonKeyValue JsonOutput JsonTableColumn JsonTablePathSpec JsonValueExpr List LockingClause MergeWhenClause MinMaxExpr MultiAssignRef NamedArgExpr NullTest ' +
    'OnConflictClause ParamRef RangeTableFuncCol ResTarget ReturningClause ReturningOption RowExpr SQLValueFunction SetToDefault String TypeCast WindowDef ' +
    'WithClause XmlExpr XmlSerialize'
  ).split(' '),
);

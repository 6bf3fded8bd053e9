import { isTree, listAt, namesOf, nodeOf, textAt, treeAt } from './classify-tree.ts';
import type { Node, Tree } from './classify-tree.ts';
import type { Gathering } from './facts-gathering.ts';
import { functionTypes, relationPartTypes, relationTypes } from './facts-kinds.ts';
import type { StatementKind } from './facts-kinds.ts';
import { noScope, visit } from './facts-walk.ts';

/** Queries and expressions inside a definition. */
const visited: ReadonlySet<string> = new Set(
  'SelectStmt InsertStmt UpdateStmt DeleteStmt MergeStmt FuncCall A_Expr ColumnRef TypeCast SubLink A_Indirection IndexElem'.split(' '),
);

/** DDL, DCL and maintenance: one act for each object named, on the database as a whole when none is. */
export function definition(gathering: Gathering, node: Node, kind: StatementKind): void {
  const before = gathering.acts.size;
  gathering.writes = true;
  gathering.unknown = true;
  gathering.readsLiterals = true;
  if (kind.action === 'sql:utility') gathering.act(kind.action, 'Utility', [kind.kind]);
  named(gathering, node, kind);
  relations(gathering, node.body, kind);
  const settings = treeAt(node.body, 'setstmt');
  if (settings !== null) {
    gathering.act(kind.action, 'Setting', [textAt(settings, 'name').toLowerCase()]);
    // it also reaches sessions of others
    gathering.act(kind.action, 'Database', []);
  }
  const hasObject = [...gathering.acts.values()].slice(before).some((act) => act.action === kind.action);
  if (!hasObject) gathering.act(kind.action, 'Database', []);
}

/** Tables at any depth get the statement's action; queries and expressions inside are visited as such. */
function relations(gathering: Gathering, value: unknown, kind: StatementKind): void {
  if (Array.isArray(value)) {
    for (const item of value) relations(gathering, item, kind);
    return;
  }
  if (!isTree(value)) return;
  const node = nodeOf(value);
  const body = node?.body ?? value;
  if (node !== null && visited.has(node.type)) visit(gathering, value, noScope);
  else if ('relname' in body) gathering.table(kind.action, body);
  else relationsBelow(gathering, body, kind);
}

function relationsBelow(gathering: Gathering, body: Tree, kind: StatementKind): void {
  const column = textAt(body, 'colname');
  if (column !== '') gathering.column(column);
  for (const field in body) if (typeof body[field] === 'object') relations(gathering, body[field], kind);
}

function named(gathering: Gathering, node: Node, kind: StatementKind): void {
  const { body } = node;
  switch (node.type) {
    case 'CreateFunctionStmt':
      routine(gathering, kind, namesOf(listAt(body, 'funcname')));
      return;
    case 'CreateTrigStmt':
    case 'CreateEventTrigStmt':
      gathering.call(namesOf(listAt(body, 'funcname')));
      return;
    case 'CreateSchemaStmt':
      gathering.act(kind.action, 'Schema', [textAt(body, 'schemaname')]);
      return;
    case 'AlterFunctionStmt':
      routine(gathering, kind, namesOf(listAt(treeAt(body, 'func') ?? {}, 'objname')));
      return;
    default:
      objects(gathering, body, kind);
  }
}

/** DROP, COMMENT, ALTER … OWNER, GRANT: the object's type stands beside a list of names. */
function objects(gathering: Gathering, body: Tree, kind: StatementKind): void {
  const type =
    ['removeType', 'objtype', 'objectType', 'renameType', 'kind'].map((field) => textAt(body, field)).find((text) => text.startsWith('OBJECT_')) ?? '';
  const isSchema = textAt(body, 'targtype') === 'ACL_TARGET_ALL_IN_SCHEMA' || type === 'OBJECT_SCHEMA';
  const list = [...listAt(body, 'objects'), body['object'], { List: { items: listAt(body, 'defnames') } }];
  for (const item of list) {
    const path = pathOf(item);
    if (path.length === 0) continue;
    if (isSchema) gathering.act(kind.action, 'Schema', path.slice(-1));
    else if (relationTypes.has(type)) relation(gathering, kind, path);
    else if (relationPartTypes.has(type)) relation(gathering, kind, path.slice(0, -1));
    else if (functionTypes.has(type)) routine(gathering, kind, path);
    else gathering.act(kind.action, 'Database', []);
  }
}

function pathOf(value: unknown): readonly string[] {
  const node = nodeOf(value);
  switch (node?.type) {
    case 'String':
      return [textAt(node.body, 'sval')];
    case 'List':
      return namesOf(listAt(node.body, 'items'));
    case 'ObjectWithArgs':
      return namesOf(listAt(node.body, 'objname'));
    case 'TypeName':
      return namesOf(listAt(node.body, 'names'));
    default:
      return [];
  }
}

function relation(gathering: Gathering, kind: StatementKind, path: readonly string[]): void {
  const name = path.at(-1);
  if (name !== undefined) gathering.tableNamed(kind.action, path.at(-2) ?? '', name);
}

function routine(gathering: Gathering, kind: StatementKind, path: readonly string[]): void {
  const name = path.at(-1) ?? '';
  const schema = path.at(-2);
  const schemas = schema === undefined ? (gathering.catalogue.functionSchemas?.(name) ?? []) : [schema];
  for (const found of schemas.length === 0 ? ['?'] : schemas) gathering.act(kind.action, 'Function', [found, name]);
}

import type { Act, ColumnName, Copy, Effect, FactContext } from '../../contract/operation.ts';
import { fail } from '../../contract/errors.ts';
import type { Catalogue } from './statement.ts';
import { isConstant, listAt, nodeAt, nodeOf, textAt, treeAt } from './classify-tree.ts';
import type { Node, Tree } from './classify-tree.ts';
import { definition } from './facts-definition.ts';
import { copiesOf, evaluates, quotableOf } from './facts-flow.ts';
import { Gathering } from './facts-gathering.ts';
import { alteringActions, refusedKinds, statementKinds } from './facts-kinds.ts';
import { lineageOf, noLineage, unknownLineage } from './facts-lineage.ts';
import type { Lineage } from './facts-lineage.ts';
import { literalColumns } from './facts-literals.ts';
import { variableSet } from './facts-settings.ts';
import { conditioned, noScope, visit } from './facts-walk.ts';

/** Everything the parser and the catalogue say of one text; plain data, so that a worker can compute it. */
export interface Analysis {
  readonly acts: readonly Act[];
  readonly effect: Effect;
  readonly context: FactContext;
  readonly prepares: { readonly name: string; readonly inner: Analysis } | null;
  readonly executes: string | null;
  readonly deallocates: string | null;
  /** the cursor it declares, `*` when it may be any */
  readonly declares: string | null;
  readonly altersCatalogue: boolean;
  readonly lineage: Lineage;
  /** byte offset of a literal → the column it is compared with or stored in */
  readonly literals: readonly (readonly [number, ColumnName])[];
  readonly copies: readonly Copy[];
  /** stored columns that the target's errors may quote values of; null when unknown */
  readonly quotable: readonly ColumnName[] | null;
  /** an expression is computed */
  readonly evaluates: boolean;
  /** only literals of statements like these may be left out of the cache's key */
  readonly isTemplate: boolean;
}

const maxActs = 5_000;
const maxStatements = 2_000;

/** One SQL statement of the text. */
class Part {
  readonly gathering: Gathering;
  kind = '';
  effect: Effect | null = null;
  hasWhere: boolean | null = null;
  hasLimit = false;
  prepares: Analysis['prepares'] = null;
  executes: string | null = null;
  deallocates: string | null = null;
  declares: string | null = null;
  altersCatalogue = false;
  isTemplate = false;
  /** null: computed from the parsed statement */
  lineage: Lineage | null = null;
  copies: readonly Copy[] = [];
  evaluates = false;
  /** it runs what an earlier statement left to do: FETCH, and COMMIT with its deferred constraints */
  runsEarlier = false;

  constructor(catalogue: Catalogue) {
    this.gathering = new Gathering(catalogue);
  }
}

type Handler = (part: Part, body: Tree) => void;

/** Facts of a parsed text. Throws ERR_FEATURE_REFUSED (detail: its kind) and ERR_STATEMENT_UNPARSEABLE for unknown statements. */
export function analyse(statements: readonly Node[], catalogue: Catalogue): Analysis {
  if (statements.length > maxStatements) throw fail('ERR_STATEMENT_TOO_LARGE', { message: 'The message holds too many statements.', detail: 'statements' });
  const parts = statements.map((node) => {
    const part = new Part(catalogue);
    statement(part, node);
    part.gathering.settle();
    part.lineage ??= lineageOf(node, part.gathering);
    part.copies = copiesOf(node, part.gathering);
    part.evaluates = evaluates(node);
    return part;
  });
  return combine(parts, statements);
}

function combine(parts: readonly Part[], statements: readonly Node[]): Analysis {
  const [first] = parts;
  if (first === undefined) return nothing;
  const isSingle = parts.length === 1;
  if (!isSingle && parts.some((part) => part.prepares !== null || part.executes !== null || part.deallocates !== null)) {
    throw fail('ERR_FEATURE_REFUSED', { message: 'PREPARE, EXECUTE and DEALLOCATE must be sent alone.', detail: 'prepare' });
  }
  const acts = new Map<string, Act>();
  for (const part of parts) for (const [key, act] of part.gathering.acts) acts.set(key, act);
  if (acts.size > maxActs) throw fail('ERR_STATEMENT_TOO_LARGE', { message: 'The statement names too many objects.', detail: 'acts' });
  return {
    acts: [...acts.keys()].sort().flatMap((key) => acts.get(key) ?? []),
    effect: worst(parts.map(effectOf)),
    context: contextOf(parts, isSingle ? first.kind : 'multi'),
    prepares: first.prepares,
    executes: first.executes,
    deallocates: first.deallocates,
    declares: cursorOf(parts),
    altersCatalogue: parts.some((part) => part.altersCatalogue),
    lineage: isSingle ? (first.lineage ?? unknownLineage) : parts.every(readsNothing) ? noLineage : unknownLineage,
    literals: statements.flatMap((node, at) => (parts[at] === undefined ? [] : literalColumns(node, parts[at].gathering))),
    copies: parts.flatMap((part) => part.copies),
    quotable: allOf(parts.map((part) => (part.runsEarlier || part.lineage === unknownLineage ? null : quotableOf(part.gathering)))),
    evaluates: parts.some((part) => part.evaluates || part.runsEarlier || part.lineage === unknownLineage),
    isTemplate: parts.every((part) => part.isTemplate && !part.gathering.readsLiterals),
  };
}

function contextOf(parts: readonly Part[], kind: string): FactContext {
  const wheres = parts.map((part) => part.hasWhere).filter((has) => has !== null);
  return {
    kind,
    statements: parts.length,
    has_where: wheres.length > 0 && wheres.every(Boolean),
    tables: union(parts.map((part) => part.gathering.tables)),
    columns: union(parts.map((part) => part.gathering.columns)),
    functions: union(parts.map((part) => part.gathering.functions)),
    has_limit: parts.every((part) => part.hasLimit),
  };
}

/** A text of comments and white space. */
const nothing: Analysis = {
  acts: [],
  effect: 'none',
  context: { kind: 'empty', statements: 0, has_where: false, tables: [], columns: [], functions: [], has_limit: false },
  prepares: null,
  executes: null,
  deallocates: null,
  declares: null,
  altersCatalogue: false,
  lineage: noLineage,
  literals: [],
  copies: [],
  quotable: [],
  evaluates: false,
  isTemplate: false,
};

/** Several statements: any name, when one of them declares. */
function cursorOf(parts: readonly Part[]): string | null {
  const [declared] = parts.flatMap(({ declares }) => declares ?? []);
  if (declared === undefined) return null;
  return parts.length > 1 ? '*' : declared;
}

function allOf(lists: readonly (readonly ColumnName[] | null)[]): readonly ColumnName[] | null {
  return lists.includes(null) ? null : lists.flatMap((list) => list ?? []);
}

function readsNothing(part: Part): boolean {
  return part.lineage?.rest !== null && part.gathering.tables.size === 0 && ![...part.gathering.acts.values()].some((act) => act.action === 'sql:execute');
}

function union(sets: readonly ReadonlySet<string>[]): readonly string[] {
  return [...new Set(sets.flatMap((set) => [...set]))].sort();
}

function effectOf(part: Part): Effect {
  if (part.effect !== null) return part.effect;
  if (part.gathering.unknown) return 'unknown';
  return part.gathering.writes ? 'write' : 'read';
}

const order: readonly Effect[] = ['none', 'read', 'write', 'unknown'];

function worst(effects: readonly Effect[]): Effect {
  return order[Math.max(...effects.map((effect) => order.indexOf(effect)))] ?? 'unknown';
}

function statement(part: Part, node: Node): void {
  const word = refusedKinds.get(node.type);
  if (word !== undefined) throw fail('ERR_FEATURE_REFUSED', { message: `${word.toUpperCase()} is refused by the gateway.`, detail: word });
  const handler = handlers.get(node.type);
  if (handler !== undefined) {
    handler(part, node.body);
    return;
  }
  const kind = statementKinds.get(node.type);
  if (kind === undefined) throw fail('ERR_STATEMENT_UNPARSEABLE', { message: 'This kind of statement is not known to the gateway.', detail: 'unknown' });
  const revokes = (node.type === 'GrantStmt' || node.type === 'GrantRoleStmt') && node.body['is_grant'] !== true;
  part.kind = revokes ? 'revoke' : kind.kind;
  definition(part.gathering, node, kind);
  part.altersCatalogue = alteringActions.has(kind.action);
  // what a cursor gives was decided when it was declared, but nothing ties the two
  if (node.type === 'FetchStmt') part.lineage = unknownLineage;
  if (node.type === 'ClosePortalStmt') part.effect = 'none';
  part.runsEarlier = node.type === 'FetchStmt' || node.type === 'ConstraintsSetStmt';
}

function dml(kind: string, type: string): Handler {
  return (part, body) => {
    part.kind = kind;
    part.isTemplate = true;
    visit(part.gathering, { [type]: body }, noScope);
    if (kind !== 'insert') part.hasWhere = !part.gathering.unconditional;
    else if (part.gathering.unconditional) part.hasWhere = false;
  };
}

function select(part: Part, body: Tree): void {
  part.kind = 'select';
  part.isTemplate = true;
  visit(part.gathering, { SelectStmt: body }, noScope);
  part.hasWhere = filtered(body) && !part.gathering.unconditional;
  part.hasLimit = limited(body);
  if (treeAt(body, 'intoClause') !== null) {
    part.kind = 'select_into';
    part.altersCatalogue = true;
  }
}

/** Every branch of a set operation has a condition. */
function filtered(body: Tree): boolean {
  const left = treeAt(body, 'larg');
  const right = treeAt(body, 'rarg');
  if (left !== null && right !== null) return filtered(left) && filtered(right);
  return conditioned(body['whereClause']);
}

function limited(body: Tree): boolean {
  const limit = nodeAt(body, 'limitCount');
  return limit !== null && isConstant(body['limitCount']) && limit.body['isnull'] !== true;
}

function explain(part: Part, body: Tree): void {
  const inner = nodeAt(body, 'query');
  if (inner === null || inner.type === 'ExecuteStmt') throw nested();
  statement(part, inner);
  const options = listAt(body, 'options').map((item) => nodeOf(item)?.body ?? {});
  const analyses = options.some((option) => textAt(option, 'defname').toLowerCase() === 'analyze');
  if (options.some((option) => 'arg' in option)) part.gathering.readsLiterals = true;
  const readsData = part.gathering.tables.size > 0 || part.gathering.acts.size > 0;
  part.kind = 'explain';
  // planning runs immutable functions, also those of users
  if (!analyses && !part.gathering.unknown) part.effect = 'read';
  if (!analyses) part.altersCatalogue = false;
  part.lineage = readsData ? unknownLineage : noLineage;
}

function nested(): Error {
  return fail('ERR_FEATURE_REFUSED', { message: 'EXECUTE inside another statement is refused by the gateway.', detail: 'execute' });
}

function prepare(part: Part, body: Tree): void {
  const query = nodeAt(body, 'query');
  if (query === null) throw nested();
  const inner = analyse([query], part.gathering.catalogue);
  if (inner.executes !== null || inner.prepares !== null) throw nested();
  part.prepares = { name: textAt(body, 'name'), inner };
  part.kind = 'prepare';
  statement(part, query);
  for (const type of listAt(body, 'argtypes')) visit(part.gathering, type, noScope);
  part.kind = 'prepare';
  // only parse analysis runs now; planning and execution come with EXECUTE
  part.effect = 'none';
  part.isTemplate = false;
  part.altersCatalogue = false;
}

function execute(part: Part, body: Tree): void {
  visit(part.gathering, body['params'], noScope);
  if (part.gathering.acts.size > 0 || part.gathering.unknown) {
    throw fail('ERR_FEATURE_REFUSED', { message: 'The arguments of EXECUTE must be plain values.', detail: 'execute' });
  }
  part.kind = 'execute';
  part.executes = textAt(body, 'name');
  part.effect = 'unknown';
  part.lineage = unknownLineage;
}

function deallocate(part: Part, body: Tree): void {
  const name = textAt(body, 'name');
  part.kind = 'deallocate';
  part.deallocates = name === '' ? '*' : name;
  part.effect = 'none';
}

function discard(part: Part, body: Tree): void {
  part.kind = 'discard';
  part.effect = 'write';
  if (textAt(body, 'target') === 'DISCARD_ALL') part.deallocates = '*';
  part.gathering.act('sql:utility', 'Utility', ['discard']);
}

function declareCursor(part: Part, body: Tree): void {
  const query = nodeAt(body, 'query');
  if (query === null || query.type === 'ExecuteStmt') throw nested();
  statement(part, query);
  part.kind = 'declare_cursor';
  part.declares = textAt(body, 'portalname');
  part.isTemplate = false;
}

function createAs(part: Part, body: Tree): void {
  const query = nodeAt(body, 'query');
  if (query === null || query.type === 'ExecuteStmt') throw nested();
  statement(part, query);
  visit(part.gathering, body['into'], noScope, 'into');
  part.kind = 'create_table_as';
  part.isTemplate = false;
  part.altersCatalogue = true;
  part.gathering.writes = true;
}

function call(part: Part, body: Tree): void {
  part.kind = 'call';
  visit(part.gathering, body['funccall'], noScope, 'funccall');
  mayDoAnything(part);
}

function block(part: Part): void {
  part.kind = 'do';
  part.gathering.act('sql:execute', 'Utility', ['do']);
  mayDoAnything(part);
}

function mayDoAnything(part: Part): void {
  part.gathering.unknown = true;
  part.gathering.readsLiterals = true;
  part.declares = '*';
  part.altersCatalogue = true;
  part.lineage = unknownLineage;
}

function truncate(part: Part, body: Tree): void {
  part.kind = 'truncate';
  part.gathering.writes = true;
  part.hasWhere = false;
  for (const item of listAt(body, 'relations')) {
    const relation = nodeOf(item);
    if (relation !== null) part.gathering.table('sql:delete', relation.body);
  }
}

function transaction(part: Part, body: Tree): void {
  const kind = textAt(body, 'kind').replace('TRANS_STMT_', '').toLowerCase();
  const isTwoPhase = kind === 'prepare' || kind.endsWith('_prepared');
  part.kind = isTwoPhase ? (kind === 'prepare' ? 'prepare_transaction' : kind) : kind;
  part.effect = isTwoPhase ? 'write' : 'none';
  part.runsEarlier = kind === 'commit' || kind === 'prepare';
  if (isTwoPhase) part.gathering.act('sql:utility', 'Utility', [part.kind]);
}

const handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['SelectStmt', select],
  ['InsertStmt', dml('insert', 'InsertStmt')],
  ['UpdateStmt', dml('update', 'UpdateStmt')],
  ['DeleteStmt', dml('delete', 'DeleteStmt')],
  ['MergeStmt', dml('merge', 'MergeStmt')],
  ['ExplainStmt', explain],
  ['PrepareStmt', prepare],
  ['ExecuteStmt', execute],
  ['DeallocateStmt', deallocate],
  ['DiscardStmt', discard],
  ['DeclareCursorStmt', declareCursor],
  ['CreateTableAsStmt', createAs],
  ['CallStmt', call],
  ['DoStmt', block],
  ['TruncateStmt', truncate],
  ['TransactionStmt', transaction],
  [
    'VariableSetStmt',
    (part, body) => {
      part.kind = 'set';
      variableSet(part.gathering, body);
    },
  ],
  [
    // nobody listens, but pools of drivers send it with every reset
    'UnlistenStmt',
    (part) => {
      part.kind = 'unlisten';
      part.effect = 'none';
    },
  ],
  [
    'VariableShowStmt',
    (part) => {
      part.kind = 'show';
      part.effect = 'none';
    },
  ],
]);

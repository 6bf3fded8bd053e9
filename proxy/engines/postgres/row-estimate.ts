import type { Facts } from '../../contract/operation.ts';
import { queryRows, type Connect } from './client-catalogue.ts';
import type { Catalogue } from './statement.ts';

const maxSqlBytes = 65_536;
const kinds: ReadonlySet<string> = new Set(['delete', 'update', 'select']);

/**
 * The planner's own estimate of the rows a statement touches, from a connection of its own; null: it is not to be had
 * without running something. Planning runs immutable functions, so a statement with any function in it or behind its
 * tables (views, rules, row security, defaults) is not planned; nor is one of several in a message, of which EXPLAIN would
 * hold back the first alone.
 */
export async function estimateRows(
  statement: { readonly facts: Facts; readonly sql: string; readonly searchPath: string | null },
  { connect, catalogue }: { connect: Connect; catalogue: Catalogue },
): Promise<number | null> {
  const { facts, sql, searchPath } = statement;
  const { statements, functions, kind } = facts.context;
  const isPlain = statements === 1 && functions.length === 0 && kinds.has(kind) && facts.context.tables.every((table) => isInert(table, catalogue));
  if (!isPlain || catalogue.hasUserOperators || searchPath === null || sql.length > maxSqlBytes) return null;
  return connect(async (target) => {
    await queryRows(target, `select set_config('search_path', '${searchPath.replaceAll("'", "''")}', false)`);
    const [row] = await queryRows(target, `EXPLAIN (FORMAT JSON) ${sql}`);
    return planRows(row?.[0] ?? null);
  });
}

function isInert(table: string, catalogue: Catalogue): boolean {
  const dot = table.indexOf('.');
  const found = catalogue.relations(table.slice(0, dot), table.slice(dot + 1));
  return dot > 0 && found.length > 0 && found.every(({ inert }) => inert);
}

interface Plan {
  readonly 'Node Type'?: unknown;
  readonly 'Plan Rows'?: unknown;
  readonly Plans?: readonly Plan[];
}

/** A change itself returns no rows: what it reads are the ones it touches. */
function planRows(json: string | null): number | null {
  if (json === null) return null;
  const [explained] = JSON.parse(json) as readonly { readonly Plan?: Plan }[];
  const top = explained?.Plan;
  const plan = top?.['Node Type'] === 'ModifyTable' ? top.Plans?.[0] : top;
  const rows = plan?.['Plan Rows'];
  return typeof rows === 'number' && Number.isSafeInteger(rows) && rows >= 0 ? rows : null;
}

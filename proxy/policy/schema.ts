import type { Action, ObjectRef, ObjectType } from '../contract/operation.ts';

/** Which record a policy reads as `context`: that of a statement, or that of a call (MCP and HTTP). */
export type ContextKind = 'Command' | 'Call';

interface ActionRow {
  readonly groups: readonly string[];
  readonly on: readonly ObjectRef['type'][];
  readonly context: ContextKind;
}

const statement = { context: 'Command' } as const;
const call = { context: 'Call' } as const;
const inDatabase = ['Database', 'Schema', 'Table', 'Column', 'Function', 'Setting', 'Utility'] as const satisfies readonly ObjectType[];

/** Every action, the groups a policy may name it by, and the objects it can be on; anything else is denied unasked. */
export const actionTable: Readonly<Record<Action, ActionRow>> = {
  connect: { groups: [], on: ['Database', 'McpServer', 'HttpApi'], ...statement },
  'sql:select': { groups: ['sql'], on: ['Database', 'Table', 'Column'], ...statement },
  'sql:insert': { groups: ['sql', 'sql:write'], on: ['Database', 'Table', 'Column'], ...statement },
  'sql:update': { groups: ['sql', 'sql:write'], on: ['Database', 'Table', 'Column'], ...statement },
  'sql:delete': { groups: ['sql', 'sql:write'], on: ['Database', 'Table', 'Column'], ...statement },
  'sql:ddl': { groups: ['sql'], on: inDatabase, ...statement },
  'sql:dcl': { groups: ['sql'], on: inDatabase, ...statement },
  'sql:utility': { groups: ['sql'], on: inDatabase, ...statement },
  'sql:execute': { groups: ['sql'], on: ['Database', 'Function', 'Utility'], ...statement },
  'field:unmask': { groups: [], on: ['Column'], ...statement },
  'mcp:call': { groups: ['mcp'], on: ['Tool'], ...call },
  'mcp:read': { groups: ['mcp'], on: ['McpResource'], ...call },
  'mcp:prompt': { groups: ['mcp'], on: ['Prompt'], ...call },
  'mcp:method': { groups: ['mcp'], on: ['Method'], ...call },
  'http:read': { groups: ['http'], on: ['Path'], ...call },
  'http:write': { groups: ['http'], on: ['Path'], ...call },
  'http:upgrade': { groups: ['http'], on: ['Path'], ...call },
  'access:request': { groups: [], on: ['Group'], ...statement },
  'access:break-glass': { groups: [], on: ['Group'], ...statement },
};

/** What an object is a member of when its schema is known; with an unknown schema it is a member of the database only. */
const entities = `// The Cedar schema of Postern. Generated from proxy/policy/schema.ts; a test keeps the two equal.
//
// An entity is named by its path: resource/database/schema/name. In a name, % is written %25 and / is written %2F, e.g.
//   Resource::"payments"   Database::"payments/shop"   Schema::"payments/shop/public"   Table::"payments/shop/public/orders"
//   Column::"payments/shop/public/orders/id"   Setting::"payments/shop/work_mem"   ServiceAccount::"ci-deploy"   Group::"readers"
//   McpServer::"tools"   Tool::"tools/refund_payment"   McpResource::"tools/file:%2F%2F%2Fdata%2Fa.txt"   Method::"tools/tools%2Flist"
//   HttpApi::"orders"   Path::"orders/v1/customers", which /v1/customers and everything below it is in
// Where the schema of a table, column or function could not be resolved, the attribute \`schema\` is "?" and the
// object belongs to its Database only, so that no policy on a schema or a table applies to it.

entity Group;
entity ServiceAccount in [Group] { name: String };
entity Resource;
entity Database in [Resource] { name: String };
entity Schema in [Database] { name: String };
entity Table in [Schema, Database] { schema: String, name: String };
entity Column in [Table, Database] { schema: String, table: String, name: String };
entity Function in [Schema, Database] { schema: String, name: String };
entity Setting in [Database] { name: String };
entity Utility in [Database] { name: String };
entity McpServer in [Resource] { name: String };
entity Tool in [McpServer, Resource] { name: String, server: String };
entity Prompt in [McpServer, Resource] { name: String, server: String };
entity McpResource in [McpServer, Resource] { uri: String, server: String };
entity Method in [McpServer, Resource] { name: String, server: String };
entity HttpApi in [Resource] { name: String };
// path: begins with /; in its segments, % is written %25 and / is written %2F
entity Path in [Path, HttpApi, Resource] { path: String };

// The arguments of one call by JSON pointer (RFC 6901): context.arguments.hasTag("/path") && context.arguments.getTag("/path") like "/data/*"
entity Arguments tags String;
entity Numbers tags Long;

type Command = {
  // select, insert, update, delete, …; multi when one message holds several statements
  kind: String,
  statements: Long,
  has_where: Bool,
  // a literal or placeholder limits the rows
  has_limit: Bool,
  // schema.name
  tables: Set<String>,
  // bare names, wherever they appear in the command
  columns: Set<String>,
  // schema.name, or the bare name
  functions: Set<String>,
  // the target's database and the target account of the session
  database: String,
  account: String,
  source_ip: ipaddr,
  // decisions of policies that read the time are made again for every command
  now: datetime,
};

type Call = {
  // of HTTP, or of JSON-RPC
  method: String,
  // every argument that has a value: strings as they are, booleans, null and numbers as written
  arguments: Arguments,
  // arguments that are whole numbers below 2^53
  numbers: Numbers,
  // where arguments are: what is not named here was not sent
  pointers: Set<String>,
  // names of query parameters
  query: Set<String>,
  // scheme://host:port of arguments that are read as addresses
  hosts: Set<String>,
  // programs that arguments read as commands would run, and what else a shell would do:
  // background, glob, list, pipe, redirect, substitution, variable
  programs: Set<String>,
  shell: Set<String>,
  // an administrator confirmed that the tool changes nothing
  read_only: Bool,
  account: String,
  source_ip: ipaddr,
  now: datetime,
};
`;

/** The schema as Cedar reads it. */
export const cedarSchema = `${entities}\n${groupLines()}${Object.entries(actionTable).map(actionLine).join('')}`;

function groupLines(): string {
  const names = new Set(Object.values(actionTable).flatMap((row) => row.groups));
  return [...names].map((name) => `action "${name}";\n`).join('');
}

function actionLine([name, { groups, on, context }]: [string, ActionRow]): string {
  const within = groups.length === 0 ? '' : ` in [${groups.map((group) => `"${group}"`).join(', ')}]`;
  return `\naction "${name}"${within} appliesTo {\n  principal: [ServiceAccount],\n  resource: [${on.join(', ')}],\n  context: ${context},\n};\n`;
}

import type { Action, ObjectRef } from '../contract/operation.ts';

interface ActionRow {
  readonly groups: readonly string[];
  readonly on: readonly ObjectRef['type'][];
}

/** Every action, the groups a policy may name it by, and the objects it can be on; anything else is denied unasked. */
export const actionTable: Readonly<Record<Action, ActionRow>> = {
  connect: { groups: [], on: ['Database'] },
  'sql:select': { groups: ['sql'], on: ['Database', 'Table', 'Column'] },
  'sql:insert': { groups: ['sql', 'sql:write'], on: ['Database', 'Table', 'Column'] },
  'sql:update': { groups: ['sql', 'sql:write'], on: ['Database', 'Table', 'Column'] },
  'sql:delete': { groups: ['sql', 'sql:write'], on: ['Database', 'Table', 'Column'] },
  'sql:ddl': { groups: ['sql'], on: ['Database', 'Schema', 'Table', 'Column', 'Function', 'Setting', 'Utility'] },
  'sql:dcl': { groups: ['sql'], on: ['Database', 'Schema', 'Table', 'Column', 'Function', 'Setting', 'Utility'] },
  'sql:utility': { groups: ['sql'], on: ['Database', 'Schema', 'Table', 'Column', 'Function', 'Setting', 'Utility'] },
  'sql:execute': { groups: ['sql'], on: ['Database', 'Function', 'Utility'] },
  'field:unmask': { groups: [], on: ['Column'] },
  'access:request': { groups: [], on: ['Group'] },
  'access:break-glass': { groups: [], on: ['Group'] },
};

/** What an object is a member of when its schema is known; with an unknown schema it is a member of the database only. */
const entities = `// The Cedar schema of Postern. Generated from proxy/policy/schema.ts; a test keeps the two equal.
//
// An entity is named by its path: resource/database/schema/name. In a name, % is written %25 and / is written %2F, e.g.
//   Resource::"payments"   Database::"payments/shop"   Schema::"payments/shop/public"   Table::"payments/shop/public/orders"
//   Column::"payments/shop/public/orders/id"   Setting::"payments/shop/work_mem"   ServiceAccount::"ci-deploy"   Group::"readers"
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
`;

/** The schema as Cedar reads it. */
export const cedarSchema = `${entities}\n${groupLines()}${Object.entries(actionTable).map(actionLine).join('')}`;

function groupLines(): string {
  const names = new Set(Object.values(actionTable).flatMap((row) => row.groups));
  return [...names].map((name) => `action "${name}";\n`).join('');
}

function actionLine([name, { groups, on }]: [string, ActionRow]): string {
  const within = groups.length === 0 ? '' : ` in [${groups.map((group) => `"${group}"`).join(', ')}]`;
  return `\naction "${name}"${within} appliesTo {\n  principal: [ServiceAccount],\n  resource: [${on.join(', ')}],\n  context: Command,\n};\n`;
}

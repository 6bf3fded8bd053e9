/** What an engine knows of one command after parsing it; plain data, the same for every protocol. */

/** The action names of the policy schema. */
export type Action =
  | 'connect'
  | 'sql:select'
  | 'sql:insert'
  | 'sql:update'
  | 'sql:delete'
  | 'sql:ddl'
  | 'sql:dcl'
  | 'sql:utility'
  | 'sql:execute'
  | 'field:unmask'
  | 'mcp:call'
  | 'mcp:read'
  | 'mcp:prompt'
  | 'mcp:method'
  | 'http:read'
  | 'http:write'
  | 'http:upgrade'
  | 'access:request'
  | 'access:break-glass';

/**
 * What an action is on. `path` runs from the outermost name below the database to the object itself:
 * Table and Function: `[schema, name]`; Column: `[schema, table, column]`; Database: `[]`; Setting, Utility, Group: `[name]`.
 * A schema the engine could not resolve is `?`: only rules on the database as a whole can permit it.
 * McpServer and HttpApi: `[]`; Tool, Prompt, Method: `[name]`; McpResource: `[uri]`; Path: the decoded segments.
 */
export interface ObjectRef {
  readonly type: ObjectType;
  readonly path: readonly string[];
  /** an argument of a tool that is decided like a command on another resource; absent: the session's */
  readonly on?: { readonly resource: string; readonly database: string };
}

export type ObjectType =
  | 'Table'
  | 'Column'
  | 'Function'
  | 'Database'
  | 'Schema'
  | 'Setting'
  | 'Utility'
  | 'Group'
  | 'McpServer'
  | 'Tool'
  | 'Prompt'
  | 'McpResource'
  | 'Method'
  | 'HttpApi'
  | 'Path';

/** One (action, object) pair; every pair of a command must be permitted. */
export interface Act {
  readonly action: Action;
  readonly object: ObjectRef;
}

/** none: no effect at the target (parse, begin); read: proven by the parser and the catalogue; unknown counts as write. */
export type Effect = 'none' | 'read' | 'write' | 'unknown';

/** The context record policies can test; sets are sorted and free of duplicates. */
export interface FactContext {
  /** `select`, `insert`, …; `multi` when a message holds several statements */
  readonly kind: string;
  readonly statements: number;
  readonly has_where: boolean;
  /** `schema.name` */
  readonly tables: readonly string[];
  /** bare column names, wherever they appear */
  readonly columns: readonly string[];
  /** `schema.name` or bare name */
  readonly functions: readonly string[];
  /** true when a literal or placeholder limits the rows */
  readonly has_limit: boolean;
  /** MCP and HTTP: what policies can test of one call; absent: not a call */
  readonly call?: CallContext;
}

export interface CallContext {
  /** the HTTP method, or the JSON-RPC one */
  readonly method: string;
  /** JSON pointer → text, for every leaf of the arguments: strings as they are, booleans and null as JSON, numbers as written */
  readonly arguments: Readonly<Record<string, string>>;
  /** JSON pointer → value, for integers below 2^53 */
  readonly numbers: Readonly<Record<string, number>>;
  /** `scheme://host:port` of arguments that are addresses */
  readonly hosts: readonly string[];
  /** programs that arguments read as commands would run */
  readonly programs: readonly string[];
  /** what else a shell would do with them: `pipe`, `redirect`, `substitution`, `variable`, `background`, `glob`, `list` */
  readonly shell: readonly string[];
  /** names of query parameters */
  readonly query: readonly string[];
  /** the pinned tool was confirmed to change nothing */
  readonly read_only: boolean;
}

/**
 * Facts of a command shape. The object is interned: equal shapes on the same catalogue epoch give the *same object*, so
 * a decision may be cached by identity. Literal values never change facts (proven when the shape is interned).
 */
export interface Facts {
  readonly acts: readonly Act[];
  readonly effect: Effect;
  readonly context: FactContext;
  /** the shape with literals replaced by placeholders: what logs may show when values must be hidden */
  readonly template: string;
  /** stored columns whose values the command puts into other stored columns; absent: none */
  readonly copies?: readonly Copy[];
}

/** `to` null: a table that is not known yet, or one of several. `computed`: not as it was, so that other digits may be first. */
export interface Copy {
  readonly from: ColumnName;
  readonly to: ColumnName | null;
  readonly computed: boolean;
}

/** A piece of a command as shown to people: `text` is literal-free syntax, `value` a literal or a bind. */
export type Span = { readonly kind: 'text'; readonly text: string } | ValueSpan;

export interface ValueSpan {
  readonly kind: 'value';
  /** decoded, as the target sees it */
  readonly text: string;
  readonly column?: ColumnName;
  /** whose column that is; absent: the session's resource */
  readonly resource?: string;
  /** how the text is written between its quotes, so that it cannot look like the end of them; absent: as it is */
  readonly quoting?: 'string' | 'escape' | 'comment';
  /** what `text` only stands for: bytes that cannot be shown */
  readonly opaque?: Uint8Array;
}

export interface ColumnName {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
}

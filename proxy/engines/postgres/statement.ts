import type { Facts, Span, ColumnName } from '../../contract/operation.ts';
import type { ErrorCode } from '../../contract/errors.ts';

/** The catalogue of one target database as far as decisions need it. */
export interface Catalogue {
  /** grows when the content changed; statements are interned per epoch */
  readonly epoch: number;
  /** RowDescription's table OID and attribute number; null when unknown (a refresh is then due) */
  origin(tableOid: number, attribute: number): ColumnName | null;
  /** every relation of that name; with a schema at most one. Unknown names give an empty list. */
  relations(schema: string | null, name: string): readonly Relation[];
  /** true when a function of this name exists outside pg_catalog: its effect cannot be proven */
  isUserFunction(name: string): boolean;
  /** the schemas, outside pg_catalog, that hold a function of this name; `?` stands for them when absent */
  functionSchemas?(name: string): readonly string[];
  /**
   * The stored columns behind a result column with this origin: its own name, the same column of inheritance parents, and
   * what a view computes it from. Null when unknown. Absent: views are taken for tables.
   */
  baseColumns?(tableOid: number, attribute: number): readonly ColumnName[] | null;
  /** the same for a column by name */
  stored?(column: ColumnName): readonly ColumnName[] | null;
  /** true when an operator or cast defined by users exists: then no statement is a proven read */
  readonly hasUserOperators: boolean;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** pg_class.relkind */
  readonly kind: string;
  /** plain table without row security and rules, or a view proven to be inert */
  readonly inert: boolean;
  readonly columns: readonly string[];
}

/** A parsed statement text (one protocol message; possibly several SQL statements), interned by shape. */
export interface Statement {
  readonly facts: Facts;
  /** the single SQL statement is PREPARE: name and the inner statement */
  readonly prepares: { readonly name: string; readonly statement: Statement } | null;
  /** the single SQL statement is EXECUTE of this name; its facts are those of the prepared statement */
  readonly executes: string | null;
  /** DEALLOCATE name, or `*` for ALL and DISCARD ALL */
  readonly deallocates: string | null;
  /** DECLARE name, or `*` when it may make any cursor: portals of the protocol share the names */
  readonly declares: string | null;
  /** changes the catalogue when it commits (DDL) */
  readonly altersCatalogue: boolean;
  /**
   * The stored columns output column `index` (named `name` at the target) may be computed from, when RowDescription names
   * no origin; null when unknown. Counting rows reads no column.
   */
  reads(index: number, name: string): readonly ColumnName[] | null;
  /** The stored columns whose values the target's errors and notices may quote; null when unknown. */
  quotes(): readonly ColumnName[] | null;
  /** an expression is computed: a name that an error calls unknown can be made of values */
  readonly evaluates: boolean;
  /** the text of this very message, cut into syntax and literal values */
  spans(sql: string): readonly Span[];
}

/** Why a text got no facts. */
export interface Unclassified {
  readonly code: ErrorCode;
  readonly kind: string;
  readonly message: string;
}

export type Classified = Statement | Unclassified;

/** One per (target database, catalogue epoch). `sql` is the raw text without the trailing NUL. */
export interface Classifier {
  /** Synchronous when the shape is known or the text is short; long texts are parsed in a worker. */
  classify(sql: Uint8Array): Classified | Promise<Classified>;
}

export function isStatement(classified: Classified): classified is Statement {
  return 'facts' in classified;
}

import type { ColumnName } from './operation.ts';

/** How a value is written on the wire; decides which replacement keeps the type valid. */
export type ValueType = 'text' | 'number' | 'json' | 'bytes' | 'inert';

export interface ShapeColumn {
  readonly name: string;
  /** the stored column behind it, where the target says so and the catalogue confirms it */
  readonly origin: ColumnName | null;
  /**
   * The stored columns the value may be computed from, its origin and what a view takes it from included; `null` when that
   * is unknown. An empty list is a proof that no stored column is read.
   */
  readonly reads: readonly ColumnName[] | null;
  /** `inert` only for types that cannot carry card data (bool, uuid, timestamp, date, void …) */
  readonly type: ValueType;
  readonly encoding: 'text' | 'binary';
}

/** The columns of one result. */
export interface Shape {
  readonly columns: readonly ShapeColumn[];
}

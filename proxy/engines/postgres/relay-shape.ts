import type { ColumnName } from '../../contract/operation.ts';
import type { Shape, ShapeColumn, ValueType } from '../../contract/shape.ts';
import { parseRowDescription, type Field } from './frames.ts';
import type { Catalogue, Statement } from './statement.ts';

/** pg_type OIDs of base types; arrays, enums and everything else are text. Domains are described by their base type. */
const valueTypes = new Map<number, ValueType>([
  ...types('bytes', 17),
  ...types('number', 20, 21, 23, 26, 700, 701, 1700),
  ...types('json', 114, 3802),
  // bool, xid, cid, date, time, timestamp(tz), interval, timetz, uuid, void
  ...types('inert', 16, 28, 29, 1082, 1083, 1114, 1184, 1186, 1266, 2950, 2278),
]);

function types(type: ValueType, ...oids: readonly number[]): [number, ValueType][] {
  return oids.map((oid) => [oid, type]);
}

/** A result's shape and the RowDescription it came from. */
export interface Described {
  readonly bytes: Buffer;
  readonly shape: Shape;
  readonly catalogue: Catalogue;
}

const maxPerStatement = 8;
// equal shapes must be one object, so that maskers can be cached by identity
const cache = new WeakMap<Statement, Described[]>();

/** The shape built before from the very same RowDescription. */
export function knownShape(statement: Statement, catalogue: Catalogue, frame: Buffer): Described | null {
  const known = cache.get(statement);
  if (known === undefined) return null;
  for (const described of known) {
    if (described.catalogue === catalogue && (described.bytes === frame || described.bytes.equals(frame))) return described;
  }
  return null;
}

/** `frame` is copied. `isUnknown`: tables the catalogue is known not to know. Null: a table is new, the catalogue must be loaded again. */
export function buildShape(
  statement: Statement,
  catalogue: Catalogue,
  frame: Buffer,
  isUnknown: (oid: number) => boolean,
): Described | { missing: readonly number[] } {
  const bytes = Buffer.from(frame);
  const fields = parseRowDescription(bytes);
  const missing = fields.filter(
    (field) => field.table !== 0 && field.attribute > 0 && catalogue.origin(field.table, field.attribute) === null && !isUnknown(field.table),
  );
  if (missing.length > 0) return { missing: missing.map((field) => field.table) };
  const described = { bytes, catalogue, shape: { columns: fields.map((field, index) => column(field, index, { statement, catalogue })) } };
  const known = cache.get(statement) ?? [];
  if (known.length >= maxPerStatement) known.shift();
  known.push(described);
  cache.set(statement, known);
  return described;
}

function column(field: Field, index: number, from: { statement: Statement; catalogue: Catalogue }): ShapeColumn {
  const { name, table, attribute } = field;
  const origin = table === 0 ? null : from.catalogue.origin(table, attribute);
  return {
    name,
    origin,
    reads: readsOf(field, origin, { ...from, index }),
    type: valueTypes.get(field.type) ?? 'text',
    encoding: field.binary ? 'binary' : 'text',
  };
}

function readsOf(
  { table, attribute, name }: Field,
  origin: ColumnName | null,
  { statement, catalogue, index }: { statement: Statement; catalogue: Catalogue; index: number },
): ShapeColumn['reads'] {
  if (table === 0) return statement.reads(index, name);
  // a view's column is as sensitive as what the view takes it from
  if (origin !== null) return catalogue.baseColumns === undefined ? [origin] : catalogue.baseColumns(table, attribute);
  // a table nobody knows may hold anything; ctid and other system columns (attribute < 0) hold no stored value
  return attribute < 0 ? [] : null;
}

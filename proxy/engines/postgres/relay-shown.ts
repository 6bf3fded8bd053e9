import type { Facts, Span } from '../../contract/operation.ts';
import type { Operation } from '../../pipeline/engine.ts';
import { Cursor } from './frames.ts';
import type { Portal, Prepared } from './relay-steps.ts';
import type { Statement } from './statement.ts';

interface QueryGiven {
  readonly facts: Facts;
  readonly frame: Buffer;
  readonly prepared: Prepared | null;
  readonly context: string;
  readonly settings: Uint8Array;
  /** rows that a text would touch; null: EXECUTE, whose text says nothing */
  readonly estimate: ((sql: string) => Promise<number | null>) | null;
}

/** One Query message as an operation. */
export class QueryOperation implements Operation {
  readonly by = 'client';
  readonly facts: Facts;
  readonly exact: readonly Uint8Array[];
  readonly bound: readonly Uint8Array[];
  readonly context: string;
  readonly #statement: Statement;
  readonly #sql: Buffer;
  readonly #prepared: Prepared | null;
  readonly #estimated: ((sql: string) => Promise<number | null>) | null;

  /** `prepared`: what `statement` executes, when it is EXECUTE */
  constructor(statement: Statement, given: QueryGiven) {
    const { facts, frame, prepared, context, settings } = given;
    this.facts = facts;
    this.exact = [frame];
    this.bound = prepared === null ? [frame, settings] : [frame, settings, prepared.sql, typesOf(prepared)];
    this.context = context;
    this.#statement = statement;
    this.#sql = frame;
    this.#prepared = prepared;
    this.#estimated = given.estimate;
  }

  estimate(): Promise<number | null> {
    return this.#estimated?.(this.#sql.toString('utf8', 5, this.#sql.length - 1)) ?? Promise.resolve(null);
  }

  shown(): readonly Span[] {
    const spans = this.#statement.spans(this.#sql.toString('utf8', 5, this.#sql.length - 1));
    return this.#prepared === null ? spans : [...spans, ...preparedNote(this.#prepared)];
  }
}

/** A Parse message: planning runs immutable functions, so it is decided, too. */
export class ParseOperation implements Operation {
  readonly by = 'client';
  readonly facts: Facts;
  readonly exact: readonly Uint8Array[];
  readonly #statement: Statement;
  readonly #sql: Buffer;

  constructor(statement: Statement, facts: Facts, given: { frame: Buffer; sql: Buffer }) {
    this.facts = facts;
    this.exact = [given.frame];
    this.#statement = statement;
    this.#sql = given.sql;
  }

  shown(): readonly Span[] {
    return this.#statement.spans(this.#sql.toString('utf8'));
  }
}

interface ExecuteGiven {
  readonly facts: Facts;
  readonly frame: Buffer;
  readonly inner: Prepared | null;
  readonly context: string;
  readonly settings: Uint8Array;
}

function typesOf({ types }: Prepared): Uint8Array {
  return new Uint8Array(Uint32Array.from(types).buffer);
}

/** One Execute of a portal: what counts is the statement and the values that were bound. */
export class ExecuteOperation implements Operation {
  readonly by = 'client';
  readonly facts: Facts;
  readonly exact: readonly Uint8Array[];
  readonly context: string;
  readonly #portal: Portal;
  readonly #inner: Prepared | null;
  readonly #settings: Uint8Array;

  /** `inner`: what the portal's statement executes, when it is EXECUTE */
  constructor(portal: Portal, given: ExecuteGiven) {
    this.facts = given.facts;
    this.exact = [given.frame];
    this.context = given.context;
    this.#portal = portal;
    this.#inner = given.inner;
    this.#settings = given.settings;
  }

  /** Text, parameter types, values and the row limit: names of statements and portals are the client's own affair. */
  get bound(): readonly Uint8Array[] {
    const { prepared, values } = this.#portal;
    const [frame] = this.exact;
    const limit = frame === undefined ? new Uint8Array() : frame.subarray(frame.length - 4);
    return [prepared.sql, typesOf(prepared), values, limit, this.#settings, ...(this.#inner === null ? [] : [this.#inner.sql, typesOf(this.#inner)])];
  }

  shown(): readonly Span[] {
    const { prepared, values } = this.#portal;
    const spans = spansOf(prepared);
    const binds = shownBinds(values, prepared.types);
    const noted = this.#inner === null ? spans : [...spans, ...preparedNote(this.#inner)];
    return binds.length === 0 ? noted : [...noted, ...binds];
  }
}

function spansOf(prepared: Prepared): readonly Span[] {
  prepared.spans ??= prepared.statement.spans(prepared.sql.toString('utf8'));
  return prepared.spans;
}

/** What EXECUTE runs, with its literals: who approves must see them. */
function preparedNote(prepared: Prepared): readonly Span[] {
  const types = prepared.types.length === 0 ? '' : ` with parameters of types ${prepared.types.join(', ')}`;
  return [
    { kind: 'text', text: ` /* prepared${types}: ` },
    ...spansOf(prepared).map((span) => ({ ...span, text: span.text.replaceAll('*/', '* /') })),
    { kind: 'text', text: ' */' },
  ];
}

/** A comment that lists the bound values as value spans; `values` begins at Bind's parameter formats. */
export function shownBinds(values: Buffer, types: readonly number[]): readonly Span[] {
  const cursor = new Cursor(values, 0, values.length, 'Bind');
  const formats: number[] = [];
  for (let left = cursor.int16() & 0xffff; left > 0; left--) formats.push(cursor.int16());
  const count = cursor.int16() & 0xffff;
  if (count === 0) return [];
  const spans: Span[] = [];
  for (let index = 0; index < count; index++) {
    spans.push({ kind: 'text', text: `${index === 0 ? ' /* ' : ', '}$${String(index + 1)} = ` });
    const length = cursor.int32();
    if (length === -1) spans.push({ kind: 'text', text: 'NULL' });
    else {
      const bytes = cursor.bytes(length);
      const binary = (formats.length === 1 ? formats[0] : formats[index]) === 1;
      spans.push(binary ? binarySpan(bytes, types[index] ?? 0) : { kind: 'value', text: bytes.toString('utf8'), quoting: 'comment' });
    }
  }
  spans.push({ kind: 'text', text: ' */' });
  return spans;
}

const decoders = new Map<number, { length: number | null; decode: (bytes: Buffer) => string }>([
  [16, { length: 1, decode: (bytes) => (bytes[0] === 0 ? 'false' : 'true') }],
  [20, { length: 8, decode: (bytes) => String(bytes.readBigInt64BE(0)) }],
  [21, { length: 2, decode: (bytes) => String(bytes.readInt16BE(0)) }],
  [23, { length: 4, decode: (bytes) => String(bytes.readInt32BE(0)) }],
  [26, { length: 4, decode: (bytes) => String(bytes.readUInt32BE(0)) }],
  [700, { length: 4, decode: (bytes) => plainNumber(bytes.readFloatBE(0)) }],
  [701, { length: 8, decode: (bytes) => plainNumber(bytes.readDoubleBE(0)) }],
  [1700, { length: null, decode: numeric }],
  [2950, { length: 16, decode: (bytes) => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') }],
  [3802, { length: null, decode: (bytes) => bytes.toString('utf8', 1) }],
  // "char", name, text, json, xml, bpchar, varchar
  ...[18, 19, 25, 114, 142, 1042, 1043].map((oid): [number, { length: null; decode: (bytes: Buffer) => string }] => [
    oid,
    { length: null, decode: (bytes) => bytes.toString('utf8') },
  ]),
]);

function binarySpan(bytes: Buffer, type: number): Span {
  const text = shownBinary(bytes, type);
  return text === unreadable(bytes) ? { kind: 'value', text, opaque: bytes } : { kind: 'value', text, quoting: 'comment' };
}

function unreadable(bytes: Buffer): string {
  return `<binary, ${String(bytes.length)} bytes>`;
}

/** A binary value as text. What we can't read is never shown: its bytes could be card data the detector can't see. */
export function shownBinary(bytes: Buffer, type: number): string {
  const decoder = decoders.get(type);
  const hidden = unreadable(bytes);
  if (decoder === undefined || (decoder.length !== null && decoder.length !== bytes.length)) return hidden;
  try {
    return decoder.decode(bytes);
  } catch {
    return hidden;
  }
}

/** A card number in a float must not hide behind an exponent. */
function plainNumber(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value).toString() : String(value);
}

/** numeric: int16 digits, int16 weight, uint16 sign, int16 scale, digits × int16 in base 10000 */
function numeric(bytes: Buffer): string {
  const cursor = new Cursor(bytes, 0, bytes.length, 'numeric');
  const count = cursor.int16();
  const weight = cursor.int16();
  const sign = cursor.int16() & 0xffff;
  const scale = cursor.int16();
  if (sign !== 0 && sign !== 0x4000) return sign === 0xc000 ? 'NaN' : 'Infinity';
  let whole = '';
  let fraction = '';
  for (let index = 0; index < Math.max(count, Math.min(weight + 1, 64)); index++) {
    const digits = index < count ? String(cursor.int16()).padStart(4, '0') : '0000';
    if (index <= weight) whole += digits;
    else fraction += digits;
  }
  if (weight < -1) fraction = '0000'.repeat(Math.min(-1 - weight, 64)) + fraction;
  const plain = whole.replace(/^0+(?=\d)/, '') || '0';
  return `${sign === 0x4000 ? '-' : ''}${plain}${scale > 0 ? `.${fraction.padEnd(scale, '0').slice(0, scale)}` : ''}`;
}

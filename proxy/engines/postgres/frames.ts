import { fail } from '../../contract/errors.ts';

/** Readers of message payloads; all are pure and throw ERR_PROTOCOL_VIOLATION, never anything else. */

export const headerBytes = 5;

function malformed(what: string): never {
  throw fail('ERR_PROTOCOL_VIOLATION', { message: `The ${what} message is malformed.` });
}

/** Walks over one payload; every step checks that it stays inside. */
export class Cursor {
  readonly #buffer: Buffer;
  readonly #end: number;
  readonly #what: string;
  at: number;

  constructor(buffer: Buffer, start: number, end: number, what: string) {
    this.#buffer = buffer;
    this.#end = end;
    this.#what = what;
    this.at = start;
  }

  int16(): number {
    this.#need(2);
    const value = this.#buffer.readInt16BE(this.at);
    this.at += 2;
    return value;
  }

  int32(): number {
    this.#need(4);
    const value = this.#buffer.readInt32BE(this.at);
    this.at += 4;
    return value;
  }

  oid(): number {
    return this.int32() >>> 0;
  }

  byte(): number {
    this.#need(1);
    return this.#buffer.readUInt8(this.at++);
  }

  /** a view, without the NUL */
  cstring(): Buffer {
    const nul = this.#buffer.indexOf(0, this.at);
    if (nul < 0 || nul >= this.#end) malformed(this.#what);
    const bytes = this.#buffer.subarray(this.at, nul);
    this.at = nul + 1;
    return bytes;
  }

  bytes(count: number): Buffer {
    if (count < 0) malformed(this.#what);
    this.#need(count);
    const bytes = this.#buffer.subarray(this.at, this.at + count);
    this.at += count;
    return bytes;
  }

  /** Fails unless everything was read. */
  done(): void {
    if (this.at !== this.#end) malformed(this.#what);
  }

  #need(count: number): void {
    if (this.at + count > this.#end) malformed(this.#what);
  }
}

/** PostgreSQL compares names by their first 63 bytes (NAMEDATALEN); so must we, or two names of ours were one of its. */
export function nameKey(name: Buffer): string {
  return name.toString('latin1', 0, Math.min(name.length, 63));
}

/** The key of a name that stood in SQL text. */
export function sqlNameKey(name: string): string {
  return nameKey(Buffer.from(name, 'utf8'));
}

/** Query: the text without its NUL. A NUL inside would hide text from one of two readers. */
export function parseQuery(buffer: Buffer, start: number, end: number): Buffer {
  const cursor = new Cursor(buffer, start + headerBytes, end, 'Query');
  const sql = cursor.cstring();
  cursor.done();
  return sql;
}

export interface ParseMessage {
  readonly name: string;
  readonly sql: Buffer;
  /** parameter type OIDs; 0: not said */
  readonly types: readonly number[];
}

/** Parse: name\0 sql\0 int16 n, n × oid */
export function parseParse(buffer: Buffer, start: number, end: number): ParseMessage {
  const cursor = new Cursor(buffer, start + headerBytes, end, 'Parse');
  const name = nameKey(cursor.cstring());
  const sql = cursor.cstring();
  const count = cursor.int16() & 0xffff;
  const types: number[] = [];
  for (let index = 0; index < count; index++) types.push(cursor.oid());
  cursor.done();
  return { name, sql, types };
}

export interface BindMessage {
  readonly portal: string;
  readonly portalName: Buffer;
  readonly statement: string;
  /** where the parameter formats begin, relative to the frame */
  readonly values: number;
  readonly binaryResults: boolean;
}

/** Bind: portal\0 statement\0 int16 n, n × format, int16 m, m × (int32 length, bytes), int16 r, r × format */
export function parseBind(buffer: Buffer, start: number, end: number): BindMessage {
  const cursor = new Cursor(buffer, start + headerBytes, end, 'Bind');
  const portalName = cursor.cstring();
  const statement = nameKey(cursor.cstring());
  const values = cursor.at - start;
  for (let left = cursor.int16() & 0xffff; left > 0; left--) format(cursor);
  for (let left = cursor.int16() & 0xffff; left > 0; left--) {
    const length = cursor.int32();
    if (length !== -1) cursor.bytes(length);
  }
  let binaryResults = false;
  for (let left = cursor.int16() & 0xffff; left > 0; left--) if (format(cursor) === 1) binaryResults = true;
  cursor.done();
  return { portal: nameKey(portalName), portalName, statement, values, binaryResults };
}

function format(cursor: Cursor): number {
  const code = cursor.int16();
  if (code !== 0 && code !== 1) malformed('Bind');
  return code;
}

/** Describe and Close: 'S' or 'P', name\0 */
export function parseSubject(buffer: Buffer, start: number, end: number): { kind: 'statement' | 'portal'; name: string } {
  const cursor = new Cursor(buffer, start + headerBytes, end, 'Describe or Close');
  const kind = cursor.byte();
  const name = nameKey(cursor.cstring());
  cursor.done();
  if (kind === 0x53) return { kind: 'statement', name };
  if (kind === 0x50) return { kind: 'portal', name };
  return malformed('Describe or Close');
}

/** Execute: portal\0 int32 maximum of rows */
export function parseExecute(buffer: Buffer, start: number, end: number): string {
  const cursor = new Cursor(buffer, start + headerBytes, end, 'Execute');
  const portal = nameKey(cursor.cstring());
  cursor.int32();
  cursor.done();
  return portal;
}

export interface Field {
  readonly name: string;
  readonly table: number;
  readonly attribute: number;
  readonly type: number;
  readonly binary: boolean;
}

/** RowDescription: int16 n, n × (name\0 oid int16 oid int16 int32 int16) */
export function parseRowDescription(bytes: Buffer): readonly Field[] {
  const cursor = new Cursor(bytes, headerBytes, bytes.length, 'RowDescription');
  const count = cursor.int16() & 0xffff;
  const fields: Field[] = [];
  for (let index = 0; index < count; index++) {
    const name = cursor.cstring().toString('utf8');
    const table = cursor.oid();
    const attribute = cursor.int16();
    const type = cursor.oid();
    cursor.int16();
    cursor.int32();
    fields.push({ name, table, attribute, type, binary: cursor.int16() !== 0 });
  }
  cursor.done();
  return fields;
}

/** Masks column names in place, each to its own length: a client may name a column like a card number. */
export function maskColumnNames(bytes: Buffer, mask: (text: string) => string): void {
  const cursor = new Cursor(bytes, headerBytes, bytes.length, 'RowDescription');
  const afterName = 18;
  for (let left = cursor.int16() & 0xffff; left > 0; left--) {
    const name = cursor.cstring();
    const text = name.toString('utf8');
    const masked = mask(text);
    if (masked !== text && name.write(masked) !== name.length) name.fill('*');
    cursor.bytes(afterName);
  }
}

/** ParameterDescription: int16 n, n × oid */
export function parseParameterDescription(buffer: Buffer, start: number, end: number): readonly number[] {
  const cursor = new Cursor(buffer, start + headerBytes, end, 'ParameterDescription');
  const types: number[] = [];
  for (let left = cursor.int16() & 0xffff; left > 0; left--) types.push(cursor.oid());
  cursor.done();
  return types;
}

export interface ReportField {
  readonly code: number;
  readonly value: Buffer;
}

/** ErrorResponse and NoticeResponse: (code int8, text\0)* \0. Missing fields are no fault (CVE-2026-6665). */
export function parseReport(buffer: Buffer, start: number, end: number): readonly ReportField[] {
  const cursor = new Cursor(buffer, start + headerBytes, end, 'ErrorResponse or NoticeResponse');
  const fields: ReportField[] = [];
  for (let code = cursor.byte(); code !== 0; code = cursor.byte()) fields.push({ code, value: cursor.cstring() });
  cursor.done();
  return fields;
}

/** ParameterStatus: name\0 value\0 */
export function parseParameterStatus(buffer: Buffer, start: number, end: number): { name: string; value: string } {
  const cursor = new Cursor(buffer, start + headerBytes, end, 'ParameterStatus');
  const name = cursor.cstring().toString('utf8');
  const value = cursor.cstring().toString('utf8');
  cursor.done();
  return { name, value };
}

/** Rows of a command tag (`SELECT 5`, `INSERT 0 5`, `UPDATE 5`); 0 when it names none. */
export function rowsOfTag(buffer: Buffer, start: number, end: number): number {
  // the digits before the final NUL
  let at = end - 2;
  let rows = 0;
  let unit = 1;
  for (; at >= start + headerBytes && unit < 1e15; at--) {
    const digit = (buffer[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    rows += digit * unit;
    unit *= 10;
  }
  return rows;
}

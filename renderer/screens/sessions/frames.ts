/** What one command gave back: rows under their columns, until its tag. */
export interface ResultSet {
  readonly columns: readonly string[];
  /** null: NULL */
  readonly rows: readonly (readonly (string | null)[])[];
  /** “SELECT 3”; null: it was not recorded */
  readonly tag: string | null;
}

export interface DecodedFrames {
  readonly sets: readonly ResultSet[];
  /** errors and notices of the target, in its own words */
  readonly messages: readonly { readonly severity: string; readonly text: string }[];
  /** bytes at the end, or in between, were no whole message */
  readonly damaged: boolean;
  /** rows beyond `maxRows`, counted and not decoded */
  readonly droppedRows: number;
}

const maxColumns = 256;
const maxRows = 50_000;
const maxValueChars = 65_536;
const maxMessages = 100;

const utf8 = new TextDecoder();
const kind = { rowDescription: 0x54, dataRow: 0x44, commandComplete: 0x43, errorResponse: 0x45, noticeResponse: 0x4e, copyOut: 0x48, copyData: 0x64 } as const;

/**
 * Recorded PostgreSQL backend messages, already masked: `char type | int32 length, itself included | body`
 * (PostgreSQL 17, section 53.7). Nothing in them is trusted: what does not fit ends the decoding.
 */
export function decodeFrames(bytes: Uint8Array): DecodedFrames {
  const decoder = new Decoder();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at + 5 <= bytes.length) {
    const length = view.getUint32(at + 1);
    if (length < 4 || at + 1 + length > bytes.length) break;
    const body = new Body(bytes.subarray(at + 5, at + 1 + length));
    try {
      decoder.message(view.getUint8(at), body);
    } catch {
      return decoder.result(true);
    }
    at += 1 + length;
  }
  return decoder.result(at < bytes.length);
}

interface OpenSet {
  readonly columns: readonly string[];
  readonly isBinary: readonly boolean[];
  readonly rows: (string | null)[][];
}

class Decoder {
  readonly #sets: ResultSet[] = [];
  readonly #messages: { severity: string; text: string }[] = [];
  #open: OpenSet | null = null;
  #rows = 0;
  #dropped = 0;

  message(type: number, body: Body): void {
    if (type === kind.rowDescription) this.#begin(describedColumns(body));
    else if (type === kind.copyOut) this.#begin([{ name: 'COPY', isBinary: body.byte() === 1 }]);
    else if (type === kind.dataRow) this.#row(() => rowValues(body, this.#open?.isBinary ?? []));
    else if (type === kind.copyData) this.#row(() => [copiedLine(body, this.#open?.isBinary[0] ?? false)]);
    else if (type === kind.commandComplete) this.#end(body.text());
    else if (type === kind.errorResponse || type === kind.noticeResponse) this.#say(body);
  }

  result(damaged: boolean): DecodedFrames {
    if (this.#open !== null) this.#end(null);
    return { sets: this.#sets, messages: this.#messages, damaged, droppedRows: this.#dropped };
  }

  #begin(columns: readonly { name: string; isBinary: boolean }[]): void {
    if (this.#open !== null && this.#open.rows.length > 0) this.#end(null);
    this.#open = { columns: columns.map(({ name }) => name), isBinary: columns.map(({ isBinary }) => isBinary), rows: [] };
  }

  /** A prepared statement may have been described in an operation before: then the columns have no names. */
  #row(values: () => (string | null)[]): void {
    if (this.#rows >= maxRows) {
      this.#dropped++;
      return;
    }
    this.#rows++;
    const row = values();
    this.#open ??= { columns: row.map((_, index) => `column ${index + 1}`), isBinary: [], rows: [] };
    this.#open.rows.push(row);
  }

  #end(tag: string | null): void {
    const open = this.#open;
    this.#open = null;
    this.#sets.push({ columns: open?.columns ?? [], rows: open?.rows ?? [], tag });
  }

  #say(body: Body): void {
    if (this.#messages.length >= maxMessages) return;
    const fields = new Map<string, string>();
    for (let code = body.byte(); code !== 0; code = body.byte()) fields.set(String.fromCharCode(code), body.text());
    const state = fields.get('C');
    this.#messages.push({ severity: fields.get('S') ?? 'ERROR', text: `${fields.get('M') ?? ''}${state === undefined ? '' : ` (${state})`}` });
  }
}

// int16 count | (name 0x00 | int32 table | int16 column | int32 type | int16 size | int32 modifier | int16 format)*
function describedColumns(body: Body): readonly { name: string; isBinary: boolean }[] {
  const columns: { name: string; isBinary: boolean }[] = [];
  for (let left = body.int16(); left > 0 && columns.length < maxColumns; left--) {
    const name = body.text();
    body.skip(16);
    columns.push({ name, isBinary: body.int16() === 1 });
  }
  return columns;
}

// int16 count | (int32 length, -1 for NULL | bytes)*
function rowValues(body: Body, isBinary: readonly boolean[]): (string | null)[] {
  const values: (string | null)[] = [];
  for (let left = body.int16(); left > 0 && values.length < maxColumns; left--) {
    const length = body.int32();
    values.push(length < 0 ? null : shown(body.bytes(length), isBinary[values.length] ?? false));
  }
  return values;
}

function copiedLine(body: Body, isBinary: boolean): string {
  return shown(body.rest(), isBinary).replace(/\r?\n$/, '');
}

function shown(bytes: Uint8Array, isBinary: boolean): string {
  const cut = bytes.subarray(0, maxValueChars);
  const text = isBinary ? `\\x${Array.from(cut.subarray(0, maxValueChars / 2), (byte) => byte.toString(16).padStart(2, '0')).join('')}` : utf8.decode(cut);
  return bytes.length > cut.length ? `${text}…` : text;
}

/** Reads forward; throws RangeError beyond the end. */
class Body {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    return this.#view.getUint8(this.#at++);
  }

  int16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#view.getInt32(this.#at - 4);
  }

  skip(count: number): void {
    this.bytes(count);
  }

  bytes(count: number): Uint8Array {
    if (count > this.#bytes.length - this.#at) throw new RangeError('beyond the message');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  rest(): Uint8Array {
    return this.bytes(this.#bytes.length - this.#at);
  }

  /** up to the zero byte */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new RangeError('text without an end');
    const text = utf8.decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }
}

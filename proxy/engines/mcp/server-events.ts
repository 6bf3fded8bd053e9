import { fail } from '../../contract/errors.ts';

/** One server-sent event (WHATWG HTML section 9.2), or a comment. */
export interface ServerEvent {
  /** empty: none, as in the first event of a stream that can be resumed */
  readonly data: Uint8Array;
  readonly event: string;
  /** null: not given with this event */
  readonly id: string | null;
  /** milliseconds */
  readonly retry: number | null;
}

const newline = 0x0a;
const carriage = 0x0d;
const maxFieldChars = 1_024;
/** bytes a line counts for beside its own: empty ones cost memory, too */
const lineCost = 64;

/** Reads a stream of events with a cap on each; give it chunks as they come. Throws ERR_PROTOCOL_VIOLATION. */
export class EventReader {
  readonly #maxBytes: number;
  /** the beginning of a line that goes on: its first `#kept` bytes */
  #partial: Buffer = Buffer.alloc(0);
  #kept = 0;
  /** the data lines of the event being read */
  #data: Buffer[] = [];
  #bytes = 0;
  #event = '';
  #id: string | null = null;
  #retry: number | null = null;
  #isFirst = true;
  #afterCarriage = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The events that are complete. Without an empty line at its end, what a stream ends with is no event. */
  push(chunk: Uint8Array): ServerEvent[] {
    const fresh = this.#begun(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    const events: ServerEvent[] = [];
    let from = 0;
    for (let end = endOfLine(fresh, from); end >= 0; end = endOfLine(fresh, from)) {
      const event = this.#line(this.#whole(fresh.subarray(from, end)));
      if (event !== null) events.push(event);
      from = end + 1;
      if (fresh[end] === carriage && fresh[from] === newline) from++;
      else this.#afterCarriage = fresh[end] === carriage && from === fresh.length;
    }
    this.#keep(fresh.subarray(from));
    return events;
  }

  /** Without the second half of a line end that was cut. */
  #begun(fresh: Buffer): Buffer {
    const isHalf = this.#afterCarriage && fresh[0] === newline;
    if (fresh.length > 0) this.#afterCarriage = false;
    return isHalf ? fresh.subarray(1) : fresh;
  }

  /** The line that ends with `last`, and what came of it before. */
  #whole(last: Buffer): Buffer {
    if (this.#kept === 0) return last;
    this.#keep(last);
    const line = this.#partial.subarray(0, this.#kept);
    this.#kept = 0;
    return line;
  }

  /** Grows by doubling: a line in many small pieces must not cost more than its length. */
  #keep(piece: Buffer): void {
    const kept = this.#kept + piece.length;
    if (this.#bytes + kept > this.#maxBytes) throw tooLong();
    if (kept > this.#partial.length) {
      const grown = Buffer.allocUnsafe(Math.max(kept, this.#partial.length * 2));
      this.#partial.copy(grown, 0, 0, this.#kept);
      this.#partial = grown;
    }
    piece.copy(this.#partial, this.#kept);
    this.#kept = kept;
  }

  #line(whole: Buffer): ServerEvent | null {
    const hasMark = this.#isFirst && whole[0] === 0xef && whole[1] === 0xbb && whole[2] === 0xbf;
    const line = hasMark ? whole.subarray(3) : whole;
    this.#isFirst = false;
    if (line.length === 0) return this.#dispatch();
    const colon = line.indexOf(0x3a);
    if (colon === 0) return null;
    const name = (colon < 0 ? line : line.subarray(0, colon)).toString('latin1');
    const skipped = colon >= 0 && line[colon + 1] === 0x20 ? colon + 2 : colon + 1;
    this.#field(name, colon < 0 ? Buffer.alloc(0) : line.subarray(skipped));
    return null;
  }

  #field(name: string, value: Buffer): void {
    if (name === 'data') {
      this.#bytes += value.length + lineCost;
      if (this.#bytes > this.#maxBytes) throw tooLong();
      this.#data.push(Buffer.from(value));
      return;
    }
    if (value.length > maxFieldChars) throw tooLong();
    const text = value.toString('utf8');
    if (name === 'event') this.#event = text;
    else if (name === 'id' && !text.includes('\0')) this.#id = text;
    else if (name === 'retry' && /^\d{1,9}$/.test(text)) this.#retry = Number(text);
  }

  #dispatch(): ServerEvent | null {
    const isEmpty = this.#data.length === 0 && this.#id === null && this.#retry === null;
    const [only] = this.#data;
    const data = this.#data.length === 1 && only !== undefined ? only : Buffer.concat(this.#data.flatMap((line, at) => (at === 0 ? [line] : [lineFeed, line])));
    const event: ServerEvent = { data, event: this.#event, id: this.#id, retry: this.#retry };
    this.#data = [];
    this.#bytes = 0;
    this.#event = '';
    this.#id = null;
    this.#retry = null;
    return isEmpty ? null : event;
  }
}

const lineFeed = Buffer.from('\n');

function endOfLine(bytes: Buffer, from: number): number {
  const feed = bytes.indexOf(newline, from);
  const back = bytes.subarray(from, feed < 0 ? bytes.length : feed).indexOf(carriage);
  return back < 0 ? feed : from + back;
}

function tooLong(): Error {
  return fail('ERR_PROTOCOL_VIOLATION', { message: 'The server sent an event that is too long.' });
}

/** The event as it goes to a client; `data` without line breaks. */
export function eventFrame(data: Uint8Array, { id, retry }: { readonly id: string | null; readonly retry: number | null }): Buffer {
  const head = `${id === null ? '' : `id: ${id}\n`}${retry === null ? '' : `retry: ${retry}\n`}`;
  return Buffer.concat([Buffer.from(`${head}data: `), data, Buffer.from('\n\n')]);
}

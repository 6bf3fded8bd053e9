import { isUtf8 } from 'node:buffer';
import { fail } from '../contract/errors.ts';
import { isBase64Byte } from './json-encoded.ts';
import { named } from './json-labels.ts';
import type { JsonMaskOptions } from './json.ts';
import { workOf } from './json.ts';
import { maskDeep } from './json-text.ts';
import type { Work } from './json-text.ts';
import { TableText } from './json-tables.ts';
import type { Count } from './value.ts';

export interface TextStreamOptions extends JsonMaskOptions {
  /** what ends a piece that may be released: a blank line (`sse`), or a line */
  readonly boundary: 'sse' | 'lines' | 'none';
}

export interface TextStream {
  /** What can be released now; what could be the beginning of a hit is held back. */
  push(chunk: Uint8Array): Uint8Array;
  /** The rest. Nothing may be pushed afterwards. */
  end(): Uint8Array;
}

/** bytes held back at most */
const maxCarry = 4096;
/** of these as many as a hit may be long stay behind when a piece has no end: they are masked already, and masked again with what follows */
const overlap = 1024;
const maxLabelTail = 96;

/**
 * Masks a text of unknown length as its chunks come. Pieces are lines, or server-sent events; a piece of more than 4 KiB is masked in overlapping parts. What
 * comes out depends on the text alone, never on how it was cut into chunks. Columns of a table are remembered over all lines.
 */
export function createTextStream(options: TextStreamOptions, count: Count): TextStream {
  return new Stream(options, count);
}

class Stream implements TextStream {
  readonly #options: TextStreamOptions;
  readonly #count: Count;
  readonly #table: TableText;
  #held: Buffer = Buffer.alloc(0);
  /** bytes of `#held` in which no end was found */
  #searched = 0;
  #isEnded = false;

  constructor(options: TextStreamOptions, count: Count) {
    this.#options = options;
    this.#count = count;
    this.#table = new TableText(count);
  }

  push(chunk: Uint8Array): Uint8Array {
    if (this.#isEnded) throw fail('ERR_MASKING_FAILED', { detail: 'a chunk after the end' });
    const out: Uint8Array[] = [];
    // small steps keep what is held back small, whatever the size of the chunk
    for (let from = 0; from < chunk.length; from += maxCarry) {
      this.#held = Buffer.concat([this.#held, chunk.subarray(from, from + maxCarry)]);
      this.#release(out);
    }
    return Buffer.concat(out);
  }

  end(): Uint8Array {
    this.#isEnded = true;
    const rest = this.#piece(this.#held);
    this.#held = Buffer.alloc(0);
    return rest;
  }

  #release(out: Uint8Array[]): void {
    for (;;) {
      const end = this.#pieceEnd();
      if (end > 0 && end <= maxCarry) {
        out.push(this.#piece(this.#held.subarray(0, end)));
        this.#held = this.#held.subarray(end);
      } else if (this.#held.length > maxCarry) this.#part(out);
      else return;
      this.#searched = 0;
    }
  }

  /** The first 4 KiB of a piece without an end: masked whole, released but for the last part. */
  #part(out: Uint8Array[]): void {
    const end = wholeCharacters(this.#held, maxCarry);
    const masked = this.#piece(this.#held.subarray(0, end));
    const release = wholeCharacters(masked, alignedCut(masked, masked.length - overlap));
    out.push(masked.subarray(0, release));
    this.#held = Buffer.concat([masked.subarray(release), this.#held.subarray(end)]);
  }

  /** Byte after the first whole piece, or 0. A line that ends with a name of card data goes on in the next one. */
  #pieceEnd(): number {
    const { boundary } = this.#options;
    for (let at = this.#held.indexOf(0x0a, this.#searched); at >= 0; at = this.#held.indexOf(0x0a, at + 1)) {
      if (boundary === 'sse' ? isBlankBefore(this.#held, at) : !endsWithName(this.#held, at)) return at + 1;
    }
    this.#searched = this.#held.length;
    return 0;
  }

  #piece(bytes: Buffer): Buffer {
    if (bytes.length === 0) return bytes;
    const work = workOf(this.#options, this.#count, bytes.length);
    // other encodings pass through Latin-1, which keeps every byte
    const encoding = isUtf8(bytes) ? 'utf8' : 'latin1';
    const text = bytes.toString(encoding);
    const masked = this.#options.boundary === 'sse' ? maskEvent(text, work) : maskDeep(text, work);
    const shown = this.#options.boundary === 'sse' ? masked : this.#inTable(masked);
    return shown === text ? bytes : Buffer.from(shown, encoding);
  }

  #inTable(text: string): string {
    return text
      .split('\n')
      .map((line) => this.#table.line(line))
      .join('\n');
  }
}

/** A blank line ends here: `\n\n` or `\n\r\n`. */
function isBlankBefore(bytes: Buffer, at: number): boolean {
  const before = bytes[at - 1] === 0x0d ? at - 2 : at - 1;
  return before >= 0 ? bytes[before] === 0x0a : true;
}

/** The line ends with the name of a code and nothing but marks behind it. */
function endsWithName(bytes: Buffer, at: number): boolean {
  const tail = bytes.toString('latin1', Math.max(0, at - maxLabelTail), at);
  const found = /([A-Za-z][\w.\- ]{1,62})["'`>:=,[{(\s]*$/.exec(tail.slice(tail.lastIndexOf('\n') + 1))?.[1];
  return found !== undefined && /["'`>:=,[{(]\s*$/.test(tail) && named(found) !== null;
}

/** A cut that leaves no half of what is read together: at a blank, else behind whole groups of four of a long token. */
function alignedCut(bytes: Buffer, at: number): number {
  for (let cut = at; cut > at - overlap && cut > 0; cut--) if (isBreak(bytes[cut - 1] ?? 0)) return cut;
  let start = at;
  while (start > 0 && isBase64Byte(bytes[start - 1] ?? 0)) start--;
  return at - ((at - start) % 4);
}

function isBreak(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x09 || byte === 0x2c || byte === 0x3b || byte === 0x3e || byte === 0x26;
}

/** The last border of characters at or before `at`. */
function wholeCharacters(bytes: Buffer, at: number): number {
  let cut = at;
  while (cut > 0 && cut > at - 4 && ((bytes[cut] ?? 0) & 0xc0) === 0x80) cut--;
  return ((bytes[cut] ?? 0) & 0xc0) === 0x80 ? at : cut;
}

const field = /^(?:data|event|id|retry)?: ?/;

/** The lines of one event are read together, without their names. */
function maskEvent(text: string, work: Work): string {
  const lines = text.split('\n');
  const names = lines.map((line) => field.exec(line)?.[0] ?? '');
  const masked = maskDeep(lines.map((line, index) => line.slice(names[index]?.length)).join('\n'), work).split('\n');
  if (masked.length !== lines.length) throw fail('ERR_MASKING_FAILED', { detail: 'an event lost a line' });
  return masked.map((line, index) => (names[index] ?? '') + line).join('\n');
}

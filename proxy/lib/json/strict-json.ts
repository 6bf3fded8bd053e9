import { isAscii, isUtf8 } from 'node:buffer';
import { AppError } from '../errors.ts';
import { jsonFalse, jsonNull, jsonTrue } from './node.ts';
import type { JsonMember, JsonNode } from './node.ts';

export interface JsonLimits {
  readonly maxBytes: number;
  /** of arrays and objects inside each other */
  readonly maxDepth: number;
  /** values; names of members do not count */
  readonly maxNodes: number;
  /**
   * `kept`: equal names and control characters in names stay. Only for texts that are searched and handed on, never for what is decided upon.
   */
  readonly names?: 'strict' | 'kept';
}

const quote = 0x22;
const backslash = 0x5c;
const maxNumber = 2048;
/** from here on a string is read natively */
const fewBytes = 128;
/** up to so many members names are compared one by one */
const fewMembers = 12;

/**
 * RFC 8259, strictly: one value, UTF-8 without BOM, no equal names after unescaping, no control characters in names, no lone surrogates.
 * Numbers keep their text. Throws ERR_PROTOCOL_VIOLATION that names kind and byte position and quotes nothing of the input.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits): JsonNode {
  if (bytes.length > limits.maxBytes) throw violation('longer than allowed', limits.maxBytes);
  if (!isUtf8(bytes)) throw violation('not UTF-8', 0);
  const parser = new Parser(bytes, limits);
  const node = parser.value(0);
  parser.end();
  return node;
}

/** One value that begins at `from`, and the byte after it: for JSON inside of other text. `bytes` must be UTF-8. */
export function parseJsonPrefix(bytes: Uint8Array, from: number, limits: JsonLimits): { node: JsonNode; end: number } {
  const parser = new Parser(bytes, limits, from);
  const node = parser.value(0);
  return { node, end: parser.at };
}

function violation(kind: string, at: number): AppError {
  return new AppError('ERR_PROTOCOL_VIOLATION', `The JSON text is refused: ${kind} (byte ${at}).`);
}

class Parser {
  at: number;
  readonly #bytes: Uint8Array;
  /** one character a byte: positions of bytes are positions of characters */
  readonly #latin: string;
  readonly #whole: Buffer;
  readonly #limits: JsonLimits;
  readonly #strict: boolean;
  readonly #from: number;
  #nodes = 0;

  constructor(bytes: Uint8Array, limits: JsonLimits, from = 0) {
    this.#bytes = bytes;
    this.#from = from;
    this.#whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // a prefix is read in place: decoding the rest for each try would be quadratic
    this.#latin = from === 0 ? this.#whole.toString('latin1') : '';
    this.#limits = limits;
    this.#strict = limits.names !== 'kept';
    this.at = from;
  }

  value(depth: number): JsonNode {
    this.#space();
    if (++this.#nodes > this.#limits.maxNodes) throw violation('too many values', this.at);
    const byte = this.#bytes[this.at];
    switch (byte) {
      case quote:
        return { kind: 'string', text: this.#string(false) };
      case 0x7b:
        return this.#object(depth + 1);
      case 0x5b:
        return this.#array(depth + 1);
      case 0x74:
        return this.#word('true', jsonTrue);
      case 0x66:
        return this.#word('false', jsonFalse);
      case 0x6e:
        return this.#word('null', jsonNull);
      default:
        return this.#number();
    }
  }

  end(): void {
    this.#space();
    if (this.at !== this.#bytes.length) throw violation('something follows the value', this.at);
  }

  #space(): void {
    const bytes = this.#bytes;
    let byte = bytes[this.at];
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++this.at];
  }

  #object(depth: number): JsonNode {
    this.#enter(depth);
    const members: JsonMember[] = [];
    if (this.#closes(0x7d)) return { kind: 'object', members };
    let known: Set<string> | null = null;
    for (;;) {
      this.#space();
      if (this.#bytes[this.at] !== quote) throw violation('a name is expected', this.at);
      const at = this.at;
      const key = this.#string(true);
      if (known !== null || members.length >= fewMembers) known ??= new Set(members.map((each) => each.key));
      if (this.#strict && isKnown(key, members, known)) throw violation('two members of the same name', at);
      known?.add(key);
      this.#space();
      if (this.#bytes[this.at] !== 0x3a) throw violation('a colon is expected', this.at);
      this.at++;
      members.push({ key, value: this.value(depth) });
      if (this.#isLast(0x7d)) return { kind: 'object', members };
    }
  }

  #array(depth: number): JsonNode {
    this.#enter(depth);
    const items: JsonNode[] = [];
    if (this.#closes(0x5d)) return { kind: 'array', items };
    for (;;) {
      items.push(this.value(depth));
      if (this.#isLast(0x5d)) return { kind: 'array', items };
    }
  }

  #enter(depth: number): void {
    if (depth > this.#limits.maxDepth) throw violation('nested too deeply', this.at);
    this.at++;
  }

  #closes(bracket: number): boolean {
    this.#space();
    if (this.#bytes[this.at] !== bracket) return false;
    this.at++;
    return true;
  }

  /** After a value: a comma, or the end of its array or object. */
  #isLast(bracket: number): boolean {
    this.#space();
    const byte = this.#bytes[this.at];
    if (byte !== 0x2c && byte !== bracket) throw violation('a comma or the end is expected', this.at);
    this.at++;
    return byte === bracket;
  }

  #word(word: string, node: JsonNode): JsonNode {
    for (let index = 0; index < word.length; index++) {
      if (this.#bytes[this.at + index] !== word.charCodeAt(index)) throw violation('no JSON value', this.at);
    }
    this.at += word.length;
    return node;
  }

  #number(): JsonNode {
    const bytes = this.#bytes;
    const start = this.at;
    let at = bytes[start] === 0x2d ? start + 1 : start;
    const first = at;
    at = this.#digits(at);
    if (bytes[first] === 0x30 && at - first > 1) throw violation('a number begins with zero', start);
    if (bytes[at] === 0x2e) at = this.#digits(at + 1);
    if (((bytes[at] ?? 0) | 0x20) === 0x65) {
      const sign = bytes[at + 1];
      at = this.#digits(sign === 0x2b || sign === 0x2d ? at + 2 : at + 1);
    }
    if (at - start > maxNumber) throw violation('a number is too long', start);
    this.at = at;
    return { kind: 'number', text: this.#slice(start, at) };
  }

  #digits(from: number): number {
    let at = from;
    for (let byte = this.#bytes[at] ?? 0; byte >= 0x30 && byte <= 0x39; byte = this.#bytes[at] ?? 0) at++;
    if (at === from) throw violation('no JSON value', from);
    return at;
  }

  /** Reads from the opening quote to behind the closing one. */
  #string(isName: boolean): string {
    const bytes = this.#bytes;
    const start = this.at + 1;
    let at = start;
    // all bits that occur: plain ASCII needs no decoding
    let all = 0;
    let isEscaped = false;
    for (let byte = bytes[at]; byte !== quote; byte = bytes[at]) {
      if (byte === undefined) throw violation('a string does not end', this.at);
      if (byte < 0x20) throw violation('a control character in a string', at);
      all |= byte;
      if (byte === backslash) {
        isEscaped = true;
        at++;
      }
      at++;
      if (at - start === fewBytes) {
        const long = this.#long(start);
        if (long !== null) return this.#named(long, isName, start);
      }
    }
    this.at = at + 1;
    const plain = all < 0x80 ? this.#slice(start, at) : this.#whole.toString('utf8', start, at);
    return this.#named(isEscaped ? this.#unescaped(plain, start) : plain, isName, start);
  }

  #named(text: string, isName: boolean, start: number): string {
    if (isName && this.#strict && hasControl(text)) throw violation('a control character in a name', start);
    return text;
  }

  /** The same for long strings, natively. Null for those that are refused: what is wrong with them is found byte by byte. */
  #long(start: number): string | null {
    // a part of a text may be tried often: there a string is read no farther than it is one
    const end = this.#from > 0 ? -1 : closingQuote(this.#whole, start);
    if (end < 0) return null;
    const text = unquoted(this.#whole, start - 1, end + 1);
    if (text !== null) this.at = end + 1;
    return text;
  }

  #slice(start: number, end: number): string {
    return this.#from === 0 ? this.#latin.slice(start, end) : this.#whole.toString('latin1', start, end);
  }

  #unescaped(text: string, start: number): string {
    let done = '';
    let from = 0;
    for (let at = text.indexOf('\\'); at >= 0; at = text.indexOf('\\', from)) {
      done += text.slice(from, at);
      const letter = text.charCodeAt(at + 1);
      const plain = letter === 0x75 ? unicode(text, at + 2) : escapes.get(letter);
      if (plain === undefined) throw violation('an unknown escape in the string', start);
      done += plain;
      from = at + (letter === 0x75 ? 6 : 2);
    }
    done += text.slice(from);
    if (!done.isWellFormed()) throw violation('half of a surrogate pair in the string', start);
    return done;
  }
}

/** The quote that ends the string; -1 when none does. */
function closingQuote(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(quote, start); at >= 0; at = bytes.indexOf(quote, at + 1)) {
    let first = at;
    while (first > start && bytes[first - 1] === backslash) first--;
    if ((at - first) % 2 === 0) return at;
  }
  return -1;
}

/** The text between the quotes at both ends; null for one that is not of RFC 8259 or holds half of a surrogate pair. */
function unquoted(bytes: Buffer, from: number, to: number): string | null {
  try {
    const text = JSON.parse(bytes.toString(isAscii(bytes.subarray(from, to)) ? 'latin1' : 'utf8', from, to)) as string;
    return text.isWellFormed() ? text : null;
  } catch {
    return null;
  }
}

function isKnown(key: string, members: readonly JsonMember[], known: ReadonlySet<string> | null): boolean {
  if (known !== null) return known.has(key);
  for (const each of members) if (each.key === key) return true;
  return false;
}

function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
}

const escapes = new Map(['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'].map((pair) => [pair.charCodeAt(0), pair.charAt(1)]));

function unicode(text: string, from: number): string | undefined {
  let code = 0;
  for (let at = from; at < from + 4; at++) {
    const digit = Number.parseInt(text.charAt(at), 16);
    if (Number.isNaN(digit)) return undefined;
    code = code * 16 + digit;
  }
  return String.fromCharCode(code);
}

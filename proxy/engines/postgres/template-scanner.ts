/** What a marked piece of the text is; everything between the marks is literal-free syntax. */
export const mark = { number: 1, string: 2, escape: 3, dollar: 4, opaque: 5, comment: 6, identifier: 7, joined: 8 } as const;

/** Why a text is never parsed. */
export type ScanFault = 'nul' | 'nesting' | 'operator';

const other = 0;
const letter = 1;
const digit = 2;
const space = 3;
const operator = 4;
const quote = 5;
const doubleQuote = 6;
const dollar = 7;
const dot = 8;
const open = 9;
const close = 10;

const classes = classTable();
/** what a number must not follow without white space: its placeholder would run into it */
const adjacent = Uint8Array.from({ length: 11 }, (_, kind) => ([letter, digit, quote, doubleQuote, dollar, dot, close].includes(kind) ? 1 : 0));
const maxDepth = 1_000;
/** flex rereads a run of operator characters once per token, so long runs cost their square */
const maxOperatorRun = 128;
const maxCommentDepth = 64;
const digitsOfACard = 12;

/**
 * PostgreSQL's lexical rules (scan.l) over bytes, without allocation: writes the text with literals replaced (`''`, `0`),
 * comments dropped and white space collapsed into `out`, and notes where literals and comments are.
 */
export class Scanner {
  out: Buffer;
  length = 0;
  /** start, end, kind of each literal, comment and suspicious identifier */
  marks = new Int32Array(3 * 64);
  markCount = 0;
  /** true when the normalised text must not be used as a key */
  unusual = false;
  nonAscii = false;
  fault: ScanFault | null = null;
  /** names, operators and brackets: what makes the parser recurse */
  weight = 0;
  #sql: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #depth = 0;
  /** white space or a comment came before, not yet written */
  #gap = false;

  constructor(maxBytes: number) {
    this.out = Buffer.allocUnsafe(2 * maxBytes + 16);
  }

  scan(sql: Uint8Array): void {
    this.#reset(sql);
    // C code would see a shorter text
    if (sql.indexOf(0) >= 0) this.fault = 'nul';
    while (this.#at < this.#end && this.fault === null) this.#token(sql[this.#at] ?? 0);
  }

  #reset(sql: Uint8Array): void {
    this.#sql = sql;
    this.#at = 0;
    this.#end = sql.length;
    this.#depth = 0;
    this.#gap = false;
    this.length = 0;
    this.markCount = 0;
    this.weight = 0;
    this.unusual = false;
    this.nonAscii = false;
    this.fault = null;
  }

  #token(byte: number): void {
    switch (classes[byte]) {
      case space:
        this.#at++;
        this.#gap = true;
        return;
      case letter:
        this.#word();
        return;
      case digit:
        this.#number();
        return;
      case quote:
        this.#string(mark.string, this.#at);
        return;
      case doubleQuote:
        this.#quotedIdentifier();
        return;
      case dollar:
        this.#dollar();
        return;
      default:
        this.#punctuation(byte);
    }
  }

  #punctuation(byte: number): void {
    switch (classes[byte]) {
      case dot:
        if (classes[this.#peek(1)] === digit) this.#number();
        else this.#copy(byte);
        return;
      case operator:
        this.#operators();
        return;
      case open:
        this.weight++;
        if (++this.#depth > maxDepth) this.fault = 'nesting';
        this.#copy(byte);
        return;
      case close:
        this.#depth--;
        this.#copy(byte);
        return;
      default:
        if (byte === 0x0b) this.unusual = true;
        this.#copy(byte);
    }
  }

  #peek(ahead: number): number {
    return this.#sql[this.#at + ahead] ?? 0;
  }

  #separate(): void {
    if (!this.#gap) return;
    this.#gap = false;
    if (this.length > 0) this.out[this.length++] = 0x20;
  }

  #copy(byte: number): void {
    this.#separate();
    this.out[this.length++] = byte;
    this.#at++;
  }

  #mark(start: number, end: number, kind: number): void {
    const at = this.markCount * 3;
    if (at + 3 > this.marks.length) {
      const grown = new Int32Array(this.marks.length * 2);
      grown.set(this.marks);
      this.marks = grown;
    }
    this.marks[at] = start;
    this.marks[at + 1] = end;
    this.marks[at + 2] = kind;
    this.markCount++;
  }

  #word(): void {
    const sql = this.#sql;
    const out = this.out;
    const start = this.#at;
    this.#separate();
    let at = start;
    let length = this.length;
    let digits = 0;
    while (at < this.#end) {
      const byte = sql[at] ?? 0;
      const kind = classes[byte];
      if (kind === digit) digits++;
      else if (kind !== letter && kind !== dollar) break;
      else if (byte >= 0x80) this.nonAscii = this.unusual = true;
      out[length++] = byte;
      at++;
    }
    this.length = length;
    this.#at = at;
    this.weight++;
    if (digits >= digitsOfACard) this.#mark(start, at, mark.identifier);
    if (at - start === 1) this.#prefix((sql[start] ?? 0) | 0x20, start);
  }

  /** `e'…'`, `b'…'`, `x'…'`, `n'…'`, `u&'…'`: a one-letter word right before a quote changes the literal's rules */
  #prefix(lower: number, start: number): void {
    const next = this.#peek(0);
    if (lower === 0x75 && next === 0x26 && (this.#peek(1) === 0x27 || this.#peek(1) === 0x22)) {
      this.unusual = true;
      this.#copy(next);
      if (this.#peek(0) === 0x27) this.#string(mark.opaque, start);
      else this.#quotedIdentifier(start);
      return;
    }
    if (next !== 0x27) return;
    if (lower === 0x65) this.#string(mark.escape, start);
    else if (lower === 0x62 || lower === 0x78 || lower === 0x6e) this.#string(mark.opaque, start);
  }

  #number(): void {
    const start = this.#at;
    if (this.length > 0 && !this.#gap && adjacent[classes[this.out[this.length - 1] ?? 0] ?? 0] === 1) this.unusual = true;
    this.#separate();
    this.#digits();
    if (this.#peek(0) === 0x2e) {
      this.#at++;
      this.#digits();
    }
    this.#exponent();
    const after = classes[this.#peek(0)];
    // hexadecimal, digit separators, `1..2` and trailing junk: rare, and read differently by older servers
    if (after === letter || after === dollar || after === dot) this.unusual = true;
    this.#mark(start, this.#at, mark.number);
    this.out[this.length++] = 0x30;
  }

  #digits(): void {
    while (classes[this.#peek(0)] === digit) this.#at++;
  }

  #exponent(): void {
    if ((this.#peek(0) | 0x20) !== 0x65) return;
    const signed = this.#peek(1) === 0x2b || this.#peek(1) === 0x2d ? 2 : 1;
    if (classes[this.#peek(signed)] !== digit) return;
    this.#at += signed;
    this.#digits();
  }

  #string(kind: number, start: number): void {
    this.#separate();
    if (kind !== mark.string) this.unusual = true;
    let pieces = 0;
    do {
      if (pieces++ > 0) this.unusual = true;
      this.#piece(kind === mark.escape);
    } while (this.#continues());
    this.#mark(start, this.#at, pieces > 1 && kind === mark.string ? mark.joined : kind);
    this.#literal();
  }

  #literal(): void {
    if (this.length > 0 && this.out[this.length - 1] === 0x27) this.out[this.length++] = 0x20;
    this.out[this.length++] = 0x27;
    this.out[this.length++] = 0x27;
  }

  /** From the opening quote to behind the closing one. */
  #piece(escapes: boolean): void {
    const sql = this.#sql;
    let at = this.#at + 1;
    for (; at < this.#end; at++) {
      const byte = sql[at] ?? 0;
      if (byte === 0x27) {
        if (sql[at + 1] !== 0x27) break;
        at++;
      } else if (byte === 0x5c && escapes) {
        at++;
      } else if (byte >= 0x80) {
        this.nonAscii = true;
      }
    }
    if (at >= this.#end) this.unusual = true;
    this.#at = Math.min(at + 1, this.#end);
  }

  /** SQL joins literals that only white space with a newline separates (comments count as white space). */
  #continues(): boolean {
    const sql = this.#sql;
    let at = this.#at;
    let newline = false;
    for (; at < this.#end; at++) {
      const byte = sql[at] ?? 0;
      if (byte === 0x0a || byte === 0x0d) newline = true;
      else if (byte === 0x2d && sql[at + 1] === 0x2d) at = this.#lineEnd(at) - 1;
      else if (classes[byte] !== space && byte !== 0x0b) break;
    }
    if (!newline || sql[at] !== 0x27) return false;
    this.#at = at;
    return true;
  }

  #lineEnd(from: number): number {
    let at = from;
    while (at < this.#end && this.#sql[at] !== 0x0a && this.#sql[at] !== 0x0d) at++;
    return at;
  }

  #quotedIdentifier(from = this.#at): void {
    const sql = this.#sql;
    const start = this.#at;
    const digits = this.#identifierEnd();
    this.weight++;
    if (digits >= digitsOfACard || from !== start) this.#mark(from, this.#at, mark.identifier);
    this.#separate();
    for (let copied = start; copied < this.#at; copied++) this.out[this.length++] = sql[copied] ?? 0;
  }

  /** Moves behind the closing quote; gives the number of digits inside. */
  #identifierEnd(): number {
    const sql = this.#sql;
    let digits = 0;
    let at = this.#at + 1;
    for (; at < this.#end; at++) {
      const byte = sql[at] ?? 0;
      if (byte === 0x22) {
        if (sql[at + 1] !== 0x22) break;
        at++;
      } else if (byte >= 0x80) this.nonAscii = this.unusual = true;
      else if (classes[byte] === digit) digits++;
    }
    if (at >= this.#end) this.unusual = true;
    this.#at = Math.min(at + 1, this.#end);
    return digits;
  }

  #parameter(): void {
    this.#copy(0x24);
    while (classes[this.#peek(0)] === digit) this.#copy(this.#peek(0));
    const after = classes[this.#peek(0)];
    if (after === letter || after === dollar || after === dot) this.unusual = true;
  }

  #dollar(): void {
    const start = this.#at;
    if (classes[this.#peek(1)] === digit) {
      this.#parameter();
      return;
    }
    let at = start + 1;
    while (classes[this.#sql[at] ?? 0] === letter || (at > start + 1 && classes[this.#sql[at] ?? 0] === digit)) {
      if ((this.#sql[at] ?? 0) >= 0x80) this.nonAscii = true;
      at++;
    }
    if (this.#sql[at] !== 0x24) {
      this.unusual = true;
      this.#copy(0x24);
      return;
    }
    this.#dollarQuoted(start, at + 1);
  }

  #dollarQuoted(start: number, body: number): void {
    const sql = this.#sql;
    const delimiter = body - start;
    let at = body;
    search: for (; at + delimiter <= this.#end; at++) {
      const byte = sql[at] ?? 0;
      if (byte >= 0x80) this.nonAscii = true;
      if (byte !== 0x24) continue;
      for (let same = 1; same < delimiter; same++) if (sql[at + same] !== sql[start + same]) continue search;
      break;
    }
    if (at + delimiter > this.#end) this.unusual = true;
    this.#at = Math.min(at + delimiter, this.#end);
    this.#separate();
    this.#mark(start, this.#at, mark.dollar);
    this.#literal();
  }

  #operators(): void {
    this.weight++;
    const start = this.#at;
    while (this.#at < this.#end) {
      const byte = this.#peek(0);
      if (classes[byte] !== operator) return;
      const next = this.#peek(1);
      if (byte === 0x2d && next === 0x2d) {
        this.#lineComment();
        return;
      }
      if (byte === 0x2f && next === 0x2a) {
        this.#blockComment();
        return;
      }
      if (this.#at - start >= maxOperatorRun) {
        this.fault = 'operator';
        return;
      }
      this.#copy(byte);
    }
  }

  #lineComment(): void {
    const end = this.#lineEnd(this.#at);
    this.#comment(end);
  }

  #blockComment(): void {
    let depth = 1;
    let at = this.#at + 2;
    for (; at < this.#end && depth > 0; at++) {
      const byte = this.#sql[at] ?? 0;
      const next = this.#sql[at + 1] ?? 0;
      if (byte === 0x2a && next === 0x2f) {
        depth--;
        at++;
      } else if (byte === 0x2f && next === 0x2a) {
        this.unusual = true;
        if (++depth > maxCommentDepth) this.fault = 'nesting';
        at++;
      }
    }
    if (depth > 0) this.unusual = true;
    this.#comment(Math.min(at, this.#end));
  }

  #comment(end: number): void {
    for (let at = this.#at; at < end; at++) {
      if ((this.#sql[at] ?? 0) >= 0x80) this.nonAscii = true;
    }
    this.#mark(this.#at, end, mark.comment);
    this.#at = end;
    this.#gap = true;
  }
}

function classTable(): Uint8Array {
  const table = new Uint8Array(256).fill(other);
  const put = (text: string, kind: number): void => {
    for (const character of text) table[character.charCodeAt(0)] = kind;
  };
  put('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_', letter);
  table.fill(letter, 0x80);
  put('0123456789', digit);
  put(' \t\n\r\f', space);
  put('~!@#^&|`?+-*/%<>=', operator);
  put("'", quote);
  put('"', doubleQuote);
  put('$', dollar);
  put('.', dot);
  put('([', open);
  put(')]', close);
  return table;
}

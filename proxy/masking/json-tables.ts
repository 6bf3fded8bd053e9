import { hideNamed, looksNamed, named } from './json-labels.ts';
import type { Named } from './json-labels.ts';
import type { Count } from './value.ts';

const minLine = 3;
const maxLine = 16_384;
const maxCells = 512;
const headerWord = /c.?v|csc|cid|pin|track|strip|pan|c.?c|card|code|karte|ziffer|nummer|verif|crypto|account|carte|tarjeta/i;
/** side by side: a line with values, not with names */
const manyDigits = 4;
/** one of them is in every name that `named` knows */
const syllables = new Uint8Array(1 << 15);
for (const each of 'cvv cvc cvn cvd cav csc cid pin rac mag uri car rif zif kar ryp ccn pan acc tar'.split(' ')) {
  syllables[Array.from(each).reduce((value, letter) => (value << 5) | (letter.charCodeAt(0) & 0x1f), 0)] = 1;
}
const delimiters = ['\t', '|', '│', ';', ',', ' '] as const;
/** of a table with one column: never in a line */
const single = '\n';
const cellName = /^[\s"'`*]{0,8}[\p{L}_#][\p{L}\p{N}_ .\-()/#]{0,63}[\s"'`*]{0,8}$/u;

interface Header {
  readonly delimiter: string;
  readonly columns: readonly (Named | null)[];
}

/**
 * Tables in text (CSV, TSV, Markdown, the output of psql and mysql): a line of names with one for card data among them makes the values in its columns
 * hidden in all lines that follow, until another line of names. Lines are given one by one, without their ends; lengths stay.
 */
export class TableText {
  #header: Header | null = null;
  readonly #count: Count;

  constructor(count: Count) {
    this.#count = count;
  }

  /** True once a header was seen: then lines depend on those before. */
  get isInTable(): boolean {
    return this.#header !== null;
  }

  line(line: string): string {
    if (line.length < minLine || line.length > maxLine) return line;
    if (mayBeHeader(line, 0, line.length) && headerWord.test(line)) {
      const header = headerOf(line);
      if (header !== null) {
        this.#header = header;
        return line;
      }
    }
    return this.#header === null ? line : this.#maskLine(line, this.#header);
  }

  #maskLine(line: string, { delimiter, columns }: Header): string {
    const cells = split(line, delimiter);
    // words of a sentence are no columns
    if (delimiter === ' ' && cells.length !== columns.length) return line;
    let masked = '';
    let from = 0;
    for (const [index, cell] of cells.entries()) {
      const column = columns[index] ?? null;
      const text = line.slice(cell.from, cell.to);
      masked += line.slice(from, cell.from);
      from = cell.to;
      if (column === null || !looksNamed(text, isLoose(delimiter) ? { ...column, sure: false } : column)) {
        masked += text;
        continue;
      }
      masked += hideCell(text, column);
      this.#count(`label:${column.tag}`, 1);
    }
    return masked + line.slice(from);
  }
}

/** Where lines may as well be sentences. */
function isLoose(delimiter: string): boolean {
  return delimiter === ' ' || delimiter === single;
}

/** Blanks and quotes around a cell stay. */
function hideCell(text: string, column: Named): string {
  const inner = /[^\s"'`]+(?:.*[^\s"'`])?/.exec(text);
  if (inner === null) return text;
  const end = inner.index + inner[0].length;
  return text.slice(0, inner.index) + hideNamed(inner[0], column) + text.slice(end);
}

const quotes = /["'`*]/g;

function headerOf(line: string): Header | null {
  const isQuoted = line.search(quotes) >= 0;
  for (const delimiter of delimiters) {
    if (!line.includes(delimiter)) continue;
    const cells = split(line, delimiter);
    const texts = cells.map(({ from, to }) => line.slice(from, to));
    const columns = texts.map((text) => named((isQuoted ? text.replaceAll(quotes, '') : text).trim()));
    if (columns.every((column) => column === null)) continue;
    const filled = texts.filter((text) => text.trim() !== '');
    if (filled.length >= 2 && filled.every((text) => cellName.test(text))) return { delimiter, columns };
  }
  const only = cellName.test(line) ? named(line) : null;
  return only?.sure === true ? { delimiter: single, columns: [only] } : null;
}

interface Cell {
  readonly from: number;
  readonly to: number;
}

const quote = 0x22;
const blank = 0x20;

function split(line: string, delimiter: string): Cell[] {
  const cells: Cell[] = [];
  const mark = delimiter.charCodeAt(0);
  let from = 0;
  let isQuoted = false;
  for (let at = 0; at <= line.length && cells.length < maxCells; at++) {
    const each = line.charCodeAt(at);
    if (each === quote && mark !== blank) isQuoted = !isQuoted;
    if (at < line.length && (each !== mark || isQuoted)) continue;
    // blanks side by side are one gap
    if (mark !== blank || at > from) cells.push({ from, to: at });
    from = at + 1;
  }
  return cells;
}

/** The tables in a whole text; equal when nothing is hidden. */
export function maskTables(text: string, count: Count): string {
  const from = text.includes('\n') ? firstHeader(text) : -1;
  if (from < 0) return text;
  const table = new TableText(count);
  const lines = text.slice(from).split('\n');
  return text.slice(0, from) + lines.map((line) => table.line(line)).join('\n');
}

/** Where the first line of names begins; lines before it stay as they are. -1: there is none. */
function firstHeader(text: string): number {
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf('\n', from);
    const to = end < 0 ? text.length : end;
    if (mayBeHeader(text, from, to) && isHeader(text.slice(from, to))) return from;
    from = to + 1;
  }
  return -1;
}

/** False for most lines of values and of prose: four digits side by side, or no syllable of a name of ours, whatever stands between its letters. */
function mayBeHeader(text: string, from: number, to: number): boolean {
  if (to - from < minLine || to - from > maxLine) return false;
  let digits = 0;
  let last = 0;
  let isNamed = false;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x30 && code <= 0x39) {
      if (++digits === manyDigits) return false;
      continue;
    }
    digits = 0;
    const lower = code | 0x20;
    if (lower >= 0x61 && lower <= 0x7a) {
      last = ((last << 5) | (code & 0x1f)) & 0x7fff;
      isNamed ||= syllables[last] === 1;
    } else isNamed ||= code > 0x7e;
  }
  return isNamed;
}

function isHeader(line: string): boolean {
  return headerWord.test(line) && headerOf(line) !== null;
}

const insertion = /\(([^()]{3,4096})\)\s{0,16}values\s{0,16}(?=\()/gi;
const tuple = /\((?:[^()']|'[^']{0,4096}'){0,4096}\)[\s,]{0,16}/y;
const literal = /(?:'[^']*')+|[^,']+/g;

/** `insert into t (pan, cvv) values ('…', '123')`: an echoed statement names the columns of its values. The length stays. */
export function maskInsertions(text: string, count: Count): string {
  if (!mayInsert(text)) return text;
  let masked = '';
  let done = 0;
  for (const { index, 0: head, 1: list = '' } of text.matchAll(insertion)) {
    const columns = list.split(',').map((name) => named(name.replaceAll(/["'`[\]]/g, '').trim()));
    if (index < done || columns.every((column) => column === null)) continue;
    tuple.lastIndex = index + head.length;
    for (let at = tuple.lastIndex, row = tuple.exec(text); row !== null; at = tuple.lastIndex, row = tuple.exec(text)) {
      masked += text.slice(done, at) + maskTuple(row[0], columns, count);
      done = tuple.lastIndex;
    }
  }
  return done === 0 ? text : masked + text.slice(done);
}

/** `)` and blanks before a `v`. */
function mayInsert(text: string): boolean {
  for (let at = text.indexOf(')'); at >= 0; at = text.indexOf(')', at + 1)) {
    beforeValues.lastIndex = at;
    if (beforeValues.test(text)) return true;
  }
  return false;
}
const beforeValues = /\)\s{0,16}v/iy;

function maskTuple(row: string, columns: readonly (Named | null)[], count: Count): string {
  let index = 0;
  const end = row.lastIndexOf(')');
  const values = row.slice(1, end).replaceAll(literal, (value) => {
    if (value.trim() === '') return value;
    const column = columns[index++] ?? null;
    if (column === null || !looksNamed(value.replaceAll("'", ''), column)) return value;
    count(`label:${column.tag}`, 1);
    return hideCell(value, column);
  });
  return `(${values}${row.slice(end)}`;
}

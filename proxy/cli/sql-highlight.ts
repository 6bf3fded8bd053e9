/** What a piece of a command is to the eye. */
export type Emphasis = 'plain' | 'table' | 'where';

export interface Piece {
  readonly text: string;
  readonly emphasis: Emphasis;
}

type Kind = 'word' | 'quoted' | 'space' | 'other';

interface Token {
  readonly kind: Kind;
  readonly text: string;
}

// sticky, each linear in what it takes; `''` inside a literal reads as two literals side by side, which is the same to the eye
const patterns: readonly (readonly [Kind, RegExp])[] = [
  ['space', /\s+|--[^\n]*/y],
  ['other', /[eE]'(?:[^'\\]|\\[\s\S])*'?|'[^']*'?/y],
  ['quoted', /"[^"]*"?/y],
  ['word', /[\p{L}_][\p{L}\p{N}_$]*/uy],
  ['other', /[\p{N}.]*\p{N}/uy],
  ['other', /[\s\S]/uy],
];

function tokens(command: string): Token[] {
  const found: Token[] = [];
  for (let at = 0; at < command.length; ) {
    const token = commentAt(command, at) ?? dollarQuoteAt(command, at) ?? patternAt(command, at);
    found.push(token);
    at += token.text.length;
  }
  return found;
}

function patternAt(command: string, at: number): Token {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const text = pattern.exec(command)?.[0];
    if (text) return { kind, text };
  }
  return { kind: 'other', text: command.charAt(at) };
}

/** Comments nest. */
function commentAt(command: string, start: number): Token | null {
  if (!command.startsWith('/*', start)) return null;
  const edge = /\/\*|\*\//g;
  edge.lastIndex = start;
  let depth = 0;
  for (let match = edge.exec(command); match !== null; match = edge.exec(command)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return { kind: 'space', text: command.slice(start, edge.lastIndex) };
  }
  return { kind: 'space', text: command.slice(start) };
}

const dollarTag = /\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$/uy;

function dollarQuoteAt(command: string, start: number): Token | null {
  if (command.charAt(start) !== '$') return null;
  dollarTag.lastIndex = start;
  const tag = dollarTag.exec(command)?.[0];
  if (tag === undefined) return null;
  const end = command.indexOf(tag, start + tag.length);
  return { kind: 'other', text: command.slice(start, end < 0 ? undefined : end + tag.length) };
}

const beforeTable = new Set(['FROM', 'JOIN', 'INTO', 'UPDATE', 'TABLE', 'TRUNCATE', 'USING']);
/** may stand between one of those and the name */
const stillBefore = new Set(['ONLY', 'TABLE', 'IF', 'NOT', 'EXISTS', 'LATERAL']);
const neverTable = new Set(['SELECT', 'SET', 'OF', 'NOWAIT', 'SKIP', 'VALUES', 'WITH']);
const afterWhere = new Set(['GROUP', 'ORDER', 'HAVING', 'LIMIT', 'OFFSET', 'FETCH', 'FOR', 'WINDOW', 'UNION', 'INTERSECT', 'EXCEPT', 'RETURNING']);

/**
 * Cuts a command into pieces whose texts, joined, are the command again; names of tables and WHERE conditions stand out. It
 * reads words, not grammar: what a command may do was decided elsewhere. `tables`: `schema.table` or `table`, known to be used.
 */
export function pieces(command: string, tables: readonly string[]): Piece[] {
  const reader = new Emphases(tables);
  const all = tokens(command);
  const result: Piece[] = [];
  for (let at = 0; at < all.length; ) {
    const path = pathAt(all, at);
    result.push(reader.read(path));
    at += path.length;
  }
  return result;
}

/** A dotted name in whole, or one token. */
function pathAt(all: readonly Token[], start: number): readonly Token[] {
  let end = start + 1;
  if (!isName(all[start])) return all.slice(start, end);
  while (all[end]?.text === '.' && isName(all[end + 1])) end += 2;
  return all.slice(start, end);
}

function isName(token: Token | undefined): boolean {
  return token?.kind === 'word' || token?.kind === 'quoted';
}

class Emphases {
  readonly #tables: ReadonlySet<string>;
  #depth = 0;
  /** depth of the outermost WHERE that is open */
  #where: number | null = null;
  #expectsTable = false;

  constructor(tables: readonly string[]) {
    this.#tables = new Set(tables.flatMap((name) => [name, name.slice(name.lastIndexOf('.') + 1)]));
  }

  read(path: readonly Token[]): Piece {
    const text = path.map((token) => token.text).join('');
    const [first] = path;
    // blanks and comments may stand anywhere
    if (first?.kind === 'space') return { text, emphasis: this.#base() };
    const keyword = keywordOf(path);
    if (keyword !== null) this.#keyword(keyword);
    if (first?.kind === 'other') this.#symbol(text);
    const emphasis = keyword === null && this.#isTable(path) ? 'table' : this.#base();
    this.#expectsTable = keyword !== null && this.#expectsAfter(keyword);
    return { text, emphasis };
  }

  #base(): Emphasis {
    return this.#where === null ? 'plain' : 'where';
  }

  #keyword(word: string): void {
    if (word === 'WHERE') this.#where ??= this.#depth;
    else if (this.#where === this.#depth && afterWhere.has(word)) this.#where = null;
  }

  #symbol(text: string): void {
    if (text === '(') this.#depth++;
    if (text === ')') this.#depth--;
    if (this.#where !== null && (text === ';' || this.#depth < this.#where)) this.#where = null;
  }

  #isTable(path: readonly Token[]): boolean {
    if (!isName(path[0])) return false;
    return this.#expectsTable || this.#tables.has(path.map(({ kind, text }) => (kind === 'quoted' ? text.slice(1, -1) : text.toLowerCase())).join(''));
  }

  #expectsAfter(word: string): boolean {
    return beforeTable.has(word) || (this.#expectsTable && stillBefore.has(word));
  }
}

/** Upper-case; null for what may be a name. */
function keywordOf(path: readonly Token[]): string | null {
  const [first] = path;
  return path.length === 1 && first?.kind === 'word' && isKeyword(first.text.toUpperCase()) ? first.text.toUpperCase() : null;
}

function isKeyword(word: string): boolean {
  return beforeTable.has(word) || stillBefore.has(word) || neverTable.has(word) || afterWhere.has(word) || word === 'WHERE';
}

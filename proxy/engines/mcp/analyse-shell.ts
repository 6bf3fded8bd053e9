import { fail } from '../../contract/errors.ts';

/** One word after quote removal. */
export interface Word {
  readonly text: string;
  /** what a shell would make of it is `text`, whatever the variables and files are */
  readonly literal: boolean;
  /** not quoted anywhere: only such a word can be reserved, or assign */
  readonly bare: boolean;
  /** how much of `text`, from its beginning, is not quoted */
  readonly lead: number;
}

/** What a shell would do besides running programs; `variable`: variables are set or used. */
export type ShellFeature = 'pipe' | 'redirect' | 'substitution' | 'variable' | 'background' | 'glob' | 'list';

/** Shell text as simple commands, those of substitutions and subshells among them; assignments and redirections are left out. */
export interface ShellText {
  readonly commands: readonly (readonly Word[])[];
  readonly features: ReadonlySet<ShellFeature>;
}

const limits = { characters: 16_384, commands: 256, words: 4_096, depth: 12 } as const;
const reserved: ReadonlySet<string> = new Set('if then else elif fi do done case esac while until for in function select coproc [[ ]] { }'.split(' '));
const name = /^[A-Za-z_][A-Za-z0-9_]*$/;
const assigning = /^[A-Za-z_][A-Za-z0-9_]*\+?=/;

/**
 * Reads POSIX shell (IEEE 1003.1-2024, XCU 2) strictly. What shells read differently, or what is not simple commands in lists, pipes
 * and subshells, is refused with ERR_STATEMENT_UNPARSEABLE; too much of it with ERR_STATEMENT_TOO_LARGE.
 */
export function readShell(text: string, depth = 0): ShellText {
  if (text.length > limits.characters) throw fail('ERR_STATEMENT_TOO_LARGE', { message: 'The command is too long to be understood.' });
  const reader = new ShellReader(text, depth);
  reader.readAll();
  return reader;
}

export function notUnderstood(what: string): Error {
  return fail('ERR_STATEMENT_UNPARSEABLE', { message: `The command could not be understood, so it is refused: ${what}.`, detail: 'shell' });
}

interface Draft {
  words: Word[];
  /** something that a separator ends: words, an assignment, a redirection, a subshell */
  begun: boolean;
  afterGroup: boolean;
  /** && and the like were read: a command must follow */
  owed: boolean;
  /** a command stands before this one */
  follows: boolean;
}

interface Drawn {
  text: string;
  literal: boolean;
  bare: boolean;
  lead: number;
}

class ShellReader implements ShellText {
  readonly commands: Word[][] = [];
  readonly features = new Set<ShellFeature>();
  readonly #text: string;
  #at = 0;
  #depth: number;
  #words = 0;
  #hereDocuments: { readonly end: string; readonly quoted: boolean; readonly tabs: boolean }[] = [];

  constructor(text: string, depth: number) {
    // other characters than tab and newline that cannot be seen are nobody's shell syntax
    if (/[^\P{Cc}\t\n]/u.test(text)) throw notUnderstood('it holds control characters');
    this.#text = text;
    this.#depth = depth;
  }

  readAll(): void {
    this.#list(null);
    if (this.#hereDocuments.length > 0) throw notUnderstood('a here-document has no end');
  }

  #peek(length = 1): string {
    return this.#text.slice(this.#at, this.#at + length);
  }

  #take(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  #list(closer: ')' | null): void {
    if (++this.#depth > limits.depth) throw fail('ERR_STATEMENT_TOO_LARGE', { message: 'The command is nested too deeply.' });
    const open = this.#hereDocuments.length;
    const draft: Draft = { words: [], begun: false, afterGroup: false, owed: false, follows: false };
    this.#blanks();
    while (this.#peek() !== '' && this.#peek() !== ')') {
      this.#item(draft);
      this.#blanks();
    }
    if (draft.owed && !draft.begun) throw notUnderstood('a command is missing');
    this.#finish(draft);
    this.#close(closer, open);
    this.#depth--;
  }

  #close(closer: ')' | null, open: number): void {
    if (closer === null ? this.#peek() === ')' : !this.#take(closer)) throw notUnderstood('brackets do not match');
    if (closer !== null && this.#hereDocuments.length > open) throw notUnderstood('a here-document has no end');
  }

  #item(draft: Draft): void {
    if (this.#separator(draft) || this.#redirection(draft)) return;
    if (draft.afterGroup) throw notUnderstood('something stands behind a subshell');
    if (!draft.begun && draft.follows) this.features.add('list');
    if (this.#peek() === '(') this.#group(draft);
    else this.#addWord(draft);
  }

  /** Blanks, comments, and line continuations between words; elsewhere shells join what stands around them. */
  #blanks(): void {
    const start = this.#at;
    for (;;) {
      if (this.#peek() === ' ' || this.#peek() === '\t') this.#at++;
      else if (this.#peek(2) === '\\\n') this.#continuation();
      else break;
    }
    if (this.#peek() !== '#') return;
    const isWordStart = this.#at > start || this.#at === 0 || /[\n;&|()]/.test(this.#text.charAt(this.#at - 1));
    if (isWordStart) while (this.#peek() !== '' && this.#peek() !== '\n') this.#at++;
  }

  #continuation(): void {
    if (this.#at > 0 && !/[ \t\n]/.test(this.#text.charAt(this.#at - 1))) throw notUnderstood('a line goes on in the middle of a word');
    this.#at += 2;
  }

  #separator(draft: Draft): boolean {
    const [operator] = /^(?:&&|\|\||&>|\|&|;;|;&|[;&|\n])/.exec(this.#peek(2)) ?? [];
    if (operator === undefined) return false;
    this.#at += operator.length;
    if (['&>', '|&', ';;', ';&'].includes(operator)) throw notUnderstood(`shells read ${operator} differently`);
    if (operator === '\n') this.#readHereDocuments();
    if (!draft.begun) {
      if (operator !== '\n') throw notUnderstood('a command is missing');
      return true;
    }
    if (operator === '|') this.features.add('pipe');
    if (operator === '&') this.features.add('background');
    this.#finish(draft);
    draft.owed = operator === '&&' || operator === '||' || operator === '|';
    // what a pipe goes on with is no second command of a list
    draft.follows = operator !== '|';
    return true;
  }

  #finish(draft: Draft): void {
    const [first] = draft.words;
    if (first !== undefined) this.commands.push(draft.words);
    if (this.commands.length > limits.commands) throw fail('ERR_STATEMENT_TOO_LARGE', { message: 'The text holds too many commands.' });
    Object.assign(draft, { words: [], begun: false, afterGroup: false, owed: false });
  }

  #group(draft: Draft): void {
    if (draft.begun || this.#peek(2) === '((') throw notUnderstood('a bracket stands where shells read it differently');
    this.#at++;
    draft.begun = true;
    this.#list(')');
    draft.afterGroup = true;
  }

  #redirection(draft: Draft): boolean {
    const [operator] = /^(?:<<<|<<-|<<|<\(|>\(|<>|<&|>&|>>|>\||<|>)/.exec(this.#peek(3)) ?? [];
    if (operator === undefined) return false;
    this.#at += operator.length;
    if (['<<<', '<(', '>('].includes(operator)) throw notUnderstood(`shells read ${operator} differently`);
    this.features.add('redirect');
    if (!draft.begun && draft.follows) this.features.add('list');
    draft.begun = true;
    this.#blanks();
    const operand = this.#word();
    if (operand === null) throw notUnderstood('a redirection leads nowhere');
    if (!operand.literal && operator.startsWith('<<')) throw notUnderstood('the end of a here-document is not plain');
    if (operator.startsWith('<<')) this.#hereDocuments.push({ end: operand.text, quoted: !operand.bare, tabs: operator === '<<-' });
    return true;
  }

  #addWord(draft: Draft): void {
    const word = this.#word();
    if (word === null) throw notUnderstood('it is not shell text');
    if (++this.#words > limits.words) throw fail('ERR_STATEMENT_TOO_LARGE', { message: 'The command holds too many words.' });
    const isFirst = !draft.begun;
    draft.begun = true;
    // a number right before < or > says which file descriptor
    if (word.bare && /^[0-9]+$/.test(word.text) && /[<>]/.test(this.#peek())) return;
    if (/[(]/.test(this.#peek())) throw notUnderstood('a bracket stands behind a word');
    if (draft.words.length > 0 || !this.#isBefore(word, isFirst)) draft.words.push(word);
  }

  /** Stands before the program and is none itself: an assignment, or the word that turns the result round. */
  #isBefore(word: Word, isFirst: boolean): boolean {
    if (word.bare && reserved.has(word.text)) throw notUnderstood('it is more than simple commands');
    // behind an assignment or a redirection it is a program's name
    if (isFirst && word.bare && word.text === '!') return true;
    const [assigned] = assigning.exec(word.text) ?? [];
    if (assigned === undefined || assigned.length > word.lead) return false;
    this.features.add('variable');
    return true;
  }

  #word(): Word | null {
    const drawn: Drawn = { text: '', literal: true, bare: true, lead: 0 };
    const start = this.#at;
    while (this.#peek() !== '' && !/[\s;&|<>()]/.test(this.#peek())) this.#piece(drawn, start);
    return this.#at === start ? null : drawn;
  }

  #piece(drawn: Drawn, start: number): void {
    const next = this.#peek();
    if (next === '\\') this.#escaped(drawn);
    else if (next === "'") this.#singleQuoted(drawn);
    else if (next === '"') this.#doubleQuoted(drawn);
    else if (next === '$' || next === '`') this.#expansion(drawn, '');
    else {
      this.#unquoted(drawn, next, this.#at === start);
      this.#at++;
    }
  }

  #unquoted(drawn: Drawn, next: string, isFirst: boolean): void {
    const isTilde = next === '~' && (isFirst || /[=:]$/.test(drawn.text));
    if ('*?['.includes(next) || (next === '{' && !/^[{]([\s;&|]|$)/.test(this.#peek(2)) && !/^\{\}/.test(this.#peek(2)))) this.features.add('glob');
    if (isTilde) this.features.add('variable');
    if (isTilde || '*?[{'.includes(next)) drawn.literal = drawn.literal && /^\{(\}|[\s;&|]|$)/.test(this.#peek(2));
    drawn.text += next;
    if (drawn.bare) drawn.lead++;
  }

  #escaped(drawn: Drawn): void {
    const escaped = this.#text[this.#at + 1];
    if (escaped === undefined || escaped === '\n') throw notUnderstood('a line goes on in the middle of a word, or ends with a backslash');
    drawn.text += escaped;
    drawn.bare = false;
    this.#at += 2;
  }

  #singleQuoted(drawn: Drawn): void {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) throw notUnderstood('a quote has no end');
    drawn.text += this.#text.slice(this.#at + 1, end);
    drawn.bare = false;
    this.#at = end + 1;
  }

  #doubleQuoted(drawn: Drawn): void {
    this.#at++;
    drawn.bare = false;
    for (;;) {
      const next = this.#peek();
      if (next === '') throw notUnderstood('a quote has no end');
      if (next === '"') break;
      this.#inDoubleQuotes(drawn, '"');
    }
    this.#at++;
  }

  /** One piece of a text in which only `$`, backquotes and backslashes mean something. */
  #inDoubleQuotes(drawn: Drawn, quote: string): void {
    const next = this.#peek();
    if (next === '$' || next === '`') {
      this.#expansion(drawn, quote);
      return;
    }
    const escaped = this.#text[this.#at + 1];
    if (next === '\\' && escaped === '\n') throw notUnderstood('a line goes on in the middle of a word');
    const isEscape = next === '\\' && escaped !== undefined && `$\`\\${quote}`.includes(escaped);
    drawn.text += isEscape ? escaped : next;
    this.#at += isEscape ? 2 : 1;
  }

  /** What follows `$`, or a command in backquotes. `quote`: what the text around is quoted by. */
  #expansion(drawn: Drawn, quote: string): void {
    if (this.#peek() === '`') {
      this.#backquoted(drawn, quote);
      return;
    }
    this.#at++;
    const next = this.#peek();
    if (next === '(') this.#substitution(drawn);
    else if (next === '{') this.#braced(drawn);
    else if (quote === '' && (next === "'" || next === '"')) throw notUnderstood(`shells read $${next} differently`);
    else if (next === '[' || next === '\\') throw notUnderstood(`shells read $${next} differently`);
    else {
      const [variable] = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])/.exec(this.#text.slice(this.#at, this.#at + 256)) ?? [];
      if (variable === undefined) {
        drawn.text += '$';
        return;
      }
      this.#at += variable.length;
      this.#varies(drawn, 'variable');
    }
  }

  #varies(drawn: Drawn, feature: ShellFeature): void {
    this.features.add(feature);
    drawn.literal = false;
    drawn.bare = false;
  }

  #substitution(drawn: Drawn): void {
    this.#at++;
    if (this.#peek() === '(') throw notUnderstood('it computes');
    this.#varies(drawn, 'substitution');
    this.#list(')');
  }

  #braced(drawn: Drawn): void {
    const end = this.#text.indexOf('}', this.#at);
    const inside = end < 0 ? '' : this.#text.slice(this.#at + 1, end);
    if (!name.test(inside) && !/^(?:[0-9]{1,3}|[@*#?$!-])$/.test(inside)) throw notUnderstood('it computes the value of a variable');
    this.#at = end + 1;
    this.#varies(drawn, 'variable');
  }

  #backquoted(drawn: Drawn, quote: string): void {
    let inside = '';
    for (this.#at++; this.#peek() !== '`'; this.#at++) {
      const next = this.#peek();
      if (next === '') throw notUnderstood('a command substitution has no end');
      const escaped = this.#text[this.#at + 1] ?? '';
      if (next === '\\' && escaped !== '' && `$\`\\${quote}`.includes(escaped)) this.#at++;
      inside += this.#peek();
    }
    this.#at++;
    this.#varies(drawn, 'substitution');
    const nested = readShell(inside, this.#depth);
    for (const feature of nested.features) this.features.add(feature);
    this.commands.push(...nested.commands.map((words) => [...words]));
  }

  /** The bodies of what `<<` began on the line that ends here. */
  #readHereDocuments(): void {
    for (const { end, quoted, tabs } of this.#hereDocuments.splice(0)) {
      for (;;) {
        if (this.#peek() === '') throw notUnderstood('a here-document has no end');
        if (tabs) while (this.#peek() === '\t') this.#at++;
        if (this.#atLine(end)) break;
        this.#hereLine(quoted);
      }
    }
  }

  #atLine(end: string): boolean {
    const newline = this.#text.indexOf('\n', this.#at);
    const line = this.#text.slice(this.#at, newline < 0 ? undefined : newline);
    if (line !== end) return false;
    this.#at = newline < 0 ? this.#text.length : newline + 1;
    return true;
  }

  #hereLine(quoted: boolean): void {
    const ignored: Drawn = { text: '', literal: true, bare: false, lead: 0 };
    while (this.#peek() !== '' && this.#peek() !== '\n') {
      if (quoted) this.#at++;
      else this.#inDoubleQuotes(ignored, '');
    }
    if (this.#peek() === '\n') this.#at++;
  }
}

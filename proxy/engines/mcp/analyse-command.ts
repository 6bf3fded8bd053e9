import { fail } from '../../contract/errors.ts';
import { notUnderstood, readShell, type ShellFeature, type Word } from './analyse-shell.ts';

/** What a shell would run for a text. Sorted, free of duplicates. */
export interface CommandAnalysis {
  /** as written, and the last part of a path: `/usr/bin/curl` and `curl` */
  readonly programs: readonly string[];
  readonly shell: readonly ShellFeature[];
}

/** Programs that run another one, which stands in their arguments. */
interface Wrapper {
  /** options of one letter, without and with a value */
  readonly flags: string;
  readonly valued: string;
  /** words before the program */
  readonly operands?: number;
  readonly assigns?: true;
}

const none: Wrapper = { flags: '', valued: '' };
const wrappers: ReadonlyMap<string, Wrapper> = new Map<string, Wrapper>([
  ['sudo', { flags: 'AbEHknPS', valued: 'CDghpRTUu', assigns: true }],
  ['doas', { flags: 'n', valued: 'Cu' }],
  ['env', { flags: 'i0v', valued: 'uC', assigns: true }],
  ['nohup', none],
  ['setsid', { flags: 'cfw', valued: '' }],
  ['nice', { flags: '', valued: 'n' }],
  ['ionice', { flags: 't', valued: 'cn' }],
  ['timeout', { flags: 'fpv', valued: 'ks', operands: 1 }],
  ['time', { flags: 'pv', valued: 'fo' }],
  ['stdbuf', { flags: '', valued: 'ioe' }],
  ['chroot', { flags: '', valued: '', operands: 1 }],
  ['command', { flags: 'pvV', valued: '' }],
  ['builtin', none],
  ['exec', { flags: 'cl', valued: 'a' }],
  ['xargs', { flags: '0rtxop', valued: 'aEILnPsd' }],
]);
const shells: ReadonlySet<string> = new Set(['sh', 'bash', 'dash', 'ash', 'ksh', 'mksh', 'zsh', 'rbash']);
const declaring: ReadonlySet<string> = new Set(['export', 'readonly', 'declare', 'typeset', 'local', 'unset', 'read', 'set', 'shift', 'getopts']);
/** what they run, or change for what follows, cannot be seen here */
const refused: ReadonlySet<string> = new Set(['alias', 'unalias', 'hash', 'enable', 'shopt', 'bind', 'complete', 'fc', 'mapfile', 'readarray']);
const findRuns: ReadonlySet<string> = new Set(['-exec', '-execdir', '-ok', '-okdir']);
const maxDepth = 8;

/** What is put into a command later, by xargs or find. */
interface Later {
  /** stands for something else wherever it is found */
  readonly holes: readonly string[];
  /** words are added at the end */
  readonly open: boolean;
}
const nothingLater: Later = { holes: [], open: false };

/** Reads a text as a shell would. Throws ERR_STATEMENT_UNPARSEABLE for whatever is not understood, ERR_STATEMENT_TOO_LARGE. */
export function analyseCommand(text: string): CommandAnalysis {
  const found = new Found();
  found.read(text, 0);
  if (found.programs.size === 0 && found.shell.size === 0 && text.trim() !== '') throw notUnderstood('it runs nothing');
  return { programs: [...found.programs].sort(), shell: [...found.shell].sort() };
}

class Found {
  readonly programs = new Set<string>();
  readonly shell = new Set<ShellFeature>();

  read(text: string, depth: number): void {
    if (depth > maxDepth) throw fail('ERR_STATEMENT_TOO_LARGE', { message: 'The command is nested too deeply.' });
    const { commands, features } = readShell(text);
    for (const feature of features) this.shell.add(feature);
    for (const words of commands) this.#command(words, depth, nothingLater);
  }

  #command(words: readonly Word[], depth: number, later: Later): void {
    if (depth > maxDepth) throw fail('ERR_STATEMENT_TOO_LARGE', { message: 'The command is nested too deeply.' });
    const [first, ...rest] = words;
    if (first === undefined) return;
    const written = plain(first, later);
    const program = written.slice(written.lastIndexOf('/') + 1);
    if (program === '') throw notUnderstood('a program has no name');
    if (refused.has(program)) throw notUnderstood(`what ${program} changes cannot be seen`);
    this.programs.add(written).add(program);
    if (declaring.has(program)) this.shell.add('variable');
    this.#further(program, rest, { depth: depth + 1, later });
  }

  /** What else runs because this program does. */
  #further(program: string, words: readonly Word[], { depth, later }: { depth: number; later: Later }): void {
    const wrapper = wrappers.get(program);
    if (wrapper !== undefined) this.#wrapped(program, wrapper, { words, depth, later });
    else if (shells.has(program)) this.#inShell(words, depth, later);
    else if (program === 'find') this.#found(words, depth, later);
    else if (program === 'eval') this.#evaluated(words, depth, later);
    else if (program === 'trap') this.#trapped(words, depth, later);
    else if (program === '.' || program === 'source') this.#script(words[0], later);
  }

  #wrapped(program: string, wrapper: Wrapper, { words, depth, later }: { words: readonly Word[]; depth: number; later: Later }): void {
    const { at, values } = afterOptions(words, wrapper, later);
    let next = at;
    while (wrapper.assigns === true && next < words.length && plain(words[next], later).includes('=')) {
      this.shell.add('variable');
      next++;
    }
    for (let left = wrapper.operands ?? 0; left > 0; left--) plain(words[next++], later);
    const command = words.slice(next);
    if (program !== 'xargs') {
      if (command.length === 0 && later.open) throw notUnderstood(`what ${program} runs is put together later`);
      this.#command(command, depth, later);
      return;
    }
    const hole = values.get('I');
    const holes = hole === undefined ? later.holes : [...later.holes, hole];
    if (command.length === 0 && later.open) throw notUnderstood('what xargs runs is put together later');
    this.#command(command, depth, { holes, open: hole === undefined });
  }

  /** `sh -c text`, or a script. */
  #inShell(words: readonly Word[], depth: number, later: Later): void {
    const { at, isText } = shellOptions(words, later);
    if (isText) this.read(plain(words[at], later), depth);
    else if (words[at] !== undefined) this.#script(words[at], later);
    else if (later.open) throw notUnderstood('what the shell runs is put together later');
  }

  #script(word: Word | undefined, later: Later): void {
    const script = plain(word, later);
    this.programs.add(script).add(script.slice(script.lastIndexOf('/') + 1));
  }

  #found(words: readonly Word[], depth: number, later: Later): void {
    if (later.open) throw notUnderstood('what find runs is put together later');
    const texts = words.map((word) => plain(word, later));
    for (let at = 0; at < texts.length; at++) {
      if (!findRuns.has(texts[at] ?? '')) continue;
      const end = texts.findIndex((text, index) => index > at && (text === ';' || (text === '+' && texts[index - 1] === '{}')));
      if (end <= at + 1) throw notUnderstood('what find runs has no end');
      this.#command(words.slice(at + 1, end), depth, { holes: [...later.holes, '{}'], open: false });
      at = end;
    }
  }

  #evaluated(words: readonly Word[], depth: number, later: Later): void {
    if (later.open) throw notUnderstood('what is evaluated is put together later');
    this.read(words.map((word) => plain(word, later)).join(' '), depth);
  }

  #trapped([action, ...rest]: readonly Word[], depth: number, later: Later): void {
    if (later.open) throw notUnderstood('what runs later is put together later');
    if (action === undefined || rest.length === 0) return;
    const text = plain(action, later);
    if (text !== '-') this.read(text, depth);
  }
}

/** A word that decides what runs must say it itself. */
function plain(word: Word | undefined, { holes }: Later): string {
  if (word === undefined) throw notUnderstood('something is missing');
  if (!word.literal) throw notUnderstood('what it runs depends on variables, files or other programs');
  if (holes.some((hole) => hole !== '' && word.text.includes(hole))) throw notUnderstood('what it runs is put together later');
  return word.text;
}

/** Where the options of a shell end. `isText`: the next word is shell text. */
function shellOptions(words: readonly Word[], later: Later): { readonly at: number; readonly isText: boolean } {
  let isText = false;
  for (let at = 0; at < words.length; at++) {
    const option = plain(words[at], later);
    if (option === '--') return { at: at + 1, isText };
    if (!/^[-+]./.test(option)) return { at, isText };
    if (/^--(?:login|posix|norc|noprofile)$/.test(option)) continue;
    if (!/^[-+][A-Za-z]+$/.test(option) || option.includes('s')) throw notUnderstood('an option of the shell is not known');
    isText ||= option.startsWith('-') && option.includes('c');
    if (/[oO]$/.test(option)) plain(words[++at], later);
  }
  return { at: words.length, isText };
}

/** Where the options end; an option that is not known may have a value, or run something. */
function afterOptions(words: readonly Word[], wrapper: Wrapper, later: Later): { readonly at: number; readonly values: ReadonlyMap<string, string> } {
  const values = new Map<string, string>();
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at];
    if (word === undefined || (!word.text.startsWith('-') && word.literal)) break;
    const option = plain(word, later);
    if (option === '--') return { at: at + 1, values };
    const valued = valuedOption(option, wrapper);
    if (valued !== null) values.set(valued.name, valued.attached === '' ? plain(words[++at], later) : valued.attached);
  }
  return { at, values };
}

/** The letter of a word of options that has a value; null: none has. */
function valuedOption(option: string, { flags, valued }: Wrapper): { readonly name: string; readonly attached: string } | null {
  if (option.startsWith('--') || option === '-') throw notUnderstood('an option is not known');
  for (let at = 1; at < option.length; at++) {
    const name = option.charAt(at);
    if (flags.includes(name)) continue;
    if (valued.includes(name)) return { name, attached: option.slice(at + 1) };
    throw notUnderstood('an option is not known');
  }
  return null;
}

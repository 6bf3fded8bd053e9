import type { Facts, ObjectRef, Span, ValueSpan } from '../contract/operation.ts';
import type { Rendering } from '../pipeline/ports.ts';
import { isIssued, isLuhnValid } from './brands.ts';
import { suggestTag } from './dictionary.ts';
import type { RuleSet } from './rules.ts';
import { maskText } from './text.ts';

const hidden = '<hidden>';
const maxValueChars = 4096;
const minPan = 13;
const maxPan = 19;
/** significant hexadecimal digits a card number of 13 digits needs as a binary number */
const maxPlainHex = 10;
/** past this many digits in one command its values are hidden rather than compared */
const maxDigits = 65_536;

/**
 * The command as it may be stored. A value is hidden when its column is tagged or named like card data, when the command touches a table with
 * sensitive authentication data, when it is written in a way that could disguise digits, or when it takes part in a card number that several
 * values spell together.
 */
export function maskCommand(spans: readonly Span[], rules: RuleSet, given: Given): string {
  return maskText(written(spans, shownSpans(spans, rules, given)));
}

interface Given {
  readonly resource: string;
  readonly facts: Facts;
}

/** The same with every value that is not shown whole; a text that only becomes card data in the whole command counts as the last. */
export function renderCommand(spans: readonly Span[], rules: RuleSet, given: Given): Rendering {
  const shown = shownSpans(spans, rules, given);
  const joined = written(spans, shown);
  const command = maskText(joined);
  const hiddenValues: Rendering['hidden'][number][] = [];
  let position = 0;
  for (const [index, span] of spans.entries()) {
    if (span.kind !== 'value') continue;
    if (span.opaque !== undefined) hiddenValues.push({ position, type: 'value that cannot be shown', value: Buffer.from(span.opaque).toString('base64') });
    else if (shown[index] !== span.text) hiddenValues.push({ position, type: typeOf(span, rules, given.resource), value: span.text });
    position++;
  }
  if (command !== joined) hiddenValues.push({ position, type: 'card number across the text', value: joined });
  return { command, hidden: hiddenValues };
}

/** Values as they would be written: none can look like syntax, or two like one another. */
function written(spans: readonly Span[], shown: readonly string[]): string {
  return spans.map((span, index) => quoted(shown[index] ?? '', span.kind === 'value' ? span.quoting : undefined)).join('');
}

function quoted(text: string, quoting: ValueSpan['quoting']): string {
  if (quoting === undefined || text === hidden) return text;
  const doubled = text.replaceAll("'", "''");
  if (quoting === 'string') return doubled;
  const escaped = doubled.replaceAll('\\', '\\\\');
  return quoting === 'escape' ? escaped : `'${escaped.replaceAll('*/', '*\\/')}'`;
}

function typeOf({ text, column, resource: owner }: ValueSpan, rules: RuleSet, resource: string): string {
  const tag = column === undefined ? null : (rules.tag(owner ?? resource, column) ?? suggestTag(column.column));
  if (tag !== null) return `${tag} of ${column?.table ?? ''}.${column?.column ?? ''}`.slice(0, 60);
  if (text.length > maxValueChars) return 'long value';
  return maskText(text) === text ? 'value' : 'card number';
}

function shownSpans(spans: readonly Span[], rules: RuleSet, { resource, facts }: Given): string[] {
  const hideAll = facts.context.tables.some((table) => rules.hasSad(resource, table)) || facts.acts.some(({ object }) => isSadElsewhere(object, rules));
  const shown = spans.map((span) => {
    if (span.kind === 'text') return span.text;
    return hideAll || mustHide(span, rules, resource) ? hidden : maskText(span.text);
  });
  for (const index of spelling(spans, shown)) shown[index] = hidden;
  return shown;
}

/** A table of another resource, which an argument of a call names. */
function isSadElsewhere({ type, path, on }: ObjectRef, rules: RuleSet): boolean {
  return on !== undefined && type === 'Table' && rules.hasSad(on.resource, path.join('.'));
}

function mustHide(span: ValueSpan, rules: RuleSet, resource: string): boolean {
  const { text, column, resource: owner } = span;
  if (text.length > maxValueChars) return true;
  if (column !== undefined && (rules.tag(owner ?? resource, column) !== null || suggestTag(column.column) !== null)) return true;
  return text.length > maxPlainHex && mayDisguise(text);
}

/** Escapes, hexadecimal and bit strings: digits in them are not seen by the detector. */
function mayDisguise(text: string): boolean {
  if (/^[xb]'/i.test(text) || /^0[xob]/i.test(text)) return true;
  const hex = /^\\x([0-9a-f]*)$/i.exec(text)?.[1];
  if (hex !== undefined) return hex.replace(/^0+/, '').length > maxPlainHex;
  return text.length >= minPan && /\\[0-7xu+]/i.test(text);
}

interface Digits {
  readonly values: Uint8Array;
  /** index of the span each digit stands in */
  readonly owners: Uint32Array;
  /** 1 where a group of adjacent digits begins */
  readonly groups: Uint8Array;
  readonly count: number;
}

/**
 * Spans whose digits, read one after the other from the beginning of a group to the end of one, spell a card number: `'41111111' || '11111111'`,
 * `replace('4111x1111x…', 'x', '')`, four columns of four digits.
 */
function spelling(spans: readonly Span[], shown: readonly string[]): Set<number> {
  const found = new Set<number>();
  const digits = digitsOf(spans, shown);
  if (digits === null) {
    for (const [index, span] of spans.entries()) if (span.kind === 'value') found.add(index);
    return found;
  }
  let zeros = false;
  for (let from = 0; from + minPan <= digits.count; from++) {
    const isGroup = digits.groups[from] === 1;
    if (isGroup || zeros) {
      const to = spelledEnd(digits, from);
      for (let at = from; at < to; at++) found.add(digits.owners[at] ?? 0);
    }
    zeros = (isGroup || zeros) && digits.values[from] === 0;
  }
  return found;
}

/** Behind the longest card number that begins at `from` and ends with a group; `from` when there is none. */
function spelledEnd(digits: Digits, from: number): number {
  for (let to = Math.min(from + maxPan, digits.count); to >= from + minPan; to--) {
    if (to < digits.count && digits.groups[to] !== 1) continue;
    if (isIssued(digits.values, from, to - from) && isLuhnValid(digits.values, from, to - from)) return to;
  }
  return from;
}

/** Null when there are too many. */
function digitsOf(spans: readonly Span[], shown: readonly string[]): Digits | null {
  let length = 0;
  for (const [index, span] of spans.entries()) if (span.kind === 'value') length += shown[index]?.length ?? 0;
  const room = Math.min(length, maxDigits);
  const [values, owners, groups] = [new Uint8Array(room), new Uint32Array(room), new Uint8Array(room)];
  let count = 0;
  for (const [index, span] of spans.entries()) {
    const text = span.kind === 'value' ? (shown[index] ?? '') : '';
    let startsGroup = true;
    for (const digit of digitsIn(text)) {
      if (digit < 0) {
        startsGroup = true;
        continue;
      }
      if (count === room) return null;
      values[count] = digit;
      owners[count] = index;
      groups[count] = startsGroup ? 1 : 0;
      startsGroup = false;
      count++;
    }
  }
  return { values, owners, groups, count };
}

/** 0–9 for digits of any script of width one, -1 for anything else; `\x34…` counts as the bytes it stands for. */
function* digitsIn(text: string): Generator<number> {
  const hex = /^\\x((?:[0-9a-f]{2})+)$/i.exec(text)?.[1];
  const plain = hex === undefined ? text : Buffer.from(hex, 'hex').toString('latin1');
  for (let at = 0; at < plain.length; at++) {
    const code = plain.charCodeAt(at);
    if (code >= 0x30 && code <= 0x39) yield code - 0x30;
    else yield code >= 0xff10 && code <= 0xff19 ? code - 0xff10 : -1;
  }
}

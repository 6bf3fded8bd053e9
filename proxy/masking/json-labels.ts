import { isAmbiguous, mayBeTagged, suggestTag } from './dictionary.ts';
import { stars } from './json-stars.ts';
import type { Count } from './value.ts';

/** What a name says about the value behind it. `sure`: the name means nothing else. */
export interface Named {
  readonly tag: 'sad' | 'pan';
  readonly sure: boolean;
}

const unseen = /[\p{C}\p{M}\p{Default_Ignorable_Code_Point}]/gu;
const ascii = /^[\x20-\x7e]*$/;

/** The tag of a key, column or label; null for names that say nothing. Characters that are not seen do not matter. */
export function named(name: string): Named | null {
  if (name.length < 3 || name.length > 128 || !mayBeTagged(name)) return null;
  const plain = ascii.test(name) ? name : name.normalize('NFKC').replaceAll(unseen, '');
  const trimmed = plain.trim();
  const tag = suggestTag(trimmed);
  if (tag !== 'sad' && tag !== 'pan') return null;
  return { tag, sure: tag === 'sad' && !isAmbiguous(trimmed) };
}

/** Digits of any width in a text, and whether anything but digits and separators stands in it. */
function countDigits(text: string): { digits: number; pure: boolean } {
  let digits = 0;
  let pure = true;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if ((code >= 0x30 && code <= 0x39) || (code >= 0xff10 && code <= 0xff19)) digits++;
    else if (!separators.includes(text.charAt(index))) pure = false;
  }
  return { digits, pure };
}
const separators = ' -._\u00a0\u2009\u202f\u200b\u00ad';

/** True when a value looks like what its name says: 13 digits or, of a code, nothing but three or more. */
export function looksNamed(text: string, { tag, sure }: Named): boolean {
  const { digits, pure } = countDigits(text);
  if (digits >= 13) return true;
  return tag === 'sad' && digits >= 3 && (pure || sure);
}

const shownFirst = 6;
const shownLast = 4;

/** The value without what must not be seen: of a card number of 13–19 digits the middle, of anything else all. The length stays. */
export function hideNamed(text: string, { tag }: Named): string {
  const { digits, pure } = countDigits(text);
  if (tag === 'sad' || !pure || digits < 13 || digits > 19) return stars(text);
  let seen = 0;
  return text.replaceAll(/[0-9０-９]/g, (each) => {
    seen++;
    return seen <= shownFirst || seen > digits - shownLast ? each : stars(each);
  });
}

const maxName = 64;
const maxTagText = 160;

/**
 * `pin=1234`, `Card verification value: 123`, `<cvv>123</cvv>`, `name="cvv" value="123"`, `('cvv', '123')`: hides the value behind a name. The length
 * stays.
 */
export function maskLabels(text: string, count: Count): string {
  let masked = '';
  let done = 0;
  const hide = (from: number, to: number, name: Named): void => {
    const value = text.slice(from, to);
    const hidden = hideNamed(value, name);
    if (hidden === value || from < done) return;
    masked += text.slice(done, from) + hidden;
    done = to;
    count(`label:${name.tag}`, 1);
  };
  for (let at = nextMark(text, 0); at < text.length; ) {
    const length = markLength(text, at);
    const value = length === 0 ? null : namedBy(text, at, length);
    if (value !== null && looksNamed(text.slice(value.from, value.to), value.name)) hide(value.from, value.to, value.name);
    at = nextMark(text, at + Math.max(length, 1));
  }
  return masked + text.slice(done);
}

const marks = new Uint8Array(128);
for (const each of Buffer.from('=:>"\'`')) marks[each] = 1;

/** The next of `=`, `:`, `>` and quotes; the length of the text when there is none. */
function nextMark(text: string, from: number): number {
  let at = from;
  while (at < text.length && marks[text.charCodeAt(at)] !== 1) at++;
  return at;
}

const maxBlanks = 4;

/** Of `=>`, `=`, `:`, `>`, or a quote with the `,` or `)` behind it; 0 for other quotes. */
function markLength(text: string, at: number): number {
  const mark = text.charAt(at);
  if (mark === '=') return text.charAt(at + 1) === '>' ? 2 : 1;
  if (mark === ':' || mark === '>') return 1;
  let end = at + 1;
  while (end <= at + maxBlanks && isSpace(text.charCodeAt(end))) end++;
  const closes = text.charAt(end);
  return closes === ',' || closes === ')' ? end + 1 - at : 0;
}

/** The value that the mark of this length gives a name of ours. */
function namedBy(text: string, at: number, length: number): (Range & { readonly name: Named }) | null {
  const mark = text.charAt(at);
  const isQuoted = mark !== '=' && mark !== ':' && mark !== '>';
  const name = mark === '>' ? nameOfElement(text, at) : isQuoted ? quotedName(text, at) : nameBefore(text, at);
  if (name === null) return null;
  const isPair = isQuoted || length === 1;
  const value = isPair && mark !== '>' ? pairedValue(text, at + length) : valueAt(text, at + length);
  return value === null ? null : { ...value, name };
}

/** The word before a mark, without what closes it; walked by hand, because every mark of a text is asked. */
function wordBefore(text: string, at: number): string {
  let to = at;
  while (to > at - 4 && isBlank(text.charCodeAt(to - 1))) to--;
  if (closing.includes(text.charAt(to - 1))) to--;
  let from = to;
  while (from > to - maxName && isNameUnit(text.charCodeAt(from - 1))) from--;
  return text.slice(from, to);
}
const closing = '"\'`]';

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

/** As `\s` says. */
function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || (code >= 0x80 && /\s/.test(String.fromCharCode(code)));
}

/** Letters, digits, `_`, `.`, `-`, space, and everything that is no ASCII: it may be ignored in a name. */
function isNameUnit(code: number): boolean {
  const lower = code | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x5f || code === 0x2d || code === 0x2e || code === 0x20 || code >= 0x80;
}

function nameBefore(text: string, at: number): Named | null {
  const found = wordBefore(text, at);
  if (found.length < 1) return null;
  const name = named(found);
  if (name !== null) return name;
  // `name: 'cvv', value: '123'` and `name="cvv" value="123"`: the name is the value before
  return valueEnds.includes(found.slice(-1).toLowerCase()) && valueWord.test(found) ? recordName(text, at) : null;
}

const valueWord = /(?:^|[^a-z])(?:value|val|v|content|text|data|number)$/i;
const valueEnds = 'elvtar';
const recorded = /["'`]([A-Za-z][\w.\- ]{1,63})["'`]\s{0,4}[,;]?\s{0,4}["'`]?(?:value|val|v|content|text|data|number)["'`]?\s{0,4}$/i;

function recordName(text: string, at: number): Named | null {
  const found = recorded.exec(text.slice(Math.max(0, at - 2 * maxName), at))?.[1];
  return found === undefined ? null : named(found);
}

/** `'cvv',`: the word before the closing quote. */
function quotedName(text: string, at: number): Named | null {
  const before = text.slice(Math.max(0, at - maxName), at);
  const open = before.lastIndexOf(text.charAt(at));
  return open < 0 ? null : named(before.slice(open + 1));
}

/** `<cvv>`, `<ns:cvv a="b">`, `<field name="cvv">` */
function nameOfElement(text: string, at: number): Named | null {
  const before = text.slice(Math.max(0, at - maxTagText), at);
  const open = before.lastIndexOf('<');
  if (open < 0) return null;
  const inside = before.slice(open + 1);
  const element = /^(?:[\w-]{1,64}:)?([A-Za-z][\w.-]{1,63})/.exec(inside)?.[1];
  const byElement = element === undefined ? null : named(element);
  if (byElement !== null) return byElement;
  for (const [, value = ''] of inside.matchAll(/["']([A-Za-z][\w.\- ]{1,63})["']/g)) {
    const byAttribute = named(value);
    if (byAttribute !== null) return byAttribute;
  }
  return null;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

const valueStart = /[\s"'`\\[(]{0,6}/y;
const valueEnd = /[^\s"'`<>,;&|{}[\]()\\]{1,256}(?: \d[^\s"'`<>,;&|{}[\]()\\]{0,31}){0,8}/y;

/** A token, with groups of digits behind single spaces. */
function valueAt(text: string, from: number): Range | null {
  valueStart.lastIndex = from;
  const start = from + (valueStart.exec(text)?.[0].length ?? 0);
  valueEnd.lastIndex = start;
  const value = valueEnd.exec(text)?.[0];
  return value === undefined ? null : { from: start, to: start + value.length };
}

/** The same, but not what a next name stands in front of: `cvv: size: 123`. */
function pairedValue(text: string, from: number): Range | null {
  const value = valueAt(text, from);
  return value !== null && text.charAt(value.to) === ':' ? null : value;
}

import { isAmbiguous, suggestTag } from './dictionary.ts';
import { digitWidth } from './digit-run.ts';
import { LabelSearch } from './label-prefilter.ts';
import { fillStars, hideJson, truncatePan } from './replace.ts';

/** Called for each value masked because of its key or label. */
export type Labelled = (tag: 'sad' | 'pan') => void;

const quote = 0x22;
const backslash = 0x5c;
const maxKeyBytes = 64;

/**
 * Masks values under tagged keys of a JSON text, in place; the text stays valid JSON. Also works on JSON inside other text: each quote is
 * tried as the beginning of a key.
 */
export function maskJsonKeys(bytes: Uint8Array, start: number, end: number, labelled: Labelled): void {
  let at = nextQuote(bytes, start, end);
  while (at < end) {
    const close = stringEnd(bytes, at, end);
    const value = bytes[close - 1] === quote && close - at <= maxKeyBytes + 2 ? valueStart(bytes, close, end) : -1;
    const tag = value < 0 ? null : tagUnder(bytes, { from: at + 1, to: close - 1, value, end });
    if (tag !== null) {
      at = maskValue(bytes, value, end, tag);
      labelled(tag);
    } else at = value >= 0 ? value : Math.max(close - 1, at + 1);
    at = nextQuote(bytes, at, end);
  }
}

function nextQuote(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== quote) at++;
  return at;
}

/** The tag of the key in `[from, to)`, if the value fits it. */
function tagUnder(bytes: Uint8Array, { from, to, value, end }: { from: number; to: number; value: number; end: number }): 'sad' | 'pan' | null {
  const name = latin(bytes, from, to);
  const tag = suggestTag(name);
  if (tag !== 'sad' && tag !== 'pan') return null;
  return looksTagged(bytes, value, end, tag === 'sad' && !isAmbiguous(name) ? null : tag) ? tag : null;
}

/** Byte after the closing quote, or `end`. */
function stringEnd(bytes: Uint8Array, open: number, end: number): number {
  let at = open + 1;
  while (at < end && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return Math.min(at + 1, end);
}

/** First byte of the value when a colon follows, else -1. */
function valueStart(bytes: Uint8Array, from: number, end: number): number {
  const colon = skipSpace(bytes, from, end);
  if (colon >= end || bytes[colon] !== 0x3a) return -1;
  const value = skipSpace(bytes, colon + 1, end);
  return value < end ? value : -1;
}

function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09)) at++;
  return at;
}

/**
 * Keys that say little about their value need one that fits: under a `pan` key at least 13 digits, under `pin` and its like digits only.
 * Arrays and objects are not looked into: they count as fitting.
 */
function looksTagged(bytes: Uint8Array, from: number, end: number, tag: 'sad' | 'pan' | null): boolean {
  const first = bytes[from] ?? 0;
  if (tag === null || first === 0x7b || first === 0x5b) return true;
  const after = scalarEnd(bytes, from, end);
  let digits = 0;
  let others = 0;
  for (let at = from; at < after; at++) {
    const width = digitWidth(bytes, at, after);
    if (width > 0) {
      digits++;
      at += width - 1;
    } else if (bytes[at] !== quote && bytes[at] !== 0x20) others++;
  }
  return tag === 'pan' ? digits >= 13 : digits >= 13 || (others === 0 && digits >= 3);
}

/** Masks a JSON value, scalars in arrays and objects included; gives the byte after it. */
function maskValue(bytes: Uint8Array, from: number, end: number, tag: 'sad' | 'pan'): number {
  let depth = 0;
  let at = from;
  do {
    const byte = bytes[at] ?? 0;
    if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
    const after = scalarEnd(bytes, at, end);
    if (after > at) maskScalar(bytes, at, after, tag);
    at = Math.max(after, at + 1);
  } while (at < end && depth > 0);
  return Math.min(at, end);
}

/** Byte after the string, number or bare word that begins at `at`; `at` when none does. Keys inside a hidden object are hidden too. */
function scalarEnd(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === quote) return stringEnd(bytes, at, end);
  let after = at;
  while (after < end && isScalarByte(bytes[after] ?? 0)) after++;
  return after;
}

/** Of numbers, and of `true`, `false` and `null`: those are skipped whole, then left as they are. */
function isScalarByte(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2b || byte === 0x2e || (lower >= 0x61 && lower <= 0x7a);
}

function maskScalar(bytes: Uint8Array, start: number, end: number, tag: 'sad' | 'pan'): void {
  const first = bytes[start] ?? 0;
  const isString = first === quote;
  // a string cut off by the end of the text keeps its last byte's meaning only if that is a quote
  if (isString && (end - start < 2 || bytes[end - 1] !== quote)) fillStars(bytes, start + 1, end);
  else if (isString && tag === 'pan') truncatePan(bytes, start + 1, end - 1, 'text');
  else if (isString) hideJson(bytes, start, end);
  else if (first !== 0x2d && digitWidth(bytes, start, end) === 0) return;
  else if (tag === 'sad' || !isPlainPan(bytes, start, end)) hideJson(bytes, start, end);
  else truncatePan(bytes, start, end, 'number');
}

function isPlainPan(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 13 || end - start > 19 || bytes[start] === 0x30) return false;
  for (let at = start; at < end; at++) if (digitWidth(bytes, at, end) !== 1) return false;
  return true;
}

/** `cvv: 123`, `CVC=1234`, `security code 999` in prose: hides the digits after the label, in place. */
export function maskTextLabels(bytes: Uint8Array, start: number, end: number, labelled: Labelled): void {
  search.reset(bytes, start, end);
  for (let at = search.next(start); at + 5 < end; at = search.next(at + 1)) {
    const label = labelEnd(bytes, at, end);
    if (label < 0) continue;
    const from = labelValue(bytes, label, end);
    let [to, digits] = [from, 0];
    for (let width = digitWidth(bytes, to, end); width > 0 && digits < 5; width = digitWidth(bytes, to, end)) {
      to += width;
      digits++;
    }
    if (digits >= 3 && digits <= 4) {
      fillStars(bytes, from, to);
      labelled('sad');
    }
    at = Math.max(at, to - 1);
  }
}

const search = new LabelSearch();

/** After the label: up to 12 bytes of punctuation and letters (`:`, `=`, `"`, `\`, `is`, `code`, `number`). */
function labelValue(bytes: Uint8Array, from: number, end: number): number {
  const limit = Math.min(end, from + 12);
  let at = from;
  while (at < limit && digitWidth(bytes, at, end) === 0 && isFiller(bytes[at] ?? 0)) at++;
  return at;
}

function isFiller(byte: number): boolean {
  const lower = byte | 0x20;
  return (
    byte <= 0x2f || byte === 0x3a || byte === 0x3d || byte === 0x3e || byte === backslash || byte === 0x5f || byte === 0x7c || (lower >= 0x61 && lower <= 0x7a)
  );
}

/** Byte after `cvv`, `cvv2`, `cvc`, `cvc2`, `cvn` or `security code`; -1 when none begins here. */
function labelEnd(bytes: Uint8Array, at: number, end: number): number {
  const first = (bytes[at] ?? 0) | 0x20;
  if (first === 0x63) return cardCodeEnd(bytes, at, end);
  return first === 0x73 ? securityCodeEnd(bytes, at, end) : -1;
}

function cardCodeEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 3 > end || ((bytes[at + 1] ?? 0) | 0x20) !== 0x76 || !isSameCase(bytes, at + 1, at + 3)) return -1;
  const third = (bytes[at + 2] ?? 0) | 0x20;
  if (third !== 0x76 && third !== 0x63 && third !== 0x6e) return -1;
  const hasTwo = bytes[at + 3] === 0x32 && at + 4 < end && digitWidth(bytes, at + 4, end) === 0;
  return hasTwo ? at + 4 : at + 3;
}

const security = Buffer.from('security');
const code = Buffer.from('code');

/** `security code`, `security_code`, `SecurityCode` */
function securityCodeEnd(bytes: Uint8Array, at: number, end: number): number {
  if (!isAt(bytes, at, end, security) || !isSameCase(bytes, at + 3, at + security.length)) return -1;
  let next = at + security.length;
  if (next < end && (bytes[next] === 0x20 || bytes[next] === 0x5f || bytes[next] === 0x2d)) next++;
  return isAt(bytes, next, end, code) ? next + code.length : -1;
}

/** The quick look searches for whole lower or upper case. */
function isSameCase(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from + 1; at < to; at++) if ((((bytes[at] ?? 0) ^ (bytes[from] ?? 0)) & 0x20) !== 0) return false;
  return true;
}

function isAt(bytes: Uint8Array, at: number, end: number, word: Uint8Array): boolean {
  if (at + word.length > end) return false;
  for (let index = 0; index < word.length; index++) if (((bytes[at + index] ?? 0) | 0x20) !== word[index]) return false;
  return true;
}

function latin(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, Math.max(0, end - start)).toString('latin1');
}

import { digitWidth } from './digit-run.ts';

const contextBytes = 40;
/** before a number: then windows inside longer numbers count, too */
const contextWord = /(?:^|[^a-z0-9])(?:pan|card|cards|karte|kartennummer|carte|tarjeta|cc|visa|master|mastercard|amex|credit|debit)(?:[^a-z]|no|num|$)|card_?(?:no|num)|cardno/;
const hashLengths = new Set([32, 40, 48, 56, 64, 96, 128]);
const maxToken = 130;
/** digits of purely numeric IBANs after the country code */
const ibanDigits = new Set([13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 26]);

/** `[start, end)`: the value the number stands in; nothing outside may change what is found. */
export interface Within {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** True when a word for cards stands shortly before `at`. */
export function hasCardWord({ bytes, start }: Within, at: number): boolean {
  const from = Math.max(start, at - contextBytes);
  if (from === at) return false;
  let before = '';
  for (let index = from; index < at; index++) before += String.fromCharCode(bytes[index] ?? 0);
  return contextWord.test(before.replaceAll(/([a-z])(?=[A-Z])/g, '$1 ').toLowerCase());
}

/** Digits inside a hash or UUID: a whole token of the usual lengths. */
export function isInHash(within: Within, from: number, to: number): boolean {
  return isUuid(within, from, to) || isHash(within, from, to);
}

function isHash({ bytes, start, end }: Within, from: number, to: number): boolean {
  let first = from;
  while (first > start && from - first < maxToken && isHex(bytes[first - 1] ?? 0)) first--;
  let last = from;
  let letters = 0;
  for (; last < end && last - first <= maxToken && isHex(bytes[last] ?? 0); last++);
  if (last < to || !hashLengths.has(last - first)) return false;
  for (let at = first; at < last; at++) if ((bytes[at] ?? 0) > 0x39) letters++;
  const before = first > start ? (bytes[first - 1] ?? 0) : 0x20;
  return letters >= 2 && !isWord(before === 0x78 ? 0x20 : before) && !(last < end && isWord(bytes[last] ?? 0));
}

function isUuid({ bytes, start, end }: Within, from: number, to: number): boolean {
  let first = from;
  while (first > start && from - first < maxToken && (isHex(bytes[first - 1] ?? 0) || bytes[first - 1] === 0x2d)) first--;
  if (from - first > 23 || first + 36 > end || first + 36 < to) return false;
  for (let index = 0; index < 36; index++) {
    const isDash = index === 8 || index === 13 || index === 18 || index === 23;
    const byte = bytes[first + index] ?? 0;
    if (isDash ? byte !== 0x2d : !isHex(byte)) return false;
  }
  return first + 36 === end || !(isWord(bytes[first + 36] ?? 0) || bytes[first + 36] === 0x2d);
}

/** `+49 151 …`: an E.164 number has at most 15 digits. */
export function followsPlus({ bytes, start }: Within, at: number): boolean {
  return at > start && (bytes[at - 1] === 0x2b || (at - 1 > start && bytes[at - 1] === 0x28 && bytes[at - 2] === 0x2b));
}

/** Two capital letters before the digits and the check digits of ISO 13616 over all of them. */
export function isIban({ bytes, start }: Within, at: number, digits: Uint8Array): boolean {
  if (at - 2 < start || !ibanDigits.has(digits.length)) return false;
  const [one, two] = [bytes[at - 2] ?? 0, bytes[at - 1] ?? 0];
  if (!isCapital(one) || !isCapital(two) || (at - 3 >= start && isWord(bytes[at - 3] ?? 0))) return false;
  let rest = 0;
  for (let index = 2; index < digits.length; index++) rest = (rest * 10 + (digits[index] ?? 0)) % 97;
  rest = (rest * 10000 + (one - 0x37) * 100 + (two - 0x37)) % 97;
  return (rest * 100 + (digits[0] ?? 0) * 10 + (digits[1] ?? 0)) % 97 === 1;
}

/** ISO/IEC 7813: track 2 goes on with `=` (`D` where it is written in hexadecimal), track 1 with `^`; gives the byte after it, 0 for none. */
export function trackEnd({ bytes, end }: Within, after: number): number {
  const mark = after < end ? (bytes[after] ?? 0) : 0;
  if (mark !== 0x3d && mark !== 0x5e && (mark | 0x20) !== 0x64) return 0;
  const limit = Math.min(end, after + 90);
  let at = after + 1;
  let digits = 0;
  while (at < limit && bytes[at] !== 0x3f && (mark === 0x5e ? isTrackOne(bytes[at] ?? 0) : digitWidth(bytes, at, limit) === 1)) {
    if (digitWidth(bytes, at, limit) === 1) digits++;
    at++;
  }
  return digits >= ((mark | 0x20) === 0x64 ? 7 : 4) ? at : 0;
}

/** True when the sentinel of a track stands right before `at`: then the number is a card's whatever its check digit. */
export function followsSentinel({ bytes, start }: Within, at: number): boolean {
  if (at <= start) return false;
  if (bytes[at - 1] === 0x3b) return true;
  return at - 2 >= start && ((bytes[at - 1] ?? 0) | 0x20) === 0x62 && bytes[at - 2] === 0x25;
}

/** `|12|29|123` after a card number: where the code of three or four digits begins, or -1. */
export function cardLineCode({ bytes, end }: Within, after: number): number {
  const month = skipMarks(bytes, after, end);
  const year = twoDigits(bytes, month, end);
  if (month === after || year < 1 || year > 12) return -1;
  const years = skipMarks(bytes, month + 2, end);
  if (twoDigits(bytes, years, end) < 0) return -1;
  const long = digitWidth(bytes, years + 2, end) === 1 && digitWidth(bytes, years + 3, end) === 1 && digitWidth(bytes, years + 4, end) === 0;
  const yearEnd = long ? years + 4 : years + 2;
  const code = skipMarks(bytes, yearEnd, end);
  if (code === yearEnd) return -1;
  const length = codeLength(bytes, code, end);
  return length === 3 || length === 4 ? code : -1;
}

/** How many ASCII digits begin at `at`; 5 stands for more than 4. */
export function codeLength(bytes: Uint8Array, at: number, end: number): number {
  let length = 0;
  while (length < 5 && digitWidth(bytes, at + length, end) === 1) length++;
  return length;
}

function twoDigits(bytes: Uint8Array, at: number, end: number): number {
  return digitWidth(bytes, at, end) === 1 && digitWidth(bytes, at + 1, end) === 1 ? ((bytes[at] ?? 0) - 0x30) * 10 + (bytes[at + 1] ?? 0) - 0x30 : -1;
}

/** At most three of space, tab, `,`, `;`, `|`, `/`, `:`, `-`, `_`, quotes. */
function skipMarks(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && at - from < 3 && marks.has(bytes[at] ?? 0)) at++;
  return at;
}

const marks = new Set([...' \t,;|/:-_"\''].map((character) => character.charCodeAt(0)));

/** Without quotes and backslashes: a track in a JSON text ends with its string. */
function isTrackOne(byte: number): boolean {
  return byte >= 0x20 && byte <= 0x7e && byte !== 0x22 && byte !== 0x5c;
}

function isHex(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66);
}

function isWord(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x7a) || byte >= 0x80;
}

function isCapital(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

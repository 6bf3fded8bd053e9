import { digitWidth } from './digit-run.ts';

const contextBytes = 40;
/** before a number: then windows inside longer numbers count, too */
const contextWord =
  /(?:^|[^a-z0-9])(?:pan|card|cards|karte|kartennummer|carte|tarjeta|cc|visa|master|mastercard|amex|credit|debit)(?:[^a-z]|no|num|$)|card_?(?:no|num)|cardno/;
const camelCase = /[a-z][A-Z]/;
const hashLengths = new Set([32, 40, 48, 56, 64, 96, 128]);
const maxToken = 130;
/** bytes of track data behind the number */
const maxTrack = 90;
/** purely numeric IBANs: digits after the country's letters */
const ibanDigits = new Map(
  Object.entries({
    AE: 21,
    AT: 18,
    BE: 14,
    CZ: 22,
    DE: 20,
    DK: 16,
    EE: 18,
    ES: 22,
    FI: 16,
    HR: 19,
    HU: 26,
    IL: 21,
    LT: 18,
    NO: 13,
    PL: 26,
    PT: 23,
    RS: 20,
    SE: 22,
    SI: 17,
    SK: 22,
  }),
);

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
  const before = Buffer.from(bytes.buffer, bytes.byteOffset + from, at - from).toString('latin1');
  return contextWord.test((camelCase.test(before) ? before.replaceAll(/([a-z])(?=[A-Z])/g, '$1 ') : before).toLowerCase());
}

/** Digits inside a hash or UUID: a whole token of the usual lengths. */
export function isInHash(within: Within, from: number, to: number): boolean {
  return isUuid(within, from, to) || isHash(within, from, to);
}

function isHash({ bytes, start, end }: Within, from: number, to: number): boolean {
  let first = from;
  while (first > start && from - first < maxToken && isHex(byteAt(bytes, first - 1))) first--;
  let last = first;
  while (last < end && last - first <= maxToken && isHex(byteAt(bytes, last))) last++;
  if (last < to || !hashLengths.has(last - first) || !hasLetters(bytes.subarray(first, last))) return false;
  return isTokenStart(bytes, start, first) && (last === end || !isWord(byteAt(bytes, last)));
}

function hasLetters(token: Uint8Array): boolean {
  let letters = 0;
  for (const byte of token) if (byte > 0x39) letters++;
  return letters >= 2;
}

/** `0x…` and `\x…` may stand before. */
function isTokenStart(bytes: Uint8Array, start: number, first: number): boolean {
  return first === start || bytes[first - 1] === 0x78 || !isWord(byteAt(bytes, first - 1));
}

const dashes = [8, 13, 18, 23];

function isUuid({ bytes, start, end }: Within, from: number, to: number): boolean {
  let first = from;
  while (first > start && from - first < maxToken && isHexOrDash(byteAt(bytes, first - 1))) first--;
  const last = first + 36;
  if (from - first > 23 || last > end || last < to) return false;
  for (let at = first; at < last; at++) if (!isHexOrDash(byteAt(bytes, at)) || (bytes[at] === 0x2d) !== dashes.includes(at - first)) return false;
  return last === end || !(isWord(byteAt(bytes, last)) || bytes[last] === 0x2d);
}

/** what may stand around a number and tell of something else, or more: hashes, UUIDs, telephone numbers, IBANs, tracks */
const loud = new Uint8Array(256);
for (let byte = 0; byte < 0x80; byte++) if (isHexOrDash(byte) || isCapital(byte)) loud[byte] = 1;
for (const byte of Buffer.from('+(=^')) loud[byte] = 1;

/**
 * True when nothing beside the unbroken number of 14 to 19 ASCII digits in `[from, to)` can make it something else: none of `followsPlus`, `isIban`,
 * `isInHash` and `trackEnd` would find anything.
 */
export function isQuiet({ bytes, start, end }: Within, from: number, to: number): boolean {
  return (from === start || loud[byteAt(bytes, from - 1)] === 0) && (to === end || loud[byteAt(bytes, to)] === 0);
}

/** `+49 151 …`: an E.164 number has at most 15 digits. */
export function followsPlus({ bytes, start }: Within, at: number): boolean {
  return at > start && (bytes[at - 1] === 0x2b || (at - 1 > start && bytes[at - 1] === 0x28 && bytes[at - 2] === 0x2b));
}

/** A country of purely numeric IBANs before as many digits, and the check digits of ISO 13616 over all of them. */
export function isIban({ bytes, start }: Within, at: number, { digits, count }: { readonly digits: Uint8Array; readonly count: number }): boolean {
  if (at - 2 < start || (at - 3 >= start && isWord(byteAt(bytes, at - 3)))) return false;
  const [one, two] = [byteAt(bytes, at - 2), byteAt(bytes, at - 1)];
  if (!isCapital(one) || !isCapital(two) || ibanDigits.get(String.fromCharCode(one, two)) !== count) return false;
  let rest = 0;
  for (let index = 2; index < count; index++) rest = (rest * 10 + byteAt(digits, index)) % 97;
  rest = (rest * 10_000 + (one - 0x37) * 100 + two - 0x37) % 97;
  return (rest * 100 + byteAt(digits, 0) * 10 + byteAt(digits, 1)) % 97 === 1;
}

function isCapital(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

/** ISO/IEC 7813: track 2 goes on with `=` (`D` where it is written in hexadecimal), track 1 with `^`; gives the byte after it, 0 for none. */
export function trackEnd({ bytes, end }: Within, after: number): number {
  const mark = after < end ? byteAt(bytes, after) : 0;
  const isHexadecimal = (mark | 0x20) === 0x64;
  if (mark !== 0x3d && mark !== 0x5e && !isHexadecimal) return 0;
  const limit = Math.min(end, after + maxTrack);
  let at = after + 1;
  let digits = 0;
  for (; at < limit && isTrack(byteAt(bytes, at), mark === 0x5e); at++) if (digitWidth(bytes, at, limit) === 1) digits++;
  return digits >= (isHexadecimal ? 7 : 4) ? at : 0;
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

const marks = new Set(Buffer.from(' \t,;|/:-_"\''));

/** Track 2 goes on with digits. Track 1 without quotes and backslashes: in a JSON text it ends with its string. */
function isTrack(byte: number, isOne: boolean): boolean {
  if (byte >= 0x30 && byte <= 0x39) return true;
  return isOne && byte >= 0x20 && byte <= 0x7e && byte !== 0x22 && byte !== 0x5c && byte !== 0x3f;
}

function isHexOrDash(byte: number): boolean {
  return byte === 0x2d || isHex(byte);
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function isHex(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66);
}

function isWord(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x7a) || byte >= 0x80;
}

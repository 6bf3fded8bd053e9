import type { ValueType } from '../contract/shape.ts';
import { digitWidth, separatorWidth } from './digit-run.ts';

const star = 0x2a;
const zero = 0x30;
const one = 0x31;
const quote = 0x22;
const dash = 0x2d;
const minPan = 13;
const maxPan = 19;

/** Hides a whole value in place; the replacement keeps the length and, for numbers, JSON, bytea, uuid and dates, a valid form. */
export function hideWhole(bytes: Uint8Array, start: number, end: number, type: ValueType): void {
  if (type === 'number') hideDigits(bytes, start, end);
  else if (type === 'json') hideJson(bytes, start, end);
  else if (type === 'bytes' && isHexForm(bytes, start, end)) bytes.fill(zero, start + 2, end);
  else if (type === 'inert') hideInert(bytes, start, end);
  else fillStars(bytes, start, end);
}

/** PostgreSQL's `\x…` form of bytea. */
export function isHexForm(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= 2 && bytes[start] === 0x5c && bytes[start + 1] === 0x78;
}

/** A tagged card number: first 6 and last 4 of 13–19 digits; anything else is hidden whole. */
export function truncatePan(bytes: Uint8Array, start: number, end: number, type: ValueType): void {
  const stop = type === 'number' ? fractionStart(bytes, start, end) : end;
  const count = panDigits(bytes, start, stop);
  if (count < minPan || count > maxPan || (type !== 'text' && type !== 'number')) {
    hideWhole(bytes, start, end, type);
    return;
  }
  let seen = 0;
  for (let at = start; at < stop; ) {
    const width = digitWidth(bytes, at, stop);
    if (width > 0 && seen >= 6 && seen < count - 4) {
      if (type === 'number') bytes.fill(zero, at, at + width);
      else fillStars(bytes, at, at + width);
    }
    if (width > 0) seen++;
    at += Math.max(width, 1);
  }
  hideDigits(bytes, stop, end);
}

/** Digits of a value that holds digits and separators only; 0 when it holds anything else. */
export function panDigits(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; ) {
    const width = digitWidth(bytes, at, end);
    if (width > 0) count++;
    const step = width > 0 ? width : separatorWidth(bytes, at, end);
    if (step === 0) return 0;
    at += step;
  }
  return count;
}

function fractionStart(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) if (bytes[at] === 0x2e) return at;
  return end;
}

/** `NaN` and `Infinity` keep no digit and say nothing. */
function hideDigits(bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x30 && byte <= 0x39) bytes[at] = zero;
  }
}

/** A JSON string of stars; one byte only: the number 0. */
export function hideJson(bytes: Uint8Array, start: number, end: number): void {
  if (end - start === 1) {
    bytes[start] = zero;
    return;
  }
  if (end <= start) return;
  fillStars(bytes, start + 1, end - 1);
  bytes[start] = quote;
  bytes[end - 1] = quote;
}

/** uuid: zeros; dates and time stamps: 0001-01-01; anything else: stars. */
function hideInert(bytes: Uint8Array, start: number, end: number): void {
  if (end - start === 36 && hasDashes(bytes, start, [8, 13, 18, 23])) {
    for (let at = start; at < end; at++) bytes[at] = bytes[at] === dash ? dash : zero;
  } else if (end - start >= 10 && hasDashes(bytes, start, [4, 7])) {
    hideDigits(bytes, start, end);
    for (const at of [3, 6, 9]) bytes[start + at] = one;
  } else fillStars(bytes, start, end);
}

function hasDashes(bytes: Uint8Array, start: number, offsets: readonly number[]): boolean {
  return offsets.every((offset) => bytes[start + offset] === dash);
}

function fillByte(bytes: Uint8Array, at: number): void {
  const byte = bytes[at];
  if (byte !== 0x0a && byte !== 0x0d) bytes[at] = star;
}

/**
 * Stars of the same width: a character of 2, 3 or 4 bytes becomes one of as many bytes and UTF-16 units (`×`, `＊`, `××`), so that neither
 * length changes. Bytes that are no UTF-8 become `*` each. Line ends stay: they may belong to what the text stands in.
 */
export function fillStars(bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; ) {
    const width = (bytes[at] ?? 0) < 0x80 ? 1 : characterWidth(bytes, at, end);
    if (width === 1) fillByte(bytes, at);
    else if (width === 3) {
      bytes[at] = 0xef;
      bytes[at + 1] = 0xbc;
      bytes[at + 2] = 0x8a;
    } else {
      for (let pair = at; pair < at + width; pair += 2) {
        bytes[pair] = 0xc3;
        bytes[pair + 1] = 0x97;
      }
    }
    at += width;
  }
}

function characterWidth(bytes: Uint8Array, at: number, end: number): 1 | 2 | 3 | 4 {
  const lead = bytes[at] ?? 0;
  const width = lead < 0xc2 || lead > 0xf4 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + width > end) return 1;
  for (let index = at + 1; index < at + width; index++) if (((bytes[index] ?? 0) & 0xc0) !== 0x80) return 1;
  return width;
}

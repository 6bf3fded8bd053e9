/** Byte classes: what may stand inside a written card number. */
const other = 0;
const digit = 1;
const separator = 2;
/** part of a multi-byte separator or fullwidth digit; looked at more closely by the exact scan */
const wide = 3;

const classes = new Uint8Array(256);
classes.fill(wide, 0x80, 0xc0);
for (let byte = 0x30; byte <= 0x39; byte++) classes[byte] = digit;
for (const byte of [0x20, 0x2d, 0x2e, 0x5f]) classes[byte] = separator;
for (const byte of [0xc2, 0xe2, 0xef]) classes[byte] = wide;

/** 1 for bytes that may be, or end, a digit: fullwidth digits are EF BC 90–99 */
const counted = new Uint8Array(256);
counted.fill(1, 0x30, 0x3a);
counted.fill(1, 0x90, 0x9a);

const minDigits = 13;
const maxGap = 3;

/**
 * First byte of the next stretch of such bytes that may hold 13 digits, or -1. Looks at every 13th byte, because every written
 * card number is at least 13 bytes of these classes. Never looks before `from`.
 */
export function nextCandidate(bytes: Uint8Array, from: number, end: number): number {
  let floor = from;
  for (let index = from + minDigits - 1; index < end; index += minDigits) {
    if (classes[bytes[index] ?? 0] === other) continue;
    let first = index;
    while (first > floor && classes[bytes[first - 1] ?? 0] !== other) first--;
    let digits = 0;
    let at = first;
    for (; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (classes[byte] === other) break;
      digits += counted[byte] ?? 0;
      if (digits >= minDigits) return first;
    }
    // the next sample must still hit any stretch that begins after this one
    floor = at;
    index = Math.max(index, at - 1);
  }
  return -1;
}

/** True when the bytes may hold a card number: by construction a superset of what the exact scan finds. */
export function mayHoldPan(bytes: Uint8Array, start: number, end: number): boolean {
  return nextCandidate(bytes, start, end) >= 0;
}

/** True for bytes that may stand inside a written card number. */
export function isRunByte(byte: number): boolean {
  return classes[byte] !== other;
}

/** Longest run kept at once; longer ones are cut with an overlap, so that no window of 19 digits is missed. */
export const maxRunDigits = 1024;

/** A run of digits with short gaps between them. One instance is reused; nothing is allocated per value. */
export class DigitRun {
  /** values 0–9 */
  readonly digits = new Uint8Array(maxRunDigits);
  /** first byte of each digit */
  readonly starts = new Uint32Array(maxRunDigits);
  /** byte after each digit */
  readonly ends = new Uint32Array(maxRunDigits);
  /** 1 where a group of adjacent digits begins */
  readonly groupStart = new Uint8Array(maxRunDigits);
  /** how the gap before a group is written: equal gaps have equal numbers; 0 at the start of the run; > 255: several separators */
  readonly gap = new Uint16Array(maxRunDigits);
  count = 0;

  /** Reads the run that begins at the digit at `index`; gives the byte after it. */
  read(bytes: Uint8Array, index: number, end: number): number {
    this.count = 0;
    let at = index;
    let gap = 0;
    let startsGroup = true;
    while (this.count < maxRunDigits) {
      const width = digitWidth(bytes, at, end);
      if (width > 0) {
        this.#push(bytes, at, { width, gap: startsGroup ? gap : -1 });
        startsGroup = false;
        at += width;
        continue;
      }
      const next = gapEnd(bytes, at, end);
      if (next === at || digitWidth(bytes, next, end) === 0) break;
      gap = gapKind(bytes, at, next);
      startsGroup = true;
      at = next;
    }
    return at;
  }

  #push(bytes: Uint8Array, at: number, { width, gap }: { width: number; gap: number }): void {
    const index = this.count++;
    this.digits[index] = (bytes[at + width - 1] ?? 0) - (width === 1 ? 0x30 : 0x90);
    this.starts[index] = at;
    this.ends[index] = at + width;
    this.groupStart[index] = gap < 0 ? 0 : 1;
    this.gap[index] = Math.max(gap, 0);
  }
}

/**
 * The byte after an unbroken number of ASCII digits that begins at `index`, when no other digit follows in the same run; -1 for any other run, and for
 * numbers of more than `maxDigits`.
 */
export function loneEnd(bytes: Uint8Array, index: number, end: number, maxDigits: number): number {
  const limit = Math.min(end, index + maxDigits + 1);
  let at = index;
  while (at < limit && classes[bytes[at] ?? 0] === digit) at++;
  if (at - index > maxDigits) return -1;
  if (at === end || classes[bytes[at] ?? 0] === other) return at;
  return digitWidth(bytes, gapEnd(bytes, at, end), end) === 0 ? at : -1;
}

/** 1 for ASCII, 3 for fullwidth (U+FF10–FF19), 0 for no digit. */
export function digitWidth(bytes: Uint8Array, at: number, end: number): 0 | 1 | 3 {
  if (at >= end) return 0;
  const byte = bytes[at] ?? 0;
  if (byte >= 0x30 && byte <= 0x39) return 1;
  if (byte !== 0xef || at + 2 >= end || bytes[at + 1] !== 0xbc) return 0;
  const last = bytes[at + 2] ?? 0;
  return last >= 0x90 && last <= 0x99 ? 3 : 0;
}

/** Byte after at most three separators. */
function gapEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  for (let count = 0; count < maxGap; count++) {
    const width = separatorWidth(bytes, at, end);
    if (width === 0) break;
    at += width;
  }
  return at;
}

/** One ASCII separator: its byte; one wide separator: 128 + its last byte's low bits; several: more than 255. */
function gapKind(bytes: Uint8Array, from: number, to: number): number {
  const first = bytes[from] ?? 0;
  if (to - from === 1) return first;
  const isOne = separatorWidth(bytes, from, to) === to - from;
  let sum = 0;
  for (let at = from; at < to; at++) sum = (sum * 31 + (bytes[at] ?? 0)) & 0x3fff;
  return isOne ? 128 + (sum & 0x7f) : 256 + sum;
}

/** Space, `-`, `.`, `_`, and of Unicode: no-break and thin spaces, soft hyphen, dashes, zero-width marks, fullwidth `-` and `.`. */
export function separatorWidth(bytes: Uint8Array, at: number, end: number): 0 | 1 | 2 | 3 {
  const byte = at < end ? (bytes[at] ?? 0) : 0;
  if (classes[byte] === separator) return 1;
  if (classes[byte] !== wide || at + 1 >= end) return 0;
  const two = (byte << 8) | (bytes[at + 1] ?? 0);
  if (byte === 0xc2) return twoByteSeparators.has(two) ? 2 : 0;
  return at + 2 < end && threeByteSeparators.has((two << 8) | (bytes[at + 2] ?? 0)) ? 3 : 0;
}

// U+00A0, U+00AD
const twoByteSeparators = new Set([0xc2a0, 0xc2ad]);
// U+202F, U+205F, U+2060, U+2212, U+FF0D, U+FF0E, U+FEFF, and U+2000–2015
const threeByteSeparators = new Set([
  0xe280af,
  0xe2819f,
  0xe281a0,
  0xe28892,
  0xefbc8d,
  0xefbc8e,
  0xefbbbf,
  ...Array.from({ length: 22 }, (_, index) => 0xe28080 + index),
]);

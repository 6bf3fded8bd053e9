import { isArticleNumber, isIssued, isLuhnValid, mayBegin } from './brands.ts';
import { DigitRun, digitWidth, isRunByte, loneEnd, maxRunDigits, nextCandidate } from './digit-run.ts';
import { cardLineCode, codeLength, followsPlus, followsSentinel, hasCardWord, isIban, isInHash, isQuiet, trackEnd } from './neighbours.ts';
import type { Within } from './neighbours.ts';

/** Called for each stretch of bytes to hide: first byte and the byte after. */
export type Hide = (start: number, end: number) => void;

export interface Found {
  readonly pans: number;
  readonly tracks: number;
  /** card verification codes behind number and expiry */
  readonly codes: number;
}

const minPan = 13;
const maxPan = 19;
const shownFirst = 6;
const shownLast = 4;
const nothing: Found = { pans: 0, tracks: 0, codes: 0 };

const run = new DigitRun();
const hidden = new Uint8Array(maxRunDigits);

/**
 * Finds card numbers and track data in `[start, end)` and calls `hide` for what must not be seen: the digits between the first 6 and the last
 * 4 of a card number, all of track data, and the code after number and expiry. Layers: 13–19 digits with short gaps, issuer range with its
 * length, Luhn; regular card grouping replaces the issuer range. Linear in the length; depends on nothing outside the range.
 */
export function detect(bytes: Uint8Array, start: number, end: number, hide: Hide): Found {
  let at = nextCandidate(bytes, start, end);
  if (at < 0) return nothing;
  const within: Within = { bytes, start, end };
  const found = { pans: 0, tracks: 0, codes: 0 };
  while (at >= 0) {
    while (at < end && isRunByte(bytes[at] ?? 0)) {
      if (digitWidth(bytes, at, end) === 0) {
        at++;
        continue;
      }
      const lone = loneEnd(bytes, at, end, maxPan);
      if (lone > 0 && examineLone(within, { from: at, to: lone }, hide, found)) {
        at = lone;
        continue;
      }
      const after = run.read(bytes, at, end);
      if (run.count >= minPan) examine(within, after, hide, found);
      at = run.count === maxRunDigits ? (run.starts[maxRunDigits - maxPan] ?? after) : after;
    }
    at = nextCandidate(bytes, at, end);
  }
  return found;
}

function examine(within: Within, after: number, hide: Hide, found: { pans: number; tracks: number; codes: number }): void {
  const first = run.starts[0] ?? 0;
  const track = trackEnd(within, after);
  const pans = markWindows(within);
  if (track > 0 && (pans > 0 || followsSentinel(within, first))) {
    found.pans += pans;
    found.tracks++;
    hide(first, track);
    return;
  }
  if (pans === 0) return;
  found.pans += pans;
  hideMarked(hide);
  for (let index = 0; index < run.count; index++) {
    const code = windowEnds[index] === 1 ? cardLineCode(within, run.ends[index] ?? 0) : -1;
    if (code < 0) continue;
    hide(code, code + codeLength(within.bytes, code, within.end));
    found.codes++;
  }
}

/**
 * The same for most numbers, without reading a run: no gap in it, nothing beside it that could make it something else. False when all must be looked at
 * after all.
 */
function examineLone(within: Within, { from, to }: Range, hide: Hide, found: { pans: number; codes: number }): boolean {
  const count = to - from;
  if (count < minPan) return true;
  if (count === minPan || !isQuiet(within, from, to)) return false;
  const { bytes, end } = within;
  for (let index = 0; index < count; index++) run.digits[index] = (bytes[from + index] ?? 0) - 0x30;
  let zeros = 0;
  while (zeros < count && run.digits[zeros] === 0) zeros++;
  if (mayEmbed(zeros, count)) return false;
  // the extinct 13-digit form is not looked for behind zeros
  if (count - zeros <= minPan || !isCard(zeros, count - zeros)) return true;
  hide(from + zeros + shownFirst, from + count - shownLast);
  found.pans++;
  const code = cardLineCode(within, to);
  if (code < 0) return true;
  hide(code, code + codeLength(bytes, code, end));
  found.codes++;
  return true;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** A card number inside of the number, other than the one that begins at `whole`: it would count behind a card word. */
function mayEmbed(whole: number, count: number): boolean {
  for (let from = 0; from + minEmbedded <= count; from++) {
    if (!mayBegin(run.digits[from] ?? 0)) continue;
    for (const length of embeddedLengths) {
      if (from + length <= count && (from !== whole || length !== count - whole) && isCard(from, length)) return true;
    }
  }
  return false;
}

function isCard(from: number, length: number): boolean {
  return mayBegin(run.digits[from] ?? 0) && isIssued(run.digits, from, length) && isLuhnValid(run.digits, from, length);
}

/** Adjacent digits at once. */
function hideMarked(hide: Hide): void {
  for (let index = 0; index < run.count; index++) {
    if (hidden[index] !== 1) continue;
    const from = run.starts[index] ?? 0;
    while (hidden[index + 1] === 1 && run.starts[index + 1] === run.ends[index]) index++;
    hide(from, run.ends[index] ?? 0);
  }
}

/** 1 at the last digit of a card number */
const windowEnds = new Uint8Array(maxRunDigits);

/**
 * Digits in `[from, end)` that could be a card number if values begin and end anywhere: a superset of what `detect` finds in any part of the
 * range. Gives the first of them or -1. For chunks of many values: hashes and time stamps end here.
 */
export function nextPossible(bytes: Uint8Array, from: number, end: number): number {
  let at = nextCandidate(bytes, from, end);
  while (at >= 0) {
    while (at < end && isRunByte(bytes[at] ?? 0)) {
      if (digitWidth(bytes, at, end) === 0) {
        at++;
        continue;
      }
      const after = run.read(bytes, at, end);
      if (run.count >= minPan && (hasWindow() || followsSentinel({ bytes, start: from, end }, at))) return at;
      at = run.count === maxRunDigits ? (run.starts[maxRunDigits - maxPan] ?? after) : after;
    }
    at = nextCandidate(bytes, at, end);
  }
  return -1;
}

function hasWindow(): boolean {
  for (let from = 0; from + minPan <= run.count; from++) {
    if (!mayBegin(run.digits[from] ?? 0)) continue;
    const last = Math.min(maxPan, run.count - from);
    for (let length = minPan; length <= last; length++) {
      if ((isIssued(run.digits, from, length) || hasCardGaps(from, length)) && isLuhnValid(run.digits, from, length)) return true;
    }
  }
  return false;
}

/** The gaps of 4-4-4-4 or 4-6-5; a gap at the beginning may lie in what is no part of the value. */
function hasCardGaps(from: number, length: number): boolean {
  if (length === 16) return run.groupStart[from + 4] === 1 && run.groupStart[from + 8] === 1 && run.groupStart[from + 12] === 1;
  return length === 15 && run.groupStart[from + 4] === 1 && run.groupStart[from + 10] === 1;
}

/** Marks the digits to hide in `hidden`; gives the number of card numbers. */
function markWindows(within: Within): number {
  hidden.fill(0, 0, run.count + 1);
  windowEnds.fill(0, 0, run.count);
  let found = 0;
  let zeros = false;
  for (let from = 0; from + minPan <= run.count; from++) {
    const isGroup = run.groupStart[from] === 1;
    // zero-padded numbers begin after the zeros of their group
    if ((isGroup || zeros) && mayBegin(run.digits[from] ?? 0)) found += markFrom(within, from, isGroup);
    zeros = (isGroup || zeros) && run.digits[from] === 0;
  }
  if (run.count > minPan && hasLongGroup() && hasCardWord(within, run.starts[0] ?? 0)) found += markEmbedded(within);
  return found;
}

/** Windows that begin at a group and end at a group; 1 when any is a card number. */
function markFrom(within: Within, from: number, isGroup: boolean): number {
  let found = 0;
  const last = Math.min(from + maxPan, run.count);
  for (let to = from + minPan; to <= last; to++) {
    if (to !== run.count && run.groupStart[to] !== 1) continue;
    // the extinct 13-digit form is not looked for behind zeros: 0049 151 … is a telephone number
    if (!isGroup && to - from === minPan) continue;
    if (!isLuhnValid(run.digits, from, to - from) || !isPlausible(from, to) || isElse(within, from, to)) continue;
    mark(from, to);
    found = 1;
  }
  return found;
}

function hasLongGroup(): boolean {
  let size = 0;
  for (let index = 0; index < run.count; index++) {
    size = run.groupStart[index] === 1 ? 1 : size + 1;
    if (size > minPan) return true;
  }
  return false;
}

const minEmbedded = 14;
const embeddedLengths = [19, 16, 15, minEmbedded] as const;

/** With a card word before it, any window inside an unbroken longer number. */
function markEmbedded(within: Within): number {
  let found = 0;
  for (let from = 0; from + minEmbedded <= run.count; from++) {
    if (!mayBegin(run.digits[from] ?? 0)) continue;
    for (const length of embeddedLengths) {
      if (from + length > run.count || crossesGap(from, from + length)) continue;
      if (!isIssued(run.digits, from, length) || !isLuhnValid(run.digits, from, length)) continue;
      if (isInHash(within, run.starts[from] ?? 0, run.ends[from + length - 1] ?? 0)) return 0;
      found += mark(from, from + length);
    }
  }
  return found;
}

function crossesGap(from: number, to: number): boolean {
  for (let index = from + 1; index < to; index++) if (run.groupStart[index] === 1) return true;
  return false;
}

/** Gives 1, or 0 for a number that was marked before: with a card word, one is found in both ways. */
function mark(from: number, to: number): 0 | 1 {
  const isKnown = windowEnds[to - 1] === 1 && hidden[from + shownFirst] === 1;
  hidden.fill(1, from + shownFirst, to - shownLast);
  windowEnds[to - 1] = 1;
  return isKnown ? 0 : 1;
}

/** Telephone numbers, IBANs, article numbers, hashes. */
function isElse(within: Within, from: number, to: number): boolean {
  const start = run.starts[0] ?? 0;
  if (from === 0 && to - from <= 15 && followsPlus(within, start)) return true;
  if (isIban(within, start, run)) return true;
  if (isArticleNumber(run.digits, from, to - from) && !crossesGap(from, to) && !hasCardWord(within, start)) return true;
  return isInHash(within, run.starts[from] ?? 0, run.ends[to - 1] ?? 0);
}

interface Grouping {
  readonly count: number;
  readonly first: number;
  readonly smallest: number;
  readonly largest: number;
  readonly last: number;
  /** all groups have the first one's size, the last may be shorter */
  readonly isEven: boolean;
  /** all gaps are written alike */
  readonly uniform: boolean;
  /** some gap has several separators */
  readonly loose: boolean;
  readonly gap: number;
}

function groupingOf(from: number, to: number): Grouping {
  let [count, size, first, smallest, largest] = [1, 1, 0, maxPan, 0];
  let gap = -1;
  let [isEven, uniform, loose] = [true, true, false];
  for (let index = from + 1; index < to; index++) {
    if (run.groupStart[index] !== 1) {
      size++;
      continue;
    }
    if (count === 1) first = size;
    if (size !== first) isEven = false;
    smallest = Math.min(smallest, size);
    largest = Math.max(largest, size);
    const kind = run.gap[index] ?? 0;
    if (gap >= 0 && kind !== gap) uniform = false;
    if (kind > 255) loose = true;
    gap = kind;
    count++;
    size = 1;
  }
  if (count === 1) first = size;
  isEven &&= size <= first;
  return { count, first, smallest: Math.min(smallest, size), largest: Math.max(largest, size), last: size, isEven, uniform, loose, gap };
}

function isPlausible(from: number, to: number): boolean {
  const groups = groupingOf(from, to);
  const length = to - from;
  const issued = isIssued(run.digits, from, length);
  if (groups.count === 1) return issued && !isFraction(from);
  if (isCardGrouping(groups, from, length)) return issued || (!groups.loose && from === 0 && run.count - to <= 8);
  return issued && isRegular(groups, length);
}

/** 4-4-4-4, or the 4-6-5 of numbers that begin with 3. */
function isCardGrouping(groups: Grouping, from: number, length: number): boolean {
  if (length === 16 && groups.count === 4 && groups.smallest === 4 && groups.largest === 4) return true;
  return length === 15 && groups.count === 3 && groups.first === 4 && groups.last === 5 && run.digits[from] === 3;
}

/** Other groupings: one kind of gap, and neither a decimal number nor single digits mixed with longer groups. */
function isRegular(groups: Grouping, length: number): boolean {
  if (!groups.uniform || (groups.gap === 0x2e && groups.count < 3)) return false;
  // 49 151 2345 6789 is a telephone number
  if (length === minPan && groups.first < 4 && groups.largest > 1) return false;
  return groups.isEven || (groups.count <= 4 && groups.smallest >= 2);
}

/** `0.4012888888881881`: the digits after a decimal point. */
function isFraction(from: number): boolean {
  let group = from;
  while (group > 0 && run.groupStart[group] !== 1) group--;
  return group > 0 && run.gap[group] === 0x2e;
}

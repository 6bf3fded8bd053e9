import type { ValueType } from '../contract/shape.ts';
import { detect, nextPossible } from './detector.ts';
import { mayHoldPan } from './digit-run.ts';
import { LabelSearch, mayHoldLabel, never } from './label-prefilter.ts';
import { maskJsonKeys, maskTextLabels } from './labels.ts';
import { fillStars, hideJson, isHexForm } from './replace.ts';

/** Counts masked values by rule. */
export type Count = (rule: string, count: number) => void;

const quote = 0x22;

/** Detector and labels over one value, in place. Depends on nothing outside the value. */
export function scanValue(bytes: Uint8Array, value: { start: number; end: number; type: ValueType }, count: Count): void {
  const { start, end, type } = value;
  if (type === 'bytes' && isHexForm(bytes, start, end)) {
    scanHex(bytes, start, end, count);
    return;
  }
  if (type === 'number') {
    scanDigits(bytes, value, count);
    return;
  }
  if (hasQuote(bytes, start, end)) {
    maskJsonKeys(bytes, start, end, (tag) => {
      count(`label:${tag}`, 1);
    });
  }
  scanDigits(bytes, value, count);
  if (mayHoldLabel(bytes, start, end)) {
    maskTextLabels(bytes, start, end, () => {
      count('label:sad', 1);
    });
  }
}

/** The quick look at many values at once: false only when `scanValue` would change none of them. `bytes` and `json` columns need no look. */
export function mayNeedScan(bytes: Uint8Array, start: number, end: number): boolean {
  return hasQuote(bytes, start, end) || mayHoldPan(bytes, start, end) || mayHoldLabel(bytes, start, end);
}

/** Where in a chunk of many values something may have to be masked. Asked with growing positions: linear, nothing allocated per value. */
export class Hits {
  /** before this byte no value that is not yet asked for needs a scan */
  next = 0;
  readonly #labels = new LabelSearch();
  #bytes: Uint8Array = new Uint8Array(0);
  #digits = 0;
  #quote = 0;
  #label = 0;

  /** False when no value needs a scan. */
  reset(bytes: Uint8Array): boolean {
    this.#bytes = bytes;
    this.#labels.reset(bytes, 0, bytes.length);
    this.#digits = orNever(nextPossible(bytes, 0, bytes.length));
    this.#quote = orNever(bytes.indexOf(quote));
    this.#label = this.#labels.next(0);
    this.#forward();
    return this.next < bytes.length;
  }

  /** True when the value that ends at `end` may need a scan. Values must be asked for in order. */
  isIn(end: number): boolean {
    if (this.next >= end) return false;
    const { length } = this.#bytes;
    if (this.#digits < end) this.#digits = orNever(nextPossible(this.#bytes, end, length));
    if (this.#quote < end) this.#quote = orNever(this.#bytes.indexOf(quote, end));
    if (this.#label < end) this.#label = this.#labels.next(end);
    this.#forward();
    return true;
  }

  #forward(): void {
    const first = this.#digits < this.#quote ? this.#digits : this.#quote;
    this.next = first < this.#label ? first : this.#label;
  }
}

function orNever(at: number): number {
  return at < 0 ? never : at;
}

const nativeBytes = 256;

function hasQuote(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start >= nativeBytes) {
    const at = (end === bytes.length ? bytes : bytes.subarray(0, end)).indexOf(quote, start);
    return at >= 0;
  }
  for (let at = start; at < end; at++) if (bytes[at] === quote) return true;
  return false;
}

function scanDigits(bytes: Uint8Array, { start, end, type }: { start: number; end: number; type: ValueType }, count: Count): void {
  const isJson = type === 'json' || (type === 'text' && (bytes[start] === 0x7b || bytes[start] === 0x5b));
  if (!mayHoldPan(bytes, start, end)) return;
  const { pans, tracks, codes } = detect(bytes, start, end, (from, to) => {
    if (type === 'number') bytes.fill(zero, from, to);
    else if (!isJson || !isBareNumber(bytes, from, start)) fillStars(bytes, from, to);
    // a number in JSON must not begin with zero: one hidden from its first digit on becomes a string
    else if (from > start && isDigit(bytes[from - 1] ?? 0)) bytes.fill(zero, from, to);
    else hideJson(bytes, from, to);
  });
  if (pans > 0) count('detector:pan', pans);
  if (tracks > 0) count('detector:track', tracks);
  if (codes > 0) count('detector:code', codes);
}

const zero = 0x30;
const maxNumber = 40;

/** In JSON and arrays: no quote between the number and the `:`, `,`, `[` or `{` before it. Zeros are valid everywhere, so doubt counts as bare. */
function isBareNumber(bytes: Uint8Array, at: number, start: number): boolean {
  const floor = Math.max(start, at - maxNumber);
  let index = at - 1;
  while (index >= floor && isNumberOrSpace(bytes[index] ?? 0)) index--;
  if (index < floor) return true;
  const before = bytes[index] ?? 0;
  return before === 0x3a || before === 0x2c || before === 0x5b || before === 0x7b;
}

function isNumberOrSpace(byte: number): boolean {
  return isDigit(byte) || byte === 0x2d || byte === 0x2e || byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** bytea output `\x34313131…`: what its bytes say as text is searched; a hit hides the whole value. So do packed digits. */
function scanHex(bytes: Uint8Array, start: number, end: number, count: Count): void {
  let found = 0;
  const note: Count = (rule, times) => {
    found += times;
    count(rule, times);
  };
  const decoded = Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset + start + 2, end - start - 2).toString('latin1'), 'hex');
  if (mayNeedScan(decoded, 0, decoded.length)) scanValue(decoded, { start: 0, end: decoded.length, type: 'text' }, note);
  const packed = detect(bytes, start + 2, end, () => undefined).pans;
  if (packed > 0) note('detector:pan', packed);
  if (found > 0) bytes.fill(zero, start + 2, end);
}

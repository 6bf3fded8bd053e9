import { detect } from './detector.ts';

const minPan = 13;
const maxPan = 19;
/** fewer digits than this before an exponent are a measure, not a number of a card */
const minMantissa = 10;
const shownFirst = 6;
const shownLast = 4;
/** where a card number is cut when it is written with a point */
const borders = new Set([4, 6, 8, 12]);

/** The number without the digits of a card number that must not be seen, as valid JSON of the same length; null when it holds none. */
export function maskNumber(text: string): string | null {
  if (text.length < minMantissa) return null;
  for (const { first, count, length } of candidates(text)) {
    const digits = digitsOf(text)
      .slice(first, first + count)
      .padEnd(length, '0');
    if (isPan(digits)) return hideDigits(text, first + shownFirst, first + length - shownLast);
  }
  return null;
}

/** The middle of a number under a key for card numbers; 0 when it is none of 13–19 digits. */
export function truncateNumber(text: string): string {
  const [whole = ''] = text.split(/[.eE]/);
  const digits = whole.replace('-', '');
  const length = digits.length;
  const masked = maskNumber(text);
  if (masked !== null) return masked;
  return length >= minPan && length <= maxPan && !/[eE]/.test(text) ? hideFraction(hideDigits(text, shownFirst, length - shownLast)) : '0';
}

function hideFraction(text: string): string {
  const point = text.indexOf('.');
  return point < 0 ? text : text.slice(0, point) + text.slice(point).replaceAll(/\d/g, '0');
}

export function digitsOf(text: string): string {
  const end = text.search(/[eE]/);
  return (end < 0 ? text : text.slice(0, end)).replaceAll(/[-.]/g, '');
}

/** `length` digits from `first` on, of which `count` are written and the others are zeros. */
interface Candidate {
  readonly first: number;
  readonly count: number;
  readonly length: number;
}

function candidates(text: string): Candidate[] {
  const match = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text);
  if (match === null) return [];
  const [, whole = '', fraction = '', exponent] = match;
  const all = whole.length + fraction.length;
  const zeros = /^0*/.exec(whole + fraction)?.[0].length ?? 0;
  const found: Candidate[] = [];
  const add = (written: number, digits = written): void => {
    const length = digits - zeros;
    if (length >= minPan && length <= maxPan && written <= digits) found.push({ first: zeros, count: written - zeros, length });
  };
  add(whole.length);
  if (exponent !== undefined) {
    if (all >= minMantissa) add(Math.min(all, whole.length + Number(exponent)), whole.length + Number(exponent));
    add(all);
  } else if (borders.has(whole.length)) add(all);
  return found;
}

function isPan(digits: string): boolean {
  const bytes = Buffer.from(digits);
  return detect(bytes, 0, bytes.length, () => undefined).pans > 0;
}

/** Zeros for the digits `[from, to)`, counted without point and sign. */
function hideDigits(text: string, from: number, to: number): string {
  let seen = 0;
  let masked = '';
  for (const each of text.split(/(?=[eE])/)[0] ?? '') {
    const isDigit = each >= '0' && each <= '9';
    masked += isDigit && seen >= from && seen < to ? '0' : each;
    if (isDigit) seen++;
  }
  return masked + text.slice(masked.length);
}

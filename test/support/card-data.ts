import { createHash } from 'node:crypto';

const brands: readonly (readonly [prefix: string, length: number])[] = [
  ['4', 16],
  ['51', 16],
  ['55', 16],
  ['2221', 16],
  ['34', 15],
  ['37', 15],
  ['6011', 16],
  ['3530', 16],
  ['6212', 16],
  ['4', 19],
];

/** Card numbers that no table of test numbers holds: issued prefixes, right check digits, the same for one seed. */
export function seededPans(count: number, seed: string): string[] {
  const pans = new Set<string>();
  for (let number = 0; pans.size < count; number++) {
    const [prefix, length] = brands[number % brands.length] ?? ['4', 16];
    const digits = Array.from(
      createHash('sha512')
        .update(`${seed} ${String(number)}`)
        .digest(),
      (byte) => String(byte % 10),
    ).join('');
    const body = (prefix + digits).slice(0, length - 1);
    pans.add(body + checkDigit(body));
  }
  return [...pans];
}

/** Luhn */
export function checkDigit(body: string): string {
  const sum = body
    .split('')
    .reverse()
    .reduce((total, digit, at) => {
      const doubled = at % 2 === 0 ? Number(digit) * 2 : Number(digit);
      return total + (doubled > 9 ? doubled - 9 : doubled);
    }, 0);
  return String((10 - (sum % 10)) % 10);
}

/** A verification value too long to be found by chance: letters only, so that the detector cannot know it by itself. */
export function canary(number: number, seed: string): string {
  return `cvv${Array.from(
    createHash('sha256')
      .update(`${seed} ${String(number)}`)
      .digest()
      .subarray(0, 20),
    (byte) => String.fromCharCode(97 + (byte % 26)),
  ).join('')}`;
}

/** All card numbers that begin with `first` and end with `last`, of that length. */
export function* candidates(first: string, last: string, length: number): Generator<string> {
  const hidden = length - first.length - last.length;
  for (let middle = 0; middle < 10 ** hidden; middle++) {
    const pan = first + String(middle).padStart(hidden, '0') + last;
    if (checkDigit(pan.slice(0, -1)) === last.at(-1)) yield pan;
  }
}

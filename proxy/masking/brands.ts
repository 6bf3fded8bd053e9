/** First digit of every number this file can accept, as a bit set: 2, 3, 4, 5, 6. */
const firstDigits = 0b111_1100;

/** Cheap refusal before anything else is computed. */
export function mayBegin(digit: number): boolean {
  return ((firstDigits >> digit) & 1) === 1;
}

/**
 * Issuer identification ranges with the lengths each brand issues (ISO/IEC 7812-1). `digits` are values 0–9; the window is
 * `count` digits from `from`.
 */
export function isIssued(digits: Uint8Array, from: number, count: number): boolean {
  const two = at(digits, from) * 10 + at(digits, from + 1);
  const four = two * 100 + at(digits, from + 2) * 10 + at(digits, from + 3);
  if (digits[from] === 4) return count === 16 || count === 13 || count === 19; // Visa
  if (count === 15) return two === 34 || two === 37; // American Express
  if (count === 14) return isDiners(two, four);
  if (count < 16 || count > 19) return false;
  return isLongBrand(two, four) || (count === 16 && (isMastercard(two, four) || isDiners(two, four)));
}

function isMastercard(two: number, four: number): boolean {
  return (two >= 51 && two <= 55) || (four >= 2221 && four <= 2720);
}

function isDiners(two: number, four: number): boolean {
  return two === 36 || two === 38 || two === 39 || (four >= 3000 && four <= 3059) || four === 3095;
}

/** JCB, Discover, UnionPay: 16 to 19 digits. */
function isLongBrand(two: number, four: number): boolean {
  return (four >= 3528 && four <= 3589) || four === 6011 || two === 65 || two === 62 || (four >= 6440 && four <= 6499);
}

/** ISO/IEC 7812-1 annex B; all-equal digits are refused though they can pass. */
export function isLuhnValid(digits: Uint8Array, from: number, count: number): boolean {
  let sum = 0;
  let differs = false;
  const first = digits[from];
  for (let index = from + count - 1, double = false; index >= from; index--, double = !double) {
    const digit = at(digits, index);
    if (digit !== first) differs = true;
    const doubled = digit * 2;
    sum += double ? (doubled > 9 ? doubled - 9 : doubled) : digit;
  }
  return differs && sum % 10 === 0;
}

/** GS1 check digit: products, not cards. The 13-digit cards that share it are an extinct form. */
export function isArticleNumber(digits: Uint8Array, from: number, count: number): boolean {
  if (count !== 13) return false;
  let sum = 0;
  for (let index = 0; index < 13; index++) sum += at(digits, from + index) * (index % 2 === 0 ? 1 : 3);
  return sum % 10 === 0;
}

function at(digits: Uint8Array, index: number): number {
  return digits[index] ?? 0;
}

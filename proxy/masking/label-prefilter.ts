/** bit 0: a letter of `cv?`; bits 1–5: first letter of a pair that stands three apart in `security` */
const first = new Uint8Array(256);
/** bits 1–5: second letter of such a pair */
const second = new Uint8Array(256);

for (const letter of 'cvnCVN') first[letter.charCodeAt(0)] = 1;
for (const [index, pair] of ['su', 'er', 'ci', 'ut', 'ry'].entries()) {
  for (const [letters, table] of [
    [pair.charAt(0), first],
    [pair.charAt(1), second],
  ] as const) {
    for (const letter of [letters, letters.toUpperCase()]) table[letter.charCodeAt(0)] = (table[letter.charCodeAt(0)] ?? 0) | (2 << index);
  }
}

const nativeBytes = 512;
/** a native search costs as much as some hundred bytes of the loop */
const maxLookups = 16;

/**
 * True when the bytes may hold a label of `maskTextLabels`: `cvv`, `cvc`, `cvn` or `security`, in any case. Long inputs are searched for
 * their rarest letters natively first; hexadecimal and numbers never get further.
 */
export function mayHoldLabel(bytes: Uint8Array, start: number, end: number): boolean {
  const from = end - start < nativeBytes ? start : Math.min(lettersFrom(bytes, start, end, 0x76), lettersFrom(bytes, start, end, 0x79));
  return from < end && hasLabel(bytes, Math.max(start, from - security), end);
}

const security = 8;

/** Where the letter, in either case, begins to need a closer look; `end` when it never does. */
function lettersFrom(bytes: Uint8Array, start: number, end: number, letter: number): number {
  return Math.min(nextLabelLetter(bytes, start, end, letter), nextLabelLetter(bytes, start, end, letter & 0xdf));
}

function nextLabelLetter(bytes: Uint8Array, start: number, end: number, letter: number): number {
  const before = (letter | 0x20) === 0x76 ? 0x63 : 0x74;
  let at = bytes.indexOf(letter, start);
  for (let lookups = 0; at >= 0 && at < end; lookups++) {
    // `cv`, `ty`
    if (lookups === maxLookups || (at > start && ((bytes[at - 1] ?? 0) | 0x20) === before)) return at;
    at = bytes.indexOf(letter, at + 1);
  }
  return end;
}

/** Every third byte: one of `cv?` is among them, and two of `security` that stand three apart. */
function hasLabel(bytes: Uint8Array, start: number, end: number): boolean {
  let pairs = 0;
  for (let at = start + 2; at < end; at += 3) {
    const byte = bytes[at] ?? 0;
    const kind = first[byte] ?? 0;
    if ((pairs & (second[byte] ?? 0)) !== 0 && isSecurity(bytes, Math.max(start, at - 7), end)) return true;
    if ((kind & 1) === 1 && isCardCode(bytes, Math.max(start, at - 2), at, end)) return true;
    pairs = kind & 0xfe;
  }
  // the last bytes that no sample reached
  return isCardCode(bytes, Math.max(start, end - 4), end - 1, end);
}

function isCardCode(bytes: Uint8Array, from: number, to: number, end: number): boolean {
  for (let at = from; at <= to && at + 3 <= end; at++) {
    if (((bytes[at] ?? 0) | 0x20) !== 0x63 || ((bytes[at + 1] ?? 0) | 0x20) !== 0x76) continue;
    const third = (bytes[at + 2] ?? 0) | 0x20;
    if (third === 0x76 || third === 0x63 || third === 0x6e) return true;
  }
  return false;
}

const word = Buffer.from('security');

function isSecurity(bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at <= from + 7 && at + word.length <= end; at++) {
    let same = 0;
    while (same < word.length && ((bytes[at + same] ?? 0) | 0x20) === word[same]) same++;
    if (same === word.length) return true;
  }
  return false;
}

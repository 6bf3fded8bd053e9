import { concealerOf } from './json-conceal.ts';
import { isBase64Byte, isLongToken, mayBeEncoded } from './json-encoded.ts';
import { mayHoldPan } from './digit-run.ts';

/** classes of bytes of a JSON text */
const nothing = 0;
const letter = 1;
const digit = 2;
/** between the parts of a name */
const joint = 3;
const escape = 4;
const opening = 5;
/** of characters that are digits, separators or not seen */
const strange = 6;
const loose = 7;

const classes = new Uint8Array(256);
for (let byte = 0x41; byte <= 0x5a; byte++) classes[byte] = classes[byte | 0x20] = letter;
for (let byte = 0x30; byte <= 0x39; byte++) classes[byte] = digit;
for (const byte of [0x20, 0x2d, 0x2e, 0x5f]) classes[byte] = joint;
classes[0x5c] = escape;
for (const byte of [0x25, 0x26, 0x3c, 0x1b]) classes[byte] = opening;
// Latin, Greek and Cyrillic letters are what they look like
classes.fill(strange, 0xcc, 0x100);
for (const byte of [0xc2, 0xc5, 0xcb, 0x7f]) classes[byte] = strange;
classes.fill(nothing, 0xce, 0xd2);
for (const byte of [0x22, 0x2b, 0x2c, 0x0a, 0x0d, 0x09]) classes[byte] = loose;

/** 1: at once; 2: where the word ends, or goes on as one of ours does; 3: before `_` */
const syllables = new Uint8Array(1 << 15);
for (const each of 'cvv cvc cvn cvd cav csc tyc rdc rif ruf uef ogr amm ccn tca dno dnu dnr rya enn tka oca arj gst cst lob mim mag aud'.split(' ')) {
  syllables[syllable(each)] = 1;
}
for (const each of ['cid', 'pin', 'pan', 'ack']) syllables[syllable(each)] = 2;
// of `postern_`: our own tokens
syllables[syllable('ern')] = 3;

function syllable(text: string): number {
  let value = 0;
  for (const each of text) value = ((value << 5) | (each.charCodeAt(0) & 0x1f)) & 0x7fff;
  return value;
}

const looseDigits = 13;
const minMantissa = 10;

/**
 * The quick look at a JSON text: false only when `maskJson` would change nothing, so that small clean messages need no walk. Says true to much that is
 * clean: escapes, long tokens that could be base64, words that could be names of card data. Nothing is allocated.
 */
export function mayNeedJsonMask(bytes: Uint8Array, conceal: readonly string[] = []): boolean {
  if (mayHoldPan(bytes, 0, bytes.length)) return true;
  if (conceal.length > 0 && concealerOf(conceal).mayHold(bytes)) return true;
  return look.isHit(bytes);
}

/** `data:` holds base64 that may be dropped whatever it says. */
function isDataUri(bytes: Uint8Array, at: number): boolean {
  return at >= 4 && ((bytes[at - 1] ?? 0) | 0x20) === 0x61 && ((bytes[at - 4] ?? 0) | 0x20) === 0x64;
}

class Look {
  #letters = 0;
  #length = 0;
  #digits = 0;
  #mantissa = 0;
  #token = 0;
  /** the kind of the syllable just read */
  #open = 0;

  isHit(bytes: Uint8Array): boolean {
    this.#letters = this.#length = this.#digits = this.#mantissa = this.#token = this.#open = 0;
    for (let at = 0; at < bytes.length; at++) {
      const kind = classes[bytes[at] ?? 0] ?? nothing;
      at = kind === letter ? this.#word(bytes, at) : this.#mark(bytes, at, kind);
      if (at < 0) return true;
    }
    return this.#open === 2 || this.#endsToken(bytes, bytes.length);
  }

  #endsToken(bytes: Uint8Array, at: number): boolean {
    return isLongToken(this.#token, at) && mayBeEncoded(bytes, this.#token, at);
  }

  /** The letters from here on; gives the last of them, -1 for a hit. */
  #word(bytes: Uint8Array, from: number): number {
    if (((bytes[from] ?? 0) | 0x20) === 0x65 && this.#mantissa >= minMantissa) return -1;
    this.#digits = 0;
    this.#mantissa = 0;
    let at = from;
    for (; classes[bytes[at] ?? 0] === letter; at++) {
      const byte = bytes[at] ?? 0;
      if (this.#open === 2 && goesOn(byte | 0x20)) return -1;
      this.#letters = ((this.#letters << 5) | (byte & 0x1f)) & 0x7fff;
      this.#open = ++this.#length < 3 ? 0 : (syllables[this.#letters] ?? 0);
      if (this.#open === 1) return -1;
    }
    return at - 1;
  }

  /** Anything else; gives the last byte of it, -1 for a hit. */
  #mark(bytes: Uint8Array, at: number, kind: number): number {
    const byte = bytes[at] ?? 0;
    if (!isBase64Byte(byte)) {
      if (this.#endsToken(bytes, at) || (byte === 0x3a && isDataUri(bytes, at))) return -1;
      this.#token = at + 1;
    }
    if (this.#other(kind, byte)) return -1;
    if (kind !== escape) return at;
    if (!isPlainEscape(bytes[at + 1] ?? 0)) return -1;
    this.#token = at + 2;
    return at + 1;
  }

  #other(kind: number, byte: number): boolean {
    if (kind === opening || kind === strange) return true;
    // the word ends here, or a part of it does
    if (this.#open === 2 || (this.#open === 3 && byte === 0x5f)) return true;
    this.#open = 0;
    if (kind === digit) {
      this.#mantissa++;
      return ++this.#digits >= looseDigits;
    }
    if (byte !== 0x2e) this.#mantissa = 0;
    if (kind === joint) return false;
    this.#length = 0;
    if (kind !== loose) this.#digits = 0;
    return false;
  }
}
const look = new Look();

/** `pan_no`, `pinblock`, `pincode`, `trackdata` */
function goesOn(lower: number): boolean {
  return lower === 0x62 || lower === 0x63 || lower === 0x64 || lower === 0x6e;
}

/** Line ends and tabs: they are no part of a number, a name or a token. */
function isPlainEscape(byte: number): boolean {
  return byte === 0x6e || byte === 0x72 || byte === 0x74;
}

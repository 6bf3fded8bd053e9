/** Texts in base64, base64url and hexadecimal inside of other text. */

const minToken = 16;
const minHex = 24;
const none = 255;

/** values of both alphabets of RFC 4648 */
const sextets = new Uint8Array(256).fill(none);
for (const [value, letter] of Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/').entries()) sextets[letter.charCodeAt(0)] = value;
sextets[0x2d] = 62;
sextets[0x5f] = 63;

const nibbles = new Uint8Array(256).fill(none);
for (const [value, letter] of Array.from('0123456789abcdef').entries()) {
  nibbles[letter.charCodeAt(0)] = value;
  nibbles[letter.toUpperCase().charCodeAt(0)] = value;
}

export function isBase64Byte(byte: number): boolean {
  return sextets[byte] !== none;
}

/** Shorter tokens hold no 12 bytes. */
export function isLongToken(start: number, end: number): boolean {
  return end - start >= minToken;
}

/**
 * True when the token, a part of it between `/`, `+`, `-` and `_`, or its hexadecimal says something: its bytes could be text, or hold three digits in
 * a row. Nothing is allocated.
 */
export function mayBeEncoded(bytes: Uint8Array, start: number, end: number): boolean {
  if (says(bytes, start, end)) return true;
  let from = start;
  for (let at = start; at <= end; at++) {
    if (at < end && (sextets[bytes[at] ?? 0] ?? none) < 62) continue;
    if (from !== start || at !== end) if (isLongToken(from, at) && says(bytes, from, at)) return true;
    from = at + 1;
  }
  return false;
}

function says(bytes: Uint8Array, start: number, end: number): boolean {
  plausible.reset();
  for (let at = start, held = 0, bits = 0; at < end; at++) {
    held = ((held << 6) | (sextets[bytes[at] ?? 0] ?? 0)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    if (!plausible.take((held >> bits) & 0xff)) break;
  }
  return plausible.isWorth() || saysHex(bytes, hexStart(bytes, start), end);
}

/** Behind `0x` and `x`. */
function hexStart(bytes: Uint8Array, start: number): number {
  if (((bytes[start] ?? 0) | 0x20) === 0x78) return start + 1;
  return ((bytes[start + 1] ?? 0) | 0x20) === 0x78 ? start + 2 : start;
}

function saysHex(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < minHex || (end - start) % 2 !== 0) return false;
  plausible.reset();
  for (let at = start; at < end; at += 2) {
    const [high, low] = [nibbles[bytes[at] ?? 0] ?? none, nibbles[bytes[at + 1] ?? 0] ?? none];
    if (high === none || low === none) return false;
    plausible.take(high * 16 + low);
  }
  return plausible.isWorth();
}

/** ASCII of texts, the colours of terminals included. */
function isPrintable(byte: number): boolean {
  return byte >= 0x20 ? byte !== 0x7f : byte === 0x09 || byte === 0x0a || byte === 0x0d || byte === 0x1b;
}

/** Whether bytes could be UTF-8 text (maybe cut at either end), and whether three digits stand in a row; NULs between them are passed over. */
class Plausible {
  #isText = true;
  #digits = 0;
  #hasDigits = false;
  #open = 0;
  #count = 0;

  reset(): void {
    this.#isText = true;
    this.#digits = 0;
    this.#hasDigits = false;
    this.#open = 0;
    this.#count = 0;
  }

  /** False once nothing can change any more. */
  take(byte: number): boolean {
    if (byte >= 0x30 && byte <= 0x39) {
      if (++this.#digits >= 3) this.#hasDigits = true;
    } else if (byte !== 0) this.#digits = 0;
    if (this.#isText) this.#isText = this.#goesOn(byte);
    this.#count++;
    return !this.#hasDigits;
  }

  isWorth(): boolean {
    return this.#isText || this.#hasDigits;
  }

  #goesOn(byte: number): boolean {
    if (byte >= 0x80 && byte < 0xc0) {
      if (this.#open === 0) return this.#count < 3;
      this.#open--;
      return true;
    }
    if (this.#open > 0) return false;
    if (byte < 0x80) return isPrintable(byte);
    this.#open = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    return byte >= 0xc2 && byte <= 0xf4;
  }
}
const plausible = new Plausible();

/** Masks what a token says; equal when there is nothing to hide. */
export type MaskBytes = (decoded: Buffer) => Buffer;

const wrapped = /^([A-Za-z0-9+/]{16,})\r?\n[A-Za-z0-9+/\r\n]+[=\r\n]*$/;

/** Each token decoded, masked and written again in the same alphabet and with the same padding. */
export function maskEncoded(text: string, mask: MaskBytes): string {
  if (text.length < minToken) return text;
  const whole = maskWrapped(text, mask);
  if (whole !== text) return whole;
  let masked = '';
  let done = 0;
  // of ASCII the bytes are looked at, which is much cheaper; tokens are ASCII in any text, and stand at the same places in its low bytes
  let bytes = Buffer.from(text);
  const isAscii = bytes.length === text.length;
  if (!isAscii) bytes = Buffer.from(text, 'latin1');
  for (let from = 0, at = 0; at <= text.length; at++) {
    if (isBase64Unit(isAscii ? (bytes[at] ?? 0) : text.charCodeAt(at))) continue;
    if (isLongToken(from, at) && mayBeEncoded(bytes, from, at)) {
      const given = text.slice(from, paddingEnd(text, at));
      const now = maskToken(given, mask);
      if (now !== given) {
        masked += text.slice(done, from) + now;
        done = from + given.length;
      }
    }
    from = at + 1;
  }
  return done === 0 ? text : masked + text.slice(done);
}

function paddingEnd(text: string, at: number): number {
  if (text.charAt(at) !== '=') return at;
  return text.charAt(at + 1) === '=' ? at + 2 : at + 1;
}

/** False behind the end, too. */
function isBase64Unit(code: number): boolean {
  return code < 256 && sextets[code] !== none;
}

/** Base64 in lines, as in mails and PEM. */
function maskWrapped(text: string, mask: MaskBytes): string {
  const first = text.includes('\n') ? Buffer.from(wrapped.exec(text)?.[1] ?? '') : null;
  if (first === null || !isLongToken(0, first.length) || !says(first, 0, first.length)) return text;
  const joined = text.replaceAll(/[\r\n]+/g, '');
  const masked = maskToken(joined, mask);
  if (masked === joined || masked.length !== joined.length) return masked === joined ? text : masked;
  let at = 0;
  return text.replaceAll(/[^\r\n]/g, () => masked.charAt(at++));
}

function maskToken(text: string, mask: MaskBytes): string {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const body = text.slice(0, text.length - padding);
  const bytes = Buffer.from(body, 'latin1');
  if (!mayBeEncoded(bytes, 0, bytes.length)) return text;
  const masked = maskBase64(body, bytes, mask) ?? maskHex(body, bytes, mask);
  if (masked !== null) return masked + '='.repeat(padding);
  const parts = body.replaceAll(/[A-Za-z0-9]{16,}/g, (part) => {
    if (part.length === body.length) return part;
    const partBytes = Buffer.from(part, 'latin1');
    return maskBase64(part, partBytes, mask) ?? maskHex(part, partBytes, mask) ?? part;
  });
  return parts + '='.repeat(padding);
}

function maskBase64(body: string, bytes: Buffer, mask: MaskBytes): string | null {
  if (!says(bytes, 0, bytes.length)) return null;
  const decoded = Buffer.from(body, 'base64');
  const masked = mask(Buffer.from(decoded));
  if (masked.equals(decoded)) return null;
  const standard = masked.toString('base64').replaceAll('=', '');
  const again = /[-_]/.test(body) ? standard.replaceAll('+', '-').replaceAll('/', '_') : standard;
  // a last character that stood for no byte
  return again.length < body.length && masked.length === decoded.length ? again + body.slice(again.length) : again;
}

function maskHex(body: string, bytes: Buffer, mask: MaskBytes): string | null {
  const start = hexStart(bytes, 0);
  if (!saysHex(bytes, start, bytes.length)) return null;
  const decoded = Buffer.from(body.slice(start), 'hex');
  const masked = mask(Buffer.from(decoded));
  if (masked.equals(decoded)) return null;
  const hex = masked.toString('hex');
  return body.slice(0, start) + (/[A-F]/.test(body) ? hex.toUpperCase() : hex);
}

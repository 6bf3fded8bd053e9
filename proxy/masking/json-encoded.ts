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
  return saysBase64(bytes, start, end) || saysHex(bytes, hexStart(bytes, start), end);
}

function saysBase64(bytes: Uint8Array, start: number, end: number): boolean {
  let state = 0;
  let digits = 0;
  let count = 0;
  for (let at = start, held = 0, bits = 0; at < end; at++) {
    held = ((held << 6) | (sextets[bytes[at] ?? 0] ?? 0)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    const kind = kinds[(held >> bits) & 0xff] ?? control;
    if (kind === digit) {
      if (++digits === leastDigits) return true;
    } else if (kind !== nul) digits = 0;
    state = moves[moveAt(state, kind, count++)] ?? dead;
  }
  return state !== dead;
}

/** Behind `0x` and `x`. */
function hexStart(bytes: Uint8Array, start: number): number {
  if (((bytes[start] ?? 0) | 0x20) === 0x78) return start + 1;
  return ((bytes[start + 1] ?? 0) | 0x20) === 0x78 ? start + 2 : start;
}

function saysHex(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < minHex || (end - start) % 2 !== 0) return false;
  let state = 0;
  let digits = 0;
  let hasDigits = false;
  for (let at = start, count = 0; at < end; at += 2, count++) {
    const byte = hexByte(bytes, at);
    if (byte < 0) return false;
    const kind = kinds[byte] ?? control;
    if (kind === digit) hasDigits ||= ++digits === leastDigits;
    else if (kind !== nul) digits = 0;
    state = moves[moveAt(state, kind, count)] ?? dead;
  }
  return hasDigits || state !== dead;
}

/** -1 when one of the two letters is none. */
function hexByte(bytes: Uint8Array, at: number): number {
  const high = nibbles[bytes[at] ?? 0] ?? none;
  const low = nibbles[bytes[at + 1] ?? 0] ?? none;
  return high === none || low === none ? -1 : high * 16 + low;
}

// Whether bytes could be UTF-8 text (maybe cut at either end), and whether three digits stand in a row; NULs between them are passed over. States: bytes
// that the character still needs, or `dead`: no text.
const leastDigits = 3;
const dead = 4;
/** ASCII of texts, the colours of terminals included */
const printable = 0;
const digit = 1;
const nul = 2;
/** and what is never in UTF-8 */
const control = 3;
const continuation = 4;
/** +1, +2: of characters of three and four bytes */
const lead = 5;
const kinds = new Uint8Array(256).fill(control);
kinds.fill(printable, 0x20, 0x7f);
kinds.fill(digit, 0x30, 0x3a);
for (const byte of [0x09, 0x0a, 0x0d, 0x1b]) kinds[byte] = printable;
kinds[0] = nul;
kinds.fill(continuation, 0x80, 0xc0);
kinds.fill(lead, 0xc2, 0xe0);
kinds.fill(lead + 1, 0xe0, 0xf0);
kinds.fill(lead + 2, 0xf0, 0xf5);

/** the first bytes may be the end of a character */
const maxCut = 3;
const moves = new Uint8Array(128).fill(dead);
for (const count of [0, maxCut]) {
  for (const kind of [printable, digit]) moves[moveAt(0, kind, count)] = 0;
  for (let width = 1; width <= 3; width++) {
    moves[moveAt(0, lead + width - 1, count)] = width;
    moves[moveAt(width, continuation, count)] = width - 1;
  }
}
moves[moveAt(0, continuation, 0)] = 0;

function moveAt(state: number, kind: number, count: number): number {
  return (count < maxCut ? 64 : 0) | (state << 3) | kind;
}

/** Masks what a token says; equal when there is nothing to hide. */
export type MaskBytes = (decoded: Buffer) => Buffer;

const wrapped = /^([A-Za-z0-9+/]{16,})\r?\n[A-Za-z0-9+/\r\n]+[=\r\n]*$/;

/** Each token decoded, masked and written again in the same alphabet and with the same padding. */
export function maskEncoded(text: string, mask: MaskBytes): string {
  if (text.length < minToken) return text;
  const whole = maskWrapped(text, mask);
  if (whole !== text) return whole;
  const bytes = lowBytes(text);
  let masked = '';
  let done = 0;
  // every long token is under one of the probes
  for (let probe = minToken - 1, floor = 0; probe < bytes.length; probe += minToken) {
    if (sextets[bytes[probe] ?? 0] === none) continue;
    const from = tokenStart(bytes, probe, floor);
    const at = tokenEnd(bytes, probe);
    if (isLongToken(from, at) && mayBeEncoded(bytes, from, at)) {
      const given = text.slice(from, paddingEnd(text, at));
      const now = maskToken(given, mask);
      if (now !== given) {
        masked += text.slice(done, from) + now;
        done = from + given.length;
      }
    }
    floor = at + 1;
    probe = at;
  }
  return done === 0 ? text : masked + text.slice(done);
}

/** One byte for each unit; zero for those that are no ASCII, and so in no token. */
function lowBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text);
  if (bytes.length === text.length) return bytes;
  const low = Buffer.from(text, 'latin1');
  for (let at = 0; at < low.length; at++) if (text.charCodeAt(at) > 0x7f) low[at] = 0;
  return low;
}

function tokenStart(bytes: Uint8Array, probe: number, floor: number): number {
  let from = probe;
  while (from > floor && sextets[bytes[from - 1] ?? 0] !== none) from--;
  return from;
}

function tokenEnd(bytes: Uint8Array, probe: number): number {
  let at = probe + 1;
  while (at < bytes.length && sextets[bytes[at] ?? 0] !== none) at++;
  return at;
}

function paddingEnd(text: string, at: number): number {
  if (text.charAt(at) !== '=') return at;
  return text.charAt(at + 1) === '=' ? at + 2 : at + 1;
}

/** Base64 in lines, as in mails and PEM. */
function maskWrapped(text: string, mask: MaskBytes): string {
  const line = text.includes('\n') ? wrapped.exec(text)?.[1] : undefined;
  if (line === undefined) return text;
  const first = Buffer.from(line);
  if (!isLongToken(0, first.length) || !says(first, 0, first.length)) return text;
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

import { stars } from './json-stars.ts';

/** Hides given values (our own credentials) in texts. */
export interface Concealer {
  /** the same length; equal when nothing is found */
  hide(text: string, onFound: (count: number) => void): string;
  /** false only when `hide` would change no text whose UTF-8 is within these bytes and holds no escapes */
  mayHold(bytes: Uint8Array): boolean;
}

const minSecret = 4;
/** from here on other writings are searched for, too: short ones would be found in anything */
const minEncoded = 6;
const minLine = 16;
const maxPiece = 128;
const maxForms = 4096;

const known = new WeakMap<readonly string[], Concealer>();
const none: Concealer = { hide: (text) => text, mayHold: () => false };

/** Made once per list: the list must not be changed afterwards. Values of less than 4 characters are not searched for. */
export function concealerOf(secrets: readonly string[]): Concealer {
  if (secrets.length === 0) return none;
  let made = known.get(secrets);
  if (made === undefined) {
    made = conceal(secrets);
    known.set(secrets, made);
  }
  return made;
}

function conceal(secrets: readonly string[]): Concealer {
  const forms = [...new Set(secrets.flatMap(formsOf))].sort((one, two) => two.length - one.length).slice(0, maxForms);
  if (forms.length === 0) return none;
  const needles = forms.map((form) => Buffer.from(form));
  return {
    mayHold(bytes) {
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      return needles.some((needle) => view.includes(needle));
    },
    hide(text, onFound) {
      let masked = text;
      for (const form of forms) {
        if (!masked.includes(form)) continue;
        onFound(masked.split(form).length - 1);
        masked = masked.replaceAll(form, stars(form));
      }
      return masked;
    },
  };
}

/** Each writing of a secret: itself, as JSON and URI text, hexadecimal, base64 at each offset, reversed, the long lines of a key file, and its parts. */
function formsOf(secret: string): string[] {
  if (secret.length < minSecret) return [];
  const forms = [secret, JSON.stringify(secret).slice(1, -1)];
  if (secret.length < minEncoded) return forms;
  const bytes = Buffer.from(secret);
  forms.push(secret.toLowerCase(), secret.toUpperCase(), Array.from(secret).reverse().join(''));
  forms.push(bytes.toString('hex'), bytes.toString('hex').toUpperCase());
  if (secret.isWellFormed()) {
    const inUri = encodeURIComponent(secret);
    forms.push(
      inUri,
      inUri.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
      inUri.replaceAll('%20', '+'),
    );
  }
  for (let offset = 0; offset < 3; offset++) {
    const standard = insideBase64(bytes, offset);
    forms.push(standard, standard.replaceAll('+', '-').replaceAll('/', '_'));
  }
  const lines = secret.split(/\r?\n/);
  if (lines.length > 1) for (const line of lines) if (line.length >= minLine) forms.push(...formsOf(line));
  // parts of a long secret tell much of it, and a stream sees it in parts
  for (let at = 0; secret.length > maxPiece && at < secret.length; at += maxPiece) {
    const from = Math.min(at, secret.length - maxPiece);
    forms.push(...formsOf(secret.slice(from, from + maxPiece).toWellFormed()));
  }
  return forms.filter((form) => form.length >= minSecret);
}

/** The characters of base64 that tell of `bytes` alone when `offset` bytes stand before them. */
function insideBase64(bytes: Buffer, offset: number): string {
  const whole = Buffer.concat([Buffer.alloc(offset), bytes]);
  const text = whole.toString('base64').replaceAll('=', '');
  const from = offset === 0 ? 0 : offset + 1;
  return text.slice(from, whole.length % 3 === 0 ? text.length : -1);
}

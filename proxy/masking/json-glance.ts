/** What a text shows at a glance: for each way it may say something, a bit that is set unless that way cannot find anything in it. */
export const seen = {
  /** `[` and `{` */
  bracket: 1,
  /** long tokens of base64 and hexadecimal, and our own tokens */
  token: 2,
  /** card numbers, keys in quotes, labels in prose */
  plain: 4,
  /** what stands between a label and its value */
  mark: 8,
  /** `(` */
  list: 16,
  /** line ends */
  lines: 32,
  /** escapes, mark-up, and all that is no ASCII */
  written: 64,
} as const;

const unit = 128;
const digit = 256;
const joint = 512;
/** the second letter of `cvv` and `security` */
const second = 1024;
const shown = 127;

const flags = new Uint16Array(128);
const set = (letters: string, bits: number): void => {
  for (const letter of letters) flags[letter.charCodeAt(0)] = (flags[letter.charCodeAt(0)] ?? 0) | bits;
};
set('[{', seen.bracket);
set('"', seen.plain);
set('=:>"\'`', seen.mark);
set('(', seen.list);
set('\n', seen.lines);
set('\\%&\u001b+<', seen.written);
set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_', unit);
set('0123456789', digit);
set(' -._', joint);
set('vVuU', second);

/** up to here a text is read letter by letter; longer ones are searched natively */
const fewUnits = 160;
const minToken = 16;
const minDigits = 13;
const marks = /[=:>"'`]/;
const escapes = /[\\%&\u001b+<]/;

/** Bits of `seen`: one that is not set means that the masking of that kind would change nothing. */
export function glance(text: string): number {
  return text.length > fewUnits ? glanceLong(text) : glanceShort(text);
}

function glanceShort(text: string): number {
  let bits = 0;
  let token = 0;
  let digits = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // digits of full width, separators of several bytes
    const flag = code < 0x80 ? (flags[code] ?? 0) : seen.written | seen.plain;
    bits |= flag;
    if ((flag & unit) === 0) token = 0;
    else if (++token === minToken) bits |= seen.token | seen.plain;
    if ((flag & digit) !== 0) {
      if (++digits === minDigits) bits |= seen.plain;
    } else if ((flag & joint) === 0) digits = 0;
    if ((flag & second) !== 0 && isInLabel(text, at)) bits |= seen.plain;
  }
  return bits & shown;
}

/** The `v` of `cv`, the `u` of `secu`. */
function isInLabel(text: string, at: number): boolean {
  if ((text.charCodeAt(at - 1) | 0x20) !== 0x63) return false;
  return (text.charCodeAt(at) | 0x20) === 0x76 || text.slice(at - 3, at - 1).toLowerCase() === 'se';
}

function glanceLong(text: string): number {
  const hasBracket = text.includes('[') || text.includes('{');
  const hasEscape = Buffer.byteLength(text) !== text.length || escapes.test(text);
  return (
    seen.token |
    seen.plain |
    (hasBracket ? seen.bracket : 0) |
    (marks.test(text) ? seen.mark : 0) |
    (text.includes('(') ? seen.list : 0) |
    (text.includes('\n') ? seen.lines : 0) |
    (hasEscape ? seen.written : 0)
  );
}

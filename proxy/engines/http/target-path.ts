import { isUtf8 } from 'node:buffer';
import { fail } from '../../contract/errors.ts';

export interface TargetPath {
  /** decoded, as policies see them; a slash at the end adds none */
  readonly segments: readonly string[];
  /** what is forwarded, empty or beginning with `/`: nothing but an encoding of `segments` */
  readonly path: string;
}

/** A query or a form; `value` null: the name stands alone, without `=`. */
export interface Field {
  readonly name: string;
  readonly value: string | null;
}

const maxPathChars = 4_096;
const maxSegments = 128;
const maxFields = 1_000;

/** paths that can be read in one way only, and are written as they were sent */
const plainPath = /^(?:\/[A-Za-z0-9_~-]+)+\/?$/;
/** what RFC 3986 lets stand in a path */
const pathText = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/;
const queryText = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?[\]|^`{}]|%[0-9A-Fa-f]{2})*$/;
const control = /[\u0000-\u001f\u007f-\u009f]/;
/** an escape that a second decoding would turn into a separator, a dot, a control character or an escape */
const secondEscape = /%(?:[01][0-9a-f]|2e|2f|3b|5c|25|7f|u[0-9a-f]{0,4})/i;

/**
 * The path behind the resource, decoded once. Throws ERR_PROTOCOL_VIOLATION for all that two parsers could read differently: encoded
 * separators, dot segments, empty segments, parameters (`;`), backslashes, text that is no UTF-8, escapes inside escapes.
 */
export function targetPath(sent: string): TargetPath {
  if (sent === '') return { segments: [], path: '' };
  if (sent.length > maxPathChars) refuse('it is too long');
  if (!sent.startsWith('/')) refuse('it does not begin with a slash');
  if (!pathText.test(sent)) refuse('it has characters that must be percent-encoded');
  const parts = sent.slice(1).split('/');
  const endsWithSlash = parts.at(-1) === '';
  if (endsWithSlash) parts.pop();
  if (parts.length > maxSegments) refuse('it has too many segments');
  if (plainPath.test(sent)) return { segments: parts, path: sent };
  const segments = parts.map(segmentOf);
  const path = segments.map((segment) => `/${encoded(segment)}`).join('');
  return { segments, path: endsWithSlash ? `${path}/` : path };
}

function segmentOf(part: string): string {
  const segment = decodedOnce(part, 'it');
  if (segment === '') refuse('it has an empty segment');
  if (/^\.{1,2}$/.test(segment)) refuse('it has a dot segment');
  if (/[/\\;]/.test(segment)) refuse('a segment holds a separator or a semicolon');
  if (control.test(segment)) refuse('it has control characters');
  if (secondEscape.test(segment)) refuse('it is encoded twice');
  if (/^\s|[\s.]$/.test(segment)) refuse('a segment begins or ends with a space or ends with a dot');
  const folded = segment.normalize('NFKC');
  if (folded !== segment && (/[/\\;%]|\.\./.test(folded) || /^\.{1,2}$/.test(folded) || control.test(folded))) {
    refuse('it has characters that look like separators');
  }
  return segment;
}

/** Unreserved characters and those that mean nothing inside a segment stay: `+` does not, since some read a space. */
function encoded(segment: string): string {
  return encodeURIComponent(segment).replaceAll(/%(24|26|2C|3A|3D|40)/g, decodeURIComponent);
}

/**
 * The query behind `?` as fields, decoded once as forms are (`+` is a space). Throws ERR_PROTOCOL_VIOLATION for what is no UTF-8,
 * for control characters in names and for NUL anywhere.
 */
export function fieldsOf(sent: string, what: 'query' | 'form' = 'query'): readonly Field[] {
  if (sent === '') return [];
  if (!queryText.test(sent)) refuse('it has characters that must be percent-encoded', what);
  const pieces = sent.split('&').filter((piece) => piece !== '');
  if (pieces.length > maxFields) refuse('it has too many fields', what);
  return pieces.map((piece) => {
    const equals = piece.indexOf('=');
    const name = decodedOnce((equals < 0 ? piece : piece.slice(0, equals)).replaceAll('+', ' '), what);
    const value = equals < 0 ? null : decodedOnce(piece.slice(equals + 1).replaceAll('+', ' '), what);
    if (control.test(name)) refuse('a name has control characters', what);
    if (value?.includes('\0') === true) refuse('a value has a NUL', what);
    return { name, value };
  });
}

/** The only form in which fields are forwarded. */
export function encodedFields(fields: readonly Field[]): string {
  return fields.map(({ name, value }) => (value === null ? encodedField(name) : `${encodedField(name)}=${encodedField(value)}`)).join('&');
}

function encodedField(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decodedOnce(text: string, what: string): string {
  if (!text.includes('%')) return text;
  const bytes = Buffer.from(
    text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  if (!isUtf8(bytes)) refuse('it is not UTF-8', what === 'it' ? 'path' : what);
  return bytes.toString('utf8');
}

function refuse(why: string, what = 'path'): never {
  throw fail('ERR_PROTOCOL_VIOLATION', { message: `The ${what} is refused: ${why}.` });
}

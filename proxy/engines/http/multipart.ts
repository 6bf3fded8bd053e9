import { fail } from '../../contract/errors.ts';
import { headerPairs, mediaType, single, type HeaderList, type MediaType } from '../../wire/web/header-rules.ts';

export interface Part {
  readonly headers: HeaderList;
  readonly media: MediaType;
  /** of a form: the field; null: none is named */
  readonly name: string | null;
  readonly isFile: boolean;
  readonly body: Buffer;
}

const maxParts = 256;
const maxHeaderBytes = 8_192;
const boundaryText = /^[A-Za-z0-9'()+_,./:=?-]{1,70}$/;

/**
 * RFC 2046 section 5.1.1, strictly: no preamble, no text after the end, no transfer encodings, headers we understand. Throws
 * ERR_PROTOCOL_VIOLATION; what is forwarded is written anew by `joined`.
 */
export function partsOf(body: Buffer, boundary: string): readonly Part[] {
  if (!boundaryText.test(boundary)) throw violation('its boundary makes no sense');
  const delimiter = `\r\n--${boundary}`;
  const whole = Buffer.concat([Buffer.from('\r\n'), body]);
  if (whole.indexOf(delimiter) !== 0) throw violation('it does not begin with its boundary');
  const parts: Part[] = [];
  let at = delimiter.length;
  for (;;) {
    const mark = whole.toString('latin1', at, at + 2);
    if (mark === '--') break;
    if (mark !== '\r\n') throw violation('a boundary is followed by something else');
    const end = whole.indexOf(delimiter, at + 2);
    if (end < 0) throw violation('it has no end');
    if (parts.length === maxParts) throw violation('it has too many parts');
    parts.push(partOf(whole.subarray(at, end)));
    at = end + delimiter.length;
  }
  if (!/^(?:\r\n)?$/.test(whole.toString('latin1', at + 2, at + 6))) throw violation('something follows its end');
  return parts;
}

/** The parts as they are forwarded. */
export function joined(parts: readonly Pick<Part, 'headers' | 'body'>[], boundary: string): Buffer {
  const pieces: Buffer[] = [];
  for (const { headers, body } of parts) {
    pieces.push(Buffer.from(headOf(headers, boundary), 'latin1'), body, Buffer.from('\r\n'));
  }
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

/** What stands before the body of a part, in latin1. */
export function headOf(headers: HeaderList, boundary: string): string {
  return `--${boundary}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

/** `bytes` begins with the line break that ends the line of the boundary. */
function partOf(bytes: Buffer): Part {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0 || end > maxHeaderBytes) throw violation('a part has no head');
  const lines = bytes.toString('latin1', 2, Math.max(end, 2)).split('\r\n');
  const raw = lines.filter((line) => line !== '').flatMap(headerOf);
  const headers = headerPairs(raw);
  const transfer = single(headers, 'content-transfer-encoding')?.toLowerCase();
  if (transfer !== undefined && !['7bit', '8bit', 'binary'].includes(transfer)) throw violation('a part has a transfer encoding');
  const names = headers.map(([name]) => name);
  if (new Set(names).size !== names.length) throw violation('a part has a header twice');
  const disposition = single(headers, 'content-disposition') ?? '';
  const name = /;\s*name="((?:[^"\\]|\\.)*)"/i.exec(disposition)?.[1] ?? null;
  return { headers, media: mediaType(single(headers, 'content-type')), name, isFile: /;\s*filename\*?=/i.test(disposition), body: bytes.subarray(end + 4) };
}

function headerOf(line: string): [string, string] {
  const match = /^(content-[a-z-]{1,40}):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/i.exec(line);
  if (match === null) throw violation('a part has a header that is not understood');
  return [match[1] ?? '', (match[2] ?? '').trim()];
}

function violation(why: string): Error {
  return fail('ERR_PROTOCOL_VIOLATION', { message: `The multipart body is refused: ${why}.` });
}

import type { Phase } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';

/**
 * One event as it travels to the audit process and stands in the journal:
 *
 *   uint32 length of the rest | uint48 ticket | uint8 phase, 0x80 when there is a body | uint8 length, id |
 *   uint8 length, session | uint16 length of the header | 0x00 | header
 *
 * The zero byte before the header is the leaf prefix of RFC 6962, so that a leaf is hashed in place. Its body:
 *
 *   uint32 ordinal of the entry | uint32 length of the rest | 16 bytes salt | text
 */
export const maxHeaderBytes = 65_535;
export const maxBodyBytes = 16 * 1024 * 1024;
const saltBytes = 16;
const bodyFlag = 0x80;
export const maxEntriesPerChunk = 8_192;

export interface EncodedEvent {
  readonly ticket: number;
  readonly entry: Buffer;
  /** ordinal still 0 */
  readonly body: Buffer | null;
}

/** An event that opens or closes a session or an operation. */
export interface Mark {
  readonly ordinal: number;
  readonly phase: Exclude<Phase, { kind: 'plain' }>;
}

/** Events of one client, in order, checked. */
export interface Chunk {
  readonly client: string;
  readonly count: number;
  readonly firstTicket: number;
  readonly lastTicket: number;
  readonly entries: Buffer;
  readonly bodies: Buffer;
  /** where in `entries` each header ends; it starts after `headerLengths` bytes before that */
  readonly headerEnds: readonly number[];
  readonly headerLengths: readonly number[];
  readonly marks: readonly Mark[];
}

const phaseCodes = { open: { session: 1, operation: 3 }, close: { session: 2, operation: 4 } } as const;

/** Throws ERR_STATEMENT_TOO_LARGE for a body over 16 MiB, ERR_INTERNAL for a header over 65535 bytes. */
export function encodeEvent(ticket: number, header: string, phase: Phase, body?: { salt: Uint8Array; text: string }): EncodedEvent {
  const id = phase.kind === 'plain' ? '' : phase.id;
  const session = phase.kind === 'plain' ? '' : phase.session;
  const idBytes = Buffer.byteLength(id);
  const sessionBytes = Buffer.byteLength(session);
  const headerBytes = Buffer.byteLength(header);
  if (headerBytes > maxHeaderBytes || idBytes > 255 || sessionBytes > 255) throw fail('ERR_INTERNAL', { detail: 'an event header is too long' });
  const entry = Buffer.allocUnsafe(16 + idBytes + sessionBytes + headerBytes);
  entry.writeUInt32BE(entry.length - 4, 0);
  entry.writeUIntBE(ticket, 4, 6);
  entry[10] = (phase.kind === 'plain' ? 0 : phaseCodes[phase.kind][phase.scope]) | (body === undefined ? 0 : bodyFlag);
  entry[11] = idBytes;
  entry.write(id, 12);
  entry[12 + idBytes] = sessionBytes;
  entry.write(session, 13 + idBytes);
  const at = 13 + idBytes + sessionBytes;
  entry.writeUInt16BE(headerBytes, at);
  entry[at + 2] = 0;
  entry.write(header, at + 3);
  return { ticket, entry, body: body === undefined ? null : encodeBody(body.salt, body.text) };
}

function encodeBody(salt: Uint8Array, text: string): Buffer {
  const textBytes = Buffer.byteLength(text);
  if (textBytes > maxBodyBytes) throw fail('ERR_STATEMENT_TOO_LARGE');
  const body = Buffer.allocUnsafe(8 + saltBytes + textBytes);
  body.writeUInt32BE(0, 0);
  body.writeUInt32BE(saltBytes + textBytes, 4);
  body.set(salt, 8);
  body.write(text, 8 + saltBytes);
  return body;
}

/** Checks every length and that tickets rise by one; null when anything is off. `bodies` null: they are not at hand. */
export function parseChunk(client: string, entries: Buffer, bodies: Buffer | null): Chunk | null {
  const headerEnds: number[] = [];
  const headerLengths: number[] = [];
  const marks: Mark[] = [];
  const withBody: number[] = [];
  let firstTicket = 0;
  let at = 0;
  while (at < entries.length) {
    const ordinal = headerEnds.length;
    const entry = readEntry(entries, at);
    if (entry === null || ordinal === maxEntriesPerChunk) return null;
    if (ordinal === 0) firstTicket = entry.ticket;
    if (entry.ticket !== firstTicket + ordinal) return null;
    if (entry.phase !== null) marks.push({ ordinal, phase: entry.phase });
    if (entry.hasBody) withBody.push(ordinal);
    headerEnds.push(entry.end);
    headerLengths.push(entry.headerLength);
    at = entry.end;
  }
  const count = headerEnds.length;
  if (count === 0 || (bodies !== null && !bodiesFit(bodies, withBody))) return null;
  return { client, count, firstTicket, lastTicket: firstTicket + count - 1, entries, bodies: bodies ?? Buffer.alloc(0), headerEnds, headerLengths, marks };
}

interface EntryFields {
  readonly ticket: number;
  readonly phase: Mark['phase'] | null;
  readonly hasBody: boolean;
  readonly headerLength: number;
  readonly end: number;
}

function readEntry(bytes: Buffer, start: number): EntryFields | null {
  if (start + 17 > bytes.length) return null;
  const end = start + 4 + bytes.readUInt32BE(start);
  if (end > bytes.length || end < start + 17) return null;
  const code = bytes.readUInt8(start + 10);
  const idEnd = start + 12 + bytes.readUInt8(start + 11);
  if (idEnd + 4 > end) return null;
  const sessionEnd = idEnd + 1 + bytes.readUInt8(idEnd);
  const headerLength = headerLengthAt(bytes, sessionEnd, end);
  const ticket = bytes.readUIntBE(start + 4, 6);
  if (headerLength === null || ticket < 1) return null;
  const fields = { ticket, hasBody: (code & bodyFlag) !== 0, headerLength, end };
  const kind = code & ~bodyFlag;
  if (kind === 0) return sessionEnd === start + 13 ? { ...fields, phase: null } : null;
  if (kind > 4) return null;
  const id = bytes.toString('utf8', start + 12, idEnd);
  const session = bytes.toString('utf8', idEnd + 1, sessionEnd);
  return { ...fields, phase: { kind: kind % 2 === 1 ? 'open' : 'close', scope: kind < 3 ? 'session' : 'operation', id, session } };
}

/** Null unless a header that looks like a JSON object fills the rest of the entry. */
function headerLengthAt(bytes: Buffer, at: number, end: number): number | null {
  const start = at + 3;
  if (start + 2 > end || bytes[at + 2] !== 0 || bytes.readUInt16BE(at) !== end - start) return null;
  return bytes[start] === 0x7b && bytes[end - 1] === 0x7d ? end - start : null;
}

/** Bodies stand in the order of the entries that announce them, each with its entry's ordinal. */
function bodiesFit(bodies: Buffer, ordinals: readonly number[]): boolean {
  let at = 0;
  for (const ordinal of ordinals) {
    if (at + 8 + saltBytes > bodies.length || bodies.readUInt32BE(at) !== ordinal) return false;
    const length = bodies.readUInt32BE(at + 4);
    if (length < saltBytes || length > saltBytes + maxBodyBytes) return false;
    at += 8 + length;
  }
  return at === bodies.length;
}

/** The bodies of a chunk with their ordinals moved by `offset`, in place: a chunk becomes part of a batch once. */
export function moveOrdinals(bodies: Buffer, offset: number): Buffer {
  let at = 0;
  while (at < bodies.length) {
    bodies.writeUInt32BE(bodies.readUInt32BE(at) + offset, at);
    at += 8 + bodies.readUInt32BE(at + 4);
  }
  return bodies;
}

export interface Body {
  readonly ordinal: number;
  readonly salt: Buffer;
  readonly text: string;
}

/** Throws RangeError on bytes that are not bodies. */
export function parseBodies(bytes: Buffer): Body[] {
  const bodies: Body[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    if (end > bytes.length || end < at + 8 + saltBytes) throw new RangeError('not a list of bodies');
    bodies.push({ ordinal: bytes.readUInt32BE(at), salt: bytes.subarray(at + 8, at + 8 + saltBytes), text: bytes.toString('utf8', at + 8 + saltBytes, end) });
    at = end;
  }
  return bodies;
}

/** The chunk's events after `ticket`, as a chunk of its own; null when none are left. */
export function chunkAfter(chunk: Chunk, ticket: number): Chunk | null {
  const skip = ticket - chunk.firstTicket + 1;
  if (skip <= 0) return chunk;
  const start = chunk.headerEnds[skip - 1];
  if (skip >= chunk.count || start === undefined) return null;
  let at = 0;
  while (at < chunk.bodies.length && chunk.bodies.readUInt32BE(at) < skip) at += 8 + chunk.bodies.readUInt32BE(at + 4);
  const bodies = moveOrdinals(Buffer.from(chunk.bodies.subarray(at)), -skip);
  return parseChunk(chunk.client, chunk.entries.subarray(start), bodies);
}

/** Header bytes of the chunk's entry; one byte earlier stands the leaf prefix. */
export function headerOf(chunk: Chunk, ordinal: number): Buffer {
  const end = chunk.headerEnds[ordinal] ?? 0;
  return chunk.entries.subarray(end - (chunk.headerLengths[ordinal] ?? 0), end);
}

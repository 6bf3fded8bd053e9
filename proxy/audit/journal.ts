import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type Chunk, parseChunk } from './entry.ts';
import { sha256 } from './hashing.ts';
import type { DurableFile, LogFiles } from './log-files.ts';

/**
 * The journal: what was acknowledged, until it stands in tiles. A segment is a head and frames, one frame per commit:
 *
 *   head   'POSTERNJ' | uint32 version | uint64 index of the first entry | 16 bytes check before it | 16 bytes check
 *   frame  0xA5 | uint32 length of the payload | uint32 CRC-32 of these five bytes | 16 bytes check |
 *          16 bytes check of the frame before | payload
 *
 * check = the first 16 bytes of SHA-256 over all that follows it (head: precedes it). Payload:
 *
 *   uint64 index of the first entry | uint32 entries | uint32 length, sealed bodies | chunks to the end:
 *   uint8 length, client | uint32 length, entries
 */
const magic = Buffer.from('POSTERNJ');
const version = 1;
const checkBytes = 16;
const headBytes = 20 + 2 * checkBytes;
const frameStart = 0xa5;
const frameHeadBytes = 9 + 2 * checkBytes;
const maxPayloadBytes = 256 * 1024 * 1024;
const sectorBytes = 512;

export const noCheck = Buffer.alloc(checkBytes);

/** A place between two commits. */
export interface Position {
  readonly nextIndex: number;
  readonly before: Buffer;
}

/** What one commit holds. */
export interface Batch {
  readonly firstIndex: number;
  readonly count: number;
  readonly chunks: readonly Chunk[];
  /** empty when no entry has a body */
  readonly sealed: Buffer;
}

export interface Segment {
  readonly batches: readonly Batch[];
  readonly start: Position;
  /** after the last commit */
  readonly end: Position;
  /** before the last commit */
  readonly beforeLast: Position;
  /** bytes of a commit that never finished */
  readonly tornBytes: number;
}

export interface SegmentFault {
  readonly at: number;
  readonly why: string;
}

function check(bytes: Uint8Array): Buffer {
  return Buffer.from(sha256(bytes).subarray(0, checkBytes));
}

export function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.wal`;
}

export function segmentNumber(name: string): number | null {
  return /^[0-9]{8}\.wal$/.test(name) ? Number(name.slice(0, 8)) : null;
}

function encodeHead(firstIndex: number, before: Buffer): Buffer {
  const head = Buffer.alloc(headBytes);
  magic.copy(head);
  head.writeUInt32BE(version, 8);
  head.writeBigUInt64BE(BigInt(firstIndex), 12);
  before.copy(head, 20);
  check(head.subarray(0, 20 + checkBytes)).copy(head, 20 + checkBytes);
  return head;
}

/** One buffer, one write. */
export function encodeFrame(batch: Batch, before: Buffer): Buffer {
  const head = Buffer.alloc(frameHeadBytes + 16);
  const parts: Buffer[] = [head, batch.sealed];
  let length = 16 + batch.sealed.length;
  for (const chunk of batch.chunks) {
    const client = Buffer.from(chunk.client);
    const lengths = Buffer.allocUnsafe(1 + client.length + 4);
    lengths[0] = client.length;
    client.copy(lengths, 1);
    lengths.writeUInt32BE(chunk.entries.length, 1 + client.length);
    parts.push(lengths, chunk.entries);
    length += lengths.length + chunk.entries.length;
  }
  head[0] = frameStart;
  head.writeUInt32BE(length, 1);
  head.writeUInt32BE(crc32(head.subarray(0, 5)), 5);
  before.copy(head, 9 + checkBytes);
  head.writeBigUInt64BE(BigInt(batch.firstIndex), frameHeadBytes);
  head.writeUInt32BE(batch.count, frameHeadBytes + 8);
  head.writeUInt32BE(batch.sealed.length, frameHeadBytes + 12);
  const frame = Buffer.concat(parts);
  check(frame.subarray(9 + checkBytes)).copy(frame, 9);
  return frame;
}

function decodePayload(payload: Buffer): Batch | null {
  if (payload.length < 16) return null;
  const firstIndex = Number(payload.readBigUInt64BE(0));
  const count = payload.readUInt32BE(8);
  let at = 16 + payload.readUInt32BE(12);
  const sealed = payload.subarray(16, at);
  const chunks: Chunk[] = [];
  let entries = 0;
  while (at < payload.length) {
    const clientEnd = at + 1 + payload.readUInt8(at);
    if (clientEnd + 4 > payload.length) return null;
    const end = clientEnd + 4 + payload.readUInt32BE(clientEnd);
    if (end > payload.length) return null;
    const chunk = parseChunk(payload.toString('utf8', at + 1, clientEnd), payload.subarray(clientEnd + 4, end), null);
    if (chunk === null) return null;
    chunks.push(chunk);
    entries += chunk.count;
    at = end;
  }
  return at === payload.length && entries === count && Number.isSafeInteger(firstIndex) ? { firstIndex, count, chunks, sealed } : null;
}

/**
 * Reads a segment that starts at one of the `allowed` positions (null: anywhere). A commit that a crash cut short is
 * dropped; anything else that does not fit is a fault: what was acknowledged is never dropped silently. A segment whose
 * head never became durable is empty and starts at `otherwise`.
 */
export function readSegment(bytes: Buffer, allowed: readonly Position[] | null, otherwise: Position): Segment | SegmentFault {
  const head = readHead(bytes);
  if (head === null) return { batches: [], start: otherwise, end: otherwise, beforeLast: otherwise, tornBytes: bytes.length };
  if ('why' in head) return head;
  if (allowed?.every(({ nextIndex, before }) => nextIndex !== head.nextIndex || !before.equals(head.before)) === true) {
    return { at: 0, why: `the segment does not continue at entry ${String(otherwise.nextIndex)}: acknowledged entries are missing` };
  }
  const batches: Batch[] = [];
  let end = head;
  let beforeLast = head;
  let at = headBytes;
  while (at < bytes.length) {
    const next = frameEnd(bytes, at);
    if (next === null || !check(bytes.subarray(at + 9 + checkBytes, next)).equals(bytes.subarray(at + 9, at + 9 + checkBytes))) {
      if (isTorn(bytes, at, next)) break;
      return { at, why: 'a frame is damaged' };
    }
    const batch = decodePayload(bytes.subarray(at + frameHeadBytes, next));
    if (batch === null || !bytes.subarray(at + 9 + checkBytes, at + frameHeadBytes).equals(end.before) || batch.firstIndex !== end.nextIndex) {
      return { at, why: 'a frame does not continue the one before' };
    }
    batches.push(batch);
    beforeLast = end;
    end = { nextIndex: end.nextIndex + batch.count, before: bytes.subarray(at + 9, at + 9 + checkBytes) };
    at = next;
  }
  return { batches, start: head, end, beforeLast, tornBytes: bytes.length - at };
}

/** Null: the head never became durable, so nothing stands behind it. */
function readHead(bytes: Buffer): Position | SegmentFault | null {
  const whole = bytes.subarray(0, headBytes);
  if (whole.length < headBytes) return null;
  if (!check(whole.subarray(0, 20 + checkBytes)).equals(whole.subarray(20 + checkBytes))) {
    if (bytes.length === headBytes && hasZeroSector(bytes, 0, headBytes)) return null;
    return { at: 0, why: 'the head of the segment is damaged' };
  }
  if (!whole.subarray(0, 8).equals(magic) || whole.readUInt32BE(8) !== version) return { at: 0, why: 'not a journal segment of this version' };
  return { nextIndex: Number(whole.readBigUInt64BE(12)), before: whole.subarray(20, 20 + checkBytes) };
}

/** Where the frame ends; null when its own head does not hold. */
function frameEnd(bytes: Buffer, at: number): number | null {
  if (at + frameHeadBytes > bytes.length || bytes[at] !== frameStart) return null;
  const length = bytes.readUInt32BE(at + 1);
  if (bytes.readUInt32BE(at + 5) !== crc32(bytes.subarray(at, at + 5)) || length < 16 || length > maxPayloadBytes) return null;
  return at + frameHeadBytes + length;
}

/**
 * A commit that never finished is the last thing in its file, and short, or lacks whole sectors (disks write sectors
 * whole). A frame begins and ends with bytes that are not zero, so that a missing sector always shows.
 */
function isTorn(bytes: Buffer, at: number, end: number | null): boolean {
  if (end !== null && end < bytes.length) return false;
  if (bytes.length - at < frameHeadBytes && bytes[at] === frameStart) return true;
  if (end !== null && end > bytes.length) return true;
  return hasZeroSector(bytes, at, bytes.length);
}

function hasZeroSector(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at = Math.floor(at / sectorBytes + 1) * sectorBytes) {
    const slice = bytes.subarray(at, Math.min(to, Math.floor(at / sectorBytes + 1) * sectorBytes));
    if (slice.every((byte) => byte === 0)) return true;
  }
  return false;
}

/** The journal's writing end. After a failed write the segment is never written again. */
export class Journal {
  readonly #files: LogFiles;
  readonly #directory: string;
  readonly #maxSegmentBytes: number;
  #number: number;
  #segment: { file: DurableFile; bytes: number; path: string } | null = null;
  #before: Buffer;
  /** finished segments with the index after their last entry */
  #finished: { path: string; nextIndex: number }[] = [];

  constructor(files: LogFiles, directory: string, start: { number: number; before: Buffer; maxSegmentBytes: number }) {
    this.#files = files;
    this.#directory = directory;
    this.#number = start.number;
    this.#before = start.before;
    this.#maxSegmentBytes = start.maxSegmentBytes;
  }

  /** Durable when this resolves. After a rejection call `abandon` before anything else. */
  append(batch: Batch): Promise<void> {
    const segment = this.#segment;
    if (segment !== null && segment.bytes < this.#maxSegmentBytes) return this.#write(segment, batch);
    return this.#rotate(batch.firstIndex).then((fresh) => this.#write(fresh, batch));
  }

  /** Leaves the current segment as it is: the next commit starts a new one. */
  async abandon(nextIndex: number): Promise<void> {
    const segment = this.#segment;
    this.#segment = null;
    if (segment === null) return;
    this.#finished.push({ path: segment.path, nextIndex });
    await segment.file.close();
  }

  /** Deletes segments whose entries are all below `size`. */
  async forget(size: number): Promise<void> {
    while (this.#finished[0] !== undefined && this.#finished[0].nextIndex <= size) {
      await this.#files.remove(this.#finished[0].path);
      this.#finished.shift();
    }
  }

  async #rotate(nextIndex: number): Promise<{ file: DurableFile; bytes: number; path: string }> {
    await this.abandon(nextIndex);
    const path = join(this.#directory, segmentName(++this.#number));
    const file = await this.#files.createJournal(path);
    const head = encodeHead(nextIndex, this.#before);
    this.#segment = { file, bytes: head.length, path };
    await file.append(head);
    return this.#segment;
  }

  async #write(segment: { file: DurableFile; bytes: number }, batch: Batch): Promise<void> {
    const frame = encodeFrame(batch, this.#before);
    await segment.file.append(frame);
    segment.bytes += frame.length;
    this.#before = Buffer.from(frame.subarray(9, 9 + checkBytes));
  }
}

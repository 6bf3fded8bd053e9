import { join } from 'node:path';
import { sha256 } from './hashing.ts';
import type { Batch } from './journal.ts';
import { type LogFiles, readIfThere } from './log-files.ts';

/**
 * Sealed bodies stand beside the tiles, so that they can be erased while the log still verifies. `bodies/NNNNNNNN.sealed`
 * holds the commits that start within 16384 entries:
 *
 *   uint64 index of the first entry | uint32 entries | uint32 length | 16 bytes check | sealed bodies
 */
export const segmentEntries = 16_384;
const checkBytes = 16;
const headBytes = 16 + checkBytes;

export interface SealedBatch {
  readonly firstIndex: number;
  readonly count: number;
  readonly sealed: Buffer;
}

export function bodySegmentName(segment: number): string {
  return `${String(segment).padStart(8, '0')}.sealed`;
}

export function bodySegmentNumber(name: string): number | null {
  return /^[0-9]{8}\.sealed$/.test(name) ? Number(name.slice(0, 8)) : null;
}

function encodeRecord({ firstIndex, count, sealed }: SealedBatch): Buffer {
  const record = Buffer.alloc(headBytes + sealed.length);
  record.writeBigUInt64BE(BigInt(firstIndex));
  record.writeUInt32BE(count, 8);
  record.writeUInt32BE(sealed.length, 12);
  sealed.copy(record, headBytes);
  Buffer.from(sha256(Buffer.concat([record.subarray(0, 16), sealed]))).copy(record, 16, 0, checkBytes);
  return record;
}

/** Appends after `position` whatever stands there; gives the new position. */
export async function appendBodies(
  files: LogFiles,
  directory: string,
  position: { segment: number; bytes: number },
  batches: readonly Batch[],
): Promise<{ segment: number; bytes: number }> {
  let at = position;
  const bySegment = Map.groupBy(
    batches.filter(({ sealed }) => sealed.length > 0),
    ({ firstIndex }) => Math.floor(firstIndex / segmentEntries),
  );
  for (const [segment, members] of bySegment) {
    const bytes = Buffer.concat(members.map(encodeRecord));
    const from = segment === at.segment ? at.bytes : 0;
    await files.appendAt(join(directory, bodySegmentName(segment)), from, bytes);
    at = { segment, bytes: from + bytes.length };
  }
  return at;
}

/** Null when the segment does not exist. `fault`: the byte where it stops making sense. */
export async function readBodySegment(directory: string, segment: number): Promise<{ batches: SealedBatch[]; fault: number | null } | null> {
  const bytes = await readIfThere(join(directory, bodySegmentName(segment)));
  if (bytes === null) return null;
  const batches: SealedBatch[] = [];
  let at = 0;
  let next = segment * segmentEntries;
  while (at < bytes.length) {
    const record = readRecord(bytes, at);
    if (record === null || record.firstIndex < next || record.firstIndex >= (segment + 1) * segmentEntries) return { batches, fault: at };
    batches.push(record);
    next = record.firstIndex + record.count;
    at += headBytes + record.sealed.length;
  }
  return { batches, fault: null };
}

function readRecord(bytes: Buffer, at: number): SealedBatch | null {
  if (at + headBytes > bytes.length) return null;
  const end = at + headBytes + bytes.readUInt32BE(at + 12);
  if (end > bytes.length) return null;
  const sealed = bytes.subarray(at + headBytes, end);
  const expected = sha256(Buffer.concat([bytes.subarray(at, at + 16), sealed])).subarray(0, checkBytes);
  if (!bytes.subarray(at + 16, at + headBytes).equals(expected)) return null;
  return { firstIndex: Number(bytes.readBigUInt64BE(at)), count: bytes.readUInt32BE(at + 8), sealed };
}

import { fail } from '../../contract/errors.ts';
import type { Walker } from '../../pipeline/engine.ts';
import { backend } from './messages.ts';

/**
 * Walks over whole frames: DataRow is `D int32 length, int16 columns, columns × (int32 length or -1, bytes)`; other frames
 * hold no values. Every length is checked against its frame: a lie must not move the mask off the value.
 */
export const walkRows: Walker = (chunk, visit) => {
  const end = chunk.length;
  let at = 0;
  while (at < end) {
    if (at + 5 > end) throw lie();
    const frameEnd = at + 1 + int32(chunk, at + 1);
    if (frameEnd > end || frameEnd < at + 5) throw lie();
    if (chunk[at] === backend.dataRow) walkRow(chunk, at, frameEnd, visit);
    at = frameEnd;
  }
};

function walkRow(chunk: Uint8Array, start: number, frameEnd: number, visit: (column: number, start: number, end: number) => void): void {
  let at = start + 7;
  if (at > frameEnd) throw lie();
  const columns = ((chunk[start + 5] ?? 0) << 8) | (chunk[start + 6] ?? 0);
  for (let column = 0; column < columns; column++) {
    if (at + 4 > frameEnd) throw lie();
    const length = int32(chunk, at);
    at += 4;
    if (length === -1) continue;
    if (length < 0 || length > frameEnd - at) throw lie();
    visit(column, at, at + length);
    at += length;
  }
  if (at !== frameEnd) throw lie();
}

function int32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

function lie(): Error {
  return fail('ERR_MASKING_FAILED', { detail: 'a DataRow whose lengths do not fit its frame' });
}

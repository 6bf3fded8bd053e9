import { Cursor, headerBytes, parseRowDescription } from './frames.ts';
import { backend } from './messages.ts';

/** One result as recorded: masked. A binary value is shown as `\x…`. */
export interface RenderedResult {
  /** absent when the client had described the statement before */
  readonly columns?: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface Rendered extends RenderedResult {
  /** the results after the first, when one message gave several */
  readonly further: readonly RenderedResult[];
  /** true when the recording ends inside a frame */
  readonly truncated: boolean;
}

interface Draft {
  columns?: string[];
  binary: boolean[];
  rows: (string | null)[][];
}

/** Decodes recorded RowDescription and DataRow frames. Pure; damaged bytes give what could be read and `truncated`. */
export function renderFrames(bytes: Uint8Array): Rendered {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const drafts: Draft[] = [];
  let at = 0;
  let truncated = false;
  try {
    while (at < buffer.length) {
      const length = at + headerBytes <= buffer.length ? buffer.readInt32BE(at + 1) : -1;
      const end = at + 1 + length;
      if (length < 4 || end > buffer.length) {
        truncated = true;
        break;
      }
      renderFrame(drafts, buffer.subarray(at, end));
      at = end;
    }
  } catch {
    truncated = true;
  }
  const [first, ...further] = drafts.map(resultOf);
  return { ...(first ?? { rows: [] }), further, truncated };
}

function resultOf(draft: Draft): RenderedResult {
  return draft.columns === undefined ? { rows: draft.rows } : { columns: draft.columns, rows: draft.rows };
}

function renderFrame(drafts: Draft[], frame: Buffer): void {
  if (frame[0] === backend.rowDescription) {
    const fields = parseRowDescription(frame);
    drafts.push({ columns: fields.map((field) => field.name), binary: fields.map((field) => field.binary), rows: [] });
  } else if (frame[0] === backend.dataRow) {
    let draft = drafts.at(-1);
    if (draft === undefined) drafts.push((draft = { binary: [], rows: [] }));
    draft.rows.push(renderRow(frame, draft.binary));
  }
}

function renderRow(frame: Buffer, binary: readonly boolean[]): (string | null)[] {
  const cursor = new Cursor(frame, headerBytes, frame.length, 'DataRow');
  const count = cursor.int16() & 0xffff;
  const row: (string | null)[] = [];
  for (let column = 0; column < count; column++) {
    const length = cursor.int32();
    if (length === -1) row.push(null);
    else {
      const value = cursor.bytes(length);
      row.push(binary[column] === true ? `\\x${value.toString('hex')}` : value.toString('utf8'));
    }
  }
  return row;
}

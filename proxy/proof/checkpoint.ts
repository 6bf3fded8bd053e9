import { fromBase64, toBase64, type VerifyEd25519 } from './bytes.ts';
import { hashBytes } from './merkle.ts';
import { type Opened, openNote, type VerifierKey } from './note.ts';

/** C2SP tlog-checkpoint: the head of a log. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  /** 32 bytes */
  readonly root: Uint8Array;
}

/** The note text: origin, size and root, a line each. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  if (origin === '' || origin.includes('\n') || !Number.isSafeInteger(size) || size < 0 || root.length !== hashBytes) {
    throw new RangeError('not a checkpoint');
  }
  return `${origin}\n${String(size)}\n${toBase64(root)}\n`;
}

export function parseCheckpoint(text: string): Checkpoint | null {
  const [origin, size, encoded, ...rest] = text.split('\n');
  if (origin === undefined || origin === '' || size === undefined || encoded === undefined) return null;
  // the last newline leaves one empty piece; extension lines are never empty
  if (rest.pop() !== '' || rest.includes('')) return null;
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) return null;
  const root = fromBase64(encoded);
  return root?.length === hashBytes ? { origin, size: Number(size), root } : null;
}

/** A checkpoint signed by the log: the key's name is the log's origin. */
export async function openCheckpoint(note: string, key: VerifierKey, verify: VerifyEd25519): Promise<Opened<{ checkpoint: Checkpoint }>> {
  const opened = await openNote(note, key, verify);
  if (!opened.ok) return opened;
  const checkpoint = parseCheckpoint(opened.text);
  if (checkpoint === null) return { ok: false, why: 'the note is not a checkpoint' };
  if (checkpoint.origin !== key.name) return { ok: false, why: `the checkpoint is of ${checkpoint.origin}, not of ${key.name}` };
  return { ok: true, checkpoint };
}

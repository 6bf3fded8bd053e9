import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../contract/errors.ts';
import { reasonOf } from '../lib/errors.ts';
import { equalBytes } from '../proof/bytes.ts';
import { type Checkpoint, openCheckpoint } from '../proof/checkpoint.ts';
import { leafHash } from '../proof/merkle.ts';
import { type LogSigner, sha256, verifyEd25519 } from './hashing.ts';
import { type Batch, noCheck, type Position, readSegment, type Segment, segmentNumber } from './journal.ts';
import { LogDirectory } from './log-directory.ts';
import { type LogFiles, namesIn, readIfThere } from './log-files.ts';
import { decodeState, type LogState } from './log-state.ts';
import { hashLeaves, Materializer } from './materializer.ts';
import { OpenScopes } from './open-scopes.ts';

export interface Recovered {
  readonly materializer: Materializer;
  readonly scopes: OpenScopes;
  /** signed head; null while the log is empty */
  readonly checkpoint: string | null;
  /** number of the last journal segment there was */
  readonly lastSegment: number;
  readonly before: Buffer;
  /** entries taken from the journal, and what a commit that never finished left there; null after a clean stop */
  readonly unclean: { readonly entries: number; readonly tornBytes: number } | null;
}

export interface LogParts {
  readonly files: LogFiles;
  readonly signer: LogSigner;
  readonly directory: string;
}

/**
 * Brings the directory to its last durable entry and empties the journal. Throws ERR_VERIFICATION_FAILED, signing and
 * deleting nothing, when anything acknowledged is damaged or missing.
 */
export async function recover(parts: LogParts): Promise<Recovered> {
  for (const name of ['journal', 'bodies', 'tile']) await parts.files.makeDirectory(join(parts.directory, name));
  const head = await readHead(parts);
  const state = await readState(parts, head.checkpoint);
  const materializer = await resume(parts, state, head.checkpoint);
  const journal = await readJournal(join(parts.directory, 'journal'), state.size);
  if (head.checkpoint !== null && journal.end.nextIndex < head.checkpoint.size) {
    throw damaged(`the log ends at entry ${String(journal.end.nextIndex)} but its checkpoint covers ${String(head.checkpoint.size)}`);
  }
  const scopes = new OpenScopes(state);
  await replay(materializer, journal.batches, head.checkpoint);
  for (const batch of journal.batches) scopes.apply(batch);
  const published = journal.batches.length > 0 ? await materializer.publish({ origin: state.origin, ...scopes.toState(), clean: false }) : head.note;
  for (const { path } of journal.segments) await parts.files.remove(path);
  const entries = journal.batches.reduce((sum, { count }) => sum + count, 0);
  const isClean = journal.segments.length === 0 && (state.clean || state.size === 0);
  return {
    materializer,
    scopes,
    checkpoint: published,
    lastSegment: journal.segments.at(-1)?.number ?? 0,
    before: journal.end.before,
    unclean: isClean ? null : { entries, tornBytes: journal.tornBytes },
  };
}

function damaged(detail: string): Error {
  return fail('ERR_VERIFICATION_FAILED', { message: 'The audit log is damaged; it is not opened.', detail });
}

async function readHead({ directory, signer }: LogParts): Promise<{ checkpoint: Checkpoint | null; note: string | null }> {
  const bytes = await readIfThere(join(directory, 'checkpoint'));
  if (bytes === null) return { checkpoint: null, note: null };
  const opened = await openCheckpoint(bytes.toString(), signer.verifier, verifyEd25519);
  if (!opened.ok) throw damaged(`checkpoint: ${opened.why}`);
  return { checkpoint: opened.checkpoint, note: bytes.toString() };
}

async function readState({ directory, signer }: LogParts, checkpoint: Checkpoint | null): Promise<LogState> {
  const bytes = await readIfThere(join(directory, 'state.json'));
  // without a state the journal must hold everything from the first entry on: checked when it is read
  if (bytes === null) return { v: 1, origin: signer.verifier.name, size: 0, bodies: { segment: 0, bytes: 0 }, clients: {}, open: [], clean: false };
  const state = decodeState(bytes);
  if (state === null) throw damaged('state.json is damaged');
  if (state.origin !== signer.verifier.name) throw damaged(`this is the log ${state.origin}`);
  if (state.size > (checkpoint?.size ?? 0)) throw damaged('the checkpoint is older than state.json');
  return state;
}

async function resume(parts: LogParts, state: LogState, checkpoint: Checkpoint | null): Promise<Materializer> {
  const materializer = await Materializer.resume(parts, state).catch((error: unknown) => {
    throw damaged(`tiles: ${reasonOf(error)}`);
  });
  if (checkpoint?.size === state.size && !equalBytes(checkpoint.root, materializer.root())) throw damaged('the tiles do not fit the checkpoint');
  const edge = new LogDirectory(parts.directory);
  if (materializer.bundle.length > 0) {
    const tile = await edge.tile({ level: 0, index: Math.floor(state.size / 256), width: materializer.bundle.length });
    for (const [at, header] of materializer.bundle.entries()) {
      if (!tile.subarray(at * 32, at * 32 + 32).equals(leafHash(header, sha256)))
        throw damaged(`entry ${String(state.size - materializer.bundle.length + at)} does not fit its tile`);
    }
  }
  return materializer;
}

interface JournalContent {
  readonly batches: readonly Batch[];
  readonly segments: readonly { path: string; number: number }[];
  readonly end: Position;
  readonly tornBytes: number;
}

/** The commits after entry `size`, in order. */
export async function readJournal(directory: string, size: number): Promise<JournalContent> {
  const segments = (await namesIn(directory)).flatMap((name) => {
    const number = segmentNumber(name);
    return number === null ? [] : [{ path: join(directory, name), number }];
  });
  let batches: Batch[] = [];
  let last: Segment | null = null;
  let end: Position = { nextIndex: size, before: noCheck };
  let tornBytes = 0;
  for (const { path, number } of segments) {
    const segment: Segment | { at: number; why: string } = readSegment(await readFile(path), last && [last.end, last.beforeLast], end);
    if ('why' in segment) throw damaged(`journal segment ${String(number)}, byte ${String(segment.at)}: ${segment.why}`);
    if (last === null && segment.start.nextIndex > size)
      throw damaged(`entries ${String(size)} to ${String(segment.start.nextIndex - 1)} are missing from the journal`);
    // a commit that failed, was never acknowledged, and was written again in the next segment
    batches = batches.filter(({ firstIndex }) => firstIndex < segment.start.nextIndex);
    batches.push(...segment.batches);
    tornBytes += segment.tornBytes;
    end = segment.end;
    last = segment;
  }
  if (end.nextIndex < size) throw damaged(`the journal ends at entry ${String(end.nextIndex)}, the tiles hold ${String(size)}`);
  const after = batches.filter(({ firstIndex, count }) => firstIndex + count > size);
  if (after[0] !== undefined && after[0].firstIndex < size) throw damaged('the tiles end inside a commit');
  return { batches: after, segments, end, tornBytes };
}

async function replay(materializer: Materializer, batches: readonly Batch[], checkpoint: Checkpoint | null): Promise<void> {
  if (batches.length === 0) return;
  let fits = checkpoint === null || checkpoint.size <= materializer.size;
  const hashed = batches.map((batch) => ({ ...batch, leaves: hashLeaves(batch.chunks) }));
  await materializer.absorb(hashed, (tree) => {
    if (tree.size === checkpoint?.size) fits = equalBytes(tree.root(), checkpoint.root);
  });
  if (!fits) throw damaged('the journal does not fit the checkpoint');
}

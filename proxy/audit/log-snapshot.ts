import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { AppError } from '../lib/errors.ts';
import { type Checkpoint, openCheckpoint } from '../proof/checkpoint.ts';
import type { VerifierKey } from '../proof/note.ts';
import { parseTilePath, type Tile } from '../proof/tiles.ts';
import { verifyEd25519 } from './hashing.ts';
import type { Batch } from './journal.ts';
import { LogDirectory } from './log-directory.ts';
import { hasCode } from './log-files.ts';
import { readJournal } from './recovery.ts';

/** The first thing in a log that does not hold. */
export interface BadRecord {
  /** first entry in doubt; null when none can be named */
  readonly index: number | null;
  /** last entry in doubt */
  readonly through: number | null;
  /** relative to the log's directory */
  readonly file: string;
  readonly why: string;
}

/** Carries a BadRecord out of the depths of verification. */
export class Refuted extends AppError<'ERR_VERIFICATION_FAILED'> {
  readonly bad: BadRecord;

  constructor(file: string, why: string, entries: { index: number; through?: number } | null = null) {
    super('ERR_VERIFICATION_FAILED', why);
    this.bad = { index: entries?.index ?? null, through: entries?.through ?? entries?.index ?? null, file, why };
  }
}

/** Checkpoint, list of tiles and journal of one moment, also when the log is being written. */
export interface LogSnapshot {
  readonly checkpoint: Checkpoint;
  readonly note: string;
  /** tiles and bundles by path */
  readonly tiles: ReadonlyMap<string, Tile>;
  /** commits after the checkpoint */
  readonly tail: readonly Batch[];
  readonly tornBytes: number;
}

const attempts = 5;

/** Throws Refuted. */
export async function takeSnapshot(path: string, key: VerifierKey): Promise<LogSnapshot> {
  const directory = new LogDirectory(path);
  const read = async (): Promise<string | null> => (await directory.checkpoint())?.toString() ?? null;
  let note = await read();
  for (let attempt = 1; ; attempt++) {
    const snapshot = await snapshotOnce(path, note, key).catch((error: unknown) => ({ error }));
    const later = await read();
    // when the writer moved on in between, the pieces may be of different moments
    if (later === note || attempt === attempts) {
      if ('error' in snapshot) throw snapshot.error;
      return snapshot;
    }
    note = later;
  }
}

async function snapshotOnce(path: string, note: string | null, key: VerifierKey): Promise<LogSnapshot> {
  if (note === null) throw new Refuted('checkpoint', 'there is no checkpoint');
  const opened = await openCheckpoint(note, key, verifyEd25519);
  if (!opened.ok) throw new Refuted('checkpoint', opened.why);
  const { checkpoint } = opened;
  const tiles = await listTiles(path);
  const journal = await readJournal(join(path, 'journal'), checkpoint.size).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'ERR_VERIFICATION_FAILED')
      throw new Refuted('journal', error.detail ?? error.message, { index: checkpoint.size });
    throw error;
  });
  return { checkpoint, note, tiles, tail: journal.batches, tornBytes: journal.tornBytes };
}

async function listTiles(path: string): Promise<Map<string, Tile>> {
  const tiles = new Map<string, Tile>();
  for (const file of await filesBelow(join(path, 'tile'))) {
    const name = relative(path, join(file.parentPath, file.name)).split(sep).join('/');
    // what a crash left of a file that was being replaced
    if (/^\..*\.tmp$/.test(file.name)) continue;
    const tile = file.isFile() ? parseTilePath(name) : null;
    if (tile === null) throw new Refuted(name, 'no file of a log');
    tiles.set(name, tile);
  }
  return tiles;
}

async function filesBelow(path: string): Promise<{ name: string; parentPath: string; isFile(): boolean }[]> {
  try {
    return (await readdir(path, { recursive: true, withFileTypes: true })).filter((entry) => !entry.isDirectory());
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

import { join } from 'node:path';
import { fail } from '../contract/errors.ts';
import { concatBytes, equalBytes, toBase64 } from '../proof/bytes.ts';
import { type Checkpoint, openCheckpoint } from '../proof/checkpoint.ts';
import { hashBytes, leafHash } from '../proof/merkle.ts';
import { parseVerifierKey, type VerifierKey } from '../proof/note.ts';
import { TileTree } from '../proof/tile-tree.ts';
import { parseBundle, type Tile, tilePath, tileWidth, widthAt } from '../proof/tiles.ts';
import { BodyCommitments } from './body-commitments.ts';
import { headerOf } from './entry.ts';
import { sha256, verifyEd25519 } from './hashing.ts';
import { readIfThere } from './log-files.ts';
import { decodeState, type LogState } from './log-state.ts';
import { type BadRecord, type LogSnapshot, Refuted, takeSnapshot } from './log-snapshot.ts';
import { NumberedHeader, OperationNumbers } from './operation-numbers.ts';

export interface VerifyOptions {
  /** the log's directory, or a copy */
  readonly directory: string;
  /** `origin+id+base64`, kept outside of the directory */
  readonly verifierKey: string;
  /** checkpoints kept from earlier: the log must have grown from each */
  readonly saved?: readonly string[];
  /** opens the bodies and holds them against their commitments */
  readonly bodyKey?: Uint8Array;
  /** `required`: every committed body must be there; default: erased bodies are counted */
  readonly bodies?: 'required' | 'optional';
  /** `optional`: the hash tiles may be absent altogether, as in an export of entries */
  readonly tiles?: 'required' | 'optional';
}

export interface Verified {
  readonly ok: true;
  readonly origin: string;
  readonly size: number;
  /** base64 */
  readonly root: string;
  readonly sessions: number;
  readonly bodies: { readonly verified: number; readonly present: number; readonly missing: number };
  /** entries that are durable but under no checkpoint yet, and bytes of a commit that never finished */
  readonly journal: { readonly entries: number; readonly tornBytes: number };
}

export type VerifyResult = Verified | { readonly ok: false; readonly bad: BadRecord };

/**
 * Verifies a log from its files alone: every leaf, every tile, the root, the signature, growth from the saved
 * checkpoints, numbering of operations, commitments of bodies. Throws ERR_INVALID_INPUT on an unreadable key.
 */
export async function verifyLog(options: VerifyOptions): Promise<VerifyResult> {
  const key = parseVerifierKey(options.verifierKey.trim(), sha256);
  if (key === null) throw fail('ERR_INVALID_INPUT', { message: 'This is not the verifier key of a log.' });
  try {
    const snapshot = await takeSnapshot(options.directory, key);
    const saved = await openSaved(options.saved ?? [], key, snapshot.checkpoint);
    const state = await readState(options.directory, key);
    return await new Verification(options, { snapshot, saved, state }).run();
  } catch (error) {
    if (error instanceof Refuted) return { ok: false, bad: error.bad };
    throw error;
  }
}

async function openSaved(notes: readonly string[], key: VerifierKey, head: Checkpoint): Promise<Checkpoint[]> {
  const saved: Checkpoint[] = [];
  for (const note of notes) {
    const opened = await openCheckpoint(note, key, verifyEd25519);
    if (!opened.ok) throw new Refuted('saved checkpoint', opened.why);
    const { checkpoint } = opened;
    if (checkpoint.size > head.size) {
      throw new Refuted('checkpoint', `the saved checkpoint covers ${String(checkpoint.size)} entries, this log has ${String(head.size)}`, {
        index: head.size,
        through: checkpoint.size - 1,
      });
    }
    saved.push(checkpoint);
  }
  return saved.sort((a, b) => a.size - b.size);
}

/** The writer's own notes prove nothing; damage in them is named all the same. */
async function readState(directory: string, key: VerifierKey): Promise<LogState | null> {
  const bytes = await readIfThere(join(directory, 'state.json'));
  if (bytes === null) return null;
  const state = decodeState(bytes);
  if (state?.origin !== key.name) throw new Refuted('state.json', 'the file is damaged or of another log');
  return state;
}

interface Found {
  readonly bytes: Buffer;
  readonly isExact: boolean;
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #snapshot: LogSnapshot;
  readonly #saved: Checkpoint[];
  readonly #tree = new TileTree(sha256);
  readonly #numbers = new OperationNumbers();
  readonly #bodies: BodyCommitments;
  /** listed files not compared yet */
  readonly #open: Map<string, Tile>;
  readonly #wantsTiles: boolean;
  /** tiles that entries after the checkpoint complete, by level and index */
  readonly #tailTiles = new Map<string, Uint8Array>();
  /** size of the newest saved checkpoint that holds */
  #goodUpTo = 0;

  constructor(options: VerifyOptions, { snapshot, saved, state }: { snapshot: LogSnapshot; saved: Checkpoint[]; state: LogState | null }) {
    this.#options = options;
    this.#snapshot = snapshot;
    this.#saved = saved;
    this.#open = new Map(snapshot.tiles);
    this.#bodies = new BodyCommitments(join(options.directory, 'bodies'), options.bodyKey, state?.bodies ?? null);
    const hasTiles = [...snapshot.tiles.values()].some(({ level }) => level !== 'entries');
    this.#wantsTiles = hasTiles || options.tiles !== 'optional';
  }

  async run(): Promise<Verified> {
    const { checkpoint, tail, tornBytes } = this.#snapshot;
    this.#checkSaved();
    for (let index = 0; index * tileWidth < checkpoint.size; index++) await this.#bundle(index);
    if (!equalBytes(this.#tree.root(), checkpoint.root)) {
      throw new Refuted('checkpoint', 'the entries do not have the signed root', { index: this.#goodUpTo, through: checkpoint.size - 1 });
    }
    await this.#edge(checkpoint.size);
    let entries = 0;
    for (const { chunks, count } of tail) {
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.count; at++) {
          const header = headerOf(chunk, at);
          await this.#entry(header, leafHash(header, sha256), 'journal');
        }
      }
      entries += count;
    }
    await this.#beyond();
    const gap = this.#numbers.finish();
    if (gap !== null) throw new Refuted(this.#fileOf(gap.index), gap.why, { index: gap.index });
    const bodies = await this.#bodies.finish(this.#options.bodies === 'required', checkpoint.size);
    return {
      ok: true,
      origin: checkpoint.origin,
      size: checkpoint.size,
      root: toBase64(checkpoint.root),
      sessions: this.#numbers.sessions,
      bodies,
      journal: { entries, tornBytes },
    };
  }

  async #bundle(index: number): Promise<void> {
    const { size } = this.#snapshot.checkpoint;
    const tile: Tile = { level: 'entries', index, width: widthAt('entries', index, size) };
    const path = tilePath(tile);
    const first = index * tileWidth;
    const found = await this.#read(tile);
    if (found === null) throw new Refuted(path, 'the file is missing', { index: first, through: first + tile.width - 1 });
    const { entries } = parseBundle(found.bytes);
    const hashes = this.#wantsTiles ? await this.#hashes({ ...tile, level: 0 }) : null;
    for (let at = 0; at < tile.width; at++) {
      const entry = entries[at];
      if (entry === undefined) throw new Refuted(path, 'the entry is missing or cut short', { index: first + at });
      const leaf = leafHash(entry, sha256);
      if (hashes !== null && !equalBytes(leaf, hashes.subarray(at * hashBytes, (at + 1) * hashBytes))) {
        throw new Refuted(path, `the entry does not have the hash that stands in ${tilePath({ ...tile, level: 0 })}`, { index: first + at });
      }
      await this.#entry(Buffer.from(entry.buffer, entry.byteOffset, entry.length), leaf, path);
    }
    this.#surplus(path, found, entries.slice(0, tile.width));
  }

  #surplus(path: string, { bytes, isExact }: Found, entries: readonly Uint8Array[]): void {
    const used = entries.reduce((sum, entry) => sum + 2 + entry.length, 0);
    if (isExact && used !== bytes.length) throw new Refuted(path, 'there is more in the file than its entries', { index: this.#tree.size - 1 });
    this.#open.delete(path);
  }

  async #entry(header: Buffer, leaf: Uint8Array, file: string): Promise<void> {
    const index = this.#tree.size;
    const full: { tile: Tile; bytes: Uint8Array }[] = [];
    this.#tree.append(leaf, (tile, bytes) => full.push({ tile, bytes }));
    for (const { tile, bytes } of full) {
      if (index < this.#snapshot.checkpoint.size) await this.#compare(tile, bytes);
      else this.#tailTiles.set(`${String(tile.level)}/${String(tile.index)}`, bytes);
    }
    const parsed = NumberedHeader.safeParse(asJson(header));
    if (!parsed.success) throw new Refuted(file, 'the entry is not an event', { index });
    const why = this.#numbers.take(index, parsed.data);
    if (why !== null) throw new Refuted(file, why, { index });
    await this.#bodies.take(index, parsed.data.body);
    this.#checkSaved();
  }

  /** The tree at the size of a saved checkpoint must have its root. */
  #checkSaved(): void {
    for (let next = this.#saved[0]; next?.size === this.#tree.size; next = this.#saved[0]) {
      if (!equalBytes(this.#tree.root(), next.root)) {
        throw new Refuted('checkpoint', 'the log was rewritten: entries differ from those under the saved checkpoint', {
          index: this.#goodUpTo,
          through: next.size - 1,
        });
      }
      this.#goodUpTo = next.size;
      this.#saved.shift();
    }
  }

  /** The unfinished tiles at the right edge of the checkpoint, and every narrower one that is still kept. */
  async #edge(size: number): Promise<void> {
    for (const { tile, bytes } of this.#tree.partials()) await this.#compare(tile, bytes);
    for (const [path, tile] of this.#open) {
      if (tile.width === widthAt(tile.level, tile.index, size) || tile.width === tileWidth) continue;
      await this.#narrow(path, tile, size);
    }
  }

  /** An older partial tile must be the start of the newer one. */
  async #narrow(path: string, tile: Tile, size: number): Promise<void> {
    const width = widthAt(tile.level, tile.index, size);
    if (tile.width > width) return;
    const older = await readIfThere(join(this.#options.directory, path));
    const newer = (await this.#read({ ...tile, width }))?.bytes;
    this.#open.delete(path);
    // partial tiles go when the full one is there
    if (older === null || newer === undefined) return;
    const isShort = tile.level === 'entries' ? parseBundle(older).entries.length !== tile.width : older.length !== tile.width * hashBytes;
    const difference = firstDifference(older, newer);
    if (isShort || difference < older.length) throw new Refuted(path, 'the file differs from the later one', { index: this.#entryAt(tile, newer, difference) });
  }

  /** Files that reach beyond the checkpoint were written just before a crash: they must fit the journal. */
  async #beyond(): Promise<void> {
    for (const { tile, bytes } of this.#tree.partials()) this.#tailTiles.set(`${String(tile.level)}/${String(tile.index)}`, bytes);
    for (const [path, tile] of this.#open) {
      const expected = this.#tailTiles.get(`${String(tile.level === 'entries' ? 0 : tile.level)}/${String(tile.index)}`);
      if (tile.width > widthAt(tile.level, tile.index, this.#tree.size))
        throw new Refuted(path, 'the file has no place in a log of this size', { index: this.#tree.size });
      const bytes = await readIfThere(join(this.#options.directory, path));
      if (bytes === null || expected === undefined) continue;
      const hashes = tile.level === 'entries' ? concatBytes(parseBundle(bytes).entries.map((entry) => leafHash(entry, sha256))) : bytes;
      if (!equalBytes(hashes, expected.subarray(0, tile.width * hashBytes)))
        throw new Refuted(path, 'the file does not fit the journal', { index: this.#snapshot.checkpoint.size });
    }
  }

  async #hashes(tile: Tile): Promise<Buffer> {
    const found = await this.#read(tile);
    const first = tile.index * tileWidth;
    const doubt = { index: first, through: first + tile.width - 1 };
    if (found === null) throw new Refuted(tilePath(tile), 'the file is missing', doubt);
    const surplus = found.bytes.length - tile.width * hashBytes;
    if (surplus < 0 || (found.isExact && surplus > 0)) throw new Refuted(tilePath(tile), 'the file has the wrong length', doubt);
    return found.bytes;
  }

  async #compare(tile: Tile, expected: Uint8Array): Promise<void> {
    if (!this.#wantsTiles) return;
    const path = tilePath(tile);
    const span = tileWidth ** Number(tile.level);
    const first = tile.index * tileWidth * span;
    const found = await this.#read(tile);
    if (found === null) throw new Refuted(path, 'the file is missing', { index: first, through: first + tile.width * span - 1 });
    const at = Math.floor(firstDifference(found.bytes, expected) / hashBytes);
    if (at < tile.width) throw new Refuted(path, 'a hash does not fit the entries', { index: first + at * span, through: first + (at + 1) * span - 1 });
    this.#open.delete(path);
    if (found.isExact && found.bytes.length !== expected.length)
      throw new Refuted(path, 'the file has the wrong length', { index: first, through: first + tile.width * span - 1 });
  }

  /** The file, or the full one when a partial one went since it was listed. */
  async #read(tile: Tile): Promise<Found | null> {
    const bytes = await readIfThere(join(this.#options.directory, tilePath(tile)));
    if (bytes !== null) return { bytes, isExact: true };
    const full = this.#snapshot.tiles.has(tilePath(tile)) ? await readIfThere(join(this.#options.directory, tilePath({ ...tile, width: tileWidth }))) : null;
    return full === null ? null : { bytes: full, isExact: false };
  }

  #entryAt(tile: Tile, bundle: Buffer, offset: number): number {
    const first = tile.index * tileWidth;
    if (tile.level === 'entries') return first + Math.min(tile.width - 1, parseBundle(bundle.subarray(0, offset)).entries.length);
    return (first + Math.min(tile.width - 1, Math.floor(offset / hashBytes))) * tileWidth ** tile.level;
  }

  #fileOf(index: number): string {
    const { size } = this.#snapshot.checkpoint;
    if (index >= size) return 'journal';
    const bundle = Math.floor(index / tileWidth);
    return tilePath({ level: 'entries', index: bundle, width: widthAt('entries', bundle, size) });
  }
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return at;
  return length;
}

function asJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return null;
  }
}

import { dirname, join } from 'node:path';
import type { Chunk } from './entry.ts';
import { headerOf } from './entry.ts';
import { encodeBundle, type Tile, tilePath, tileWidth } from '../proof/tiles.ts';
import { TileTree } from '../proof/tile-tree.ts';
import { appendBodies } from './body-segments.ts';
import { type LogSigner, sha256 } from './hashing.ts';
import type { Batch } from './journal.ts';
import { LogDirectory } from './log-directory.ts';
import type { LogFiles } from './log-files.ts';
import { encodeState, type LogState } from './log-state.ts';

/** A commit with the leaf hashes of its entries. */
export interface HashedBatch extends Batch {
  readonly leaves: readonly Uint8Array[];
}

/** RFC 6962 leaf hashes, in place: the byte before each header is the prefix 0x00. */
export function hashLeaves(chunks: readonly Chunk[]): Uint8Array[] {
  const leaves: Uint8Array[] = [];
  for (const { entries, headerEnds, headerLengths } of chunks) {
    for (const [ordinal, end] of headerEnds.entries()) leaves.push(sha256(entries.subarray(end - (headerLengths[ordinal] ?? 0) - 1, end)));
  }
  return leaves;
}

/** Turns durable commits into tiles, bundles, sealed bodies and a checkpoint; keeps only the right edge in memory. */
export class Materializer {
  readonly #files: LogFiles;
  readonly #signer: LogSigner;
  readonly #directory: string;
  readonly #tree: TileTree;
  #bundle: Buffer[];
  #bodies: LogState['bodies'];
  readonly #known = new Set<string>();

  private constructor(
    options: { files: LogFiles; signer: LogSigner; directory: string },
    edge: { tree: TileTree; bundle: Buffer[]; bodies: LogState['bodies'] },
  ) {
    this.#files = options.files;
    this.#signer = options.signer;
    this.#directory = options.directory;
    this.#tree = edge.tree;
    this.#bundle = edge.bundle;
    this.#bodies = edge.bodies;
  }

  /** Continues where `state` stands. Throws ERR_NOT_FOUND or RangeError when tiles are missing or short. */
  static async resume(options: { files: LogFiles; signer: LogSigner; directory: string }, state: Pick<LogState, 'size' | 'bodies'>): Promise<Materializer> {
    const directory = new LogDirectory(options.directory);
    const tree = await TileTree.restore(state.size, sha256, (tile) => directory.tile(tile));
    const bundle = state.size % tileWidth === 0 ? [] : await directory.bundle(Math.floor(state.size / tileWidth), state.size);
    return new Materializer(options, { tree, bundle, bodies: state.bodies });
  }

  get size(): number {
    return this.#tree.size;
  }

  get bodies(): LogState['bodies'] {
    return this.#bodies;
  }

  root(): Uint8Array {
    return this.#tree.root();
  }

  /** The headers of the last, unfinished bundle. */
  get bundle(): readonly Buffer[] {
    return this.#bundle;
  }

  /**
   * Writes what the batches complete and the new right edge, all durable when this resolves. `onSize` sees the tree after
   * every entry. A failure leaves files that the next run writes again; the instance must not be used after it.
   */
  async absorb(batches: readonly HashedBatch[], onSize: (tree: TileTree) => void = () => undefined): Promise<void> {
    for (const batch of batches) {
      const full: { tile: Tile; bytes: Uint8Array }[] = [];
      let ordinal = 0;
      for (const chunk of batch.chunks) {
        for (let at = 0; at < chunk.count; at++) {
          const leaf = batch.leaves[ordinal++];
          if (leaf === undefined) throw new RangeError('a leaf hash is missing');
          this.#bundle.push(headerOf(chunk, at));
          this.#tree.append(leaf, (tile, bytes) => {
            full.push({ tile, bytes });
            if (tile.level === 0) this.#closeBundle(tile.index, full);
          });
          onSize(this.#tree);
        }
      }
      for (const { tile, bytes } of full) await this.#put(tile, bytes);
    }
    this.#bodies = await appendBodies(this.#files, join(this.#directory, 'bodies'), this.#bodies, batches);
    for (const { tile, bytes } of this.#tree.partials()) {
      await this.#put(tile, bytes);
      if (tile.level === 0) await this.#put({ ...tile, level: 'entries' }, encodeBundle(this.#bundle));
    }
  }

  /** Signs and writes the head, then the state: in this order a crash between them is harmless. Gives the checkpoint. */
  async publish(state: Omit<LogState, 'v' | 'size' | 'bodies'>): Promise<string> {
    const checkpoint = this.#signer.sign({ size: this.#tree.size, root: this.#tree.root() });
    await this.#files.replace(join(this.#directory, 'checkpoint'), Buffer.from(checkpoint));
    const whole: LogState = { v: 1, size: this.#tree.size, bodies: this.#bodies, ...state };
    await this.#files.replace(join(this.#directory, 'state.json'), encodeState(whole));
    return checkpoint;
  }

  #closeBundle(index: number, full: { tile: Tile; bytes: Uint8Array }[]): void {
    full.push({ tile: { level: 'entries', index, width: tileWidth }, bytes: encodeBundle(this.#bundle) });
    this.#bundle = [];
  }

  async #put(tile: Tile, bytes: Uint8Array): Promise<void> {
    const path = join(this.#directory, tilePath(tile));
    await this.#ensure(dirname(path));
    await this.#files.replace(path, bytes);
    // the specification lets partial tiles go once the full one is there
    if (tile.width === tileWidth) {
      const partials = join(this.#directory, dirname(tilePath({ ...tile, width: 1 })));
      await this.#files.remove(partials);
      this.#known.delete(partials);
    }
  }

  async #ensure(directory: string): Promise<void> {
    if (this.#known.has(directory)) return;
    await this.#files.makeDirectory(directory);
    this.#known.add(directory);
  }
}

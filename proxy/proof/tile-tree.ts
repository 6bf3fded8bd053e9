import type { Sha256 } from './bytes.ts';
import { hashBytes, rootOf, splitHashes } from './merkle.ts';
import { partialTiles, type Tile, tileWidth } from './tiles.ts';

/** A log's tree by its right edge: at each level the hashes of the last, unfinished tile. */
export class TileTree {
  readonly #sha256: Sha256;
  readonly #levels: { hashes: Uint8Array; count: number; tiles: number }[] = [];
  #size = 0;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  get size(): number {
    return this.#size;
  }

  /** Continues a log of `size` entries from its partial tiles. Throws RangeError when one has another length. */
  static async restore(size: number, sha256: Sha256, read: (tile: Tile) => Promise<Uint8Array>): Promise<TileTree> {
    const tree = new TileTree(sha256);
    tree.#size = size;
    for (let hashes = size; hashes > 0; hashes = Math.floor(hashes / tileWidth)) {
      tree.#levels.push({ hashes: new Uint8Array(tileWidth * hashBytes), count: hashes % tileWidth, tiles: Math.floor(hashes / tileWidth) });
    }
    for (const tile of partialTiles(size)) {
      const bytes = await read(tile);
      if (bytes.length !== tile.width * hashBytes) throw new RangeError('a tile has the wrong length');
      tree.#levels[Number(tile.level)]?.hashes.set(bytes);
    }
    return tree;
  }

  /** Appends one leaf hash; `onFull` gets each tile that it completes, lowest level first. The bytes are the receiver's. */
  append(leaf: Uint8Array, onFull: (tile: Tile, bytes: Uint8Array) => void): void {
    this.#size++;
    let hash = leaf;
    for (let level = 0; ; level++) {
      const row = (this.#levels[level] ??= { hashes: new Uint8Array(tileWidth * hashBytes), count: 0, tiles: 0 });
      row.hashes.set(hash, row.count * hashBytes);
      row.count++;
      if (row.count < tileWidth) return;
      const full = row.hashes;
      const index = row.tiles;
      row.hashes = new Uint8Array(tileWidth * hashBytes);
      row.count = 0;
      row.tiles++;
      onFull({ level, index, width: tileWidth }, full);
      hash = rootOf(splitHashes(full), this.#sha256);
    }
  }

  /** Copies of the unfinished tiles, lowest level first. */
  partials(): { tile: Tile; bytes: Uint8Array }[] {
    return this.#levels.flatMap((row, level) =>
      row.count === 0 ? [] : [{ tile: { level, index: row.tiles, width: row.count }, bytes: row.hashes.slice(0, row.count * hashBytes) }],
    );
  }

  root(): Uint8Array {
    let carried: Uint8Array | undefined;
    for (const row of this.#levels) {
      const hashes = splitHashes(row.hashes, 0, row.count);
      if (carried !== undefined) hashes.push(carried);
      if (hashes.length > 0) carried = rootOf(hashes, this.#sha256);
    }
    return carried ?? rootOf([], this.#sha256);
  }
}

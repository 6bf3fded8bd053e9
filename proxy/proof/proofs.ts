import { equalBytes, type Sha256 } from './bytes.ts';
import { nodeHash, rootOf, splitHashes } from './merkle.ts';
import { type Tile, tileWidth, widthAt } from './tiles.ts';

/** The root of a full subtree: of the leaves `index * 2^level` up to `(index + 1) * 2^level`. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

export type NodeReader = (node: TreeNode) => Promise<Uint8Array>;

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Reads nodes from tiles of a log of `size` entries. */
export function nodesFromTiles(size: number, sha256: Sha256, readTile: (tile: Tile) => Promise<Uint8Array>): NodeReader {
  return async ({ level, index }) => {
    const tileLevel = Math.floor(level / 8);
    const count = 2 ** (level % 8);
    const first = index * count;
    const tileIndex = Math.floor(first / tileWidth);
    const width = widthAt(tileLevel, tileIndex, size);
    const offset = first % tileWidth;
    if (offset + count > width) throw new RangeError('the node is outside the log');
    const bytes = await readTile({ level: tileLevel, index: tileIndex, width });
    return rootOf(splitHashes(bytes, offset, offset + count), sha256);
  };
}

/** RFC 6962 section 2.1.1. Throws RangeError when `index` is not below `size`. */
export async function proveInclusion(index: number, size: number, read: NodeReader, sha256: Sha256): Promise<Uint8Array[]> {
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(index) || index < 0 || index >= size) throw new RangeError('no such entry');
  const ranges: Range[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + leftLeaves(to - from);
    if (index < middle) {
      ranges.unshift({ from: middle, to });
      to = middle;
    } else {
      ranges.unshift({ from, to: middle });
      from = middle;
    }
  }
  return await Promise.all(ranges.map((range) => rangeHash(range, read, sha256)));
}

/** RFC 6962 section 2.1.2. Throws RangeError when `oldSize` is above `size`. */
export async function proveConsistency(oldSize: number, size: number, read: NodeReader, sha256: Sha256): Promise<Uint8Array[]> {
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(oldSize) || oldSize < 0 || oldSize > size) throw new RangeError('no such size');
  if (oldSize === 0 || oldSize === size) return [];
  const ranges: Range[] = [];
  let from = 0;
  let to = size;
  while (oldSize !== to) {
    const middle = from + leftLeaves(to - from);
    if (oldSize <= middle) {
      ranges.unshift({ from: middle, to });
      to = middle;
    } else {
      ranges.unshift({ from, to: middle });
      from = middle;
    }
  }
  if (from > 0) ranges.unshift({ from, to });
  return await Promise.all(ranges.map((range) => rangeHash(range, read, sha256)));
}

/** RFC 9162 section 2.1.3.2. */
export function verifyInclusion(
  claim: { leaf: Uint8Array; index: number; size: number; root: Uint8Array; proof: readonly Uint8Array[] },
  sha256: Sha256,
): boolean {
  const { index, size } = claim;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  const path = new Path(index, size - 1);
  let hash = claim.leaf;
  for (const step of claim.proof) {
    if (path.atTop) return false;
    hash = path.isRight ? nodeHash(step, hash, sha256) : nodeHash(hash, step, sha256);
    path.up();
  }
  return path.atTop && equalBytes(hash, claim.root);
}

export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly oldRoot: Uint8Array;
  readonly size: number;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** RFC 9162 section 2.1.4.2. Every tree is consistent with the empty one. */
export function verifyConsistency(claim: ConsistencyClaim, sha256: Sha256): boolean {
  const { oldSize, oldRoot, size, root, proof } = claim;
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(size) || oldSize < 0 || oldSize > size) return false;
  if (oldSize === size) return proof.length === 0 && equalBytes(oldRoot, root);
  if (oldSize === 0) return proof.length === 0 && equalBytes(oldRoot, rootOf([], sha256));
  const roots = rootsOf(claim, sha256);
  return roots !== null && equalBytes(roots.older, oldRoot) && equalBytes(roots.newer, root);
}

/** The two roots that the proof gives. */
function rootsOf({ oldSize, oldRoot, size, proof }: ConsistencyClaim, sha256: Sha256): { older: Uint8Array; newer: Uint8Array } | null {
  const path = new Path(oldSize - 1, size - 1);
  path.skipRights();
  // a full subtree is its own start: the proof leaves it out
  const [start, ...rest] = path.isFirst ? [oldRoot, ...proof] : proof;
  if (start === undefined) return null;
  let older = start;
  let newer = start;
  for (const step of rest) {
    if (path.atTop) return null;
    if (path.isRight) older = nodeHash(step, older, sha256);
    newer = path.isRight ? nodeHash(step, newer, sha256) : nodeHash(newer, step, sha256);
    path.up();
  }
  return path.atTop ? { older, newer } : null;
}

/** A walk from a node to the root; numbers above 2^31 rule out bit operators. */
class Path {
  #node: number;
  #last: number;

  constructor(node: number, last: number) {
    this.#node = node;
    this.#last = last;
  }

  get atTop(): boolean {
    return this.#last === 0;
  }

  get isFirst(): boolean {
    return this.#node === 0;
  }

  get isRight(): boolean {
    return this.#node % 2 === 1 || this.#node === this.#last;
  }

  up(): void {
    // the last node of a row without a sibling moves up until it has one
    if (this.#node === this.#last) while (this.#node % 2 === 0 && this.#node !== 0) this.#shift();
    this.#shift();
  }

  skipRights(): void {
    while (this.#node % 2 === 1) this.#shift();
  }

  #shift(): void {
    this.#node = Math.floor(this.#node / 2);
    this.#last = Math.floor(this.#last / 2);
  }
}

/** Leaves of the left subtree: the largest power of two below `leaves`. */
function leftLeaves(leaves: number): number {
  let power = 1;
  while (power * 2 < leaves) power *= 2;
  return power;
}

async function rangeHash({ from, to }: Range, read: NodeReader, sha256: Sha256): Promise<Uint8Array> {
  const hashes: Uint8Array[] = [];
  let at = from;
  while (at < to) {
    let level = 0;
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= to) level++;
    hashes.push(await read({ level, index: at / 2 ** level }));
    at += 2 ** level;
  }
  return hashes.reduceRight((right, left) => nodeHash(left, right, sha256));
}

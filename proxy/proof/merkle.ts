import { concatBytes, type Sha256 } from './bytes.ts';

/** RFC 6962 section 2.1: hashes of leaves, nodes and trees. */
export const hashBytes = 32;

const leafPrefix = Uint8Array.of(0);
const nodePrefix = Uint8Array.of(1);

export function leafHash(entry: Uint8Array, sha256: Sha256): Uint8Array {
  return sha256(concatBytes([leafPrefix, entry]));
}

export function nodeHash(left: Uint8Array, right: Uint8Array, sha256: Sha256): Uint8Array {
  return sha256(concatBytes([nodePrefix, left, right]));
}

/** Root over hashes of equally high subtrees, the last of which may be lower. */
export function rootOf(hashes: readonly Uint8Array[], sha256: Sha256): Uint8Array {
  let row = hashes;
  for (let [first] = row; first !== undefined; [first] = row) {
    if (row.length === 1) return first;
    row = parents(row, sha256);
  }
  return sha256(new Uint8Array(0));
}

function parents(row: readonly Uint8Array[], sha256: Sha256): Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let at = 0; at < row.length; at += 2) {
    const left = row[at];
    const right = row[at + 1];
    // an odd last node moves up unchanged: the same tree as the specification's recursion
    if (left !== undefined) above.push(right === undefined ? left : nodeHash(left, right, sha256));
  }
  return above;
}

/** The 32-byte hashes that stand one after the other in `bytes`. */
export function splitHashes(bytes: Uint8Array, from = 0, to = bytes.length / hashBytes): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = from; at < to; at++) hashes.push(bytes.subarray(at * hashBytes, (at + 1) * hashBytes));
  return hashes;
}

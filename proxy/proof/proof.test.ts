import { createHash, createPrivateKey, hash, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64, toBase64, utf8 } from './bytes.ts';
import { formatCheckpoint, openCheckpoint, parseCheckpoint } from './checkpoint.ts';
import { leafHash, nodeHash, rootOf, splitHashes } from './merkle.ts';
import { formatNote, formatVerifierKey, openNote, parseNote, parseVerifierKey } from './note.ts';
import { nodesFromTiles, proveConsistency, proveInclusion, verifyConsistency, verifyInclusion } from './proofs.ts';
import { TileTree } from './tile-tree.ts';
import { encodeBundle, parseBundle, parseTilePath, partialTiles, type Tile, tilePath } from './tiles.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
const spki = Buffer.from('302a300506032b6570032100', 'hex');
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const verifyEd25519 = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  verify(null, message, { key: Buffer.concat([spki, publicKey]), format: 'der', type: 'spki' }, signature);

interface Vectors {
  roots: { size: number; root: string }[];
  inclusion: { index: number; size: number; proof: string[] }[];
  consistency: { oldSize: number; size: number; proof: string[] }[];
  tiles: (Tile & { path: string; sha256: string })[];
  paths: (Tile & { path: string })[];
  notes: { name: string; seed: string; verifierKey: string; text: string; signed: string }[];
}
const vectors = JSON.parse(readFileSync(new URL('../../test/vectors/vectors.json', import.meta.url), 'utf8')) as Vectors;

/** A log held in memory: its tiles by path, its root at every wanted size. */
function growLog(leaves: Iterable<Uint8Array>, sizes: ReadonlySet<number>) {
  const tiles = new Map<string, Uint8Array>();
  const roots = new Map<number, Uint8Array>();
  const tree = new TileTree(sha256);
  for (const leaf of leaves) {
    tree.append(leaf, (tile, bytes) => tiles.set(tilePath(tile), bytes));
    if (!sizes.has(tree.size)) continue;
    roots.set(tree.size, tree.root());
    for (const { tile, bytes } of tree.partials()) tiles.set(tilePath(tile), bytes);
  }
  const readTile = (tile: Tile): Promise<Uint8Array> => {
    const bytes = tiles.get(tilePath(tile));
    return bytes === undefined ? Promise.reject(new Error(`no ${tilePath(tile)}`)) : Promise.resolve(bytes);
  };
  return { tiles, roots, readTile, reader: (size: number) => nodesFromTiles(size, sha256, readTile) };
}

function* goLeaves(count: number): Generator<Uint8Array> {
  for (let index = 0; index < count; index++) yield leafHash(utf8(`entry ${String(index)}`), sha256);
}

const wanted = new Set(
  [...vectors.roots, ...vectors.inclusion, ...vectors.consistency].map(({ size }) => size).concat(vectors.consistency.map((c) => c.oldSize)),
);
const log = growLog(goLeaves(70_000), wanted);
const rootAt = (size: number): Uint8Array => log.roots.get(size) ?? rootOf([], sha256);

describe('against golang.org/x/mod/sumdb', () => {
  it('has the same roots', () => {
    for (const { size, root } of vectors.roots) expect(toBase64(rootAt(size)), String(size)).toBe(root);
  });

  it('builds and verifies the same inclusion proofs', async () => {
    for (const { index, size, proof } of vectors.inclusion) {
      const ours = await proveInclusion(index, size, log.reader(size), sha256);
      expect(ours.map(toBase64)).toEqual(proof);
      const leaf = leafHash(utf8(`entry ${String(index)}`), sha256);
      expect(verifyInclusion({ leaf, index, size, root: rootAt(size), proof: ours }, sha256)).toBe(true);
    }
  });

  it('builds and verifies the same consistency proofs', async () => {
    for (const { oldSize, size, proof } of vectors.consistency) {
      const ours = await proveConsistency(oldSize, size, log.reader(size), sha256);
      expect(ours.map(toBase64)).toEqual(proof);
      expect(verifyConsistency({ oldSize, oldRoot: rootAt(oldSize), size, root: rootAt(size), proof: ours }, sha256)).toBe(true);
    }
  });

  it('writes the same tiles under the same paths', () => {
    for (const tile of vectors.tiles) {
      expect(tilePath(tile)).toBe(tile.path);
      const bytes = log.tiles.get(tile.path);
      expect(bytes && createHash('sha256').update(bytes).digest('hex'), tile.path).toBe(tile.sha256);
    }
    for (const { path, ...tile } of vectors.paths) {
      expect(tilePath(tile)).toBe(path);
      expect(parseTilePath(path)).toEqual(tile);
    }
  });

  it('signs the same notes and opens them', async () => {
    for (const { name, seed, verifierKey, text, signed } of vectors.notes) {
      const key = parseVerifierKey(verifierKey, sha256);
      if (key === null) throw new Error('the key was not read');
      expect(formatVerifierKey(name, key.publicKey, sha256)).toBe(verifierKey);
      const secret = createPrivateKey({ key: Buffer.concat([pkcs8, Buffer.from(seed, 'base64')]), format: 'der', type: 'pkcs8' });
      expect(formatNote(text, [{ name, id: key.id, signature: sign(null, utf8(text), secret) }])).toBe(signed);
      const opened = await openCheckpoint(signed, key, verifyEd25519);
      expect(opened.ok && formatCheckpoint(opened.checkpoint)).toBe(text);
    }
  });
});

describe('RFC 6962 hashes', () => {
  it('has the known constants', () => {
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    expect(hex(rootOf([], sha256))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(hex(leafHash(new Uint8Array(0), sha256))).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
    expect(hex(nodeHash(utf8('N123'), utf8('N456'), sha256))).toBe('aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb');
  });
});

describe('proofs', () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 700 }), fc.nat(), fc.nat());
  const small = growLog(goLeaves(700), new Set(Array.from({ length: 701 }, (_, size) => size)));
  const smallRoot = (size: number): Uint8Array => small.roots.get(size) ?? rootOf([], sha256);

  it('holds for every entry, and for no other entry, place, size or root', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async ([size, a, b]) => {
        const index = a % size;
        const proof = await proveInclusion(index, size, small.reader(size), sha256);
        const claim = { leaf: leafHash(utf8(`entry ${String(index)}`), sha256), index, size, root: smallRoot(size), proof };
        expect(verifyInclusion(claim, sha256)).toBe(true);
        expect(verifyInclusion({ ...claim, leaf: sha256(claim.leaf) }, sha256)).toBe(false);
        expect(verifyInclusion({ ...claim, root: sha256(claim.root) }, sha256)).toBe(false);
        expect(verifyInclusion({ ...claim, proof: [...proof, claim.leaf] }, sha256)).toBe(false);
        if (size > 1) {
          expect(verifyInclusion({ ...claim, index: (index + 1 + (b % (size - 1))) % size }, sha256)).toBe(false);
          expect(verifyInclusion({ ...claim, proof: proof.slice(1) }, sha256)).toBe(false);
          const step = b % proof.length;
          expect(verifyInclusion({ ...claim, proof: proof.map((hash, at) => (at === step ? sha256(hash) : hash)) }, sha256)).toBe(false);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('ties each size to every earlier one, and to nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async ([size, a, b]) => {
        const oldSize = 1 + (a % size);
        const proof = await proveConsistency(oldSize, size, small.reader(size), sha256);
        const claim = { oldSize, oldRoot: smallRoot(oldSize), size, root: smallRoot(size), proof };
        expect(verifyConsistency(claim, sha256)).toBe(true);
        expect(verifyConsistency({ ...claim, oldRoot: sha256(claim.oldRoot) }, sha256)).toBe(false);
        expect(verifyConsistency({ ...claim, root: sha256(claim.root) }, sha256)).toBe(false);
        expect(verifyConsistency({ ...claim, proof: [...proof, claim.root] }, sha256)).toBe(false);
        if (proof.length > 0) {
          expect(verifyConsistency({ ...claim, proof: proof.slice(1) }, sha256)).toBe(false);
          const step = b % proof.length;
          expect(verifyConsistency({ ...claim, proof: proof.map((hash, at) => (at === step ? sha256(hash) : hash)) }, sha256)).toBe(false);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('gives the root of the leaves by any way', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 700 }), (size) => {
        expect(toBase64(smallRoot(size))).toBe(toBase64(rootOf([...goLeaves(size)], sha256)));
      }),
      { numRuns: 30 },
    );
  });

  it('rejects what is outside the log', async () => {
    await expect(proveInclusion(5, 5, small.reader(5), sha256)).rejects.toThrow(RangeError);
    await expect(proveConsistency(6, 5, small.reader(5), sha256)).rejects.toThrow(RangeError);
    expect(verifyInclusion({ leaf: smallRoot(1), index: 1.5, size: 2, root: smallRoot(2), proof: [] }, sha256)).toBe(false);
    expect(verifyConsistency({ oldSize: 3, oldRoot: smallRoot(3), size: 2, root: smallRoot(2), proof: [] }, sha256)).toBe(false);
  });
});

describe('tiles', () => {
  it('continues a tree from its partial tiles', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1200 }), fc.integer({ min: 0, max: 300 }), async (size, more) => {
        const start = growLog(goLeaves(size), new Set([size]));
        const tree = await TileTree.restore(size, sha256, start.readTile);
        [...goLeaves(size + more)].slice(size).forEach((leaf) => {
          tree.append(leaf, () => undefined);
        });
        expect(toBase64(tree.root())).toBe(toBase64(rootOf([...goLeaves(size + more)], sha256)));
      }),
      { numRuns: 25 },
    );
  });

  it('follows the example of the specification', () => {
    expect(partialTiles(70_000)).toEqual([
      { level: 0, index: 273, width: 112 },
      { level: 1, index: 1, width: 17 },
      { level: 2, index: 0, width: 1 },
    ]);
    expect(partialTiles(256)).toEqual([{ level: 1, index: 0, width: 1 }]);
    expect(tilePath({ level: 'entries', index: 1_234_067, width: 256 })).toBe('tile/entries/x001/x234/067');
  });

  it('reads only its own paths', () => {
    const level = fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 }));
    fc.assert(
      fc.property(level, fc.integer({ min: 0, max: 999_999_999_999 }), fc.integer({ min: 1, max: 256 }), (l, index, width) => {
        expect(parseTilePath(tilePath({ level: l, index, width }))).toEqual({ level: l, index, width });
      }),
    );
    for (const path of [
      'tile/00/000',
      'tile/64/000',
      'tile/0/0',
      'tile/0/x000/001',
      'tile/0/001.p/0',
      'tile/0/001.p/256',
      'tile/0/001.p/05',
      'tile/0/x1/001',
      '../tile/0/000',
    ]) {
      expect(parseTilePath(path), path).toBeNull();
    }
  });

  it('reads back bundles, and stops at a torn entry', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), fc.nat(), (entries, cut) => {
        const bundle = encodeBundle(entries);
        expect(parseBundle(bundle)).toEqual({ entries, used: bundle.length });
        const torn = bundle.subarray(0, cut % (bundle.length + 1));
        const read = parseBundle(torn);
        expect(read.used).toBeLessThanOrEqual(torn.length);
        expect(read.entries).toEqual(entries.slice(0, read.entries.length));
      }),
    );
    expect(() => encodeBundle([new Uint8Array(65_536)])).toThrow(RangeError);
    expect(splitHashes(new Uint8Array(64))).toHaveLength(2);
  });
});

describe('notes and checkpoints', () => {
  const known = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
  const neumann =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

  it('opens the note of the Go documentation', async () => {
    const key = parseVerifierKey(known, sha256);
    if (key === null) throw new Error('the key was not read');
    expect((await openNote(neumann, key, verifyEd25519)).ok).toBe(true);
    expect((await openNote(neumann.replace('answer', 'question'), key, verifyEd25519)).ok).toBe(false);
    expect((await openNote(neumann, { ...key, name: 'Other' }, verifyEd25519)).ok).toBe(false);
  });

  it('reads no key that was altered', () => {
    for (let at = 0; at < known.length; at++) {
      const altered = known.slice(0, at) + String.fromCharCode(known.charCodeAt(at) + 1) + known.slice(at + 1);
      expect(parseVerifierKey(altered, sha256), altered).toBeNull();
      expect(parseVerifierKey(known.slice(0, at), sha256)).toBeNull();
    }
  });

  it('reads only whole notes', () => {
    for (const note of [
      '',
      'text\n',
      'text\n\n',
      'text\n\n— name\n',
      'text\n\n— name AAAA\n',
      'a\tb\n\n— n AAAAAAA=\n',
      'text\n\n— n AAAAAAA=',
      `${'x'.repeat(100_001)}\n\n— n AAAAAAA=\n`,
    ]) {
      expect(parseNote(note).ok, JSON.stringify(note.slice(0, 40))).toBe(false);
    }
    expect(parseNote('text\n\n— n AAAAAAA=\n').ok).toBe(true);
  });

  it('reads only exact checkpoints', () => {
    const root = toBase64(new Uint8Array(32));
    expect(parseCheckpoint(`o\n0\n${root}\n`)).toEqual({ origin: 'o', size: 0, root: new Uint8Array(32) });
    expect(parseCheckpoint(`o\n7\n${root}\nextension\n`)?.size).toBe(7);
    for (const text of [
      '',
      `o\n07\n${root}\n`,
      `o\n-1\n${root}\n`,
      `o\n7\n${root}`,
      `o\n7\nAAAA\n`,
      `\n7\n${root}\n`,
      `o\n7\n${root}\n\n`,
      `o\n99999999999999999\n${root}\n`,
    ]) {
      expect(parseCheckpoint(text), JSON.stringify(text)).toBeNull();
    }
  });

  it('reads base64 strictly', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
      }),
    );
    for (const text of ['A', 'AA', 'AA=', 'AB==', 'AA==\n', ' AAAA', 'AA-_']) expect(fromBase64(text), text).toBeNull();
  });
});

import { generateKeyPairSync, hash, sign, verify, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64, toBase64, utf8 } from './bytes.ts';
import { formatCheckpoint } from './checkpoint.ts';
import {
  formatWitnessKey,
  newWitnessMemory,
  openCosignature,
  parseWitnessKey,
  type SeenCheckpoint,
  signCosignature,
  signatureOf,
  witnessBytes,
  type WitnessMemory,
  witnessStep,
} from './cosignature.ts';
import { leafHash } from './merkle.ts';
import { formatNote, formatVerifierKey, keyId, parseVerifierKey } from './note.ts';
import { nodesFromTiles, proveConsistency } from './proofs.ts';
import { TileTree } from './tile-tree.ts';
import { tilePath } from './tiles.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
const spki = Buffer.from('302a300506032b6570032100', 'hex');
const verifyEd25519 = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  verify(null, message, { key: Buffer.concat([spki, publicKey]), format: 'der', type: 'spki' }, signature);
const proving = { sha256, verify: verifyEd25519 };
const publicOf = (key: KeyObject): Uint8Array => Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
const signing = (key: KeyObject) => (message: Uint8Array) => sign(null, message, key);

const origin = 'postern.example/log';
const device = generateKeyPairSync('ed25519');
const witnessKey = formatWitnessKey('ana-laptop', publicOf(device.publicKey), sha256);
const witness = parseWitnessKey(witnessKey, sha256) ?? expect.fail('the key does not parse');
const logKey = generateKeyPairSync('ed25519');
const logVerifier = formatVerifierKey(origin, publicOf(logKey.publicKey), sha256);

const text = formatCheckpoint({ origin, size: 20_852_163, root: Buffer.alloc(32, 7) });
const at = 1_679_315_147;
const line = await signCosignature({ text, key: witness, at }, signing(device.privateKey));

/** A log with a head at every size, of leaves that `salt` makes. */
function logOf(size: number, salt = '') {
  const tiles = new Map<string, Uint8Array>();
  const roots: Uint8Array[] = [new TileTree(sha256).root()];
  const tree = new TileTree(sha256);
  for (let index = 0; index < size; index++) {
    tree.append(leafHash(utf8(`${salt}${String(index)}`), sha256), (tile, bytes) => tiles.set(tilePath(tile), bytes));
    roots.push(tree.root());
    for (const { tile, bytes } of tree.partials()) tiles.set(tilePath(tile), bytes);
  }
  const root = (n: number): Uint8Array => roots[n] ?? expect.fail('no such size');
  return {
    note: (n: number, key = logKey.privateKey, name = origin) => noteOf({ size: n, root: root(n), key, name }),
    proof: (from: number, to: number) =>
      proveConsistency(
        from,
        to,
        nodesFromTiles(to, sha256, (tile) => Promise.resolve(tiles.get(tilePath(tile)) ?? expect.fail('no such tile'))),
        sha256,
      ),
  };
}

function noteOf({ size, root, key, name }: { size: number; root: Uint8Array; key: KeyObject; name: string }): string {
  const signed = formatCheckpoint({ origin: name, size, root });
  const id = keyId(origin, publicOf(logKey.publicKey), sha256);
  return formatNote(signed, [{ name: origin, id, signature: sign(null, utf8(signed), key) }]);
}

const sizes = 40;
const log = logOf(sizes);
const other = logOf(sizes, 'other ');

const seen = (note: string, proof: SeenCheckpoint['proof'] = null, key = logVerifier): SeenCheckpoint => ({ note, key, proof });
const kept = (size: number): WitnessMemory => ({ ...newWitnessMemory(origin), key: logVerifier, kept: log.note(size) });

describe('cosignatures', () => {
  it('have the key id, message and signature of C2SP tlog-cosignature', async () => {
    // name || "\n" || 0x04 || key, and the signed message, as the specification spells them
    const publicKey = publicOf(device.publicKey);
    const id = Buffer.from(sha256(Buffer.concat([Buffer.from('ana-laptop\n\x04'), publicKey])).subarray(0, 4));
    expect(witnessKey).toBe(`ana-laptop+${id.toString('hex')}+${Buffer.concat([Buffer.of(4), publicKey]).toString('base64')}`);
    const [dash, name, encoded] = line.split(' ');
    expect([dash, name]).toEqual(['—', 'ana-laptop']);
    const bytes = Buffer.from(encoded ?? '', 'base64');
    expect(bytes.length).toBe(4 + 8 + 64);
    expect(bytes.subarray(0, 4)).toEqual(id);
    expect(bytes.readBigUInt64BE(4)).toBe(BigInt(at));
    const message = `cosignature/v1\ntime 1679315147\n${text}`;
    expect(verifyEd25519(publicKey, utf8(message), bytes.subarray(12))).toBe(true);
    expect(await openCosignature({ text, line, key: witness }, verifyEd25519)).toMatchObject({ ok: true, cosigned: { at, checkpoint: { size: 20_852_163 } } });
  });

  it('reads the cosignature of the specification’s example', async () => {
    const example = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
    const cosigned = '— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==';
    const key = { name: 'witness.example.com/w1', id: '8d66cf3f', publicKey: new Uint8Array(32) };
    let asked = '';
    const opened = await openCosignature({ text: example, line: cosigned, key }, (_key, message) => {
      asked = Buffer.from(message).toString();
      return true;
    });
    expect(asked).toBe(`cosignature/v1\ntime 1679315147\n${example}`);
    expect(opened).toMatchObject({ ok: true, cosigned: { at: 1_679_315_147 } });
  });

  it('do not hold after any change of text, time, signature or key', async () => {
    const bytes = fromBase64(line.split(' ')[2] ?? '') ?? expect.fail('not base64');
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), async (place, flip) => {
        const changed = Uint8Array.from(bytes, (byte, index) => (index === place ? byte ^ flip : byte));
        const forged = `— ana-laptop ${toBase64(changed)}`;
        expect(await openCosignature({ text, line: forged, key: witness }, verifyEd25519)).toMatchObject({ ok: false });
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: text.length - 1 }), fc.string({ minLength: 1, maxLength: 1 }), async (place, letter) => {
        const changed = text.slice(0, place) + letter + text.slice(place + 1);
        fc.pre(changed !== text);
        expect(await openCosignature({ text: changed, line, key: witness }, verifyEd25519)).toMatchObject({ ok: false });
      }),
    );
    const stranger = parseWitnessKey(formatWitnessKey('ana-laptop', publicOf(generateKeyPairSync('ed25519').publicKey), sha256), sha256);
    if (stranger === null) expect.fail('the key does not parse');
    expect(await openCosignature({ text, line, key: stranger }, verifyEd25519)).toMatchObject({ ok: false });
    expect(await openCosignature({ text, line: `${line}\n${line}`, key: witness }, verifyEd25519)).toMatchObject({ ok: false });
    expect(await openCosignature({ text, line, key: { ...witness, name: 'bob' } }, verifyEd25519)).toMatchObject({ ok: false });
  });

  it('are not made over what is no checkpoint, and keys of logs are no keys of witnesses', async () => {
    await expect(signCosignature({ text: 'hello\n', key: witness, at }, signing(device.privateKey))).rejects.toThrow(RangeError);
    await expect(signCosignature({ text, key: witness, at: -1 }, signing(device.privateKey))).rejects.toThrow(RangeError);
    await expect(signCosignature({ text, key: witness, at }, () => new Uint8Array(63))).rejects.toThrow(RangeError);
    expect(parseWitnessKey(logVerifier, sha256)).toBeNull();
    expect(parseVerifierKey(witnessKey, sha256)).toBeNull();
    expect(signatureOf(toBase64(new Uint8Array(63)))).toBeNull();
    expect(signatureOf('not base64')).toBeNull();
  });

  it('prove possession for one service, one name and one key', () => {
    const all = [
      witnessBytes(origin, 'ana-laptop', witness.publicKey),
      witnessBytes('other', 'ana-laptop', witness.publicKey),
      witnessBytes(origin, 'ana', witness.publicKey),
      witnessBytes(origin, 'ana-laptop', publicOf(logKey.publicKey)),
    ].map(toBase64);
    expect(new Set(all).size).toBe(4);
  });
});

describe('a witness', () => {
  it('keeps the first checkpoint, finds the same one consistent and follows growth', async () => {
    const first = await witnessStep(newWitnessMemory(origin), seen(log.note(3)), proving);
    expect(first).toMatchObject({ verdict: 'first', memory: { key: logVerifier, kept: log.note(3), alarm: null }, checkpoint: { size: 3 } });
    const same = await witnessStep(first.memory, seen(log.note(3)), proving);
    expect(same).toMatchObject({ verdict: 'same', memory: first.memory });
    const missing = await witnessStep(first.memory, seen(log.note(9)), proving);
    expect(missing).toEqual({ verdict: 'unproven', memory: first.memory, from: 3, size: 9 });
    const grown = await witnessStep(first.memory, seen(log.note(9), await log.proof(3, 9)), proving);
    expect(grown).toMatchObject({ verdict: 'grown', memory: { kept: log.note(9) }, text: log.note(9).split('\n\n')[0]?.concat('\n') });
  });

  it('follows every growth of an honest log without an alarm', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: sizes }), { minLength: 1, maxLength: 12 }), async (heads) => {
        let memory = newWitnessMemory(origin);
        let last: number | null = null;
        for (const size of heads.toSorted((a, b) => a - b)) {
          const step = await witnessStep(memory, seen(log.note(size), last === null || last === size ? null : await log.proof(last, size)), proving);
          expect(['first', 'same', 'grown']).toContain(step.verdict);
          [memory, last] = [step.memory, size];
        }
      }),
    );
  });

  it('raises an alarm on rollback, rewriting, another key, another origin, and a signature or proof that does not hold', async () => {
    const why = async (memory: WitnessMemory, given: SeenCheckpoint): Promise<string> => {
      const step = await witnessStep(memory, given, proving);
      return step.verdict === 'alarm' ? step.why : step.verdict;
    };
    expect(await why(kept(9), seen(log.note(8)))).toContain('rolled back');
    expect(await why(kept(9), seen(other.note(9)))).toContain('rewritten');
    expect(await why(kept(9), seen(other.note(12), await other.proof(9, 12)))).toContain('rewritten');
    expect(await why(kept(9), seen(log.note(12), []))).toContain('rewritten');
    const thief = generateKeyPairSync('ed25519');
    const thiefKey = formatVerifierKey(origin, publicOf(thief.publicKey), sha256);
    expect(await why(kept(9), seen(log.note(9), null, thiefKey))).toContain('another key');
    expect(await why(kept(9), seen(log.note(9, thief.privateKey)))).toContain('does not hold');
    expect(await why(kept(9), seen(log.note(9, logKey.privateKey, 'elsewhere')))).toContain('elsewhere');
    expect(await why(newWitnessMemory('elsewhere'), seen(log.note(9)))).toContain('not of elsewhere');
    expect(await why(newWitnessMemory(origin), seen('nothing'))).toContain('does not hold');
    expect(await why(newWitnessMemory(origin), seen('x'.repeat(20_000)))).toContain('too long');
    expect(await why({ ...kept(9), kept: log.note(9).replace('9', '8') }, seen(log.note(9)))).toContain('damaged');
  });

  it('never takes an alarm back by itself, and keeps both notes as evidence', async () => {
    const alarmed = await witnessStep(kept(9), seen(other.note(9)), proving);
    expect(alarmed.memory).toMatchObject({ kept: log.note(9), alarm: { note: other.note(9), key: logVerifier } });
    for (const given of [seen(log.note(9)), seen(log.note(12), await log.proof(9, 12)), seen(other.note(9))]) {
      const step = await witnessStep(alarmed.memory, given, proving);
      expect(step).toMatchObject({ verdict: 'alarm', memory: alarmed.memory });
    }
  });

  it('finds any tampering with a note or a proof', async () => {
    const note = log.note(21);
    const proof = await log.proof(13, 21);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: note.length - 1 }), fc.integer({ min: 32, max: 126 }), async (place, letter) => {
        const changed = note.slice(0, place) + String.fromCharCode(letter) + note.slice(place + 1);
        fc.pre(changed !== note);
        expect((await witnessStep(kept(13), seen(changed, proof), proving)).verdict).toBe('alarm');
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: proof.length * 32 - 1 }), fc.integer({ min: 1, max: 255 }), async (place, flip) => {
        const changed = proof.map((step, index) =>
          index === Math.floor(place / 32) ? step.map((byte, at) => (at === place % 32 ? byte ^ flip : byte)) : step,
        );
        expect((await witnessStep(kept(13), seen(note, changed), proving)).verdict).toBe('alarm');
      }),
    );
  });

  it('is plain JSON between two steps', async () => {
    const { memory } = await witnessStep(newWitnessMemory(origin), seen(log.note(3)), proving);
    expect(JSON.parse(JSON.stringify(memory))).toEqual(memory);
  });
});

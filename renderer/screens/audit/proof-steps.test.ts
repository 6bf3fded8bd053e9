import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import { toBase64, utf8 } from '../../../proxy/proof/bytes.ts';
import { canonicalJson, type Canonical } from '../../../proxy/proof/canonical.ts';
import { formatCheckpoint } from '../../../proxy/proof/checkpoint.ts';
import { leafHash, nodeHash } from '../../../proxy/proof/merkle.ts';
import { formatNote, formatVerifierKey, keyId } from '../../../proxy/proof/note.ts';
import { primitives } from './primitives.ts';
import { isProven, proofText, proveEvent, proveGrowth } from './proof-steps.ts';

const headers = [0, 1, 2].map((n) => ({ v: 1, code: 'session.started', at: `2026-11-21T10:00:0${n}.000Z` }));
const [a, b, c] = headers.map((header) => leafHash(utf8(canonicalJson(header as Canonical)), sha256)) as [Uint8Array, Uint8Array, Uint8Array];
const ab = nodeHash(a, b, sha256);
const root = nodeHash(ab, c, sha256);
const origin = 'postern.test/log';
const { secretKey, publicKey } = ed25519.keygen();
const key = formatVerifierKey(origin, publicKey, sha256);

function signed(size: number, rootHash: Uint8Array): { checkpoint: string; key: string } {
  const text = formatCheckpoint({ origin, size, root: rootHash });
  return { key, checkpoint: formatNote(text, [{ name: origin, id: keyId(origin, publicKey, sha256), signature: ed25519.sign(utf8(text), secretKey) }]) };
}

const event = { index: 1, header: headers[1] ?? {}, body: null };
const proof = { kind: 'inclusion' as const, from: 1, size: 3, leaf: toBase64(b), root: toBase64(root), hashes: [toBase64(a), toBase64(c)] };

test('an event of the log is proven from its own bytes', async () => {
  const steps = await proveEvent({ event, signed: signed(3, root), proof }, primitives);
  expect(steps.map(({ ok }) => ok)).toEqual([true, true, true, true]);
  expect(proofText('Event 1', steps, '2026-11-21T10:00:00Z')).toContain('PROVEN, computed');
});

test('a changed header, path, size, signature or key fails, each at its step', async () => {
  const changed = { ...event, header: { ...event.header, code: 'session.ended' } };
  const failing = async (claim: Parameters<typeof proveEvent>[0]): Promise<string[]> =>
    (await proveEvent(claim, primitives)).filter(({ ok }) => !ok).map(({ title }) => title);
  expect(await failing({ event: changed, signed: signed(3, root), proof })).toEqual(['The event has this hash', 'Its path leads to the root']);
  // a service that claims no hash gains nothing
  expect(await failing({ event: changed, signed: signed(3, root), proof: { ...proof, leaf: null } })).toEqual(['Its path leads to the root']);
  expect(await failing({ event, signed: signed(3, root), proof: { ...proof, hashes: [toBase64(c), toBase64(a)] } })).toEqual(['Its path leads to the root']);
  expect(await failing({ event, signed: signed(3, root), proof: { ...proof, hashes: ['?', toBase64(c)] } })).toEqual(['Its path leads to the root']);
  expect(await failing({ event, signed: signed(3, root), proof: { ...proof, size: 4 } })).toEqual(['The proof is for the signed size']);
  const forged = { ...signed(3, root), checkpoint: signed(3, root).checkpoint.replace(toBase64(root), toBase64(a)) };
  expect(await failing({ event, signed: forged, proof })).toContain('The log signed its head');
  expect(await failing({ event, signed: { ...signed(3, root), key: 'x' }, proof })).toContain('The log signed its head');
  const floats = { ...event, header: { code: 1.5 } };
  expect(await failing({ event: floats, signed: signed(3, root), proof })).toEqual(['The event has this hash']);
});

test('growth is proven, and a rewritten or shorter log is not', async () => {
  const older = { size: 2, root: ab };
  const growth = { older, signed: signed(3, root), hashes: [toBase64(c)] };
  expect(isProven(await proveGrowth(growth, primitives))).toBe(true);
  expect(isProven(await proveGrowth({ ...growth, older: { size: 2, root: a } }, primitives))).toBe(false);
  const rolledBack = await proveGrowth({ older: { size: 5, root }, signed: signed(3, root), hashes: [] }, primitives);
  expect(rolledBack.at(-1)?.detail).toMatch(/rolled back/);
  expect(isProven([])).toBe(false);
});

import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EventCode, EventHeader } from '../../contract/audit-event.ts';
import { fail } from '../../contract/errors.ts';
import type { User } from '../../contract/user.ts';
import { toBase64, utf8 } from '../../proof/bytes.ts';
import { formatCheckpoint } from '../../proof/checkpoint.ts';
import { formatWitnessKey, parseWitnessKey, signCosignature, witnessBytes } from '../../proof/cosignature.ts';
import { leafHash } from '../../proof/merkle.ts';
import { nodesFromTiles, proveConsistency } from '../../proof/proofs.ts';
import { TileTree } from '../../proof/tile-tree.ts';
import { tilePath } from '../../proof/tiles.ts';
import { openState, type LoggedEvent, type State } from '../../store/state.ts';
import { positionOf } from '../../store/position.ts';
import { Changes } from '../changes.ts';
import type { Commit, ContextOf, ControlCaller } from '../context.ts';
import { witnessHandlers } from './witnesses.ts';

type Context = ContextOf<'registerWitness'> & ContextOf<'cosignCheckpoint'> & ContextOf<'deleteWitness'> & ContextOf<'listWitnesses'>;

const service = 'postern.example/log';
const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const itself = { actor: { issuer: 'postern', subject: 'control', name: 'control', kind: 'service', credential: 'none' }, origin: 'control' } as const;

let directory: string;
let now: number;
let log: Log;
let state: State;
let changes: Changes;
let handlers: ReturnType<typeof witnessHandlers>;

/** The Merkle tree over what control wrote, with the root of every size. */
class Log {
  readonly events: LoggedEvent[] = [];
  readonly headers: EventHeader[] = [];
  readonly #tree = new TileTree(sha256);
  readonly #roots: Uint8Array[] = [this.#tree.root()];
  readonly #tiles = new Map<string, Uint8Array>();

  get size(): number {
    return this.events.length;
  }

  append(header: EventHeader, body: string | undefined): ReturnType<typeof positionOf> {
    const position = positionOf(this.events.length);
    this.events.push({ position, code: header.code, body: body ?? null });
    this.headers.push(header);
    this.#tree.append(leafHash(utf8(JSON.stringify(header)), sha256), (tile, bytes) => this.#tiles.set(tilePath(tile), bytes));
    for (const { tile, bytes } of this.#tree.partials()) this.#tiles.set(tilePath(tile), bytes);
    this.#roots.push(this.#tree.root());
    return position;
  }

  root(size: number): Uint8Array {
    return this.#roots[size] ?? expect.fail('no such size');
  }

  text(size = this.size): string {
    return formatCheckpoint({ origin: service, size, root: this.root(size) });
  }

  async consistency(from: number) {
    const { size } = this;
    if (from > size) throw fail('ERR_NOT_FOUND');
    const read = nodesFromTiles(size, sha256, (tile) => Promise.resolve(this.#tiles.get(tilePath(tile)) ?? expect.fail('no such tile')));
    const hashes = await proveConsistency(from, size, read, sha256);
    return { kind: 'consistency' as const, from, size, leaf: null, root: toBase64(this.root(size)), hashes: hashes.map(toBase64) };
  }
}

interface Device {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
  readonly key: string;
}

function newDevice(name: string): Device {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  return { privateKey, publicKey: raw, key: formatWitnessKey(name, raw, sha256) };
}

const person = (name: string): User => ({
  id: `usr_${name}`,
  name,
  human: `${name}@example.com`,
  groups: [],
  roles: [],
  disabled: false,
  createdAt: '2026-01-01T00:00:00.000Z',
  key: null,
});

function as(name: string): Context {
  const caller: ControlCaller = {
    actor: { issuer: 'postern', subject: `usr_${name}`, name, kind: 'approver', credential: 'key_a' },
    roles: ['approver'],
    revoked: () => null,
  };
  const who = { actor: caller.actor, origin: '127.0.0.1' };
  const commit: Commit<EventCode> = (code, change) => changes.commit(code, who, change);
  const exclusive = <T>(work: (run: Commit<EventCode>) => Promise<T>) => changes.exclusive(() => work(commit));
  return { caller, origin: '127.0.0.1', signal: AbortSignal.timeout(5_000), record: () => expect.fail('recorded'), exclusive };
}

function register(name: string, device: Device, { who = 'ann', proven = name, of = service } = {}) {
  const proof = sign(null, witnessBytes(of, proven, device.publicKey), device.privateKey).toString('base64');
  return handlers.registerWitness({ name, key: device.key, proof }, as(who));
}

async function lineOf(device: Device, { text = log.text(), at = now / 1_000, by = device.privateKey } = {}): Promise<string> {
  const key = parseWitnessKey(device.key, sha256) ?? expect.fail('the key does not parse');
  return signCosignature({ text, key, at }, (message) => sign(null, message, by));
}

async function cosign(
  id: string,
  device: Device,
  { text = log.text(), who = 'ann', ...more }: { text?: string; who?: string; at?: number; by?: KeyObject } = {},
) {
  return handlers.cosignCheckpoint({ id, checkpoint: text, cosignature: await lineOf(device, { text, ...more }) }, as(who));
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'postern-witnesses-'));
  now = Date.UTC(2026, 0, 1);
  log = new Log();
  const clock = { now: () => now };
  state = openState(join(directory, 'state.db'), clock);
  const record = (header: EventHeader, body?: string) => Promise.resolve(log.append(header, body));
  changes = new Changes({ clock, state, log: { record }, resync: () => Promise.resolve(), changed: () => undefined });
  handlers = witnessHandlers({
    clock,
    read: state.read,
    enrolment: () => ({ url: 'https://localhost:8443', ca: 'c'.repeat(64), service }),
    audit: { consistency: (from) => log.consistency(from) },
  });
  for (const name of ['ann', 'bob']) await changes.commit('user.created', itself, { affected: name, value: person(name) });
});
afterEach(() => {
  state.close();
  rmSync(directory, { recursive: true, force: true });
});

test('a device is registered with proof of its key, once, under one name', async () => {
  const device = newDevice('ann-laptop');
  await expect(register('ann-laptop', device, { proven: 'other' })).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
  await expect(register('ann-laptop', device, { of: 'elsewhere' })).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
  await expect(handlers.registerWitness({ name: 'ann-laptop', key: 'nonsense', proof: '' }, as('ann'))).rejects.toMatchObject({
    code: 'ERR_VERIFICATION_FAILED',
  });
  expect(log.headers.map(({ code }) => code)).not.toContain('witness.registered');
  const witness = await register('ann-laptop', device);
  expect(witness).toMatchObject({ name: 'ann-laptop', user: 'ann', key: device.key, last: null });
  expect(log.headers.at(-1)).toMatchObject({ code: 'witness.registered', affected: 'witness:ann-laptop', actor: { name: 'ann' } });
  await expect(register('ann-laptop', newDevice('x'))).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  // the same key under another name is the same device
  await expect(register('bobs', { ...device, key: formatWitnessKey('bobs', device.publicKey, sha256) }, { who: 'bob' })).rejects.toMatchObject({
    code: 'ERR_CONFLICT',
  });
  for (let more = 1; more < 8; more++) await register(`ann-${String(more)}`, newDevice('x'));
  await expect(register('ann-9', newDevice('x'))).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  expect((await handlers.listWitnesses({ limit: 100 }, as('ann'))).items).toHaveLength(8);
});

test('a cosignature of this log is kept, in the state and in the log', async () => {
  const device = newDevice('ann-laptop');
  const { id } = await register('ann-laptop', device);
  const size = log.size;
  const line = await lineOf(device);
  expect(await cosign(id, device)).toMatchObject({ last: { size, at: '2026-01-01T00:00:00.000Z', cosignature: line } });
  expect(log.headers.at(-1)).toMatchObject({ code: 'checkpoint.cosigned', affected: 'witness:ann-laptop' });
  // an earlier head of the same log, of a size between
  now += 61_000;
  expect(await cosign(id, device, { text: log.text(size + 1) })).toMatchObject({ last: { size: size + 1 } });
});

test('what is not true is refused and leaves no event', async () => {
  const device = newDevice('ann-laptop');
  const { id } = await register('ann-laptop', device);
  const before = log.size;
  const forged = formatCheckpoint({ origin: service, size: before, root: sha256(utf8('forged')) });
  const older = formatCheckpoint({ origin: service, size: before - 1, root: log.root(before) });
  const elsewhere = formatCheckpoint({ origin: 'elsewhere', size: before, root: log.root(before) });
  const extended = `${log.text()}a line that the log never signed\n`;
  for (const text of [forged, older, elsewhere, extended])
    await expect(cosign(id, device, { text })).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
  await expect(cosign(id, device, { by: newDevice('thief').privateKey })).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
  await expect(cosign(id, newDevice('ann-laptop'))).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
  for (const at of [now / 1_000 - 301, now / 1_000 + 301]) await expect(cosign(id, device, { at })).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
  const future = formatCheckpoint({ origin: service, size: before + 9, root: log.root(before) });
  await expect(cosign(id, device, { text: future })).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  await expect(cosign(id, device, { who: 'bob' })).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
  await expect(cosign('wit_none', device)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  expect(log.size).toBe(before);
});

test('a witness never goes back, and cosigns at most once a minute', async () => {
  const device = newDevice('ann-laptop');
  const { id } = await register('ann-laptop', device);
  const size = log.size;
  await cosign(id, device);
  await expect(cosign(id, device)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  now += 59_000;
  await expect(cosign(id, device)).rejects.toMatchObject({ code: 'ERR_CONFLICT', message: 'This witness cosigned less than a minute ago.' });
  now += 1_000;
  await expect(cosign(id, device, { text: log.text(size - 1) })).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  await expect(cosign(id, device, { at: now / 1_000 - 120 })).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  await cosign(id, device);
  // two at once: the second is a minute too early
  now += 60_000;
  const both = await Promise.allSettled([cosign(id, device), cosign(id, device)]);
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

test('a witness goes when it is removed, or with its user, and a rebuilt state has the same ones', async () => {
  const [one, two] = [newDevice('one'), newDevice('two')];
  const { id } = await register('one', one);
  await register('two', two, { who: 'bob' });
  await cosign(id, one);
  const rebuilt = openState(join(directory, 'again.db'));
  await rebuilt.replayFrom(log.events);
  expect(rebuilt.read.witnesses.all()).toEqual(state.read.witnesses.all());
  rebuilt.close();
  await changes.commit('user.deleted', itself, { affected: 'bob', value: person('bob') });
  expect(state.read.witnesses.all().map(({ name }) => name)).toEqual(['one']);
  await handlers.deleteWitness({ id }, as('ann'));
  expect(state.read.witnesses.all()).toEqual([]);
  await expect(handlers.deleteWitness({ id }, as('ann'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  expect(log.headers.at(-1)).toMatchObject({ code: 'witness.removed' });
});

import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeEvent, parseChunk } from '../../proxy/audit/entry.ts';
import { event } from '../../proxy/audit/event.ts';
import { appendFrame } from '../../proxy/audit/frames.ts';
import { logSigner } from '../../proxy/audit/hashing.ts';
import { AuditLog } from '../../proxy/audit/log.ts';
import { type VerifyResult, verifyLog } from '../../proxy/audit/verify.ts';
import { encodeBundle, parseBundle } from '../../proxy/proof/tiles.ts';

const signer = logSigner(Buffer.alloc(32, 3), 'postern.local/mutations');
const bodyKey = Buffer.alloc(32, 5);
const entries = 270;
let root = '';
let original = '';
let saved = '';

/** Repeatable: a failure names its number. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 12_345;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 3_266_489_917) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
}

interface Written {
  header: string;
  body: { salt: Uint8Array; text: string };
}

function madeEvents(): Written[] {
  const events: Written[] = [];
  for (let at = 0; at < entries; at++) {
    const session = `ses_${'abcdefgh'.charAt(at % 8).repeat(20)}`;
    const { header, body } = event(
      {
        code: 'operation.intended',
        at: new Date(1_750_000_000_000 + at * 1000).toISOString(),
        actor: { issuer: 'postern', subject: 'svc_a', name: 'ci', kind: 'service-account', credential: 'tok_a' },
        origin: '127.0.0.1',
        outcome: 'pending',
        affected: 'orders',
        session,
        seq: Math.floor(at / 8) + 1,
        operation: `opr_${String(at)}`,
      },
      `select ${String(at)} from orders`,
    );
    if (body !== undefined) events.push({ header, body });
  }
  return events;
}

/** A complete log written by the product itself, with the key. */
async function writeLog(directory: string, events: readonly Written[]): Promise<string> {
  const log = await AuditLog.open({
    directory,
    signer,
    bodyKey,
    clock: { now: () => 1_750_000_000_000 },
    limits: { reserveBytes: 16, checkpointAfterMs: 60_000 },
  });
  let ticket = 0;
  for (let from = 0; from < events.length; from += 37) {
    const frame = appendFrame(events.slice(from, from + 37).map(({ header, body }) => encodeEvent(++ticket, header, { kind: 'plain' }, body)));
    const end = 5 + frame.readUInt32BE(1);
    const chunk = parseChunk('gateway-a', frame.subarray(5, end), frame.subarray(end));
    if (chunk === null || !log.submit(chunk)) throw new Error('the log refused the events');
    if (from % 5 === 0) await log.sync();
  }
  const checkpoint = await log.sync();
  await log.stop();
  return checkpoint;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'postern-mutations-'));
  original = join(root, 'original');
  saved = await writeLog(original, madeEvents());
}, 60_000);

afterAll(() => rm(root, { recursive: true, force: true }));

function verify(directory: string): Promise<VerifyResult> {
  return verifyLog({ directory, verifierKey: signer.verifierKey, saved: [saved], bodyKey, bodies: 'required' });
}

function expectRefused(result: VerifyResult, what: string): void {
  expect(result.ok, what).toBe(false);
  if (result.ok) return;
  expect(result.bad.why.length, what).toBeGreaterThan(0);
  expect(result.bad.file.length, what).toBeGreaterThan(0);
}

/** Files that carry the log; the lock and the reserve hold nothing of it. */
async function logFiles(): Promise<string[]> {
  const found = await readdir(original, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map((entry) => relative(original, join(entry.parentPath, entry.name)));
  return files.filter((name) => name !== 'lock' && name !== 'reserve').sort();
}

/** Runs `mutate` on the original's files and puts everything back. */
async function withFile(name: string, mutate: (bytes: Buffer) => Buffer | null, check: () => Promise<void>): Promise<void> {
  const path = join(original, name);
  const bytes = await readFile(path);
  const mutated = mutate(Buffer.from(bytes));
  if (mutated?.equals(bytes) === true) return;
  if (mutated === null) await rm(path);
  else await writeFile(path, mutated);
  try {
    await check();
  } finally {
    await writeFile(path, bytes);
  }
}

describe('a log against a checkpoint kept elsewhere', () => {
  it('verifies while nobody touched it', async () => {
    expect(await verify(original)).toMatchObject({ ok: true, size: entries + 2, bodies: { verified: entries, missing: 0 }, journal: { entries: 0 } });
  });

  it('refuses 700 flipped bits, each in some file of the log', { timeout: 120_000 }, async () => {
    const files = await logFiles();
    expect(files.length).toBeGreaterThanOrEqual(10);
    for (let number = 0; number < 700; number++) {
      const random = randomFrom(number);
      const name = files[number % files.length] ?? '';
      let what = '';
      await withFile(
        name,
        (bytes) => {
          const at = random(bytes.length);
          what = `flip ${String(number)}: ${name} byte ${String(at)}`;
          bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
          return bytes;
        },
        async () => expectRefused(await verify(original), what),
      );
    }
  });

  it('refuses 300 entries deleted, moved, doubled or cut, and names the first', { timeout: 120_000 }, async () => {
    const bundles = ['tile/entries/000', `tile/entries/001.p/${String(entries + 2 - 256)}`];
    for (let number = 0; number < 300; number++) {
      const random = randomFrom(number + 10_000);
      const bundle = number % 2;
      let first = 0;
      const kind = ['delete', 'swap', 'double', 'cut', 'edit'][number % 5] ?? '';
      await withFile(
        bundles[bundle] ?? '',
        (bytes) => {
          const list: Uint8Array[] = parseBundle(bytes).entries;
          first = random(list.length - 1);
          const entry = list[first] ?? Buffer.alloc(0);
          if (kind === 'cut') return bytes.subarray(0, encodeBundle(list.slice(0, first)).length + 2 + random(entry.length));
          if (kind === 'delete') list.splice(first, 1);
          else if (kind === 'swap') list.splice(first, 2, list[first + 1] ?? entry, entry);
          else if (kind === 'double') list.splice(first, 0, entry);
          else list[first] = Buffer.from(Buffer.from(entry).toString().replace('"pending"', '"success"').replace('"log"', '"lag"'));
          return Buffer.from(encodeBundle(list));
        },
        async () => {
          const result = await verify(original);
          expectRefused(result, `${kind} ${String(number)}`);
          // a doubled entry shows at its second place
          const named = bundle * 256 + first + (kind === 'double' ? 1 : 0);
          expect(!result.ok && result.bad.index, `${kind} ${String(number)}`).toBe(named);
        },
      );
    }
  });

  it('refuses when any file of the present log is gone or cut', { timeout: 60_000 }, async () => {
    const size = entries + 2;
    const needed = [
      'checkpoint',
      'tile/0/000',
      'tile/entries/000',
      `tile/0/001.p/${String(size - 256)}`,
      `tile/entries/001.p/${String(size - 256)}`,
      'tile/1/000.p/1',
      'bodies/00000000.sealed',
    ];
    for (const name of needed) {
      await withFile(
        name,
        () => null,
        async () => expectRefused(await verify(original), `${name} deleted`),
      );
      for (let number = 0; number < 10; number++) {
        await withFile(
          name,
          (bytes) => bytes.subarray(0, randomFrom(number)(bytes.length)),
          async () => expectRefused(await verify(original), `${name} cut`),
        );
      }
    }
  });

  it('refuses logs that were rewritten whole, with the key', { timeout: 120_000 }, async () => {
    const events = madeEvents();
    for (let number = 0; number < 12; number++) {
      const random = randomFrom(number + 20_000);
      const at = random(events.length);
      const forged = [...events];
      const victim = forged[at];
      if (victim === undefined) throw new Error('no such event');
      if (number % 3 === 0) forged[at] = { ...victim, header: victim.header.replace('"orders"', '"nothing"') };
      else if (number % 3 === 1) forged.push({ ...victim, header: victim.header.replace(/"seq":\d+/, '"seq":51') });
      else forged.splice(at, 1);
      // a log that only grew is none of these: its first part must differ
      if (number % 3 === 1) forged.splice(at, 1);
      const directory = join(root, `forged-${String(number)}`);
      await writeLog(directory, forged);
      const alone = await verifyLog({ directory, verifierKey: signer.verifierKey, bodyKey });
      const against = await verify(directory);
      // the first kind is consistent in itself: only the kept checkpoint shows it
      if (number % 3 === 0) expect(alone.ok).toBe(true);
      expectRefused(against, `rewritten ${String(number)}`);
      await rm(directory, { recursive: true });
    }
  });

  it('refuses the log of another key, and a key that is not the log’s', async () => {
    const other = logSigner(Buffer.alloc(32, 4), 'postern.local/mutations');
    expectRefused(await verifyLog({ directory: original, verifierKey: other.verifierKey }), 'other key');
    await expect(verifyLog({ directory: original, verifierKey: 'nothing' })).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
  });

  it('allows erased bodies when they are optional, and says how many', async () => {
    const copy = join(root, 'erased');
    await cp(original, copy, { recursive: true });
    await rm(join(copy, 'bodies'), { recursive: true });
    expect(await verifyLog({ directory: copy, verifierKey: signer.verifierKey, saved: [saved] })).toMatchObject({
      ok: true,
      bodies: { present: 0, missing: entries },
    });
    await truncate(join(copy, 'tile/0/000'), 31);
    expectRefused(await verifyLog({ directory: copy, verifierKey: signer.verifierKey }), 'short tile');
    await rm(join(copy, 'tile', '0'), { recursive: true });
    await rm(join(copy, 'tile', '1'), { recursive: true });
    expect((await verifyLog({ directory: copy, verifierKey: signer.verifierKey, tiles: 'optional' })).ok).toBe(true);
    expectRefused(await verifyLog({ directory: copy, verifierKey: signer.verifierKey }), 'no tiles');
  });
});

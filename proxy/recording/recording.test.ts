import { hash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Resource } from '../contract/resource.ts';
import { newId } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import type { Recorder } from '../pipeline/ports.ts';
import { leafHash, rootOf } from '../proof/merkle.ts';
import { filesStoppingAt } from '../store/failing-files.fake.ts';
import { nodeFiles, type Files } from '../store/files.ts';
import { maxBoxBytes, maxChunkBytes, recordsOf } from './format.ts';
import { findRecording, listRecordings, readRecording, type RecordedEntry, type RecordingSummary } from './reader.ts';
import { createRecorder } from './recorder.ts';

const clock = { now: () => Date.UTC(2026, 0, 2, 3, 4, 5) };
const key = randomBytes(32);
const failure = { code: 'ERR_RECORDING_FAILED' };
const invalid = { code: 'ERR_VERIFICATION_FAILED' };
type Kind = 'command' | 'frames' | 'outcome';
let dir: string;
let committed: { session: string; digests: string[]; first: number }[];

beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'postern-recording-')), 'recordings');
  committed = [];
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(join(dir, '..'), { recursive: true, force: true });
});

function begin(more: { files?: Files; cap?: number } = {}): { recorder: Recorder; path: string } {
  const id = newId('ses');
  const port = createRecorder({
    dir,
    clock,
    onCommitted: (session, digests, first) => committed.push({ session, digests, first }),
    ...(more.files === undefined ? {} : { files: more.files }),
  });
  // the recorder reads nothing else of a resource
  const resource = { recording: { maxBytesPerOperation: more.cap ?? 2 ** 30 } } as Resource;
  const recorder = port.open({ id, resource, header: { principal: 'runner', resource: 'payments' } }, { key: key.toString('base64'), wrapped: 'wrapped' });
  return { recorder, path: join(dir, '2026-01-02', `${id}.rec`) };
}

async function readAll(path: string, secret = key): Promise<{ entries: RecordedEntry[]; summary: RecordingSummary | null }> {
  const reader = await readRecording(path, () => new Secret<Uint8Array>(secret));
  const entries: RecordedEntry[] = [];
  for await (const entry of reader.entries()) entries.push(entry);
  return { entries, summary: reader.summary() };
}

/** Pieces of one write put together again. */
function writesOf(entries: readonly RecordedEntry[]): [string, string, string][] {
  const writes: [string, string, string][] = [];
  let pieces: Uint8Array[] = [];
  for (const { kind, operation, bytes, more } of entries) {
    pieces.push(bytes);
    if (more) continue;
    writes.push([kind, operation, Buffer.concat(pieces).toString('latin1')]);
    pieces = [];
  }
  return writes;
}

async function put(recorder: Recorder, kind: Kind, operation: string, bytes: Uint8Array): Promise<void> {
  const done = recorder.write(kind, operation, bytes);
  if (done !== true) await done;
}

/** A recording of several chunks, as positions of its boxes in the file. */
async function severalChunks(): Promise<{ path: string; bytes: Buffer; boxes: [number, number][] }> {
  const { recorder, path } = begin();
  for (let count = 0; count < 3; count += 1) await put(recorder, 'frames', 'opr_a', randomBytes(maxChunkBytes));
  await recorder.close();
  const bytes = await readFile(path);
  const boxes: [number, number][] = [];
  for (let at = bytes.indexOf(10) + 1; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    boxes.push([at, end]);
    at = end;
  }
  expect(boxes.length).toBe(4);
  return { path, bytes, boxes };
}

describe('recording', () => {
  it('reads back what was written, whatever the sizes', async () => {
    const write = fc.record({
      kind: fc.constantFrom<Kind>('command', 'frames', 'outcome'),
      operation: fc.constantFrom('opr_a', 'opr_b', ''),
      size: fc.oneof(fc.nat(200), fc.nat(3 * maxChunkBytes)),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 12 }), async (writes) => {
        const { recorder, path } = begin();
        const expected: [string, string, string][] = [];
        // one buffer for all: what the recorder keeps must be a copy
        const reused = Buffer.alloc(3 * maxChunkBytes);
        for (const [index, { kind, operation, size }] of writes.entries()) {
          const bytes = reused.subarray(0, size).fill(index + 1);
          expected.push([kind, operation, bytes.toString('latin1')]);
          await put(recorder, kind, operation, bytes);
        }
        const closed = await recorder.close();
        const { entries, summary } = await readAll(path);
        expect(writesOf(entries).length).toBe(expected.length);
        expect(writesOf(entries).every((got, index) => got.every((part, at) => part === expected[index]?.[at]))).toBe(true);
        expect(summary).toMatchObject({ complete: true, torn: false, root: closed.root, chunks: closed.chunks });
        expect((await stat(path)).size).toBe(closed.bytes);
      }),
      { numRuns: 15 },
    );
  });

  it('commits to the hash of every stored chunk, in order, and to their Merkle root', async () => {
    const { recorder, path } = begin();
    for (let count = 0; count < 12; count += 1) await put(recorder, 'frames', 'opr_a', randomBytes(200_000));
    const { root, chunks } = await recorder.close();
    const digests = committed.flatMap((each) => each.digests);
    expect(committed.map((each) => each.first)).toEqual(
      committed.map((_, index) => committed.slice(0, index).reduce((sum, each) => sum + each.digests.length, 0)),
    );
    const sha256 = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer');
    expect(root).toBe(
      Buffer.from(
        rootOf(
          digests.map((digest) => leafHash(Buffer.from(digest, 'base64'), sha256)),
          sha256,
        ),
      ).toString('base64'),
    );
    expect(digests).toHaveLength(chunks);
    expect((await readAll(path)).summary?.digests).toEqual(digests);
  });

  it('stores a quiet session within two seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { recorder, path } = begin();
    await put(recorder, 'command', 'opr_a', Buffer.from('select 1'));
    vi.advanceTimersByTime(1999);
    expect(committed).toEqual([]);
    vi.advanceTimersByTime(1);
    vi.useRealTimers();
    await vi.waitFor(() => {
      expect(committed).toHaveLength(1);
    });
    expect(writesOf((await readAll(path)).entries)).toEqual([['command', 'opr_a', 'select 1']]);
    expect((await readAll(path)).summary).toMatchObject({ complete: false, torn: false });
    await recorder.close();
  });

  it('is a 0600 file that shows nothing but its header', async () => {
    const { recorder, path } = begin();
    await put(recorder, 'command', 'opr_secret', Buffer.from('select name from customers'));
    await recorder.close();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const [header, ...rest] = (await readFile(path, 'latin1')).split('\n');
    expect(JSON.parse(header ?? '')).toMatchObject({ wrappedKey: 'wrapped', about: { principal: 'runner', resource: 'payments' } });
    for (const word of ['customers', 'opr_secret', key.toString('latin1')]) expect(rest.join('\n')).not.toContain(word);
  });

  it('keeps whole writes of an operation up to the cap and counts the rest', async () => {
    const { recorder, path } = begin({ cap: 10 });
    await put(recorder, 'frames', 'opr_a', Buffer.from('12345'));
    await put(recorder, 'frames', 'opr_b', Buffer.from('1234567890'));
    await put(recorder, 'frames', 'opr_a', Buffer.from('123456'));
    // would fit, but comes after a hole
    await put(recorder, 'frames', 'opr_a', Buffer.from('1'));
    await put(recorder, 'outcome', 'opr_a', Buffer.from('{}'));
    await put(recorder, 'outcome', 'opr_b', Buffer.from('{}'));
    await put(recorder, 'frames', 'opr_c', Buffer.from('12345678901'));
    await recorder.close();
    expect(writesOf((await readAll(path)).entries)).toEqual([
      ['frames', 'opr_a', '12345'],
      ['frames', 'opr_b', '1234567890'],
      ['truncated', 'opr_a', '{"bytes":7,"writes":2}'],
      ['outcome', 'opr_a', '{}'],
      ['outcome', 'opr_b', '{}'],
      ['truncated', 'opr_c', '{"bytes":11,"writes":1}'],
    ]);
  });

  it('holds its writer back while more than 4 MiB wait for the disk', async () => {
    const gate: PromiseWithResolvers<void> = Promise.withResolvers();
    const files: Files = { ...nodeFiles, makeDirectory: (path) => gate.promise.then(() => nodeFiles.makeDirectory(path)) };
    const { recorder } = begin({ files });
    const block = Buffer.alloc(maxChunkBytes);
    let wait: true | Promise<void> = true;
    let written = 0;
    while (wait === true && written < 100) {
      wait = recorder.write('frames', 'opr_a', block);
      written += 1;
    }
    expect(written * maxChunkBytes).toBeGreaterThan(4 * 1024 * 1024);
    expect(written).toBeLessThan(20);
    gate.resolve();
    await wait;
    await recorder.close();
  });

  it('is listed and found, with a broken header too', async () => {
    const { recorder, path } = begin();
    const { bytes } = await recorder.close();
    await writeFile(join(dir, '2026-01-02', 'ses_broken.rec'), 'nonsense');
    await writeFile(join(dir, '2026-01-02', 'notes.txt'), 'nonsense');
    const listed = [];
    for await (const each of listRecordings(dir)) listed.push([each.path, each.bytes, each.header?.about['principal']]);
    expect(listed.sort()).toEqual(
      [
        [path, bytes, 'runner'],
        [join(dir, '2026-01-02', 'ses_broken.rec'), 8, undefined],
      ].sort(),
    );
    expect(await findRecording(dir, 'ses_broken')).toBe(join(dir, '2026-01-02', 'ses_broken.rec'));
    expect(await findRecording(dir, 'ses_absent')).toBeNull();
    expect(await findRecording(join(dir, 'nowhere'), 'ses_absent')).toBeNull();
  });

  it('refuses what cannot be recorded', () => {
    const port = createRecorder({ dir, clock, onCommitted: () => undefined });
    const resource = { recording: { maxBytesPerOperation: 1 } } as Resource;
    for (const [id, secret] of [
      ['../../x', key],
      ['ses_a', key.subarray(1)],
    ] as const) {
      expect(() => port.open({ id, resource, header: {} }, { key: secret.toString('base64'), wrapped: 'w' })).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_INPUT' }) as Error,
      );
    }
  });
});

describe('a failing disk', () => {
  it('ends the session at whichever step it fails, and loses nothing committed', async () => {
    for (let stop = 0; stop < 12; stop += 1) {
      committed = [];
      const { recorder, path } = begin({ files: filesStoppingAt(stop) });
      const ended = new Promise((resolve) => {
        recorder.failed.addEventListener('abort', resolve);
      });
      for (let count = 0; count < 3; count += 1) await put(recorder, 'frames', 'opr_a', randomBytes(maxChunkBytes)).catch(() => undefined);
      const closed = await recorder.close().then(
        () => true,
        (error: unknown) => error,
      );
      if (closed === true) continue;
      expect(closed).toMatchObject(failure);
      await ended;
      expect(recorder.failed.reason).toMatchObject(failure);
      await expect(recorder.write('command', 'opr_a', Buffer.from('x'))).rejects.toMatchObject(failure);
      const digests = committed.flatMap((each) => each.digests);
      if (digests.length > 0) expect((await readAll(path)).summary?.digests.slice(0, digests.length)).toEqual(digests);
    }
    // create the directory, create, write, sync, two directories: nothing was committed before that
    expect((await readdir(join(dir, '2026-01-02'))).length).toBeGreaterThan(0);
  });

  it('frees a writer that waits', async () => {
    const gate: PromiseWithResolvers<void> = Promise.withResolvers();
    const { recorder } = begin({ files: { ...nodeFiles, makeDirectory: () => gate.promise } });
    let wait: true | Promise<void> = true;
    while (wait === true) wait = recorder.write('frames', 'opr_a', Buffer.alloc(maxChunkBytes));
    gate.reject(Object.assign(new Error('input/output error'), { code: 'EIO' }));
    await expect(wait).rejects.toMatchObject(failure);
  });

  it('a log that does not take the hashes ends the session as well', async () => {
    const resource = { recording: { maxBytesPerOperation: 1 } } as Resource;
    const port = createRecorder({
      dir,
      clock,
      onCommitted: () => {
        throw new Error('audit unavailable');
      },
    });
    const recorder = port.open({ id: newId('ses'), resource, header: {} }, { key: key.toString('base64'), wrapped: 'w' });
    await expect(recorder.close()).rejects.toMatchObject(failure);
    expect(recorder.failed.aborted).toBe(true);
  });
});

describe('tampering', () => {
  it('any changed byte is found', async () => {
    const { recorder, path } = begin();
    for (let count = 0; count < 20; count += 1) await put(recorder, 'command', 'opr_a', randomBytes(20));
    await recorder.close();
    const good = await readFile(path);
    const before = await readAll(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (index, change) => {
        const bad = Buffer.from(good);
        bad[index] = (bad[index] ?? 0) ^ change;
        await writeFile(path, bad);
        const outcome = await readAll(path).catch((error: unknown) => error);
        // a longer length makes the last chunk look torn, which its summary says
        if (outcome instanceof Error) expect(outcome).toMatchObject(invalid);
        else expect(outcome).toMatchObject({ summary: { complete: false, torn: true } });
        expect(outcome).not.toEqual(before);
      }),
      { numRuns: 200 },
    );
  });

  it('a missing, repeated, moved or added chunk is found and named', async () => {
    const { path, bytes, boxes } = await severalChunks();
    const head = bytes.subarray(0, boxes[0]?.[0]);
    const [a, b, c, end] = boxes.map(([from, to]) => bytes.subarray(from, to)) as [Buffer, Buffer, Buffer, Buffer];
    for (const [order, chunk] of [
      [[a, c, end], 1],
      [[b, a, c, end], 0],
      [[a, a, b, c, end], 1],
      [[a, b, c, end, end], 4],
    ] as const) {
      await writeFile(path, Buffer.concat([head, ...order]));
      await expect(readAll(path)).rejects.toMatchObject({ ...invalid, message: expect.stringContaining(`Chunk ${String(chunk)} `) as string });
    }
    await writeFile(path, Buffer.concat([head, a, b]));
    expect((await readAll(path)).summary).toMatchObject({ chunks: 2, complete: false, torn: false });
  });

  it('a torn tail gives what is whole and says so', async () => {
    const { path, bytes, boxes } = await severalChunks();
    const [from, to] = boxes[2] ?? [0, 0];
    for (const end of [from + 1, from + 4, from + 100, to - 1]) {
      await writeFile(path, bytes.subarray(0, end));
      expect((await readAll(path)).summary).toMatchObject({ chunks: 2, complete: false, torn: true });
    }
  });

  it('another key, another session name, an impossible length and a missing header are refused', async () => {
    const { path, bytes, boxes } = await severalChunks();
    await expect(readAll(path, randomBytes(32))).rejects.toMatchObject(invalid);
    const other = join(dir, 'ses_other.rec');
    await writeFile(other, bytes);
    await expect(readAll(other)).rejects.toMatchObject(invalid);
    const huge = Buffer.from(bytes);
    huge.writeUInt32BE(maxBoxBytes + 1, boxes[0]?.[0]);
    await writeFile(path, huge);
    await expect(readAll(path)).rejects.toMatchObject(invalid);
    for (const text of ['', '{}\n', 'x'.repeat(100_000)]) {
      await writeFile(path, text);
      await expect(readAll(path)).rejects.toMatchObject(invalid);
    }
    await expect(readAll(join(dir, 'absent.rec'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('the record parser never reads beyond its bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          for (const record of recordsOf(Buffer.from(bytes))) expect(record.bytes.length).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

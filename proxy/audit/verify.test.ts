import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventCode, EventHeader } from '../contract/audit-event.ts';
import { encodeEvent, parseChunk } from './entry.ts';
import { event } from './event.ts';
import { appendFrame } from './frames.ts';
import { logSigner } from './hashing.ts';
import { AuditLog } from './log.ts';
import { type NumberedHeader, OperationNumbers } from './operation-numbers.ts';
import { verifyLog } from './verify.ts';

const signer = logSigner(Buffer.alloc(32, 3), 'postern.local/testing');
const bodyKey = Buffer.alloc(32, 5);
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function newDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'postern-verify-'));
  ends.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function openLog(directory: string): Promise<AuditLog> {
  const log = await AuditLog.open({ directory, signer, bodyKey, limits: { checkpointAfterMs: 60_000, reserveBytes: 16 } });
  ends.push(() => log.stop());
  return log;
}

let ticket = 0;
async function write(log: AuditLog, events: readonly (Partial<EventHeader> & { code: EventCode; text?: string })[]): Promise<void> {
  const encoded = events.map(({ text, ...fields }) => {
    const made = event(
      {
        at: '2026-01-02T03:04:05.678Z',
        actor: { issuer: 'postern', subject: 'svc_a', name: 'ci', kind: 'service-account', credential: 'tok_a' },
        origin: '127.0.0.1',
        outcome: 'success',
        affected: 'orders',
        ...fields,
      },
      text,
    );
    return encodeEvent(++ticket, made.header, { kind: 'plain' }, made.body);
  });
  const frame = appendFrame(encoded);
  const end = 5 + frame.readUInt32BE(1);
  const chunk = parseChunk('gateway-a', frame.subarray(5, end), frame.subarray(end));
  log.adopt('gateway-a', ticket - events.length);
  const size = log.size + events.length;
  if (chunk === null || !log.submit(chunk)) throw new Error('refused');
  await expect.poll(() => log.size).toBe(size);
}

describe('verification', () => {
  it('takes a log as a crash left it, and says what is not under the checkpoint', async () => {
    const directory = await newDirectory();
    const log = await openLog(directory);
    await write(
      log,
      Array.from({ length: 300 }, (_, at) => ({ code: 'operation.refused', session: 'ses_a', seq: at + 1, text: `body ${String(at)}` })),
    );
    await log.sync();
    const saved = log.content.checkpoint ?? '';
    await write(
      log,
      Array.from({ length: 250 }, (_, at) => ({ code: 'operation.refused', session: 'ses_b', seq: at + 1, text: 'more' })),
    );
    const crashed = await newDirectory();
    await cp(directory, crashed, { recursive: true });
    const options = { directory: crashed, verifierKey: signer.verifierKey, saved: [saved], bodyKey, bodies: 'required' } as const;
    expect(await verifyLog(options)).toMatchObject({ ok: true, size: 301, journal: { entries: 250 }, sessions: 2 });
    // tiles and bodies that were written, but not yet signed for
    await log.sync();
    await cp(join(directory, 'tile'), join(crashed, 'tile'), { recursive: true });
    await cp(join(directory, 'bodies'), join(crashed, 'bodies'), { recursive: true });
    expect(await verifyLog(options)).toMatchObject({ ok: true, size: 301, journal: { entries: 250 } });
    await appendFile(join(crashed, 'bodies', '00000000.sealed'), 'torn');
    expect((await verifyLog(options)).ok).toBe(true);
    const tile = join(crashed, 'tile', '0', '002.p', '39');
    const bytes = await readFile(tile);
    bytes[3] = (bytes[3] ?? 0) ^ 1;
    await writeFile(tile, bytes);
    expect(await verifyLog(options)).toMatchObject({ ok: false, bad: { file: 'tile/0/002.p/39' } });
    expect(await verifyLog({ ...options, directory })).toMatchObject({ ok: true, size: 551 });
  });

  it('holds against a log that is being written', async () => {
    const directory = await newDirectory();
    const log = await openLog(directory);
    const done = new AbortController();
    const writing = (async () => {
      for (let round = 0; !done.signal.aborted; round++) {
        await write(
          log,
          Array.from({ length: 40 }, (_, at) => ({ code: 'operation.refused', session: 'ses_a', seq: round * 40 + at + 1 })),
        );
        await log.sync();
      }
    })();
    for (let round = 0; round < 8; round++) expect(await verifyLog({ directory, verifierKey: signer.verifierKey, bodyKey })).toMatchObject({ ok: true });
    done.abort();
    await writing;
  });

  it('names a file that is not of the log, and a missing session number', async () => {
    const directory = await newDirectory();
    const log = await openLog(directory);
    await write(log, [
      { code: 'operation.intended', session: 'ses_a', seq: 1 },
      { code: 'operation.intended', session: 'ses_a', seq: 3 },
      { code: 'session.ended', session: 'ses_a', seq: 3 },
    ]);
    await log.sync();
    expect(await verifyLog({ directory, verifierKey: signer.verifierKey })).toMatchObject({
      ok: false,
      bad: { index: 3, why: 'operation 2 of ses_a is missing' },
    });
    await writeFile(join(directory, 'tile', 'odd'), '');
    expect(await verifyLog({ directory, verifierKey: signer.verifierKey })).toMatchObject({ ok: false, bad: { file: 'tile/odd' } });
    expect(await verifyLog({ directory: await newDirectory(), verifierKey: signer.verifierKey })).toMatchObject({ ok: false, bad: { file: 'checkpoint' } });
  });
});

describe('numbers of operations', () => {
  const at = '2026-01-02T03:04:05.000Z';
  function run(events: readonly (Partial<NumberedHeader> & { code: string })[]): string | null {
    const numbers = new OperationNumbers();
    for (const [index, fields] of events.entries()) {
      const why = numbers.take(index, { v: 1, at, session: 's', ...fields });
      if (why !== null) return why;
    }
    return numbers.finish()?.why ?? null;
  }
  const intended = (seq: number): { code: string; seq: number } => ({ code: 'operation.intended', seq });
  const ended = (seq: number): { code: string; seq: number } => ({ code: 'session.ended', seq });

  it('may come late, but not twice, not without a beginning, and not go missing', () => {
    expect(run([intended(1), intended(3), intended(2), { code: 'operation.settled', seq: 3 }, ended(3)])).toBeNull();
    expect(run([intended(1), ended(2), { code: 'operation.refused', seq: 2 }])).toBeNull();
    expect(run([intended(1), intended(1)])).toBe('operation 1 of s appears twice');
    expect(run([{ code: 'operation.settled', seq: 1 }])).toBe('operation 1 of s ended without having begun');
    expect(run([intended(2), ended(2)])).toBe('operation 1 of s is missing');
    expect(run([intended(1), ended(2)])).toBe('operation 2 of s is missing');
    expect(run([ended(0)])).toBeNull();
  });

  it('may be missing at the end while the log could not be written', () => {
    const failed = { code: 'log.write-failed', session: undefined, at: '2026-01-02T03:04:07.000Z', durationMicros: 5_000_000 };
    expect(run([intended(1), failed, ended(2)])).toBeNull();
    expect(run([intended(1), ended(2), failed])).toBeNull();
    expect(run([intended(1), ended(2), { ...failed, durationMicros: 1_000_000 }])).toBe('operation 2 of s is missing');
    expect(run([intended(1), intended(3), ended(3), failed])).toBe('operation 2 of s is missing');
  });
});

describe('headers', () => {
  it('fit the log whatever lists they carry, and lose no counts', () => {
    const long = Array.from({ length: 5_000 }, (_, at) => `sql:select public.table_${String(at)}`);
    const masked = Object.fromEntries(long.map((name) => [name, 2]));
    const { header } = event({
      code: 'operation.settled',
      at: '2026-01-02T03:04:05.678Z',
      actor: { issuer: 'p', subject: 's', name: 'n', kind: 'service', credential: 'none' },
      origin: 'o',
      outcome: 'success',
      affected: 'a',
      acts: long,
      policies: long,
      masked,
      reason: 'r'.repeat(90_000),
    });
    expect(Buffer.byteLength(header)).toBeLessThanOrEqual(60_000);
    const parsed = JSON.parse(header) as { acts: string[]; masked: Record<string, number> };
    expect(parsed.acts.at(-1)).toMatch(/^and \d+ more$/);
    expect(Object.values(parsed.masked).reduce((sum, count) => sum + count, 0)).toBe(10_000);
  });
});

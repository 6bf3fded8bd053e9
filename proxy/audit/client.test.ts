import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Phase } from '../contract/audit-event.ts';
import { openCheckpoint } from '../proof/checkpoint.ts';
import { leafHash } from '../proof/merkle.ts';
import { verifyConsistency, verifyInclusion } from '../proof/proofs.ts';
import { AuditClient, connectAudit } from './client.ts';
import { event } from './event.ts';
import { logSigner, sha256, verifyEd25519 } from './hashing.ts';
import { AuditLog } from './log.ts';
import { type LogFiles, nodeLogFiles } from './log-files.ts';
import { AuditReader } from './reader.ts';
import { AuditServer } from './server.ts';

const signer = logSigner(Buffer.alloc(32, 7), 'postern.local/testing');
const token = 'a reader token of some length';
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Bench {
  directory: string;
  socketPath: string;
  server: AuditServer;
}

async function serve(files: LogFiles = nodeLogFiles, at?: Bench, graceMs = 10_000): Promise<Bench> {
  const directory = at?.directory ?? (await mkdtemp(join(tmpdir(), 'postern-audit-')));
  if (at === undefined) ends.push(() => rm(directory, { recursive: true, force: true }));
  const socketPath = join(directory, 'run', 'audit.sock');
  const server = await AuditServer.start({
    socketPath,
    openLog: (lostBefore) =>
      AuditLog.open({
        directory: join(directory, 'log'),
        signer,
        bodyKey: Buffer.alloc(32, 9),
        files,
        limits: { checkpointAfterMs: 20, reserveBytes: 4_096 },
        ...(lostBefore && { lostBefore }),
      }),
    verifierKey: signer.verifierKey,
    readerToken: token,
    graceMs,
  });
  ends.push(() => server.stop());
  return { directory, socketPath, server };
}

function newClient(bench: Bench, name = 'gateway-a', more = {}): AuditClient {
  const client = new AuditClient({ socketPath: bench.socketPath, client: name, ...more });
  ends.push(() => client.close(0));
  return client;
}

function newReader(bench: Bench, withToken = true): AuditReader {
  const reader = new AuditReader({ socketPath: bench.socketPath, ...(withToken && { token }) });
  ends.push(() => reader.close());
  return reader;
}

const plain: Phase = { kind: 'plain' };
function refused(reason: string, bodyText?: string): ReturnType<typeof event> {
  return event(
    {
      code: 'operation.refused',
      at: '2026-01-02T03:04:05.678Z',
      actor: { issuer: 'postern', subject: 's', name: 'ci', kind: 'service-account', credential: 'tok_a' },
      origin: '127.0.0.1',
      outcome: 'failure',
      affected: 'orders',
      reason,
    },
    bodyText,
  );
}

async function reasons(reader: AuditReader): Promise<string[]> {
  const { entries } = await reader.read({ from: 0, to: 10_000 });
  return entries.map(({ header }) => (JSON.parse(header) as { reason?: string }).reason ?? '').filter((reason) => reason !== '');
}

describe('the client', () => {
  it('writes events, hears of durability, and reads them back', async () => {
    const bench = await serve();
    const client = newClient(bench);
    expect(() => client.append(refused('early').header, plain)).toThrow(expect.objectContaining({ code: 'ERR_AUDIT_UNAVAILABLE' }));
    await client.ready();
    const marks: (number | null)[] = [];
    const leave = client.onWatermark((durable) => marks.push(durable));
    const first = refused('a', 'secret body');
    const ticket = client.append(first.header, plain, first.body);
    for (let at = 0; at < 50; at++) client.append(refused(`b${String(at)}`).header, plain);
    expect(client.durable).toBe(0);
    await client.whenDurable(ticket + 50);
    expect(client.durable).toBe(51);
    expect(marks.at(-1)).toBe(51);
    leave();
    const reader = newReader(bench);
    const { entries } = await reader.read({ from: 1, to: 3, bodies: true });
    expect(entries).toMatchObject([{ index: 1, header: first.header, body: 'secret body' }, { index: 2 }]);
    await expect(newReader(bench, false).read({ from: 0, to: 1, bodies: true })).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    const wrong = new AuditReader({ socketPath: bench.socketPath, token: 'wrong' });
    ends.push(() => wrong.close());
    await expect(wrong.read({ from: 0, to: 1, bodies: true })).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
  });

  it('says where an event stands', async () => {
    const bench = await serve();
    const [a, b] = [newClient(bench, 'gateway-a'), newClient(bench, 'gateway-b')];
    await Promise.all([a.ready(), b.ready()]);
    const places = await Promise.all([...Array(20).keys()].map((at) => (at % 3 === 0 ? a : b).record(refused(`r${String(at)}`).header, plain)));
    const { entries } = await newReader(bench).read({ from: 0, to: 100 });
    for (const [at, index] of places.entries()) expect(entries[index]?.header).toContain(`"r${String(at)}"`);
  });

  it('gives proofs that hold under the signed checkpoint', async () => {
    const bench = await serve();
    const client = await connectAudit({ socketPath: bench.socketPath, client: 'gateway-a' });
    ends.push(() => client.close(0));
    const reader = newReader(bench);
    for (let at = 0; at < 300; at++) client.append(refused(`r${String(at)}`).header, plain);
    const opened = await openCheckpoint(await readCheckpoint(client, reader), signer.verifier, verifyEd25519);
    if (!opened.ok) throw new Error(opened.why);
    const { size, root } = opened.checkpoint;
    expect(size).toBe(302);
    const { entries } = await reader.read({ from: 7, to: 8 });
    const proof = await reader.proof(7, size);
    expect(verifyInclusion({ leaf: leafHash(Buffer.from(entries[0]?.header ?? ''), sha256), index: 7, size, root, proof }, sha256)).toBe(true);
    client.append(refused('more').header, plain);
    const later = await openCheckpoint(await readCheckpoint(client, reader), signer.verifier, verifyEd25519);
    if (!later.ok) throw new Error(later.why);
    const growth = await reader.consistency(size, later.checkpoint.size);
    expect(verifyConsistency({ oldSize: size, oldRoot: root, size: later.checkpoint.size, root: later.checkpoint.root, proof: growth }, sha256)).toBe(true);
    await expect(reader.proof(500, 302)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('sends again, in order and once, after the log was restarted', async () => {
    const bench = await serve();
    const client = newClient(bench);
    await client.ready();
    client.append(refused('before').header, { kind: 'open', scope: 'session', id: 'ses_a', session: 'ses_a' });
    await client.whenDurable(1);
    const last = [1, 2, 3].map((at) => client.append(refused(`r${String(at)}`).header, plain));
    await bench.server.stop();
    // what closes is kept while the log is away, the rest is refused
    await sleep(10);
    expect(() => client.append(refused('away').header, plain)).toThrow(expect.objectContaining({ code: 'ERR_AUDIT_UNAVAILABLE' }));
    const end = client.append(refused('end').header, { kind: 'close', scope: 'session', id: 'ses_a', session: 'ses_a' });
    const waiting = client.whenDurable(end);
    await serve(nodeLogFiles, bench);
    await waiting;
    expect(client.durable).toBe((last.at(-1) ?? 0) + 1);
    expect(await reasons(newReader(bench))).toEqual(['before', 'r1', 'r2', 'r3', 'end']);
  });

  it('is closed for when it does not come back', async () => {
    const bench = await serve();
    const client = newClient(bench);
    await client.ready();
    client.append(refused('s').header, { kind: 'open', scope: 'session', id: 'ses_a', session: 'ses_a' });
    client.append(refused('o').header, { kind: 'open', scope: 'operation', id: 'opr_a', session: 'ses_a' });
    await client.whenDurable(2);
    await client.close();
    const reader = newReader(bench);
    await expect.poll(async () => (await reasons(reader)).slice(2)).toEqual(['its process was lost', 'its process was lost']);
  });

  it('is closed for after a restart of the log and the grace period', async () => {
    const bench = await serve();
    const client = newClient(bench);
    await client.ready();
    client.append(refused('s').header, { kind: 'open', scope: 'session', id: 'ses_a', session: 'ses_a' });
    await client.whenDurable(1);
    await bench.server.stop();
    await client.close(0);
    await serve(nodeLogFiles, bench, 20);
    const reader = newReader(bench);
    await expect.poll(() => reasons(reader)).toEqual(['s', 'its process did not come back after the log was restarted']);
  });

  it('refuses at once when the log is lost, and goes on when it is opened anew', async () => {
    let isFailing = false;
    const files: LogFiles = {
      ...nodeLogFiles,
      async createJournal(path) {
        const file = await nodeLogFiles.createJournal(path);
        return {
          append: (bytes) => (isFailing ? Promise.reject(Object.assign(new Error('input/output error'), { code: 'EIO' })) : file.append(bytes)),
          close: () => file.close(),
        };
      },
    };
    const bench = await serve(files);
    const client = newClient(bench);
    await client.ready();
    const marks: (number | null)[] = [];
    client.onWatermark((durable) => marks.push(durable));
    isFailing = true;
    const ticket = client.append(refused('intent').header, plain);
    await expect(client.whenDurable(ticket)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
    expect(marks).toEqual([null]);
    expect(() => client.append(refused('x').header, plain)).toThrow(expect.objectContaining({ code: 'ERR_AUDIT_UNAVAILABLE' }));
    client.append(refused('end').header, { kind: 'close', scope: 'session', id: 'ses_a', session: 'ses_a' });
    const reader = newReader(bench);
    expect(await reader.status()).toMatchObject({ condition: 'lost', reason: 'input/output error' });
    await expect(reader.reopen()).rejects.toThrow();
    isFailing = false;
    await reader.reopen();
    await expect.poll(() => client.durable).toBe(2);
    expect((await reasons(reader)).slice(-3)).toEqual(['input/output error', 'intent', 'end']);
    await client.record(refused('again').header, plain);
  });

  it('counts the log as lost when it stays away', async () => {
    const bench = await serve();
    const client = newClient(bench, 'gateway-a', { lostAfterMs: 30 });
    await client.ready();
    const lost = new Promise<null>((resolve) => {
      client.onWatermark((durable) => {
        if (durable === null) resolve(null);
      });
    });
    await bench.server.stop();
    expect(await lost).toBeNull();
    await expect(client.whenDurable(99)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
  });

  it('bounds its queue', async () => {
    const bench = await serve();
    const client = newClient(bench, 'gateway-a', { maxQueueBytes: 10_000 });
    await client.ready();
    expect(() => {
      for (let at = 0; at < 100; at++) client.append(refused('x'.repeat(500)).header, plain);
    }).toThrow(expect.objectContaining({ code: 'ERR_AUDIT_UNAVAILABLE' }));
  });

  it('carries large bodies, and refuses too large ones', async () => {
    const bench = await serve();
    const client = newClient(bench);
    await client.ready();
    const big = refused('big', 'é'.repeat(3_000_000));
    await client.record(big.header, plain, big.body);
    const { entries } = await newReader(bench).read({ from: 1, to: 2, bodies: true });
    expect(entries[0]?.body).toBe(big.body?.text);
    const tooBig = refused('big', 'x'.repeat(16 * 1024 * 1024 + 1));
    expect(() => client.append(tooBig.header, plain, tooBig.body)).toThrow(expect.objectContaining({ code: 'ERR_STATEMENT_TOO_LARGE' }));
  });
});

describe('the server', () => {
  const frames: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['an unknown kind', Buffer.of(99, 1, 2)],
    ['events before a hello', Buffer.concat([Buffer.of(2, 0, 0, 0, 0)])],
    ['the name of the log itself', Buffer.concat([Buffer.of(1, 0, 0, 0, 0, 0, 0, 3), Buffer.from('log')])],
    ['a short hello', Buffer.of(1, 0, 0)],
    ['lengths beyond the frame', Buffer.of(2, 0xff, 0xff, 0xff, 0xff)],
  ];
  it.each(frames)('hangs up on %s', async (_, payload) => {
    const bench = await serve();
    const socket = connect(bench.socketPath);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(payload.length);
    socket.write(Buffer.concat([length, payload]));
    await new Promise((resolve) => socket.once('close', resolve));
    expect((await newReader(bench).status()).condition).toBe('open');
  });

  it('is one per directory', async () => {
    const { lockWriter } = await import('./writer-lock.ts');
    const directory = await mkdtemp(join(tmpdir(), 'postern-lock-'));
    ends.push(() => rm(directory, { recursive: true, force: true }));
    const lock = lockWriter(join(directory, 'lock'));
    expect(() => lockWriter(join(directory, 'lock'))).toThrow(expect.objectContaining({ code: 'ERR_CONFLICT' }));
    lock[Symbol.dispose]();
    lockWriter(join(directory, 'lock'))[Symbol.dispose]();
  });
});

/** Everything the client has appended, under a new checkpoint. */
async function readCheckpoint(client: AuditClient, reader: AuditReader): Promise<string> {
  const ticket = client.append(refused('last').header, { kind: 'close', scope: 'operation', id: 'opr_x', session: 'ses_x' });
  await client.whenDurable(ticket);
  return await reader.sync();
}

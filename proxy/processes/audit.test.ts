import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { AuditClient } from '../audit/client.ts';
import { event } from '../audit/event.ts';
import { AuditReader } from '../audit/reader.ts';
import { verifyLog } from '../audit/verify.ts';

const entry = fileURLToPath(new URL('./audit.ts', import.meta.url));
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Started {
  readonly child: ChildProcess;
  readonly verifierKey: string;
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.once('exit', (code) => resolve(code));
  });
}

async function start(directory: string): Promise<Started> {
  const child = spawn(process.execPath, ['--disallow-code-generation-from-strings', entry], { env: {}, stdio: ['pipe', 'pipe', 'pipe'] });
  ends.push(async () => {
    child.kill('SIGKILL');
    await ended(child);
  });
  const parameters = {
    directory: join(directory, 'log'),
    socketPath: join(directory, 'audit.sock'),
    origin: 'postern.local/process',
    seed: Buffer.alloc(32, 1).toString('base64'),
    bodyKey: Buffer.alloc(32, 2).toString('base64'),
    readerToken: 'a token for readers of bodies',
    graceMs: 100,
  };
  child.stdin.write(`${JSON.stringify(parameters)}\n`);
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString()));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', () => reject(new Error(complaint)));
  });
  const said = JSON.parse(line) as { ready: boolean; verifierKey: string };
  expect(said.ready).toBe(true);
  return { child, verifierKey: said.verifierKey };
}

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-process-'));
  ends.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

describe('the audit process', () => {
  it('loses nothing acknowledged over kill -9 under load, and stops in order', { timeout: 60_000 }, async () => {
    const directory = await newDirectory();
    const socketPath = join(directory, 'audit.sock');
    let running = await start(directory);
    const client = new AuditClient({ socketPath, client: 'gateway-kill' });
    ends.push(() => client.close(0));
    await client.ready();
    let sent = 0;
    const append = (): void => {
      const { header, body } = event(
        {
          code: 'operation.refused',
          at: new Date().toISOString(),
          actor: { issuer: 'p', subject: 's', name: 'n', kind: 'service-account', credential: 'none' },
          origin: 'o',
          outcome: 'failure',
          affected: `number-${String(++sent)}`,
        },
        `body ${String(sent)}`,
      );
      client.append(header, { kind: 'plain' }, body);
    };
    for (let round = 0; round < 2; round++) {
      const kill = new Promise((resolve) => setTimeout(resolve, 60 + round * 40)).then(() => running.child.kill('SIGKILL'));
      for (;;) {
        try {
          for (let at = 0; at < 20; at++) append();
        } catch {
          sent--;
          break;
        }
        await new Promise(setImmediate);
      }
      await kill;
      await ended(running.child);
      running = await start(directory);
      await client.ready();
    }
    append();
    await client.whenDurable(sent);
    const reader = new AuditReader({ socketPath, token: 'a token for readers of bodies' });
    ends.push(() => reader.close());
    const checkpoint = await reader.sync();
    const seen: string[] = [];
    const { size } = await reader.status();
    for (let at = 0; at < size; ) {
      const { entries, next } = await reader.read({ from: at, to: size, bodies: true });
      for (const { header } of entries) {
        const { affected } = JSON.parse(header) as { affected: string };
        if (affected !== 'log') seen.push(affected);
      }
      at = next;
    }
    // each once, in order, although many were sent twice
    expect(seen).toEqual(Array.from({ length: sent }, (_, at) => `number-${String(at + 1)}`));
    running.child.kill('SIGTERM');
    expect(await ended(running.child)).toBe(0);
    const verified = await verifyLog({
      directory: join(directory, 'log'),
      verifierKey: running.verifierKey,
      saved: [checkpoint],
      bodyKey: Buffer.alloc(32, 2),
      bodies: 'required',
    });
    expect(verified).toMatchObject({ ok: true, journal: { entries: 0 } });
    const again = await start(directory);
    again.child.stdin?.end();
    expect(await ended(again.child)).toBe(0);
  });

  it('refuses a directory that is in use', { timeout: 60_000 }, async () => {
    const directory = await newDirectory();
    await start(directory);
    await expect(start(directory)).rejects.toThrow('Another process is writing this log.');
  });
});

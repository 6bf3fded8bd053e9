import { mkdtemp, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureServerTls } from '../../proxy/control/certificates.ts';
import { ControlClient } from './control-client.ts';

/** A service that does as it likes, with a certificate of the pinned authority. */
let directory: string;
let server: Server;
let client: ControlClient;
let answer: (response: ServerResponse) => Promise<void> = () => Promise.resolve();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-client-'));
  const tls = await ensureServerTls(directory, ['localhost']);
  server = createServer({ key: tls.key, cert: tls.cert }, (_, response) => void answer(response));
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  client = new ControlClient({ url: `https://localhost:${String((server.address() as AddressInfo).port)}`, caPem: tls.ca });
});

afterAll(async () => {
  client.close();
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true, force: true });
});

it('waits for an answer as long as it says, though a byte comes now and then', async () => {
  answer = async (response) => {
    response.writeHead(200);
    while (!response.destroyed) {
      response.write(' ');
      await sleep(50);
    }
  };
  const from = performance.now();
  await expect(client.call('health', {}, { token: null, timeoutMs: 400 })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  await expect(client.call('signOut', {}, { token: null, timeoutMs: 400 })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  expect(performance.now() - from).toBeLessThan(3_000);
});

it('reads lines whole, however they are cut', async () => {
  const lines = ['a', 'ü€'.repeat(50_000), '', 'z'.repeat(200_000), 'b'].map((text, id) => ({ id, text }));
  const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  answer = async (response) => {
    for (let at = 0; at < bytes.length; at += 997) {
      response.write(bytes.subarray(at, at + 997));
      if (at % 19_940 === 0) await sleep(1);
    }
    response.end();
  };
  const read: unknown[] = [];
  const asked = { token: null, signal: AbortSignal.timeout(20_000) };
  for await (const line of client.stream('tailAudit', {}, asked)) read.push(line);
  expect(read).toEqual(lines);
});

it('takes no line that is longer than any of the service', async () => {
  const piece = Buffer.alloc(1_048_576, 'x');
  answer = async (response) => {
    while (!response.destroyed) {
      response.write(piece);
      await sleep(1);
    }
  };
  const items = client.stream('tailAudit', {}, { token: null, signal: AbortSignal.timeout(20_000) });
  await expect(items.next()).rejects.toMatchObject({ message: 'A line of the answer is too long.' });
});

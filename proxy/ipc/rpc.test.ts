import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fail } from '../contract/errors.ts';
import { connectUnix } from './channel.ts';
import { connectRpc, lastingRpc, serveRpc, type RpcPeer, type RpcServer } from './rpc.ts';

let directory = '';
let server: RpcServer | null = null;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rpc-'));
});
afterEach(async () => {
  await server?.close();
  server = null;
  await rm(directory, { recursive: true, force: true });
});
const path = (): string => join(directory, 's.sock');

test('calls cross in both directions and carry codes, messages and hints', async () => {
  const seen: RpcPeer[] = [];
  server = await serveRpc(
    path(),
    'secret',
    {
      double: (params) => Number(params) * 2,
      refuse: () => {
        throw fail('ERR_VAULT_LOCKED', { message: 'locked', hint: 'unlock it' });
      },
    },
    (peer) => seen.push(peer),
  );
  const client = await connectRpc(path(), 'secret', 'gwy_a', { name: () => 'client' });
  expect(await client.call('double', 21)).toBe(42);
  await expect(client.call('refuse', null)).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED', message: 'locked', hint: 'unlock it' });
  await expect(client.call('toString', null)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  expect(seen.map((peer) => peer.name)).toEqual(['gwy_a']);
  expect(await seen[0]?.call('name', null)).toBe('client');
  client.close();
});

test('a wrong secret, a malformed and an oversized first frame are refused and never become peers', async () => {
  const seen: RpcPeer[] = [];
  server = await serveRpc(path(), 'secret', {}, (peer) => seen.push(peer));
  await expect(connectRpc(path(), 'secrer', 'x')).rejects.toMatchObject({ code: 'ERR_CONTROL_UNAVAILABLE' });
  for (const first of ['{"id":1,"call":"x","params":1}', 'nonsense', JSON.stringify({ hello: 'secret', name: 'x'.repeat(2_000) })]) {
    const channel = await connectUnix(path());
    const closed = new Promise<void>((resolve) => {
      channel.onClose = resolve;
    });
    channel.send(Buffer.from(first));
    await closed;
  }
  expect(seen).toEqual([]);
});

test('a call ends with ERR_TIMEOUT at its deadline and with ERR_CONTROL_UNAVAILABLE when the other side is gone', async () => {
  server = await serveRpc(path(), 'secret', { never: () => new Promise(() => undefined) });
  const client = await connectRpc(path(), 'secret', 'x');
  await expect(client.call('never', null, 5)).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  const waiting = expect(client.call('never', null)).rejects.toMatchObject({ code: 'ERR_CONTROL_UNAVAILABLE' });
  await server.close();
  await waiting;
  await expect(client.call('never', null)).rejects.toMatchObject({ code: 'ERR_CONTROL_UNAVAILABLE' });
});

test('a lasting connection comes back after the server restarts', async () => {
  const notes: unknown[] = [];
  let connections = 0;
  let lost = 0;
  server = await serveRpc(path(), 'secret', { ping: () => 'pong' });
  const lasting = lastingRpc({
    path: path(),
    secret: 'secret',
    name: 'gwy_a',
    handlers: { snapshot: (params) => notes.push(params) },
    onConnect: () => connections++,
    onLost: () => lost++,
  });
  await expect.poll(() => lasting.connected).toBe(true);
  await server.close();
  await expect.poll(() => lost).toBe(1);
  await expect(lasting.call('ping', null)).rejects.toMatchObject({ code: 'ERR_CONTROL_UNAVAILABLE' });
  server = await serveRpc(path(), 'secret', { ping: () => 'pong' }, (peer) => {
    peer.notify('snapshot', { version: 2 });
  });
  await expect.poll(() => notes).toEqual([{ version: 2 }]);
  expect(await lasting.call('ping', null)).toBe('pong');
  expect(connections).toBe(2);
  lasting.close();
});

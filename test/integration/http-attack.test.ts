import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { createHash, randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { httpResource, send, webGateway, type WebGateway } from '../support/web-gateway.ts';

let target: Server;
let gateway: WebGateway;
let seen: string[] = [];
const tunnels: Duplex[] = [];

beforeAll(async () => {
  target = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      seen.push(`${request.method ?? ''} ${request.url ?? ''} ${body}`);
      if (request.url?.includes('slow') !== true) response.setHeader('content-type', 'application/json').end('{"ok":true}');
    });
  });
  target.on('upgrade', (request, socket) => {
    tunnels.push(socket);
    const accept = createHash('sha1')
      .update(`${String(request.headers['sec-websocket-key'])}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    socket.on('error', () => undefined).resume();
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${String((target.address() as AddressInfo).port)}/api`;
  gateway = await webGateway([httpResource(url, { bodies: { maxBytes: 33_554_432, other: 'refuse' } })]);
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  for (const tunnel of tunnels) tunnel.destroy();
  target.closeAllConnections();
  target.close();
});

beforeEach(() => {
  seen = [];
});

const form = { 'content-type': 'application/x-www-form-urlencoded' };

describe('another method than the one that was decided', () => {
  it.each([
    ['in a form', '/http/orders/1', '_method=DELETE', form],
    ['in a form, in other letters', '/http/orders/1', '_METHOD=DELETE', form],
    ['in a form, as PHP reads names', '/http/orders/1', '.method=DELETE', form],
    ['in a form, twice', '/http/orders/1', '_method=PUT&_method=DELETE', form],
    ['in the query', '/http/orders/1?_method=DELETE', 'a=1', form],
    ['in JSON', '/http/orders/1', '{"_method":"DELETE"}', { 'content-type': 'application/json' }],
    ['in JSON that is called text', '/http/orders/1', '{"_method":"DELETE"}', { 'content-type': 'text/plain' }],
  ])('is refused %s', async (_where, path, body, headers) => {
    const answer = await send(gateway.port, path, { method: 'POST', headers, body });
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([403, { error: { code: 'ERR_FEATURE_REFUSED' } }]);
    expect(seen).toEqual([]);
  });

  it('is a name like any other where nobody reads it so', async () => {
    const answer = await send(gateway.port, '/http/orders/1', { method: 'POST', headers: form, body: 'payment_method=card&method=card' });
    expect(answer.status).toBe(200);
  });
});

describe('JSON that is called text', () => {
  it.each([
    ['with a name twice', '{"role":"reader","role":"admin"}'],
    ['behind a byte order mark', '\ufeff{"role":"admin"}'],
    ['behind much white space', `${' '.repeat(5_000)}{"role":"reader","role":"admin"}`],
  ])('is refused %s, since policies could not see what it says', async (_how, body) => {
    const answer = await send(gateway.port, '/http/orders/1', { method: 'POST', headers: { 'content-type': 'text/plain' }, body });
    expect(answer.status).toBe(400);
    expect(seen).toEqual([]);
  });

  it('passes where it is none', async () => {
    const body = '[2026-01-01] started {ok';
    expect((await send(gateway.port, '/http/orders/log', { method: 'POST', headers: { 'content-type': 'text/plain' }, body })).status).toBe(200);
    expect(seen).toEqual([`POST /api/log ${body}`]);
  });
});

describe('a caller who sends too much at once', () => {
  it('is told so before the memory is full, and is served again afterwards', async () => {
    const piece = Buffer.alloc(1_000_000, 'x');
    const head = 'Host: 127.0.0.1\r\nAuthorization: Bearer good\r\nContent-Type: text/plain\r\nContent-Length: 33000000';
    const answers: string[] = [];
    const senders = Array.from({ length: 5 }, () => {
      const socket = connect({ port: gateway.port, host: '127.0.0.1' });
      socket.on('error', () => undefined).on('data', (chunk) => answers.push(String(chunk)));
      socket.write(`POST /http/orders/1 HTTP/1.1\r\n${head}\r\n\r\n`);
      // all but the end
      for (let sent = 0; sent < 32; sent++) socket.write(piece);
      return socket;
    });
    await expect.poll(() => answers.join(''), { timeout: 20_000 }).toContain('Too many large requests at once');
    expect(answers.join('')).toContain('HTTP/1.1 429');
    for (const socket of senders) socket.destroy();
    await expect
      .poll(async () => (await send(gateway.port, '/http/orders/1', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: piece })).status, {
        timeout: 20_000,
      })
      .toBe(200);
  }, 60_000);
});

describe('a WebSocket client that pings and reads nothing', () => {
  it('is not answered without end', async () => {
    const socket = connect({ port: gateway.port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    const key = randomBytes(16).toString('base64');
    const head = 'Host: 127.0.0.1\r\nAuthorization: Bearer good\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13';
    socket.write(`GET /http/orders/live HTTP/1.1\r\n${head}\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 125, 0, 0, 0, 0]), Buffer.alloc(125)]);
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => ping));
    let sent = 0;
    for (let round = 0; round < 100; round++) {
      // what the gateway does not take any more stays with us
      const taken = await Promise.race([new Promise<true>((resolve) => socket.write(many, () => resolve(true))), sleep(1_500).then(() => false)]);
      if (!taken) break;
      sent += many.length;
    }
    socket.destroy();
    expect(sent).toBeLessThan(60_000_000);
  }, 60_000);
});

describe('a page of one target', () => {
  it('has no origin on the port that all targets share', async () => {
    const answer = await send(gateway.port, '/http/orders/1');
    expect(answer.headers['content-security-policy']).toContain('sandbox');
    expect(answer.headers['content-security-policy']).not.toContain('allow-same-origin');
  });

  it.each([
    ['shows what it has no origin for', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
    ['sends something, without an origin', { origin: 'null' }, 403],
    ['is followed by a person', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 200],
    ['is a script of the target’s own port', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }, 200],
  ])('that %s is answered with its status', async (_what, headers, status) => {
    expect((await send(gateway.port, '/http/orders/1', { headers })).status).toBe(status);
  });
});

import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { webSocketFrame, WebSocketReader, type WebSocketMessage } from '../../proxy/engines/http/websocket-frames.ts';
import type { HttpResource } from '../../proxy/contract/resource.ts';
import type { ApprovalPort } from '../../proxy/pipeline/ports.ts';
import { selfSigned } from '../support/certificate.ts';
import { httpResource, send, sendRaw, webGateway, type WebGateway } from '../support/web-gateway.ts';
import { until } from '../support/until.ts';

const pan = '4111111111111111';
const hiddenPan = '411111******1111';

let target: Server;
let seen: string[] = [];
let granted: string[] = [];
let upgraded: Duplex | null = null;

function url(): string {
  return `http://127.0.0.1:${String((target.address() as AddressInfo).port)}`;
}

beforeAll(async () => {
  target = createServer((request, response) => {
    seen.push(`${request.method ?? ''} ${request.url ?? ''}`);
    if (request.url === '/token') {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        granted.push(`${request.headers.authorization ?? 'none'} ${Buffer.concat(chunks).toString()}`);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ access_token: 'minted-token-8899', token_type: 'Bearer', expires_in: 600 }));
      });
      return;
    }
    response.setHeader('content-type', 'text/plain');
    response.end(request.url === '/whoami' ? `you are ${request.headers.authorization ?? 'nobody'}` : 'done');
  });
  target.on('upgrade', (request, socket: Duplex) => {
    upgraded = socket;
    seen.push(`upgrade ${request.headers.authorization ?? ''} ${request.headers.origin ?? 'no origin'}`);
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`);
    socket.on('end', () => socket.end());
    const reader = new WebSocketReader(true, 1_000_000);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const { opcode, payload } of reader.push(chunk)) {
        if (opcode === 'text') socket.write(webSocketFrame('text', Buffer.from(`${payload.toString()} ${pan}`), false));
        if (opcode === 'close') socket.end(webSocketFrame('close', payload, false));
      }
    });
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
});

afterAll(() => {
  target.closeAllConnections();
  target.close();
});

/** People who are asked once for each command, and whose approval is used up by the next claim. */
class People implements ApprovalPort {
  readonly asked: string[] = [];
  readonly withdrawn: string[] = [];
  approved = false;
  #decided: PromiseWithResolvers<void> = Promise.withResolvers();
  hold: ApprovalPort['hold'] = () => {
    throw new Error('HTTP callers can come back');
  };
  claim: ApprovalPort['claim'] = ({ command }) => {
    const { approved } = this;
    this.approved = false;
    if (!approved) this.asked.push(command);
    return Promise.resolve({ request: 'req_one', approved });
  };
  whenDecided(): Promise<void> {
    return this.#decided.promise;
  }
  withdraw(_request: string, reason: string): void {
    this.withdrawn.push(reason);
  }
  recheck(): void {}
  decide(): void {
    this.approved = true;
    this.#decided.resolve();
    this.#decided = Promise.withResolvers();
  }
}

describe('a request that people decide', () => {
  it('waits, and runs once they approved', async () => {
    seen = [];
    const people = new People();
    await using gateway = await webGateway([httpResource(url())], { approval: people });
    const answer = send(gateway.port, '/http/orders/held', { method: 'POST', body: '{"amount":5}', headers: { 'content-type': 'application/json' } });
    await until('they are asked', () => people.asked.length > 0);
    expect(seen).toEqual([]);
    expect(people.asked[0]).toContain('POST /held');
    expect(people.asked[0]).toContain('"amount":5');
    people.decide();
    expect(await answer).toMatchObject({ status: 200, body: 'done' });
    expect(seen).toEqual(['POST /held']);
  });

  it('may be left with the request’s id and sent again', async () => {
    seen = [];
    const people = new People();
    await using gateway = await webGateway([httpResource(url())], { approval: people });
    const first = await send(gateway.port, '/http/orders/held', { method: 'DELETE', headers: { prefer: 'wait=0' } });
    expect([first.status, JSON.parse(first.body)]).toMatchObject([403, { error: { code: 'ERR_APPROVAL_REQUIRED', request: 'req_one' } }]);
    people.decide();
    expect((await send(gateway.port, '/http/orders/held', { method: 'DELETE', headers: { prefer: 'wait=0' } })).status).toBe(200);
    expect((await send(gateway.port, '/http/orders/held', { method: 'DELETE', headers: { prefer: 'wait=0' } })).status).toBe(403);
    expect(seen).toEqual(['DELETE /held']);
  });

  it('is withdrawn when the caller leaves, and never runs', async () => {
    seen = [];
    const people = new People();
    await using gateway = await webGateway([httpResource(url())], { approval: people });
    const controller = new AbortController();
    const asked = fetch(`http://127.0.0.1:${String(gateway.port)}/http/orders/held`, {
      method: 'POST',
      headers: { authorization: 'Bearer good' },
      signal: controller.signal,
    });
    await until('they are asked', () => people.asked.length > 0);
    controller.abort();
    await asked.catch(() => undefined);
    await until('it is withdrawn', () => people.withdrawn.length > 0);
    people.decide();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen).toEqual([]);
  });
});

interface Client {
  readonly socket: Duplex;
  readonly next: () => Promise<WebSocketMessage>;
}

function webSocket(gateway: WebGateway, path = '/http/orders/socket', headers: Record<string, string> = {}): Promise<Client> {
  const key = randomBytes(16).toString('base64');
  const all = {
    authorization: 'Bearer good',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: gateway.port, path, headers: all });
    request.once('upgrade', (_response, socket: Duplex, head: Buffer) => {
      const reader = new WebSocketReader(false, 1_000_000);
      const messages: WebSocketMessage[] = [...reader.push(head)];
      socket.on('data', (chunk: Buffer) => messages.push(...reader.push(chunk)));
      socket.on('error', () => undefined);
      resolve({ socket, next: () => until('a message', () => messages.shift()) });
    });
    request.once('response', (response) => {
      reject(new Error(String(response.statusCode)));
      response.resume();
    });
    request.once('error', reject);
    request.end();
  });
}

describe('a WebSocket', () => {
  it('is masked and recorded message by message, with the credential of the vault', async () => {
    seen = [];
    await using gateway = await webGateway([httpResource(url())]);
    const { socket, next } = await webSocket(gateway, '/http/orders/socket', { 'sec-websocket-extensions': 'permessage-deflate' });
    expect(seen).toEqual(['upgrade Bearer vault-secret-4711 no origin']);
    socket.write(webSocketFrame('text', Buffer.from(`card ${pan}`), true));
    expect((await next()).payload.toString()).toBe(`card ${hiddenPan} ${hiddenPan}`);
    socket.write(webSocketFrame('ping', Buffer.from('p'), true));
    expect((await next()).opcode).toBe('pong');
    expect(gateway.recorded.join('\n')).toContain('"by":"client"');
    expect(gateway.recorded.join('\n')).not.toContain(pan);
    socket.write(webSocketFrame('close', Buffer.from([0x03, 0xe8]), true));
    await until('it is settled', () => gateway.audit.codes().includes('operation.settled'));
  });

  it('takes no bytes, no compressed frames, no unmasked frames', async () => {
    await using gateway = await webGateway([httpResource(url())]);
    const compressed = webSocketFrame('text', Buffer.from('x'), true);
    compressed[0] = 0xc1;
    for (const frame of [webSocketFrame('binary', Buffer.from('x'), true), compressed, webSocketFrame('text', Buffer.from('x'), false)]) {
      const { socket, next } = await webSocket(gateway);
      socket.write(frame);
      expect((await next()).opcode).toBe('close');
      socket.destroy();
    }
  });

  it('is closed on both sides when its session is killed', async () => {
    await using gateway = await webGateway([httpResource(url())]);
    const { next } = await webSocket(gateway);
    const atTarget = upgraded;
    void gateway.pipeline.stop('revoked');
    expect(await next()).toMatchObject({ opcode: 'close', payload: Buffer.from([0x03, 0xf0]) });
    await until('the target sees it', () => atTarget?.destroyed);
  });

  it('needs a policy of its own, and a page of our own', async () => {
    await using gateway = await webGateway([httpResource(url())]);
    await expect(webSocket(gateway, '/http/orders/forbidden')).rejects.toThrow('403');
    await expect(webSocket(gateway, '/http/orders/socket', { origin: 'https://evil.example' })).rejects.toThrow('403');
  });
});

describe('OAuth client credentials', () => {
  const credential = (authentication: 'client_secret_basic' | 'private_key_jwt'): Partial<HttpResource> => ({
    credential: { type: 'oauth-client-credentials', tokenUrl: `${url()}/token`, clientId: 'gateway', authentication, scope: 'read', resource: '' },
  });

  it('gets one token for many calls, and never shows it', async () => {
    granted = [];
    await using gateway = await webGateway([httpResource(url(), credential('client_secret_basic'))]);
    const answers = [await send(gateway.port, '/http/orders/whoami'), await send(gateway.port, '/http/orders/whoami')];
    for (const { body } of answers) expect(body).toMatch(/^you are Bearer \*+$/);
    expect(granted).toHaveLength(1);
    const basic = Buffer.from(/^Basic (\S+)/.exec(granted[0] ?? '')?.[1] ?? '', 'base64').toString();
    // RFC 6749 section 2.3.1: encoded as in a form
    expect(decodeURIComponent(basic)).toBe('gateway:vault-secret-4711');
    expect(granted[0]).toContain('scope=read');
  });

  it('signs an assertion with the private key of the vault', async () => {
    granted = [];
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const password = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const control = {
      open: () => Promise.resolve({ key: '', wrapped: '' }),
      lease: () => Promise.resolve({ account: 'x', password, secretVersion: 1 }),
      ended: () => undefined,
    };
    await using gateway = await webGateway([httpResource(url(), credential('private_key_jwt'))], { ports: { control } });
    expect((await send(gateway.port, '/http/orders/whoami')).body).toMatch(/^you are Bearer \*+$/);
    expect(granted[0]).toContain('client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer');
  });
});

describe('TLS', () => {
  it('is spoken by the port, and plain HTTP is told so', async () => {
    const { key, cert } = selfSigned();
    await using gateway = await webGateway([httpResource(url())], { tls: { key, cert, ca: cert } });
    expect((await send(gateway.port, '/http/orders/x', { ca: cert })).body).toBe('done');
    expect(await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')).toContain('use https://');
  });

  it('has per-resource ports, where every path is the target’s', async () => {
    seen = [];
    await using gateway = await webGateway([httpResource(url())], { pinned: 'orders' });
    expect((await send(gateway.port, '/http/other/x')).status).toBe(200);
    expect((await send(gateway.port, '/x', { token: null })).headers['www-authenticate']).toContain('/.well-known/oauth-protected-resource"');
    expect(seen).toEqual(['GET /http/other/x']);
  });
});

describe('addresses where no target may be', () => {
  it.each([['http://2130706433:80'], ['http://0x7f.1'], ['http://[::ffff:127.0.0.1]'], ['http://localhost:1'], ['http://169.254.169.254']])(
    '%s is refused',
    async (address) => {
      await using gateway = await webGateway([httpResource(address, { allowLocal: false })]);
      const { status, body } = await send(gateway.port, '/http/orders/x');
      expect([status, (JSON.parse(body) as { error: { message: string } }).error.message]).toEqual([
        502,
        expect.stringContaining('The address of the target is refused') as string,
      ]);
    },
  );
});

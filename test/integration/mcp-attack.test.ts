import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { McpUpstream } from '../../proxy/contract/resource.ts';
import { fakeGateway, type FakeGateway, type FakeGatewayGiven } from '../../proxy/engines/mcp/broker.fake.ts';
import type { ApprovalPort } from '../../proxy/pipeline/ports.ts';

type Json = Record<string, unknown>;
type Answer = (message: Json, response: ServerResponse) => unknown;

interface Running {
  readonly upstream: McpUpstream;
  readonly got: Json[];
}

const open: { server?: Server; gateway?: FakeGateway }[] = [];

afterEach(async () => {
  for (const { server, gateway } of open.splice(0)) {
    await gateway?.close();
    server?.closeAllConnections();
    server?.close();
  }
});

/** A server that answers with what the test says; `undefined`: not at all, or it has answered already. */
async function serverOf(answer: Answer): Promise<Running> {
  const got: Json[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const message = (body === '' ? {} : JSON.parse(body)) as Json;
      got.push(message);
      const result = message['method'] === 'tools/list' ? { resultType: 'complete', tools: [{ name: 'pay', inputSchema: {} }] } : answer(message, response);
      if (result !== undefined) response.setHeader('content-type', 'application/json').end(JSON.stringify({ jsonrpc: '2.0', id: message['id'], result }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ server });
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/mcp`;
  return { upstream: { transport: 'streamable-http', url, allowLocal: true, credential: { type: 'none' } }, got };
}

async function gatewayOf(given: FakeGatewayGiven): Promise<FakeGateway> {
  const gateway = await fakeGateway(given);
  open.push({ gateway });
  return gateway;
}

async function send(url: string, body: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

function call(url: string, params: Json, name = 'pay'): Promise<{ status: number; text: string }> {
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {}, ...(params['_meta'] as Json) };
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': name };
  return send(url, JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {}, ...params, _meta: meta } }), headers);
}

async function initialized(url: string): Promise<string> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } };
  const { headers } = await send(url, JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }));
  return headers.get('mcp-session-id') ?? '';
}

const ok = { resultType: 'complete', content: [{ type: 'text', text: 'done' }] };
const welcome = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } };

describe('a message of very many values', () => {
  it('is refused before each of them costs work at every step', async () => {
    const { upstream, got } = await serverOf(() => ok);
    const gateway = await gatewayOf({ upstream });
    const said = await call(gateway.url, { _meta: { x: Array.from({ length: 60_000 }, () => 0) } });
    expect([said.status, said.text]).toEqual([400, expect.stringContaining('too many values')]);
    expect(got).toEqual([]);
  });

  it('passes as the answer of a server, which is only masked', async () => {
    const { upstream } = await serverOf(() => ({ ...ok, structuredContent: { rows: Array.from({ length: 60_000 }, () => 0) } }));
    const gateway = await gatewayOf({ upstream });
    await call(gateway.url, {});
    await expect.poll(async () => (await call(gateway.url, {})).text.length, { timeout: 20_000 }).toBeGreaterThan(100_000);
  });
});

describe('a caller whose calls would fill the memory', () => {
  it('is told so, and is served again when they are answered', async () => {
    const answered = Promise.withResolvers<null>();
    let waiting = 0;
    const { upstream } = await serverOf((message, response) => {
      if ((message['params'] as Json)['slow'] !== true) return ok;
      waiting++;
      void answered.promise.then(() =>
        response.setHeader('content-type', 'application/json').end(JSON.stringify({ jsonrpc: '2.0', id: message['id'], result: ok })),
      );
      return undefined;
    });
    const gateway = await gatewayOf({ upstream });
    await call(gateway.url, {});
    await expect.poll(() => gateway.pins.size, { timeout: 10_000 }).toBe(1);
    const many = { slow: true, arguments: { x: Array.from({ length: 19_000 }, () => 'a') } };
    const held = Array.from({ length: 24 }, () => call(gateway.url, many));
    const first = await Promise.race(held);
    expect([first.status, first.text]).toEqual([429, expect.stringContaining('Too many large requests at once')]);
    await expect.poll(() => waiting, { timeout: 20_000 }).toBeGreaterThan(8);
    answered.resolve(null);
    const statuses = (await Promise.all(held)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    await expect.poll(async () => (await call(gateway.url, { ...many, slow: false })).status).toBe(200);
  }, 60_000);
});

describe('an approval', () => {
  it('is bound to what goes to the server beside the arguments, and not to the names of one round', async () => {
    const bound: string[] = [];
    const approval: ApprovalPort = {
      hold: () => ({ request: 'req_a', decided: Promise.resolve({ approved: false as const, why: 'no' }), withdraw: () => undefined }),
      claim: (wanted) => {
        bound.push(Buffer.concat(wanted.exact).toString());
        return Promise.resolve({ request: 'req_a', approved: false, denied: 'no' });
      },
      whenDecided: () => Promise.resolve(),
      withdraw: () => undefined,
      recheck: () => undefined,
    };
    const terms = { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 600, risk: 'normal', ownerDecides: false } as const;
    const { upstream } = await serverOf(() => ok);
    const gateway = await gatewayOf({ upstream, approval, decide: ({ context }) => (context.call?.method === 'tools/call' ? { approve: terms } : {}) });
    await call(gateway.url, {});
    await expect.poll(() => gateway.pins.size, { timeout: 10_000 }).toBe(1);
    bound.length = 0;
    await call(gateway.url, {});
    await call(gateway.url, { _meta: { progressToken: 'p', traceparent: '00-1', 'io.modelcontextprotocol/clientInfo': { name: 'b', version: '2' } } });
    await call(gateway.url, { _meta: { 'shop.example/account': '4111111111111111' } });
    await call(gateway.url, { _meta: { 'shop.example/account': '4111110000001111' } });
    await call(gateway.url, { inputResponses: { confirm: { action: 'accept', content: { card: '4111111111111111' } } } });
    await call(gateway.url, { inputResponses: { confirm: { action: 'accept', content: { card: '4111110000001111' } } } });
    await call(gateway.url, { requestState: 'of the server' });
    expect(bound).toHaveLength(7);
    expect(bound[1]).toBe(bound[0]);
    expect(new Set(bound).size).toBe(6);
  });
});

describe('sessions of others', () => {
  it('do not go away because somebody is turned away often', async () => {
    let isOpen = true;
    const { upstream } = await serverOf((message) => (message['method'] === 'initialize' ? welcome : ok));
    const gateway = await gatewayOf({ upstream, decide: () => ({ permitted: isOpen }) });
    const session = await initialized(gateway.url);
    expect(session).not.toBe('');
    isOpen = false;
    for (let round = 0; round < 70; round++) await initialized(gateway.url);
    isOpen = true;
    const said = await send(gateway.url, '{"jsonrpc":"2.0","id":2,"method":"ping"}', { 'mcp-session-id': session });
    expect(said.status).toBe(200);
  });
});

describe('the secret of a server that echoes it', () => {
  const secret = 'hunter2-secret';

  it('goes into no log when it stands in an error, and to no caller when it stands in the place of an event', async () => {
    const failed = { ...ok, content: [{ type: 'text', text: `no account for key ${secret}` }], isError: true };
    const { upstream } = await serverOf((message, response) => {
      if ((message['params'] as Json)['isStream'] !== true) return failed;
      response.setHeader('content-type', 'text/event-stream');
      response.end(`id: ${secret}\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: message['id'], result: ok })}\n\n`);
      return undefined;
    });
    const gateway = await gatewayOf({ upstream: { ...upstream, credential: { type: 'header', header: 'x-key', prefix: '' } } as McpUpstream });
    await call(gateway.url, {});
    await expect.poll(() => gateway.pins.size, { timeout: 10_000 }).toBe(1);
    const said = await call(gateway.url, {});
    expect(said.text).toContain('no account for key **************');
    expect((await call(gateway.url, { isStream: true })).text).toContain('id: **************');
    await expect.poll(() => JSON.stringify(gateway.audit.events)).toContain('no account for key **************');
    expect(JSON.stringify([gateway.audit.events, gateway.recorded])).not.toContain(secret);
  });
});

describe('a stream of somebody else', () => {
  it('is not taken up at a place that was not given to this session', async () => {
    const asked: (string | undefined)[] = [];
    const { upstream } = await serverOf((message, response) => {
      if (message['method'] === 'initialize') return welcome;
      if (message['method'] === undefined) {
        asked.push(response.req.headers['last-event-id'] as string | undefined);
        response.setHeader('content-type', 'text/event-stream').end('id: mine-1\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n');
      }
      return undefined;
    });
    const gateway = await gatewayOf({ upstream });
    const session = await initialized(gateway.url);
    const follow = (place: string): Promise<string> =>
      fetch(gateway.url, { headers: { accept: 'text/event-stream', 'mcp-session-id': session, 'last-event-id': place } }).then((response) => response.text());
    expect(await follow('theirs-7')).toContain('id: mine-1');
    await follow('mine-1');
    expect(asked).toEqual([undefined, 'mine-1']);
  });
});

describe('the answer to a request of one server of a group', () => {
  it('is given to nobody when another server took the same id', async () => {
    const answers: [string, Json][] = [];
    const asking = (name: string): Promise<Running> =>
      serverOf((message, response) => {
        if (message['method'] === 'initialize') return welcome;
        if (message['method'] === undefined) answers.push([name, message]);
        if (message['method'] !== 'tools/call') {
          response.writeHead(202).end();
          return undefined;
        }
        const request = { jsonrpc: '2.0', id: 1, method: 'elicitation/create', params: { message: 'Which account?', requestedSchema: {} } };
        response.setHeader('content-type', 'text/event-stream').write(`data: ${JSON.stringify(request)}\n\n`);
        return undefined;
      });
    const [honest, hostile] = [await asking('honest'), await asking('hostile')];
    const gateway = await gatewayOf({
      upstream: { transport: 'group', members: ['hostile', 'honest'] },
      others: { honest: honest.upstream, hostile: hostile.upstream },
    });
    const session = await initialized(gateway.url);
    const headers = { 'mcp-session-id': session };
    await send(gateway.url, '{"jsonrpc":"2.0","id":2,"method":"tools/list"}', headers);
    await expect.poll(() => gateway.pins.size, { timeout: 10_000 }).toBe(1);
    const leave = new AbortController();
    const asked = ['hostile', 'honest'].map(async (name, at) => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 10 + at, method: 'tools/call', params: { name: `${name}__pay`, arguments: {} } });
      const response = await fetch(gateway.url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body, signal: leave.signal });
      const { value } = (await response.body?.getReader().read()) ?? {};
      return Buffer.from(value ?? []).toString();
    });
    expect((await Promise.all(asked)).every((text) => text.includes('Which account?'))).toBe(true);
    const said = await send(gateway.url, '{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"account":"mine"}}}', headers);
    expect(said.status).toBe(400);
    expect(answers).toEqual([]);
    leave.abort();
  });
});

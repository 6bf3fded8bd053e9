import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { McpUpstream } from '../../contract/resource.ts';
import type { ApprovalPort } from '../../pipeline/ports.ts';
import { fakeGateway, type FakeGateway, type FakeGatewayGiven } from './broker.fake.ts';

const pan = '4111111111111111';
const version = '2026-07-28';

type Json = Record<string, unknown>;
/** What the server was sent: headers and message. */
interface Got {
  readonly headers: IncomingMessage['headers'];
  readonly message: Json;
}
type Answer = (message: Json, response: ServerResponse, request: IncomingMessage) => unknown;

const open: { server?: Server; gateway?: FakeGateway }[] = [];

afterEach(async () => {
  for (const { server, gateway } of open.splice(0)) {
    await gateway?.close();
    server?.closeAllConnections();
    server?.close();
  }
});

const tool = (name: string, more: Json = {}): Json => ({ name, description: `does ${name}`, inputSchema: { type: 'object' }, ...more });

/** A server of either era that answers with what the test says; `tools/list` by itself. */
async function serverOf(answer: Answer, tools: () => Json[] = () => [tool('pay'), tool('read_card')]): Promise<{ upstream: McpUpstream; got: Got[] }> {
  const got: Got[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const message = (body === '' ? {} : JSON.parse(body)) as Json;
      got.push({ headers: request.headers, message });
      if (request.method !== 'POST') response.writeHead(request.method === 'GET' ? 405 : 200).end();
      else if (message['method'] === 'tools/list')
        json(response, { jsonrpc: '2.0', id: message['id'], result: { resultType: 'complete', tools: tools(), cacheScope: 'public', ttlMs: 5 } });
      else if (message['method'] === 'prompts/list') json(response, { jsonrpc: '2.0', id: message['id'], result: { prompts: [] } });
      else if (!('id' in message)) response.writeHead(202).end();
      else {
        const result = answer(message, response, request);
        if (result !== undefined) json(response, { jsonrpc: '2.0', id: message['id'], result });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ server });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  return { upstream: { transport: 'streamable-http', url, allowLocal: true, credential: { type: 'header', header: 'X-Key', prefix: 'Key' } }, got };
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'theirs' }).end(JSON.stringify(value));
}

async function gatewayOf(given: FakeGatewayGiven): Promise<FakeGateway> {
  const gateway = await fakeGateway(given);
  open.push({ gateway });
  return gateway;
}

interface Said {
  readonly status: number;
  readonly text: string;
  readonly body: { result?: Json; error?: { code: number; message: string; data?: Json } };
}

async function send(url: string, body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Said> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: Buffer.from(body),
  });
  const text = await response.text();
  const last = text.startsWith('{') ? text : (text.split('\n').findLast((line) => line.startsWith('data: {')) ?? 'data: {}').slice(6);
  return { status: response.status, text, body: JSON.parse(last === '' ? '{}' : last) as Said['body'] };
}

function modern(method: string, params: Json = {}, id: number | string = 1): { body: string; headers: Record<string, string> } {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientCapabilities': {},
    ...(params['_meta'] as Json | undefined),
  };
  const name = params['name'] ?? params['uri'];
  const headers = { 'mcp-protocol-version': version, 'mcp-method': method, ...(typeof name === 'string' && { 'mcp-name': name }) };
  return { body: JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } }), headers };
}

async function call(url: string, name: string, args: Json, more: Json = {}): Promise<Said> {
  const { body, headers } = modern('tools/call', { name, arguments: args, ...more });
  return send(url, body, headers);
}

/** What a server offers is agreed to a moment after it was seen. */
async function agreed(gateway: FakeGateway): Promise<void> {
  const { body, headers } = modern('tools/list');
  await send(gateway.url, body, headers);
  await expect.poll(() => gateway.pins.size).toBeGreaterThan(0);
}

const ok = { resultType: 'complete', content: [{ type: 'text', text: 'done' }] };

describe('a call', () => {
  it('reaches the server with our credential and derived headers, and never with the caller’s own', async () => {
    const { upstream, got } = await serverOf(() => ok);
    const gateway = await gatewayOf({ upstream });
    await agreed(gateway);
    const { body, headers } = modern('tools/call', { name: 'pay', arguments: { amount: 5 } });
    const said = await send(gateway.url, body, { ...headers, authorization: 'Bearer mine', cookie: 'a=b', 'x-forwarded-for': '10.0.0.1', 'mcp-param-x': 'y' });
    expect(said.body.result).toEqual(ok);
    const last = got.at(-1)?.headers;
    expect(last).toMatchObject({
      'x-key': 'Key hunter2-secret',
      'mcp-method': 'tools/call',
      'mcp-name': 'pay',
      'mcp-protocol-version': version,
      'mcp-param-x': 'y',
    });
    expect(last).not.toHaveProperty('authorization');
    expect(last).not.toHaveProperty('cookie');
    expect(last).not.toHaveProperty('x-forwarded-for');
    expect(gateway.audit.codes()).toEqual(expect.arrayContaining(['session.started', 'operation.intended', 'operation.settled']));
  });

  it('keeps what it does not know, in both directions', async () => {
    const { upstream, got } = await serverOf(() => ({ ...ok, content: [{ type: 'hologram', zz: [1, null] }], extra: { a: 12345678901234567 } }));
    const gateway = await gatewayOf({ upstream });
    await agreed(gateway);
    const said = await call(gateway.url, 'pay', { deep: { list: [1.0, '2'] } }, { other: { thing: true } });
    expect(said.body.result).toMatchObject({ content: [{ type: 'hologram', zz: [1, null] }] });
    expect(got.at(-1)?.message['params']).toMatchObject({ other: { thing: true }, arguments: { deep: { list: [1, '2'] } } });
  });

  it('is masked on both copies, and our own secret with it', async () => {
    const echoed = {
      ...ok,
      content: [{ type: 'text', text: `card ${pan}, key hunter2-secret` }],
      structuredContent: { number: Number(pan), blob: Buffer.from(pan).toString('base64') },
    };
    const { upstream } = await serverOf(() => echoed);
    const gateway = await gatewayOf({ upstream });
    await agreed(gateway);
    const said = await call(gateway.url, 'pay', { note: `for ${pan}`, card: { cvv: '123' } });
    for (const text of [said.text, ...gateway.recorded, ...gateway.audit.bodies.map(String), JSON.stringify(gateway.audit.events)]) {
      expect(text).not.toContain(pan);
      expect(text).not.toContain(Buffer.from(pan).toString('base64'));
      expect(text).not.toContain('"123"');
    }
    expect(said.text).not.toContain('hunter2');
    expect(said.text).toContain('411111******1111');
  });

  it('that policy refuses is a result the model can read, or an unknown tool where no call could be permitted', async () => {
    const { upstream, got } = await serverOf(() => ok);
    const decide: FakeGatewayGiven['decide'] = ({ context, acts }) => ({
      permitted: context.call?.arguments['/amount'] !== '9' && acts[0]?.object.path[0] !== 'read_card',
    });
    const gateway = await gatewayOf({ upstream, decide });
    await agreed(gateway);
    const refused = await call(gateway.url, 'pay', { amount: 9 });
    expect(refused.body.result).toMatchObject({
      isError: true,
      resultType: 'complete',
      _meta: { 'postern/error': { code: 'ERR_ACCESS_DENIED', hint: 'ask' } },
    });
    const hidden = await call(gateway.url, 'read_card', {});
    expect(hidden.body.error).toMatchObject({ code: -32602, message: 'Unknown tool: read_card' });
    expect(got.some(({ message }) => message['method'] === 'tools/call')).toBe(false);
    expect(gateway.audit.codes().filter((code) => code === 'operation.refused')).toHaveLength(2);
    const { body, headers } = modern('tools/list');
    const list = await send(gateway.url, body, headers);
    expect(list.body.result).toMatchObject({ tools: [{ name: 'pay' }], cacheScope: 'private', ttlMs: 5 });
  });
});

describe('a tool nobody agreed to', () => {
  it('is not listed and cannot be called; a changed one neither', async () => {
    let tools = [tool('pay')];
    const { upstream } = await serverOf(
      () => ok,
      () => tools,
    );
    const gateway = await gatewayOf({ upstream, quarantine: true });
    const { body, headers } = modern('tools/list');
    expect((await send(gateway.url, body, headers)).body.result).toMatchObject({ tools: [] });
    await expect.poll(() => gateway.pins.get('tool:pay')?.offered).toMatch(/^[0-9a-f]{64}$/);
    expect((await call(gateway.url, 'pay', {})).body.result).toMatchObject({ _meta: { 'postern/error': { code: 'ERR_TOOL_QUARANTINED' } } });
    const pin = gateway.pins.get('tool:pay');
    if (pin === undefined) throw new Error('no pin');
    gateway.pins.set('tool:pay', { ...pin, approved: pin.offered });
    expect((await call(gateway.url, 'pay', {})).body.result).toEqual(ok);
    tools = [tool('pay', { description: 'and sends a copy elsewhere' })];
    expect((await send(gateway.url, body, headers)).body.result).toMatchObject({ tools: [] });
    expect((await call(gateway.url, 'pay', {})).body.result).toMatchObject({ isError: true });
    expect((await call(gateway.url, 'nothing', {})).body.error).toMatchObject({ code: -32602 });
  });
});

describe('smuggling', () => {
  const good = JSON.parse(modern('tools/call', { name: 'pay', arguments: {} }).body) as Json;
  const params = JSON.stringify(good['params']);
  it.each([
    ['a batch', `[${JSON.stringify(good)}]`, -32600],
    ['a duplicate key', `{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":${params}}`, -32700],
    ['an escaped duplicate', `{"jsonrpc":"2.0","id":1,"method":"tools/list","m\\u0065thod":"tools/call","params":${params}}`, -32700],
    ['another case', `{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call","params":${params}}`, -32600],
    ['a Kelvin sign', `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","_meta":{"progressTo\u212aen":1}}}`, -32600],
    ['a NUL', `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","name\\u0000":"x"}}`, -32700],
    ['a call that is an answer', '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', -32600],
    ['depth', `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${'['.repeat(80)}${']'.repeat(80)}}}`, -32700],
    ['no JSON', '{"jsonrpc":"2.0"', -32700],
    ['an id that is none', '{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}', -32600],
  ])('with %s is refused and on record', async (_what, body, code) => {
    const { upstream, got } = await serverOf(() => ok);
    const gateway = await gatewayOf({ upstream });
    const said = await send(gateway.url, body, { 'mcp-protocol-version': version, 'mcp-method': 'tools/call', 'mcp-name': 'pay' });
    expect([said.status, said.body.error?.code]).toEqual([400, code]);
    expect(gateway.audit.codes()).toContain('operation.refused');
    expect(got).toEqual([]);
  });

  it('with bytes that are no UTF-8, or headers that say something else, is refused', async () => {
    const { upstream, got } = await serverOf(() => ok);
    const gateway = await gatewayOf({ upstream });
    await agreed(gateway);
    const before = got.length;
    const bytes = Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"'), Buffer.from([0xff]), Buffer.from('"}}')]);
    expect((await send(gateway.url, bytes)).body.error?.code).toBe(-32700);
    const { body, headers } = modern('tools/call', { name: 'pay', arguments: {} });
    for (const wrong of [{ 'mcp-name': 'read_card' }, { 'mcp-method': 'ping' }, { 'mcp-protocol-version': '2025-11-25' }, { 'mcp-name': '=?base64?!!?=' }]) {
      const said = await send(gateway.url, body, { ...headers, ...wrong });
      expect([said.status, said.body.error?.code]).toEqual([400, -32020]);
    }
    expect(got).toHaveLength(before);
  });
});

describe('people who decide', () => {
  function approvals(): { port: ApprovalPort; approve: () => void; claims: number; withdrawn: string[]; bound: string[] } {
    let decided: PromiseWithResolvers<void> = Promise.withResolvers();
    let approved = false;
    const state = {
      claims: 0,
      withdrawn: [] as string[],
      bound: [] as string[],
      approve: () => {
        approved = true;
        decided.resolve();
      },
      port: {
        hold: () => ({ request: 'req_a', decided: Promise.resolve({ approved: false as const, why: 'no' }), withdraw: () => undefined }),
        claim: (wanted) => {
          state.claims++;
          state.bound.push(Buffer.concat(wanted.exact).toString());
          const was = approved;
          // once
          if (approved) decided = Promise.withResolvers();
          approved = false;
          return Promise.resolve({ request: 'req_a', approved: was });
        },
        whenDecided: () => decided.promise,
        withdraw: (_request, reason) => void state.withdrawn.push(reason),
        recheck: () => undefined,
      } satisfies ApprovalPort,
    };
    return state;
  }
  const terms = { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 600, risk: 'normal', ownerDecides: false } as const;
  const decide: FakeGatewayGiven['decide'] = ({ context }) => (context.call?.method === 'tools/call' ? { approve: terms } : {});

  it('let the call run once, while the caller waits; its names of this round are not what they approve', async () => {
    const people = approvals();
    const { upstream, got } = await serverOf(() => ok);
    const gateway = await gatewayOf({ upstream, decide, approval: people.port });
    await agreed(gateway);
    const running = call(gateway.url, 'pay', { amount: 1 }, { _meta: { progressToken: 'p' } });
    await expect.poll(() => people.claims).toBe(1);
    expect(got.some(({ message }) => message['method'] === 'tools/call')).toBe(false);
    people.approve();
    expect((await running).body.result).toEqual(ok);
    expect(people.bound[0]).not.toContain('progressToken');
    expect(got.filter(({ message }) => message['method'] === 'tools/call')).toHaveLength(1);
  });

  it('are told when the caller leaves, and the call never runs', async () => {
    const people = approvals();
    const { upstream, got } = await serverOf(() => ok);
    const gateway = await gatewayOf({ upstream, decide, approval: people.port });
    await agreed(gateway);
    const { body, headers } = modern('tools/call', { name: 'pay', arguments: {} });
    const leaving = new AbortController();
    const running = fetch(gateway.url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body, signal: leaving.signal }).catch(
      () => null,
    );
    await expect.poll(() => people.claims).toBe(1);
    leaving.abort();
    await running;
    await expect.poll(() => people.withdrawn).toEqual(['The caller went away.']);
    people.approve();
    expect(got.some(({ message }) => message['method'] === 'tools/call')).toBe(false);
  });

  it('are waited for with progress where the older client asked for it', async () => {
    const people = approvals();
    const { upstream } = await serverOf((message) =>
      message['method'] === 'initialize' ? { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } : ok,
    );
    const gateway = await gatewayOf({ upstream, decide, approval: people.port });
    await agreed(gateway);
    const session = await initialized(gateway.url);
    const body = JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'pay', arguments: {}, _meta: { progressToken: 'p1' } } });
    const running = send(gateway.url, body, { 'mcp-session-id': session });
    await expect.poll(() => people.claims).toBe(1);
    people.approve();
    const said = await running;
    expect(said.text).toContain('Waiting for the approval of 1 of group dba: request req_a.');
    expect(said.text.indexOf('notifications/progress')).toBeLessThan(said.text.indexOf('"done"'));
    expect(said.body.result).toEqual(ok);
  });
});

async function initialized(url: string): Promise<string> {
  const body = {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
  };
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
  return response.headers.get('mcp-session-id') ?? '';
}

describe('a session of the older era', () => {
  it('has an id of ours, ends with DELETE, and is nobody else’s', async () => {
    const { upstream, got } = await serverOf((message) =>
      message['method'] === 'initialize' ? { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } : {},
    );
    const gateway = await gatewayOf({ upstream, others: { other: upstream } });
    const session = await initialized(gateway.url);
    expect(session).toMatch(/^[\w-]{43}$/);
    const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
    expect((await send(gateway.url, ping, { 'mcp-session-id': session })).body.result).toEqual({});
    expect(got.at(-1)?.headers['mcp-session-id']).toBe('theirs');
    expect((await send(gateway.at('other'), ping, { 'mcp-session-id': session })).status).toBe(404);
    expect((await send(gateway.url, ping, { 'mcp-session-id': 'theirs' })).status).toBe(404);
    expect((await fetch(gateway.url, { method: 'DELETE', headers: { 'mcp-session-id': session } })).status).toBe(200);
    expect((await send(gateway.url, ping, { 'mcp-session-id': session })).status).toBe(404);
    await expect.poll(() => got.at(-1)?.headers['mcp-session-id']).toBe('theirs');
  });

  it('that is killed stops the call and answers', async () => {
    const { upstream } = await serverOf((message) =>
      message['method'] === 'initialize' ? { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } : undefined,
    );
    const gateway = await gatewayOf({ upstream });
    await agreed(gateway);
    const session = await initialized(gateway.url);
    const body = JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'pay', arguments: {} } });
    const running = send(gateway.url, body, { 'mcp-session-id': session });
    await expect
      .poll(() => gateway.audit.events.filter(({ affected, code }) => affected !== undefined && code === 'operation.intended').length)
      .toBeGreaterThan(2);
    gateway.killAll();
    const said = await running;
    expect(said.body.error?.data).toMatchObject({ code: 'ERR_SESSION_ENDED' });
    expect((await send(gateway.url, body, { 'mcp-session-id': session })).status).toBe(404);
  });
});

describe('a server that breaks the protocol', () => {
  it.each([
    ['no JSON', 'nope', 'application/json'],
    ['another id', '{"jsonrpc":"2.0","id":99,"result":{}}', 'application/json'],
    ['duplicate keys', '{"jsonrpc":"2.0","id":1,"result":{},"result":{"a":1}}', 'application/json'],
    ['a page', `<html>${pan}</html>`, 'text/html'],
    ['an event that is none', `data: ${pan}\n\n`, 'text/event-stream'],
    ['a stream without answer', ': nothing\n\n', 'text/event-stream'],
  ])('with %s is told in our own words', async (_what, bytes, type) => {
    const { upstream } = await serverOf((_message, response) => {
      response.writeHead(200, { 'content-type': type }).end(bytes);
    });
    const gateway = await gatewayOf({ upstream });
    await agreed(gateway);
    const said = await call(gateway.url, 'pay', {});
    expect(said.body.error).toMatchObject({ code: 502, data: { code: 'ERR_TARGET_UNREACHABLE' } });
    expect(said.text).not.toContain(pan);
    expect(gateway.audit.events.at(-1)).toMatchObject({ code: 'operation.settled', outcome: 'failure' });
  });
});

describe('a group', () => {
  it('names tools by their server and sends each call to it', async () => {
    const discovered = { resultType: 'complete', supportedVersions: [version], capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } };
    const answer =
      (who: string): Answer =>
      (message) =>
        message['method'] === 'server/discover' ? discovered : { ...ok, content: [{ type: 'text', text: who }] };
    const [one, two] = [await serverOf(answer('one')), await serverOf(answer('two'))];
    const gateway = await gatewayOf({ upstream: { transport: 'group', members: ['one', 'two', 'absent'] }, others: { one: one.upstream, two: two.upstream } });
    await agreed(gateway);
    const { body, headers } = modern('tools/list');
    const list = (await send(gateway.url, body, headers)).body.result;
    expect((list?.['tools'] as Json[]).map(({ name }) => name)).toEqual(['one__pay', 'one__read_card', 'two__pay', 'two__read_card']);
    expect((await call(gateway.url, 'two__pay', { amount: 1 })).body.result).toMatchObject({ content: [{ text: 'two' }] });
    expect(two.got.at(-1)).toMatchObject({ headers: { 'mcp-name': 'pay' }, message: { params: { name: 'pay' } } });
    expect((await call(gateway.url, 'three__pay', {})).body.error).toMatchObject({ code: -32602 });
    const discover = modern('server/discover');
    expect((await send(gateway.url, discover.body, discover.headers)).body.result).toMatchObject({ supportedVersions: [version], capabilities: { tools: {} } });
    const started = gateway.audit.events.filter(({ code }) => code === 'session.started').map(({ affected }) => affected);
    expect(started).toEqual(expect.arrayContaining(['tools', 'one', 'two']));
  });
});

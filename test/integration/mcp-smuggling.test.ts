import { connect } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveCounting, type CountingServer } from '../fixtures/mcp/counting-server.ts';
import { askControl, type AuditEvent } from '../support/audit-events.ts';
import { startMcpService, overHttp, type McpService } from '../support/mcp-service.ts';
import { modernHeaders, Wire, type WireAnswer } from '../support/mcp-wire.ts';

/** What one reader takes for a harmless message, and another for a call of `refund`. */

let server: CountingServer;
let service: McpService;
let wire: Wire;
let legacy: Awaited<ReturnType<Wire['legacy']>>;
let session: string;

beforeAll(async () => {
  [server, service] = await Promise.all([serveCounting(), startMcpService({ policies })]);
  await service.add('tools', overHttp(server.url));
  await service.agree('tools');
  wire = new Wire(service.place('tools'));
  legacy = await wire.legacy();
  session = (await wire.send(line({ method: 'initialize', params: begin, id: 1 }))).headers['mcp-session-id']?.toString() ?? '';
  expect(session).not.toBe('');
});
afterAll(async () => {
  wire.close();
  await service.stop();
  await server.close();
});

const policies = `@id("all") permit (principal, action, resource);
@id("no-refund") forbid (principal, action == Action::"mcp:call", resource == Tool::"tools/refund");
`;
const begin = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'wire', version: '1' } };
const refund = { name: 'refund', arguments: { payment: 'p1', cents: 100 } };
const read = { name: 'read_order', arguments: { id: 'o1' } };
const capabilitiesKey = 'io.modelcontextprotocol/clientCapabilities';
const versionKey = 'io.modelcontextprotocol/protocolVersion';

function line(message: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ jsonrpc: '2.0', ...message });
}

const meta = JSON.stringify({ [versionKey]: '2026-07-28', [capabilitiesKey]: {} });
/** a call of `read_order` with other members in its envelope, its parameters or its `_meta` */
const modernText = ({ envelope = '', params = '', more = '', id = '5' }: { envelope?: string; params?: string; more?: string; id?: string }): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call"${envelope},"params":{"name":"read_order","arguments":{"id":"o1"${more}}${params},"_meta":${meta}}}`;
const modern = (text: string | Uint8Array, headers: Readonly<Record<string, string | undefined>> = {}): Promise<WireAnswer> =>
  wire.send(text, { headers: { ...modernHeaders('tools/call', read), ...headers } });
const old = (text: string | Uint8Array, headers: Readonly<Record<string, string | undefined>> = {}): Promise<WireAnswer> =>
  wire.send(text, { headers: { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25', ...headers } });
const legacyText = modernText({}).replace(`,"_meta":${meta}`, '');
const nested = (depth: number): string => `${'['.repeat(depth)}1${']'.repeat(depth)}`;

const bodies: Readonly<Record<string, string | Uint8Array>> = {
  'a batch': `[${legacyText},${line({ id: 6, method: 'tools/call', params: refund })}]`,
  'a batch of one': `[${legacyText}]`,
  'an empty batch': '[]',
  'two JSON texts': `${legacyText}\n${line({ id: 6, method: 'tools/call', params: refund })}`,
  'two JSON texts without a break': `${legacyText}${legacyText}`,
  'no JSON': 'tools/call refund',
  nothing: '',
  'a text': '"tools/call"',
  null: 'null',
  'a byte order mark': Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(legacyText)]),
  'UTF-16': Buffer.from(`\ufeff${legacyText}`, 'utf16le'),
  'bytes that are no UTF-8': Buffer.concat([Buffer.from(legacyText.slice(0, -3)), Buffer.from([0xff, 0xfe]), Buffer.from(legacyText.slice(-3))]),
  'an overlong slash': Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":5,"method":"tools'), Buffer.from([0xc0, 0xaf]), Buffer.from('call"}')]),
  'half of a surrogate pair': legacyText.replace('"o1"', '"\\ud83d"'),
  'a bare NUL': legacyText.replace('"o1"', '"o\u00001"'),
  comments: legacyText.replace('"id"', '/* */"id"'),
  'a trailing comma': legacyText.replace('"o1"}', '"o1",}'),
  NaN: legacyText.replace('"o1"', 'NaN'),
  'a number with a leading zero': legacyText.replace('"o1"', '01'),
  'too deep': legacyText.replace('"o1"', nested(200)),
  'deep enough to end a process': nested(1_000_000),
  'a duplicate method': legacyText.replace('"method"', '"method":"ping","method"'),
  'a duplicate method, escaped': legacyText.replace('"method"', '"\\u006dethod":"ping","method"'),
  'a duplicate name': legacyText.replace('"name"', '"name":"refund","name"'),
  'a duplicate argument': legacyText.replace('"id":"o1"', '"id":"o1","id":"o2"'),
  'a duplicate id': legacyText.replace('"id":5', '"id":5,"id":6'),
  'a method in other case': legacyText.replace('"method"', '"Method":"ping","method"'),
  'parameters in other case': legacyText.replace('"params"', '"PARAMS":{"name":"refund"},"params"'),
  'a name in other case': legacyText.replace('"name"', '"Name":"refund","name"'),
  'a name with a long s': legacyText.replace('"params"', '"param\u017f":{"name":"refund"},"params"'),
  'arguments in other case': legacyText.replace('"arguments"', '"Arguments":{},"arguments"'),
  'a key with NUL': legacyText.replace('"method"', '"method\\u0000":"ping","method"'),
  'a name with NUL': legacyText.replace('"name"', '"name\\u0000x":"refund","name"'),
  'a key with a zero-width space': legacyText.replace('"method"', '"method\u200b":"ping","method"'),
  'a key in full-width letters': legacyText.replace('"method"', '"\uff4dethod":"ping","method"'),
  'a key with a byte order mark': legacyText.replace('"name"', '"\ufeffname":"refund","name"'),
  'only a name in other case': legacyText.replace('"name"', '"Name"'),
  'another version of JSON-RPC': legacyText.replace('"2.0"', '"1.0"'),
  'no version of JSON-RPC': legacyText.replace('"jsonrpc":"2.0",', ''),
  'call and answer at once': legacyText.replace('"params"', '"result":{},"params"'),
  'an answer with result and error': line({ id: 5, result: {}, error: { code: 1, message: '' } }),
  'parameters as a list': line({ id: 5, method: 'tools/call', params: ['refund'] }),
  'parameters as a text': line({ id: 5, method: 'tools/call', params: 'refund' }),
  'a method that is no text': line({ id: 5, method: ['tools/call'], params: read }),
  'a method with a break': line({ id: 5, method: 'tools/call\n', params: read }),
  'an id that is an object': line({ id: {}, method: 'tools/call', params: read }),
  'an id that is a list': line({ id: [5], method: 'tools/call', params: read }),
  'an id that is true': line({ id: true, method: 'tools/call', params: read }),
  'an id that is null': line({ id: null, method: 'tools/call', params: read }),
  'an id with a fraction': legacyText.replace('"id":5', '"id":5.5'),
  'an id with an exponent': legacyText.replace('"id":5', '"id":5e0'),
  'an id that is endless': line({ id: 'x'.repeat(10_000), method: 'tools/call', params: read }),
  'a name that is no text': line({ id: 5, method: 'tools/call', params: { name: ['refund'] } }),
  'no name': line({ id: 5, method: 'tools/call', params: { arguments: {} } }),
  'an empty name': line({ id: 5, method: 'tools/call', params: { name: '' } }),
  'a name nobody offers': line({ id: 5, method: 'tools/call', params: { name: 'nobody' } }),
  'a name in other case than the one agreed to': line({ id: 5, method: 'tools/call', params: { name: 'Read_order' } }),
  'a name with a space': line({ id: 5, method: 'tools/call', params: { name: ' refund' } }),
  'the name that is forbidden': line({ id: 5, method: 'tools/call', params: refund }),
  'arguments as a list': line({ id: 5, method: 'tools/call', params: { name: 'read_order', arguments: ['o1'] } }),
  'arguments as a text': line({ id: 5, method: 'tools/call', params: { name: 'read_order', arguments: '{"id":"o1"}' } }),
  '_meta as a text': line({ id: 5, method: 'tools/call', params: { ...read, _meta: 'x' } }),
};

/** Refused, by somebody whose name is in the log, and nothing of it arrived. */
async function refused(send: () => Promise<WireAnswer>): Promise<WireAnswer> {
  const before = { events: await lastDenial(), got: server.got.length, calls: server.calls.length };
  const answer = await send();
  expect(server.got.slice(before.got)).toEqual([]);
  expect(server.calls.length).toBe(before.calls);
  const isError = answer.last.error !== undefined || answer.last.result?.['isError'] === true || answer.status >= 400;
  expect([isError, answer.text]).toEqual([true, answer.text]);
  expect(answer.text).not.toContain('ran, call');
  await expect
    .poll(lastDenial, { timeout: 15_000, interval: 150, message: `an event about ${answer.status} ${answer.text.slice(0, 300)}` })
    .toBeGreaterThan(before.events);
  return answer;
}

/** Of the newest event that says that somebody was refused something; -1: there is none yet. */
async function lastDenial(): Promise<number> {
  const { items } = await askControl<{ items: AuditEvent[] }>(service.appliance, '/v1/audit/events?limit=300');
  return Math.max(-1, ...items.filter(({ header }) => refusals.has(String(header['code']))).map(({ index }) => index));
}

const refusals = new Set(['operation.refused', 'access.denied', 'authentication.failed']);

describe('what is meant arrives', () => {
  it('in both eras', async () => {
    expect((await modern(modernText({}))).last.result).toBeDefined();
    expect((await old(legacyText)).last.result).toBeDefined();
    expect((await legacy('tools/call', read)).last.result).toBeDefined();
    expect(server.calls.map(({ name }) => name)).toEqual(['read_order', 'read_order', 'read_order']);
  });

  it('with whatever else a client says in places where it may', async () => {
    const text = modernText({ params: ',"x-unknown":{"Method":1}', more: ',"Name":"x","note":"\\u0000"' });
    expect((await modern(text)).last.result).toBeDefined();
    expect(server.got.at(-1)).toContain('"x-unknown":{"Method":1}');
  });
});

describe('a body that is refused', () => {
  it.each(Object.entries(bodies))('%s', async (_name, text) => {
    const { status } = await refused(() => old(text));
    expect(status).toBeLessThan(500);
  });

  it('longer than anybody’s message', async () => {
    const answer = await refused(() => old(legacyText.replace('"o1"', `"${'x'.repeat(11_000_000)}"`)));
    expect(answer.status).toBe(413);
  });

  it.each([
    ['text/plain', 'text/plain'],
    ['a form', 'application/x-www-form-urlencoded'],
    ['JSON of another kind', 'application/json-rpc'],
    ['none', undefined],
  ])('of another type: %s', async (_name, type) => {
    expect((await refused(() => old(legacyText, { 'content-type': type }))).status).toBe(415);
  });

  it.each(['gzip', 'br', 'deflate', 'gzip, gzip'])('compressed: %s', async (coding) => {
    expect((await refused(() => old(gzipSync(legacyText), { 'content-encoding': coding }))).status).toBe(415);
  });
});

describe('a message of the newer revision that is refused', () => {
  const without = (key: string): string => JSON.stringify({ ...wire.modernBody('tools/call', read), ...withoutMeta(key) });
  const withoutMeta = (key: string): object => {
    const _meta: Record<string, unknown> = { [versionKey]: '2026-07-28', [capabilitiesKey]: {} };
    return { params: { ...read, _meta: Object.fromEntries(Object.entries(_meta).filter(([name]) => name !== key)) } };
  };
  const cases: Readonly<Record<string, () => Promise<WireAnswer>>> = {
    'without a version in _meta': () => modern(without(versionKey)),
    'without capabilities in _meta': () => modern(without(capabilitiesKey)),
    'without _meta': () => modern(legacyText),
    'without a version in its headers': () => modern(modernText({}), { 'mcp-protocol-version': undefined }),
    'without a method in its headers': () => modern(modernText({}), { 'mcp-method': undefined }),
    'without a name in its headers': () => modern(modernText({}), { 'mcp-name': undefined }),
    'with another version in its headers': () => modern(modernText({}), { 'mcp-protocol-version': '2027-01-01' }),
    'with an older version in its headers': () => modern(modernText({}), { 'mcp-protocol-version': '2025-11-25' }),
    'with another method in its headers': () => modern(modernText({}), { 'mcp-method': 'tools/list' }),
    'with the method in other case': () => modern(modernText({}), { 'mcp-method': 'Tools/Call' }),
    'with another name in its headers': () => modern(modernText({}), { 'mcp-name': 'refund' }),
    'with another name, encoded': () => modern(modernText({}), { 'mcp-name': `=?base64?${Buffer.from('refund').toString('base64')}?=` }),
    'with a name encoded loosely': () =>
      modern(modernText({}), { 'mcp-name': `=?base64?${Buffer.from('read_order').toString('base64').replace(/=+$/, '')}?=` }),
    'with two names in its headers': () => modern(modernText({}), { 'mcp-name': 'read_order, refund' }),
    'with the session of an older one': () => modern(legacyText, { 'mcp-session-id': session }),
    'with a version nobody has': () => modern(modernText({}).replace('2026-07-28', '2026-07-29'), { 'mcp-protocol-version': '2026-07-28' }),
    'with a version that is none': () => modern(modernText({}).replace('"2026-07-28"', '20260728')),
    'that answers what was not asked': () => wire.send(line({ id: 77, result: {} }), { headers: modernHeaders('tools/call', read) }),
  };
  it.each(Object.entries(cases))('%s', async (_name, send) => {
    const { status } = await refused(send);
    expect(status).toBeLessThan(500);
  });

  it.each(Object.entries(bodies))('%s', async (_name, text) => {
    const { status } = await refused(() =>
      modern(typeof text === 'string' ? text.replace(',"arguments":{"id":"o1"}}', `,"arguments":{"id":"o1"},"_meta":${meta}}`) : text),
    );
    expect(status).toBeLessThan(500);
  });
});

describe('a request that is refused', () => {
  it.each(['GET', 'DELETE', 'PUT', 'PATCH', 'OPTIONS'])('%s in the revision without sessions', async (method) => {
    const before = server.got.length;
    const answer = await wire.send(null, { method, headers: { 'mcp-protocol-version': '2026-07-28', 'content-type': undefined } });
    expect([answer.status, answer.text]).toEqual([405, '']);
    expect(server.got.length).toBe(before);
  });

  it.each([
    ['another origin', { origin: 'https://evil.example' }],
    ['the origin of no page', { origin: 'null' }],
    ['our origin without TLS', { origin: 'http://127.0.0.1' }],
  ])('%s', async (_name, headers) => {
    expect((await refused(() => modern(modernText({}), headers))).status).toBe(403);
  });

  it.each(['', 'Bearer', 'Basic bm9ib2R5Om5vYm9keQ==', 'Bearer nobody'])('by a caller of whom nothing is known: %j', async (authorization) => {
    const answer = await (authorization.startsWith('Bearer ')
      ? refused(() => modern(modernText({}), { authorization }))
      : modern(modernText({}), { authorization }));
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toContain('resource_metadata=');
  });

  it('in the session of somebody else', async () => {
    await service.appliance.json(['service-account', 'create', 'other', '--owner', 'Test owner', '--purpose', 'Is somebody else']);
    const { token } = (await service.appliance.json(['token', 'create', 'other'])) as { token: string };
    const answer = await old(legacyText, { authorization: `Bearer ${token}` });
    expect(answer.status).toBe(404);
  });

  it.each(['mcp-method', 'mcp-name', 'mcp-protocol-version', 'mcp-session-id', 'authorization', 'content-type', 'host', 'origin'])(
    'with %s twice',
    async (name) => {
      const answer = await refused(() => bare({}, [name, name === 'mcp-name' ? 'refund' : 'x']));
      expect(answer.status).toBe(400);
    },
  );

  it.each(['evil.example', '127.0.0.1.nip.example', 'localhost.evil.example:8444', '127.0.0.1:8444@evil.example'])('for another host: %s', async (host) => {
    expect((await refused(() => bare({ host }))).status).toBe(403);
  });

  it('that overrides method or path', async () => {
    expect((await refused(() => modern(modernText({}), { 'x-http-method-override': 'DELETE' }))).status).toBe(403);
  });
});

/** One call written by hand, with other headers and one more. */
async function bare(other: Readonly<Record<string, string>>, ...more: readonly (readonly [string, string])[]): Promise<WireAnswer> {
  const { ca, token, url } = service.place('tools');
  const { hostname, port, pathname, host } = new URL(url);
  const body = modernText({});
  const usual = {
    host,
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': String(body.length),
    origin: new URL(url).origin,
  };
  const headers = { ...usual, connection: 'close', 'mcp-session-id': session, ...modernHeaders('tools/call', read), ...other };
  const socket = connect({ host: hostname, port: Number(port), ca });
  // not its end: who hangs up gets no answer
  socket.write(`POST ${pathname} HTTP/1.1\r\n${[...Object.entries(headers), ...more].map((pair) => pair.join(': ')).join('\r\n')}\r\n\r\n${body}`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return { status: Number(text.split(' ')[1] ?? 0), headers: {}, text, messages: [], last: {} };
}

it('the log tells of all of it on the command line, in the clear only what was understood', async () => {
  const found = (await service.appliance.json(['audit', 'search', '--code', 'operation.refused', '--limit', '1000'])) as {
    header: { session?: string; error?: string };
  }[];
  expect(found.length).toBeGreaterThan(2 * Object.keys(bodies).length - 10);
  expect(found.every(({ header }) => typeof header.session === 'string')).toBe(true);
});

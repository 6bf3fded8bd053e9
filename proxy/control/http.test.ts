import { createServer, request as send, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { api, type RouteName } from '../contract/api.ts';
import { pathParameters, type AnyRoute, type Role } from '../contract/api-route.ts';
import type { ApprovalRequest } from '../contract/approval-request.ts';
import type { EventHeader } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import { positionOf } from '../store/position.ts';
import { Changes } from './changes.ts';
import type { ControlCaller, Handlers } from './context.ts';
import type { Dispatching } from './dispatch.ts';
import { maskText } from '../masking/text.ts';
import { Failures } from './failures.ts';
import { createApp, register } from './http.ts';

const routes = Object.entries(api) as [RouteName, AnyRoute][];
const callers: Record<string, readonly Role[]> = {
  administrator: ['administrator'],
  auditor: ['auditor'],
  approver: ['approver'],
  caller: ['caller'],
  nothing: [],
  gone: ['administrator'],
};
let ran: string[] = [];
let events: EventHeader[] = [];
let logged: string[] = [];
let revoked: string | null = null;
let now = 0;
let broken = false;
let server: Server;

const clock = { now: () => now };

/** Handlers that record what they must and answer with something that is no valid output. */
function recordingHandlers(): Handlers {
  const entries = routes.map(([name, { event }]) => [
    name,
    async (input: unknown, context: { record?: (code: string, fields: object) => Promise<void> }) => {
      ran.push(name);
      if (event) await context.record?.(event[0] ?? '', { affected: 'x' });
      return input;
    },
  ]);
  // the table has one entry for every route
  return Object.fromEntries(entries) as Handlers;
}

function dispatching(handlers: Handlers): Dispatching {
  const log = {
    record: (header: EventHeader) => {
      if (broken) return Promise.reject(fail('ERR_AUDIT_UNAVAILABLE'));
      events.push(header);
      return Promise.resolve(positionOf(events.length));
    },
  };
  const changes = new Changes({
    log,
    clock,
    state: { check: () => undefined, applyEvent: () => true },
    resync: () => Promise.resolve(),
    changed: () => undefined,
  });
  return {
    handlers,
    changes,
    clock,
    failures: new Failures(clock),
    mask: maskText,
    log: (line) => logged.push(line),
    authenticate: (token): ControlCaller | null => {
      const name = token.reveal().replace(/^token-/, '');
      const roles = Object.hasOwn(callers, name) && name !== 'gone' ? callers[name] : undefined;
      return roles ? { actor: { issuer: 'postern', subject: 'svc_x', name, kind: 'administrator', credential: 'tok_x' }, roles, revoked: () => revoked } : null;
    },
  };
}

async function start(handlers: Handlers): Promise<void> {
  server = createServer(createApp(dispatching(handlers)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}

async function restart(handlers: Handlers): Promise<void> {
  server.close();
  await start(handlers);
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function call(method: string, path: string, options: { token?: string; body?: string | undefined; headers?: Record<string, string> } = {}): Promise<Answer> {
  const { port } = server.address() as AddressInfo;
  const headers = {
    ...(options.token !== undefined && { authorization: `Bearer token-${options.token}` }),
    ...(options.body !== undefined && { 'content-type': 'application/json' }),
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const sent = send({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('close', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    sent.once('error', reject);
    sent.end(options.body);
  });
}

const codeOf = (answer: Answer): unknown => (JSON.parse(answer.body) as { error: { code: string } }).error.code;

beforeEach(async () => {
  ran = [];
  events = [];
  logged = [];
  revoked = null;
  broken = false;
  now = 1_000_000;
  await start(recordingHandlers());
});
afterEach(
  () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    }),
);

const request: ApprovalRequest = {
  id: 'req_a',
  status: 'pending',
  canonical: {
    v: 1,
    id: 'req_a',
    principal: { issuer: 'postern', subject: 'svc_a', name: 'ci', credential: 'tok_a' },
    subject: { kind: 'access', joins: 'dba', seconds: 60 },
    terms: { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 60, risk: 'normal', ownerDecides: false },
    policies: [],
    policyVersion: 'pol_a',
    createdAt: '2026-01-01T00:00:00.000Z',
    expiresAt: '2026-01-01T00:01:00.000Z',
    nonce: 'n'.repeat(43),
    checkpoint: '',
  },
  reason: 'because',
  ticket: '',
  barred: [],
  gateway: 'control',
  decisions: [],
  closedAt: null,
  closedReason: null,
};

const sample: Record<string, string> = { name: 'name', id: 'ses_abc', part: 'audit', version: 'pol_abc' };

function pathOf(route: AnyRoute): string {
  return pathParameters(route.path).reduce(
    (path, parameter) => path.replace(`{${parameter}}`, route.path.includes('tokens') ? 'tok_abc' : (sample[parameter] ?? '')),
    route.path,
  );
}

/** Let in is everything that is neither 401 nor 403: the input is empty, so most answer 400. */
const matrix = routes.flatMap(([name, route]) =>
  ['administrator', 'auditor', 'approver', 'none', 'caller', 'nothing', 'gone', 'forged'].map((who) => [name, who, route] as const),
);

test.each(matrix)('authorization: %s as %s', async (name, who, route) => {
  const body = route.method === 'POST' || route.method === 'PUT' ? '{}' : undefined;
  const answer = await call(route.method, pathOf(route), { ...(who !== 'none' && { token: who }), body });
  const roles = Object.hasOwn(callers, who) && who !== 'gone' ? (callers[who] ?? null) : null;
  if (route.roles === 'public') {
    // the body proves who calls: an empty one is refused as an input
    expect(route.method === 'GET' ? [200, 500] : [400]).toContain(answer.status);
    expect(events).toEqual([]);
  } else if (roles === null) {
    expect([answer.status, codeOf(answer), answer.headers['www-authenticate']]).toEqual([401, 'ERR_UNAUTHENTICATED', 'Bearer']);
    expect(events.map(({ code, outcome }) => [code, outcome])).toEqual([['authentication.failed', 'failure']]);
    expect(ran).toEqual([]);
  } else if (!route.roles.some((role) => roles.includes(role))) {
    expect([answer.status, codeOf(answer)]).toEqual([403, 'ERR_FORBIDDEN']);
    expect(events.map(({ code, actor }) => [code, actor.name])).toEqual([['control.denied', who]]);
    expect(ran).toEqual([]);
  } else {
    expect([401, 403, 404]).not.toContain(answer.status);
    expect(events.filter(({ outcome }) => outcome === 'failure')).toEqual([]);
    if (answer.status !== 400) expect(ran).toEqual([name]);
  }
});

test('every way to write an address differently is a 404 or a refused input, never another route', async () => {
  for (const path of [
    '/v1',
    '/V1/tokens',
    '/v1/tokens/',
    '//v1/tokens',
    '/v1//tokens',
    '/v1/./tokens',
    '/v1/x/../tokens',
    '/v1/tokens%2f',
    '/v1/%74okens/x/y',
    '/debug',
    '/metrics',
    '/v1/tokens;x=1',
  ]) {
    expect([path, (await call('GET', path, { token: 'administrator' })).status]).toEqual([path, 404]);
  }
  expect((await call('GET', '/v1/resources/a%2f..%2fb', { token: 'administrator' })).status).toBe(400);
  expect((await call('GET', '/v1/resources/%zz', { token: 'administrator' })).status).toBe(400);
  for (const method of ['HEAD', 'OPTIONS', 'PATCH', 'TRACE']) expect((await call(method, '/v1/tokens', { token: 'administrator' })).status).toBe(404);
  expect(ran).toEqual([]);
});

test('identity comes from the token and the socket alone', async () => {
  const headers = {
    'x-forwarded-for': '10.9.9.9',
    forwarded: 'for=10.9.9.9',
    'x-real-ip': '10.9.9.9',
    'x-http-method-override': 'DELETE',
    'x-remote-user': 'root',
    'x-postern-principal': 'root',
  };
  await call('GET', '/v1/audit/events', { token: 'administrator', headers });
  await call('GET', '/v1/tokens', { headers });
  expect(ran).toEqual(['searchAudit']);
  expect(events.map(({ actor, origin }) => [actor.name, origin])).toEqual([
    ['administrator', '127.0.0.1'],
    ['none', '127.0.0.1'],
  ]);
});

test('bodies: JSON objects only, at most 1 MiB, no unknown or repeated members, nothing parsed before the token is checked', async () => {
  const put = (body: string, headers: Record<string, string> = {}) => call('PUT', '/v1/service-accounts/x', { token: 'administrator', body, headers });
  for (const body of ['[]', 'nonsense', '"x"', '{"name":"y"}', '{"unknown":1}', '{"__proto__":{"disabled":true}}', '{"constructor":{}}'])
    expect([body, (await put(body)).status]).toEqual([body, 400]);
  expect((await put('{}', { 'content-type': 'text/plain' })).status).toBe(400);
  expect((await put('{}', { 'content-encoding': 'gzip' })).status).toBe(400);
  expect((await put(JSON.stringify({ purpose: 'x'.repeat(1_100_000) }))).status).toBe(400);
  expect((await call('GET', '/v1/tokens?limit=1&limit=2', { token: 'administrator' })).status).toBe(400);
  expect((await call('DELETE', '/v1/tokens/tok_a', { token: 'administrator', body: '{}', headers: { 'content-length': '2' } })).status).toBe(400);
  expect(ran).toEqual([]);
  expect((await call('PUT', '/v1/service-accounts/x', { body: 'nonsense' })).status).toBe(401);
});

test('no name, owner or policy that is kept may hold a card number; a password may, for it is kept nowhere', async () => {
  const account = { name: 'bot', owner: 'ann 4111 1111 1111 1111', purpose: 'tests', groups: [] };
  for (const [method, path, body] of [
    ['POST', '/v1/service-accounts', account],
    ['POST', '/v1/users', { name: 'u5555555555554444', human: 'ann@example.com' }],
    ['PUT', '/v1/policies', { files: [{ name: 'a.cedar', text: '// 4111111111111111\npermit (principal, action, resource);' }] }],
  ] as const) {
    const answer = await call(method, path, { token: 'administrator', body: JSON.stringify(body) });
    expect([path, answer.status, codeOf(answer)]).toEqual([path, 400, 'ERR_INVALID_INPUT']);
    expect(answer.body).not.toMatch(/4111|5555/);
  }
  expect(ran).toEqual([]);
  await call('PUT', '/v1/resources/bank/credential', { token: 'administrator', body: JSON.stringify({ password: '4111111111111111' }) });
  expect(ran).toHaveLength(1);
});

test('failed calls beyond ten are refused with 429 and counted, good tokens still pass, and later the count is recorded', async () => {
  for (let attempt = 0; attempt < 15; attempt++) await call('GET', '/v1/tokens', { token: 'forged' });
  expect(codeOf(await call('GET', '/v1/tokens', { token: 'forged' }))).toBe('ERR_TOO_MANY_CONNECTIONS');
  expect(events.length).toBe(10);
  expect((await call('GET', '/v1/status', { token: 'administrator' })).status).toBe(500);
  expect(ran).toEqual(['status']);
  now += 6_000;
  await call('GET', '/v1/tokens', { token: 'forged' });
  expect(events.at(-1)).toMatchObject({ code: 'authentication.failed', count: 7 });
});

test('details of faults go to the log, never to the caller; headers forbid everything a browser could do with them', async () => {
  const answer = await call('GET', '/v1/status', { token: 'administrator' });
  expect([answer.status, codeOf(answer)]).toEqual([500, 'ERR_INTERNAL']);
  expect(answer.body).not.toMatch(/Zod|invalid_type|stack|\bat \//);
  expect(logged.join()).toContain('ZodError');
  expect(answer.headers).toMatchObject({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  });
  expect(answer.headers['x-powered-by']).toBeUndefined();
});

test('when the log cannot be written every recorded route refuses and nothing runs', async () => {
  broken = true;
  expect(codeOf(await call('POST', '/v1/sessions/ses_a/kill', { token: 'administrator', body: '{"reason":"because"}' }))).toBe('ERR_AUDIT_UNAVAILABLE');
  expect(codeOf(await call('GET', '/v1/audit/events', { token: 'auditor' }))).toBe('ERR_AUDIT_UNAVAILABLE');
  expect((await call('GET', '/v1/tokens')).status).toBe(503);
});

test('a handler that records nothing is an error although it succeeded, and one that records another event too', async () => {
  const handlers = { ...recordingHandlers(), killSession: () => Promise.resolve({ done: true as const }) } as Handlers;
  server.close();
  await start(handlers);
  const kill = () => call('POST', '/v1/sessions/ses_a/kill', { token: 'administrator', body: '{"reason":"because"}' });
  expect(codeOf(await kill())).toBe('ERR_INTERNAL');
  expect(logged.join()).toContain('recorded none of its events');
  server.close();
  await start({
    ...handlers,
    killSession: async (_input, { record }) => {
      await record('token.created' as 'session.killed', { affected: 'x' });
      return { done: true };
    },
  });
  expect(codeOf(await kill())).toBe('ERR_INTERNAL');
  expect(events).toEqual([]);
});

test('a stream gives JSON lines, tells a fault in its last line and ends when the token is revoked', async () => {
  const event = (index: number) => ({ index, header: { code: 'log.started' }, body: null });
  let fault = true;
  server.close();
  await start({
    ...recordingHandlers(),
    tailAudit: async (_input, { record, signal }) => {
      await record('audit.read', { affected: 'audit' });
      return (async function* () {
        yield event(1);
        yield event(2);
        if (fault) throw fail('ERR_VERIFICATION_FAILED');
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve);
        });
      })();
    },
  });
  const broke = await call('GET', '/v1/audit/tail', { token: 'auditor' });
  const lines = broke.body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { index?: number; error?: { code: string } });
  expect(lines.map((line) => line.index ?? line.error?.code)).toEqual([1, 2, 'ERR_VERIFICATION_FAILED']);
  fault = false;
  const following = call('GET', '/v1/audit/tail?follow=true', { token: 'auditor' });
  await expect.poll(() => events.length).toBe(2);
  revoked = 'revoked';
  expect((await following).body.trimEnd().split('\n').length).toBe(2);
});

test('server-sent events: id and data, resumed by header before address, a comment that keeps them open, ended by revocation', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const asked: unknown[] = [];
  try {
    await restart({
      ...recordingHandlers(),
      watchRequests: (input, { signal }) => {
        asked.push(input.after);
        return (async function* () {
          yield { id: 7, request };
          await new Promise((resolve) => {
            signal.addEventListener('abort', resolve);
          });
        })();
      },
    });
    const watching = call('GET', '/v1/approval-requests/watch?after=3', { token: 'approver', headers: { 'last-event-id': '5' } });
    await expect.poll(() => asked).toEqual([5]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await vi.advanceTimersByTimeAsync(15_000);
    revoked = 'revoked';
    await vi.advanceTimersByTimeAsync(1_000);
    const answer = await watching;
    expect(answer.headers['content-type']).toMatch(/^text\/event-stream(;|$)/);
    expect(answer.body).toBe(`id: 7\ndata: ${JSON.stringify({ id: 7, request })}\n\n: still here\n\n`);
  } finally {
    vi.useRealTimers();
  }
  expect((await call('GET', '/v1/approval-requests/watch', { token: 'approver', headers: { 'last-event-id': 'x' } })).status).toBe(400);
});

test('failed proofs of public routes are recorded within the budget of the address, and good ones carry their own actor', async () => {
  const actor = { issuer: 'postern', subject: 'usr_a', name: 'ann', kind: 'approver', credential: 'key_a' } as const;
  let good = false;
  await restart({
    ...recordingHandlers(),
    signIn: async (_input, { record }) => {
      if (!good) throw fail('ERR_UNAUTHENTICATED');
      await record('authentication.succeeded', { affected: 'control', actor });
      throw fail('ERR_CONFLICT');
    },
  });
  const body = JSON.stringify({ user: 'ann', at: '2026-01-01T00:00:00Z', nonce: 'n'.repeat(43), signature: 's'.repeat(86) });
  for (let attempt = 0; attempt < 12; attempt++) await call('POST', '/v1/sign-in', { body });
  expect(codeOf(await call('POST', '/v1/sign-in', { body }))).toBe('ERR_TOO_MANY_CONNECTIONS');
  expect(events.map(({ code, actor: who, affected }) => [code, who.name, affected])).toEqual(
    Array.from({ length: 10 }, () => ['authentication.failed', 'none', 'control:POST /v1/sign-in']),
  );
  good = true;
  await call('POST', '/v1/sign-in', { body });
  expect(events.at(-1)).toMatchObject({ code: 'authentication.succeeded', actor });
  expect((await call('POST', '/v1/enrolments', { body: JSON.stringify({ code: 'x'.repeat(9_000) }) })).status).toBe(400);
});

test('only a public route may say who acts', async () => {
  const other = { issuer: 'postern', subject: 'svc_other', name: 'other', kind: 'administrator', credential: 'tok_o' } as const;
  await restart({
    ...recordingHandlers(),
    killSession: async (_input, { record }) => {
      await record('session.killed', { affected: 'x', actor: other });
      return { done: true };
    },
  });
  await call('POST', '/v1/sessions/ses_a/kill', { token: 'administrator', body: '{"reason":"because"}' });
  expect(events.map(({ actor }) => actor.name)).toEqual(['administrator']);
});

test('registering a changing route without an event throws', () => {
  const app = createApp(dispatching(recordingHandlers()));
  expect(() => {
    register(app, 'killSession', { ...api.killSession, event: null }, dispatching(recordingHandlers()));
  }).toThrow('without an audit event');
});

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fail, type ErrorCode } from '../../contract/errors.ts';
import type { Resource } from '../../contract/resource.ts';
import { Secret } from '../../lib/secret.ts';
import type { Gate } from '../../pipeline/engine.ts';
import { createOAuthRoutes } from './oauth.ts';
import type { Exchange, OAuthPorts } from './oauth-token.ts';

const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const clientAssertion = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: 'good' };
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const jwtType = 'urn:ietf:params:oauth:token-type:jwt';

let server: Server;
let origin: string;
let asked: { token: string; audience: readonly string[]; named: string | undefined }[];
let exchanges: Exchange[];
let records: (string | null)[];
let failing: ErrorCode | null;
let limited: readonly string[];
const clock = { time: 0, now: () => clock.time };

const ports: OAuthPorts = {
  assertion: (token, _origin, { audience, named }) => {
    asked.push({ token, audience, named });
    if (token !== 'good') return Promise.resolve({ refused: 'no rule trusts its issuer' });
    const rule = { id: 'tru_a', name: 'shop-ci', resources: limited, tokenSeconds: 600 };
    return Promise.resolve({ trusted: { rule, run: { jti: 'j' }, credential: 'jwt:x' }, account: { id: 'svc_a', name: 'deploy' } });
  },
  exchange: (wanted) => {
    if (failing !== null) return Promise.reject(fail(failing));
    exchanges.push(wanted);
    return Promise.resolve({ token: new Secret('postern_token'), expiresIn: 600 });
  },
  record: ({ failure }) => {
    records.push(failure);
    return Promise.resolve();
  },
};

beforeEach(async () => {
  [asked, exchanges, records, failing, limited] = [[], [], [], null, []];
  const routes = createOAuthRoutes(ports, clock);
  const resources: Record<string, Partial<Resource>> = {
    orders: { protocol: 'http' },
    tools: { protocol: 'mcp', upstream: { transport: 'sse' } as never },
    all: { protocol: 'mcp', upstream: { transport: 'group', members: ['tools'] } },
    shop: { protocol: 'postgres' },
  };
  const gate = { resource: (name: string) => (resources[name] as Resource | undefined) ?? null } as Gate;
  server = createServer((request, response) => {
    const { pathname: path, search } = new URL(request.url ?? '', origin);
    void routes(request, response, { gate, origin, path, search, gone: new AbortController().signal }).then((own) => {
      if (!own) response.writeHead(404).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

async function post(
  form: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; body: Record<string, unknown> }> {
  const body = typeof form === 'string' ? form : new URLSearchParams(form).toString();
  const response = await fetch(`${origin}/oauth/token`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
}

describe('metadata', () => {
  it('says who makes tokens for a resource, whether or not there is one', async () => {
    for (const path of ['/mcp/tools', '/mcp/group/all', '/http/orders', '/mcp/nothing-of-ours']) {
      const response = await fetch(`${origin}/.well-known/oauth-protected-resource${path}`);
      expect(await response.json()).toMatchObject({ resource: origin + path, authorization_servers: [origin], bearer_methods_supported: ['header'] });
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
    expect(await (await fetch(`${origin}/.well-known/oauth-protected-resource`)).json()).toMatchObject({ resource: origin });
    for (const path of ['/sql/x', '/mcp/../http/x', '/mcp/A', '/mcp/a/b', '/mcp/', '/mcp/a?x', 'mcp/a']) {
      const { status } = await fetch(`${origin}/.well-known/oauth-protected-resource${path.replace('?', '%3f')}`);
      expect([path, status === 404 || path === '/mcp/../http/x']).toStrictEqual([path, true]);
    }
  });

  it('of the server names its endpoint and what it takes', async () => {
    expect(await (await fetch(`${origin}/.well-known/oauth-authorization-server`)).json()).toMatchObject({
      issuer: origin,
      token_endpoint: `${origin}/oauth/token`,
      grant_types_supported: [jwtBearer, 'client_credentials', exchangeGrant],
      token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
    });
    expect((await fetch(`${origin}/.well-known/oauth-authorization-server`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${origin}/oauth/token`)).status).toBe(405);
    expect((await fetch(`${origin}/oauth/authorize?response_type=code`)).status).toBe(400);
  });
});

describe('the token endpoint', () => {
  it('exchanges an assertion for a token of the resource that is named', async () => {
    const answer = await post({ grant_type: jwtBearer, assertion: 'good', resource: `${origin}/mcp/tools/`, scope: 'anything' });
    expect(answer).toMatchObject({ status: 200, body: { access_token: 'postern_token', token_type: 'Bearer', expires_in: 600, scope: 'access' } });
    expect([answer.headers.get('cache-control'), answer.headers.get('pragma')]).toStrictEqual(['no-store', 'no-cache']);
    expect(exchanges).toMatchObject([{ trustRule: 'tru_a', resource: 'tools', seconds: 600 }]);
    expect(asked[0]?.audience).toStrictEqual([`${origin}/oauth/token`, origin, `${origin}/`, `${origin}/mcp/tools`]);
    expect(records).toStrictEqual([null]);
  });

  it('takes the assertion of a client, and a token that is exchanged', async () => {
    expect((await post({ grant_type: 'client_credentials', client_id: 'nightly', ...clientAssertion })).status).toBe(200);
    expect(asked[0]).toMatchObject({ named: 'nightly', audience: [`${origin}/oauth/token`, origin, `${origin}/`] });
    const answer = await post({ grant_type: exchangeGrant, subject_token: 'good', subject_token_type: jwtType, resource: `${origin}/mcp/group/all` });
    expect(answer.body).toMatchObject({ issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
    expect(exchanges.map(({ resource }) => resource)).toStrictEqual([null, 'all']);
  });

  it('says the same of every assertion that is not good, and records why', async () => {
    const first = await post({ grant_type: jwtBearer, assertion: 'bad' });
    failing = 'ERR_CONFLICT';
    const used = await post({ grant_type: jwtBearer, assertion: 'good' });
    expect([first.status, first.body]).toStrictEqual([400, { error: 'invalid_grant', error_description: 'The assertion is not accepted.' }]);
    expect(used.body).toStrictEqual(first.body);
    expect(await post({ grant_type: 'client_credentials', ...clientAssertion })).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect(records).toHaveLength(3);
    expect(records[0]).toBe('no rule trusts its issuer');
  });

  it.each<[ErrorCode, number, string]>([
    ['ERR_NOT_FOUND', 400, 'invalid_target'],
    ['ERR_TOO_MANY_CONNECTIONS', 429, 'temporarily_unavailable'],
    ['ERR_CONTROL_UNAVAILABLE', 503, 'temporarily_unavailable'],
    ['ERR_INTERNAL', 503, 'temporarily_unavailable'],
  ])('answers %s of control with %i', async (code, status, error) => {
    failing = code;
    expect(await post({ grant_type: jwtBearer, assertion: 'good' })).toMatchObject({ status, body: { error } });
  });

  it('refuses resources that are not ours, or not of the rule', async () => {
    const of = async (resource: string) => (await post({ grant_type: jwtBearer, assertion: 'good', resource })).body['error'];
    const { host } = new URL(origin);
    for (const resource of [
      'https://elsewhere.example/mcp/tools',
      `http://user@${host}/mcp/tools`,
      `${origin}/mcp/tools?x=1`,
      `${origin}/mcp/tools#x`,
      `${origin}/mcp/orders`,
      `${origin}/http/tools`,
      `${origin}/mcp/all`,
      `${origin}/mcp/group/tools`,
      `${origin}/mcp/nothing`,
      `${origin}/http/shop`,
      'tools',
    ])
      expect([resource, await of(resource)]).toStrictEqual([resource, 'invalid_target']);
    expect(asked).toStrictEqual([]);
    limited = ['tools'];
    expect([await of(`${origin}/http/orders`), await of(`${origin}/mcp/tools`)]).toStrictEqual(['invalid_target', undefined]);
  });

  it('refuses what is no request of ours', async () => {
    const cases: [string, Record<string, string> | string, Record<string, string>?][] = [
      ['invalid_request', {}],
      ['unsupported_grant_type', { grant_type: 'password', username: 'a', password: 'b' }],
      ['unsupported_grant_type', { grant_type: 'constructor' }],
      ['unsupported_grant_type', { grant_type: 'authorization_code', code: 'x' }],
      ['invalid_request', { grant_type: jwtBearer }],
      ['invalid_request', { grant_type: jwtBearer, assertion: 'good', client_assertion: 'good' }],
      ['invalid_request', `grant_type=${jwtBearer}&assertion=bad&assertion=good`],
      ['invalid_request', `grant_type=${jwtBearer}&assertion=good&x=\u00e9`],
      ['invalid_request', JSON.stringify({ grant_type: jwtBearer }), { 'content-type': 'application/json' }],
      ['invalid_request', `x=${'a'.repeat(65_536)}`],
      ['invalid_client', { grant_type: 'client_credentials', client_id: 'a', client_secret: 'b' }],
      ['invalid_client', { grant_type: 'client_credentials', client_assertion: 'good' }],
      ['invalid_client', { grant_type: jwtBearer, assertion: 'good' }, { authorization: 'Basic YTpi' }],
      ['invalid_request', { grant_type: exchangeGrant, subject_token: 'good', subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }],
      ['invalid_request', { grant_type: exchangeGrant, subject_token: 'good', subject_token_type: jwtType, actor_token: 'x' }],
      ['invalid_target', { grant_type: exchangeGrant, subject_token: 'good', subject_token_type: jwtType, audience: 'x' }],
      ['invalid_scope', { grant_type: jwtBearer, assertion: 'good', scope: 'a"b' }],
    ];
    for (const [error, form, headers] of cases) expect([form, (await post(form, headers)).body['error']]).toStrictEqual([form, error]);
    expect(exchanges).toStrictEqual([]);
  });

  it('bounds what one address can ask for', async () => {
    const statuses: number[] = [];
    for (let count = 0; count < 101; count += 1) statuses.push((await post({ grant_type: jwtBearer, assertion: 'bad' })).status);
    expect([statuses[99], statuses[100]]).toStrictEqual([400, 429]);
    clock.time += 1_000;
    expect((await post({ grant_type: jwtBearer, assertion: 'good' })).status).toBe(200);
  });
});

import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { SignJWT } from 'jose';
import { Agent, fetch } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../build/step.ts';
import { allEvents, type AuditEvent } from '../support/audit-events.ts';
import { gitlabJob, githubJob, JobIssuer, type Claims } from '../support/job-issuer.ts';
import { overStdio, startMcpService, type McpService } from '../support/mcp-service.ts';
import { until } from '../support/until.ts';

const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

let issuer: JobIssuer;
let service: McpService;
let target: Server;
/** what the target saw of whoever called */
let seen: string[];
let agent: Agent;
let endpoint: string;
let orders: string;

beforeAll(async () => {
  seen = [];
  target = createServer((request, response) => {
    seen.push(JSON.stringify(request.headers));
    if (request.url === '/endless') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: begun\n\n');
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"orders":[]}');
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  [issuer, service] = await Promise.all([JobIssuer.start(), startMcpService()]);
  const { appliance } = service;
  agent = new Agent({ connect: { ca: readFileSync(appliance.caFile, 'utf8') } });
  endpoint = `${appliance.webUrl}/oauth/token`;
  orders = `${appliance.webUrl}/http/orders`;
  await service.api('POST', '/v1/resources', {
    name: 'orders',
    protocol: 'http',
    account: 'none',
    url: `http://127.0.0.1:${String((target.address() as AddressInfo).port)}`,
    allowLocal: true,
    credential: { type: 'none' },
    bodies: { maxBytes: 65_536, other: 'refuse' },
  });
  await appliance.json(['service-account', 'create', 'deploy', '--owner', 'Test owner', '--purpose', 'Tests of pipelines']);
  await rule('add', 'shop-github', ['--github', 'repository_id=4711,environment=production,ref~refs/heads/*', '--service-account', 'deploy']);
});

afterAll(async () => {
  await agent.close();
  await service.stop();
  await issuer.stop();
  target.closeAllConnections();
  target.close();
});

function rule(verb: 'add' | 'update', name: string, more: readonly string[]): Promise<unknown> {
  return service.appliance.json(['trust-rule', verb, name, '--issuer', issuer.url, '--local', ...more]);
}

async function call(token: string, path = ''): Promise<{ status: number; text: string }> {
  const answer = await fetch(orders + path, { headers: { authorization: `Bearer ${token}` }, dispatcher: agent });
  return { status: answer.status, text: await answer.text() };
}

async function ask(form: Readonly<Record<string, string>>): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(endpoint, { method: 'POST', body: new URLSearchParams(form), dispatcher: agent });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

/** The newest events of a code. */
async function events(code: string): Promise<readonly AuditEvent['header'][]> {
  return (await allEvents(service.appliance)).map(({ header }) => header).filter((header) => header['code'] === code);
}

async function lastFailure(): Promise<string> {
  return String((await events('authentication.failed')).at(-1)?.['reason']);
}

describe('the token of a job', () => {
  it('lets it in as the service account of the rule, and every event names the run', async () => {
    const token = await issuer.mint(orders, githubJob);
    expect(await call(token)).toStrictEqual({ status: 200, text: '{"orders":[]}' });
    expect(seen.at(-1)).not.toContain(token);
    const [intended] = (await events('operation.intended')).slice(-1);
    expect(intended?.['actor']).toMatchObject({
      name: 'deploy',
      run: { issuer: issuer.url, run_id: '9000000001', run_attempt: '1', repository: 'acme/shop', actor: 'dana', environment: 'production' },
    });
    expect((await events('session.started')).at(-1)?.['actor']).toMatchObject({ run: { job_workflow_ref: githubJob['job_workflow_ref'] } });
  });

  it('is taken of a repository that was renamed, and not of the one that got its name', async () => {
    const renamed = { repository: 'acme/store', sub: 'repo:acme/store:environment:production' };
    expect((await call(await issuer.mint(orders, { ...githubJob, ...renamed }))).status).toBe(200);
    expect((await call(await issuer.mint(orders, { ...githubJob, repository_id: '9999' }))).status).toBe(401);
    expect(await lastFailure()).toContain('the conditions of shop-github do not hold');
  });

  const now = (): number => Math.floor(Date.now() / 1_000);
  const bad: Readonly<Record<string, [() => Promise<string>, string]>> = {
    'for another resource': [() => issuer.mint(`${orders}-2`, githubJob), 'made out to somebody else'],
    'for us and for somebody else': [() => issuer.mint(orders, { ...githubJob, aud: [orders, 'https://elsewhere.example'] }), 'made out to somebody else'],
    'for the token endpoint': [() => issuer.mint(endpoint, githubJob), 'made out to somebody else'],
    'of another environment': [() => issuer.mint(orders, { ...githubJob, environment: 'staging' }), 'do not hold'],
    'of a tag': [() => issuer.mint(orders, { ...githubJob, ref: 'refs/tags/heads/x' }), 'do not hold'],
    'that has expired': [() => issuer.mint(orders, { ...githubJob, iat: now() - 600, exp: now() - 1 }), 'has expired'],
    'that is good for a day': [() => issuer.mint(orders, { ...githubJob, exp: now() + 86_400 }), 'more than an hour'],
    'of an issuer nobody trusts': [() => issuer.mint(orders, { ...githubJob, iss: 'https://evil.example' }), 'no rule trusts its issuer'],
    'signed by nobody': [() => Promise.resolve(unsigned({ ...githubJob, ...registered(orders) })), 'no key of shop-github'],
    'signed with the public key as a shared secret': [() => signed({ alg: 'HS256', kid: issuer.kid }, publicPem()), 'no key of shop-github'],
    'signed by a key of its own under the name of the platform’s': [() => signed({ alg: 'RS256', kid: issuer.kid }, ownKey()), 'no key of shop-github'],
    'that brings its key along': [() => signed({ alg: 'RS256', kid: '../jwks', jku: `${issuer.url}/x`, jwk: ownPublic() }, ownKey()), 'no key of shop-github'],
  };

  it.each(Object.entries(bad))('%s is refused, and the log says why', async (_name, [mint, why]) => {
    const before = seen.length;
    const { status, text } = await call(await mint());
    expect([status, seen.length]).toStrictEqual([401, before]);
    expect(text).not.toMatch(/rule|repository|condition/);
    expect(await lastFailure()).toContain(why);
  });

  const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ownKey = () => own.privateKey;
  const ownPublic = () => own.publicKey.export({ format: 'jwk' });
  const publicPem = () => Buffer.from(issuer.publicKey.export({ type: 'spki', format: 'pem' }));
  const registered = (aud: string): Claims => ({ iss: issuer.url, aud, iat: now(), exp: now() + 300, jti: randomUUID() });

  function signed(header: { alg: string; [name: string]: unknown }, key: Parameters<SignJWT['sign']>[0]): Promise<string> {
    return new SignJWT({ ...githubJob, ...registered(orders) }).setProtectedHeader({ typ: 'JWT', ...header }).sign(key);
  }

  function unsigned(claims: Claims): string {
    const [head, payload] = [{ alg: 'none', typ: 'JWT' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
    return `${head ?? ''}.${payload ?? ''}.AA`;
  }
});

describe('the token endpoint', () => {
  it('makes a token of ours for the one resource, once for each assertion, also after the gateway came back', async () => {
    const assertion = await issuer.mint(endpoint, githubJob);
    const answer = await ask({ grant_type: jwtBearer, assertion, resource: orders });
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'Bearer', expires_in: 900, scope: 'access' } });
    const token = String(answer.body['access_token']);
    expect((await call(token)).status).toBe(200);
    expect((await events('token.created')).at(-1)?.['actor']).toMatchObject({ name: 'deploy', run: { run_id: '9000000001' } });
    expect((await events('operation.intended')).at(-1)?.['actor']).toMatchObject({ run: { run_id: '9000000001' } });
    for (const again of ['at once', 'after a restart']) {
      if (again === 'after a restart') await service.appliance.kill('gateway');
      const replayed = await until('the gateway answers', () => ask({ grant_type: jwtBearer, assertion, resource: orders }).catch(() => null));
      expect(replayed).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
      expect(await lastFailure()).toContain('was used before');
    }
    const elsewhere = await fetch(`${service.appliance.webUrl}/mcp/payments`, { headers: { authorization: `Bearer ${token}` }, dispatcher: agent });
    expect(elsewhere.ok).toBe(false);
  });

  it('says the same of everything that is not good', async () => {
    const answers = await Promise.all(
      [
        issuer.mint(endpoint, { ...githubJob, repository_id: '1' }),
        issuer.mint(endpoint, { ...githubJob, iss: 'https://evil.example' }),
        issuer.mint('https://elsewhere.example', githubJob),
        issuer.mint(orders, githubJob),
      ].map(async (assertion) => ask({ grant_type: jwtBearer, assertion: await assertion })),
    );
    for (const answer of answers)
      expect(answer).toStrictEqual({ status: 400, body: { error: 'invalid_grant', error_description: 'The assertion is not accepted.' } });
  });

  it('takes a client by its own key', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const file = join(service.appliance.dir, 'nightly.jwks');
    writeFileSync(file, JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }));
    await service.appliance.json([
      'trust-rule',
      'add',
      'nightly',
      '--client',
      'nightly',
      '--jwks',
      file,
      '--service-account',
      'deploy',
      '--algorithm',
      'ES256',
    ]);
    const assertion = (sub: string): Promise<string> =>
      new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer('nightly')
        .setSubject(sub)
        .setAudience(endpoint)
        .setIssuedAt()
        .setExpirationTime('2m')
        .sign(privateKey);
    const form = { grant_type: 'client_credentials', client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' };
    const { status, body } = await until('the gateway heard of the rule', async () => {
      const answer = await ask({ ...form, client_assertion: await assertion('nightly') });
      return answer.status === 200 && answer;
    });
    expect([status, (await call(String(body['access_token']))).status]).toStrictEqual([200, 200]);
    expect(await ask({ ...form, client_assertion: await assertion('somebody') })).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  });
});

describe('a rule', () => {
  it('that would let in whoever takes over a name is not made', async () => {
    for (const conditions of ['repository=acme/shop', 'sub~repo:acme/**', 'job_workflow_ref=acme/ci/.github/workflows/a.yml@refs/heads/main']) {
      const { code, err } = await service.appliance.cli(['trust-rule', 'add', 'loose', '--github', conditions, '--service-account', 'deploy']);
      expect([code, err]).toStrictEqual([2, expect.stringContaining('repository_id')]);
    }
  });

  it('that is disabled ends what runs within a second, and what was got in exchange with it', async () => {
    const token = await issuer.mint(orders, githubJob);
    const exchanged = String((await ask({ grant_type: jwtBearer, assertion: await issuer.mint(endpoint, githubJob) })).body['access_token']);
    const streams = await Promise.all(
      [token, exchanged].map((each) => fetch(`${orders}/endless`, { headers: { authorization: `Bearer ${each}` }, dispatcher: agent })),
    );
    expect(streams.map(({ status }) => status)).toStrictEqual([200, 200]);
    const ended = streams.map(async (stream) => {
      await stream.text().catch(() => undefined);
      return Date.now();
    });
    await sleep(200);
    await service.appliance.json(['trust-rule', 'disable', 'shop-github']);
    const disabled = Date.now();
    for (const at of await Promise.all(ended)) expect(at - disabled).toBeLessThan(1_000);
    expect([(await call(token)).status, (await call(exchanged)).status]).toStrictEqual([401, 401]);
    await service.appliance.json(['trust-rule', 'enable', 'shop-github']);
    await until('the gateway heard of it', async () => (await call(await issuer.mint(orders, githubJob))).status === 200);
    expect((await call(exchanged)).status).toBe(401);
  });
});

describe('the examples', () => {
  const execute = promisify(execFile);

  beforeAll(async () => {
    await service.add('tools', overStdio(join(root, 'proxy/demo/payments-mcp/index.ts')));
    await service.agree('tools');
    await rule('add', 'shop-gitlab', ['--gitlab', 'project_id=22,ref_protected=true', '--service-account', 'deploy', '--resource', 'tools']);
  });

  /** The scripts of a file of ours, as a runner would run them. */
  function scriptsOf(file: string): string[] {
    const text = readFileSync(join(root, 'docs/examples', file), 'utf8');
    return [...text.matchAll(/^( *)(?:run:|-) \|\n((?:\1 {2}.*\n|\n)+)/gm)].map(([, indent = '', block = '']) =>
      block.replaceAll(`\n${indent}  `, '\n').trimStart(),
    );
  }

  async function run(script: string, environment: Readonly<Record<string, string>>): Promise<string> {
    const { webUrl: POSTERN, caFile } = service.appliance;
    const env = { PATH: `${process.execPath.replace(/\/[^/]+$/, '')}:/usr/bin:/bin`, POSTERN, POSTERN_CA: caFile, NODE_EXTRA_CA_CERTS: caFile, ...environment };
    return (await execute('bash', ['-c', script], { cwd: root, env, timeout: 30_000 })).stdout;
  }

  it('for GitHub Actions make one call each, by curl and by the SDK', async () => {
    const scripts = scriptsOf('github-actions.yml');
    expect(scripts).toHaveLength(2);
    for (const script of scripts) expect(await run(script, issuer.runner)).toContain('pay_');
    const runs = (await events('operation.intended')).slice(-1).map((header) => (header['actor'] as { run?: Claims }).run?.['run_id']);
    expect(runs).toStrictEqual(['9000000001']);
  });

  it('for GitLab CI make one call each, by curl and by the SDK', async () => {
    const scripts = scriptsOf('gitlab-ci.yml');
    expect(scripts).toHaveLength(2);
    const audiences = [`${service.appliance.webUrl}/mcp/tools`, endpoint];
    for (const [index, script] of scripts.entries()) {
      const JOB_TOKEN = await issuer.mint(audiences[index] ?? '', gitlabJob);
      expect(await run(script, { JOB_TOKEN })).toContain('pay_');
    }
    expect((await events('operation.intended')).at(-1)?.['actor']).toMatchObject({ run: { job_id: '77001', pipeline_id: '501' } });
    const unprotected = await issuer.mint(audiences[0] ?? '', { ...gitlabJob, ref_protected: 'false' });
    await expect(run(scripts[0] ?? '', { JOB_TOKEN: unprotected })).rejects.toThrow();
  });
});

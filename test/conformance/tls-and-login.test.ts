import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { tokenFor } from '../support/appliance.ts';
import { debianTool } from '../support/debian-packages.ts';
import { fields, int32, message, query, RawClient, rows, startup, type Login } from '../support/postgres-client.ts';
import { run, type Finished } from '../support/program.ts';
import { backendOf, Observer, startService, type Service } from '../support/service.ts';
import { skipBecause } from '../support/skip.ts';

const tlsRequest = Buffer.concat([int32(8), int32(80_877_103)]);
const gssRequest = Buffer.concat([int32(8), int32(80_877_104)]);
let service: Service;
let observer: Observer;

beforeAll(async () => {
  service = await startService();
  observer = await Observer.open(service.direct());
  await observer.rows('create database beside');
});

afterAll(async () => {
  observer.end();
  await service.stop();
});

async function psql(
  context: TestContext,
  conninfo: string,
  commands: readonly string[] = ['select 1'],
  environment: Record<string, string> = {},
): Promise<Finished> {
  const { found, why } = await debianTool('psql');
  const base = `host=localhost hostaddr=127.0.0.1 port=${String(service.through.port)} user=ci dbname=bank`;
  return run(found ?? skipBecause(context, why), ['-XAt', ...commands.flatMap((command) => ['-c', command]), `${base} ${conninfo}`], {
    PGPASSWORD: service.token,
    ...environment,
  });
}

describe('psql over', () => {
  it.for<[string, boolean]>([
    ['sslmode=disable', false],
    ['sslmode=prefer', true],
    ['sslmode=require', true],
  ])('%s gets in', async ([mode, encrypted], context) => {
    const { out, code } = await psql(context, mode, ['select 1', '\\conninfo']);
    expect(code).toBe(0);
    expect(out.startsWith('1\n')).toBe(true);
    expect(out.includes('SSL connection')).toBe(encrypted);
  });

  it('sslmode=verify-full gets in with the CA of the service, and only under a name of the certificate', async (context) => {
    const verified = `sslmode=verify-full sslrootcert=${service.appliance.caFile}`;
    expect(await psql(context, verified)).toMatchObject({ code: 0, out: '1\n' });
    expect(await psql(context, `${verified} host=127.0.0.1`)).toMatchObject({ code: 0, out: '1\n' });
    const wrong = await psql(context, `${verified} host=elsewhere.example`);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.err).toContain('does not match host name');
  });

  it('channel_binding=require is told that there is none', async (context) => {
    expect((await psql(context, 'sslmode=require channel_binding=require')).err).toContain('channel binding');
  });
});

async function overTls(options: ConnectionOptions): Promise<RawClient> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: service.through.port,
    ca: readFileSync(service.appliance.caFile, 'utf8'),
    servername: 'localhost',
    ...options,
  });
  await new Promise<void>((resolve) => {
    socket.once('secureConnect', resolve);
    socket.once('error', () => {
      resolve();
    });
  });
  return new RawClient(socket);
}

describe('direct TLS', () => {
  it('gets in with ALPN', async () => {
    const client = await overTls({ ALPNProtocols: ['postgresql'] });
    client.send(startup({ user: 'ci', database: 'bank' }));
    await client.authenticate(service.token);
    await client.until('Z');
    expect(rows(await client.ask(query('select 42')))).toEqual([['42']]);
    client.end();
  });

  it.each([
    ['without ALPN', {}],
    ['with another protocol', { ALPNProtocols: ['http/1.1'] }],
  ])('%s is cut off before a word', async (_name, options) => {
    const client = await overTls(options);
    client.raw = [];
    client.send(startup({ user: 'ci', database: 'bank' }));
    await expect.poll(() => client.closed).toBe(true);
    expect(Buffer.concat(client.raw)).toHaveLength(0);
  });
});

/** Sends bytes, and gives everything that came until the service closed or said `enough` bytes. */
async function exchange(enough: number, ...sent: readonly Uint8Array[]): Promise<{ answer: Buffer; closed: boolean; client: RawClient }> {
  const client = await RawClient.open('127.0.0.1', service.through.port);
  client.raw = [];
  client.send(...sent);
  const received = (): Buffer => Buffer.concat(client.raw ?? []);
  await expect.poll(() => client.closed || received().length >= enough).toBe(true);
  return { answer: received(), closed: client.closed, client };
}

describe('before the login', () => {
  it('encryption with Kerberos is declined, and the client goes on with TLS or without', async () => {
    const { answer, client } = await exchange(1, gssRequest);
    expect(answer.toString('latin1')).toBe('N');
    client.raw = [];
    client.send(tlsRequest);
    await expect.poll(() => Buffer.concat(client.raw ?? []).toString('latin1')).toBe('S');
    client.socket.destroy();
  });

  it('what came in clear behind the TLS request is never read as if it had come inside', async () => {
    const { answer, closed } = await exchange(2, tlsRequest, startup({ user: 'ci', database: 'bank' }));
    expect(closed).toBe(true);
    expect(answer.toString('latin1')).not.toContain('S\x16');
    expect(answer[0]).not.toBe('S'.charCodeAt(0));
  });

  it.each([
    ['a second Kerberos request', [gssRequest, gssRequest], '08P01'],
    ['replication', [startup({ user: 'ci', database: 'bank', replication: 'database' })], '0A000'],
    ['physical replication', [startup({ user: 'ci', replication: 'true' })], '0A000'],
    ['a parameter that is not on the list', [startup({ user: 'ci', database: 'bank', session_preload_libraries: 'x' })], '42704'],
    ['the same through options', [startup({ user: 'ci', database: 'bank', options: '-c session_preload_libraries=x' })], '42704'],
    ['a role through options', [startup({ user: 'ci', database: 'bank', options: '-crole=postgres' })], '42704'],
    ['a switch of the server', [startup({ user: 'ci', database: 'bank', options: '-d 5' })], '42704'],
    ['another encoding', [startup({ user: 'ci', database: 'bank', client_encoding: 'LATIN1' })], '22023'],
    [
      'a parameter given twice',
      [Buffer.from(startup({ user: 'ci', usez: 'x', database: 'bank' }).toString('latin1').replace('usez', 'user'), 'latin1')],
      '08P01',
    ],
    ['no user', [startup({ database: 'bank' })], '28000'],
    ['an old protocol', [startup({ user: 'ci' }, 131_072)], '0A000'],
  ])('%s is refused with its own code', async (_name, sent, sqlstate) => {
    const { answer, closed } = await exchange(1_000_000, ...sent);
    expect(closed).toBe(true);
    expect(answer.toString('latin1')).toContain(`C${sqlstate}\0`);
    expect(answer.toString('latin1')).toContain('VFATAL\0');
  });

  it('settings that may be given arrive at the target', async (context) => {
    const environment = {
      PGOPTIONS: '-c statement_timeout=12345 -csearch_path=pg_catalog,\\ public --default-transaction-isolation=serializable',
      PGTZ: 'Europe/Vienna',
      PGDATESTYLE: 'German',
      PGAPPNAME: 'nightly',
    };
    const { out } = await psql(
      context,
      '',
      ['show statement_timeout', 'show search_path', 'show default_transaction_isolation', 'show timezone', 'show datestyle', 'show application_name'],
      environment,
    );
    expect(out).toBe('12345ms\npg_catalog, public\nserializable\nEurope/Vienna\nGerman, DMY\npostern:ci\n');
  });
});

/** The refusal at the login; null when it succeeds. */
async function refusal(login: Partial<Login>): Promise<Readonly<Record<string, string>> | null> {
  const all = { ...service.through, ...login };
  const client = await RawClient.open(all.host, all.port);
  client.send(startup({ user: all.user, database: all.database }));
  await client.authenticate(all.password);
  const last = (await client.until('Z')).at(-1);
  client.socket.destroy();
  return last?.type === 'E' ? fields(last) : null;
}

const as = (name: string): Record<string, string> => ({ S: 'FATAL', V: 'FATAL', C: '28P01', M: `password authentication failed for user "${name}"` });

describe('a login', () => {
  it('with a wrong token and one of a name nobody has look the same', async () => {
    expect(await refusal({})).toBeNull();
    expect(await refusal({ password: `${service.token.slice(0, -1)}#` })).toEqual(as('ci'));
    expect(await refusal({ user: 'nobody' })).toEqual(as('nobody'));
    expect(await refusal({ user: 'nobody', password: '' })).toEqual(as('nobody'));
  });

  it('shows the same salt for one name each time, known or not', async () => {
    const known = await challenge('ci');
    expect(known).toMatch(/^s=[A-Za-z0-9+/]{22}==,i=\d+$/);
    expect(await challenge('ci')).toBe(known);
    const unknown = await challenge('nobody');
    expect(await challenge('nobody')).toBe(unknown);
    expect(await challenge('somebody')).not.toBe(unknown);
    expect([unknown.length, unknown.replace(/.*,/, '')]).toEqual([known.length, known.replace(/.*,/, '')]);
  });

  it('fails with a token that was revoked', async () => {
    const { id, token } = await tokenWithId();
    expect(await refusal({ password: token })).toBeNull();
    await service.appliance.json(['token', 'revoke', id]);
    expect(await refusal({ password: token })).toEqual(as('ci'));
  });

  it('fails from a network that the token is not for', async () => {
    expect(await refusal({ password: await tokenFor(service.appliance, 'ci', ['--network', '10.0.0.0/8']) })).toEqual(as('ci'));
    expect(await refusal({ password: await tokenFor(service.appliance, 'ci', ['--network', '127.0.0.0/8']) })).toBeNull();
  });

  it('to a resource that the token is not for looks like one to a resource that is not there', async () => {
    const { host, port, user, password } = service.server;
    await service.appliance.json(
      ['resource', 'add', 'other', '--host', host, '--port', String(port), '--database', 'beside', '--account', user, '--tls', 'disable'],
      `${password}\n`,
    );
    const token = await tokenFor(service.appliance, 'ci', ['--resource', 'other']);
    expect(await refusal({ password: token, database: 'other' })).toBeNull();
    const unavailable = (name: string): Record<string, string> => ({ C: '3D000', M: `There is no resource "${name}", or you may not use it.` });
    expect(await refusal({ password: token })).toMatchObject(unavailable('bank'));
    expect(await refusal({ database: 'nowhere' })).toMatchObject(unavailable('nowhere'));
  });

  it("names an unknown database of the target in the target's code, and nothing of the credential", async () => {
    const refused = await refusal({ database: 'bank/nowhere' });
    expect(refused).toMatchObject({ S: 'FATAL', C: '3D000' });
    expect(JSON.stringify(refused)).not.toContain(service.server.password);
  });
});

/** Salt and iterations of the SCRAM exchange. */
async function challenge(user: string): Promise<string> {
  const client = await RawClient.open('127.0.0.1', service.through.port);
  client.send(startup({ user, database: 'bank' }));
  await client.until('R');
  client.send(message('p', 'SCRAM-SHA-256', int32(11), Buffer.from('n,,n=,r=abc')));
  const server = (await client.until('R')).at(-1)?.payload.toString('latin1', 4) ?? '';
  client.socket.destroy();
  return server.slice(server.indexOf(',') + 1);
}

async function tokenWithId(more: readonly string[] = []): Promise<{ id: string; token: string }> {
  return (await service.appliance.json(['token', 'create', 'ci', ...more])) as { id: string; token: string }; // the API's own form
}

/** A session that runs a statement at the target. */
async function busy(login: Partial<Login> = {}): Promise<{ client: RawClient; pid: string }> {
  const client = await RawClient.login({ ...service.through, ...login });
  const pid = await backendOf(client);
  client.send(query('select pg_sleep(60)'));
  await expect.poll(() => observer.state(pid)).toBe('active');
  return { client, pid };
}

/** It was told why, is cut off within a second, and nothing of it goes on at the target. */
async function ended({ client, pid }: { client: RawClient; pid: string }): Promise<Readonly<Record<string, string>>> {
  const deadline = { timeout: 1000, interval: 20 };
  await expect.poll(() => client.closed, deadline).toBe(true);
  await expect.poll(() => observer.state(pid), deadline).toBeNull();
  return fields((await client.until('E')).at(-1));
}

describe('a live session ends, also at the target, when', () => {
  it('its token is revoked; other sessions go on', async () => {
    const { id, token } = await tokenWithId();
    const other = await RawClient.login(service.through);
    const session = await busy({ password: token });
    await service.appliance.json(['token', 'revoke', id]);
    expect(await ended(session)).toMatchObject({ S: 'FATAL', C: '57P01' });
    expect(rows(await other.ask(query('select 1')))).toEqual([['1']]);
    other.end();
  });

  it('its token expires', async () => {
    const { token } = await tokenWithId(['--expires', '3s']);
    const session = await busy({ password: token });
    await sleep(3000);
    expect(await ended(session)).toMatchObject({ S: 'FATAL', C: '57P01' });
    expect(await refusal({ password: token })).toEqual(as('ci'));
  });

  it('its principal is disabled, who gets in again when enabled', async () => {
    const session = await busy();
    await service.appliance.json(['service-account', 'disable', 'ci']);
    expect(await ended(session)).toMatchObject({ S: 'FATAL', C: '57P01' });
    expect(await refusal({})).toEqual(as('ci'));
    await service.appliance.json(['service-account', 'enable', 'ci']);
    expect(await refusal({})).toBeNull();
  });

  it('it is killed', async () => {
    const session = await busy();
    const sessions = (await service.appliance.json(['sessions', 'list'])) as { id: string; endedAt?: string | null }[]; // the API's own form
    const live = sessions.filter(({ endedAt }) => endedAt === null || endedAt === undefined);
    expect(live).toHaveLength(1);
    await service.appliance.json(['sessions', 'kill', live[0]?.id ?? '', '--reason', 'maintenance at noon']);
    const told = await ended(session);
    expect(told).toMatchObject({ S: 'FATAL', C: '57P01' });
    expect(told['M']).toContain('maintenance at noon');
  });

  it('its client is gone', async () => {
    const { client, pid } = await busy();
    client.socket.destroy();
    await expect.poll(() => observer.state(pid)).toBeNull();
  });
});

describe('the port of one resource', () => {
  it("knows the target's own databases", async (context) => {
    const port = await freePort();
    await service.appliance.json(['resource', 'update', 'bank', '--listen-port', String(port)]);
    const login = { ...service.through, port, database: 'beside' };
    await expect.poll(() => refusal(login).catch(() => 'not yet')).toBeNull();
    const client = await RawClient.login(login);
    expect(rows(await client.ask(query('select current_database()')))).toEqual([['beside']]);
    client.end();
    expect(await refusal({ port, database: 'bank' })).toMatchObject({ C: '3D000' });
    expect(await psql(context, `port=${String(port)} dbname=postgres`, ['\\c beside', 'select current_database()'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('beside\n') as string,
    });
    await service.appliance.json(['resource', 'update', 'bank', '--shared-port-only']);
    await expect.poll(() => refusal(login).catch(() => 'closed')).toBe('closed');
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address
  await new Promise((resolve) => server.close(resolve));
  return port;
}

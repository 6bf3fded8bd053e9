import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fields, query, RawClient, rows, startup } from '../support/postgres-client.ts';
import { startGateway, type PostgresGateway } from '../support/postgres-gateway.ts';
import { selfSigned } from '../support/certificate.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';

const run = promisify(execFile);
const hba = ['hostssl md5db all all md5', 'host clear all all password', 'hostssl all all all scram-sha-256', 'host all all all scram-sha-256']
  .join('\n')
  .concat('\n');
let server: PostgresServer;
let plain: PostgresGateway;
let secure: PostgresGateway;
let material: { key: string; cert: string };

beforeAll(async () => {
  material = selfSigned();
  server = await startPostgres({ settings: ['ssl=on'], hba, files: { 'server.key': material.key, 'server.crt': material.cert } });
  plain = await startGateway({ target: target() });
  secure = await startGateway({ target: target({ mode: 'verify-full', ca: material.cert, serverName: 'localhost' }), tls: material });
  const setup = await RawClient.login({ host: server.host, port: server.port, user: server.user, password: server.password, database: 'postgres' });
  for (const sql of [
    'create table t(id int primary key, v text)',
    "insert into t select g, 'row ' || g from generate_series(1, 1000) g",
    'create database md5db',
    'create database clear',
    "set password_encryption = 'md5'",
    "create role old login password 'target-secret'",
  ])
    await setup.ask(query(sql));
  setup.end();
}, 60_000);

afterAll(async () => {
  await plain.stop();
  await secure.stop();
  await server.stop();
});

function target(
  tls: { mode: 'disable' } | { mode: 'verify-full'; ca: string; serverName: string } = { mode: 'disable' },
  database = 'postgres',
  account = server.user,
): Parameters<typeof startGateway>[0]['target'] {
  return { host: server.host, port: server.port, database, account, password: server.password, tls };
}

const psql = (gateway: PostgresGateway, commands: readonly string[], options = ''): Promise<{ stdout: string; stderr: string }> =>
  run(
    'psql',
    [
      '-XAt',
      ...commands.flatMap((command) => ['-c', command]),
      `host=localhost hostaddr=127.0.0.1 port=${String(gateway.port)} user=alice dbname=bank ${options}`,
    ],
    { env: { ...process.env, PGPASSWORD: 'token' } },
  );

const hasPsql = existsSync('/usr/bin/psql');
const hasPgbench = existsSync('/usr/bin/pgbench');

describe.runIf(hasPsql)('psql', () => {
  it('works over plain TCP and over TLS', async () => {
    expect((await psql(plain, ['select count(*) from t'])).stdout).toBe('1000\n');
    expect((await psql(secure, ['select count(*) from t'], 'sslmode=require')).stdout).toBe('1000\n');
  });

  it('describes tables and sees its own application name', async () => {
    expect((await psql(plain, ['\\d t'])).stdout).toContain('id|integer||not null|');
    expect((await psql(plain, ['select application_name from pg_stat_activity where pid = pg_backend_pid()'])).stdout).toBe('postern:alice\n');
  });

  it('is told about a wrong token and an unknown user in the same words', async () => {
    await expect(
      run('psql', ['-XAt', '-c', 'select 1', `host=127.0.0.1 port=${String(plain.port)} user=alice dbname=bank`], {
        env: { ...process.env, PGPASSWORD: 'wrong' },
      }),
    ).rejects.toThrow('password authentication failed for user "alice"');
    await expect(
      run('psql', ['-XAt', '-c', 'select 1', `host=127.0.0.1 port=${String(plain.port)} user=nobody dbname=bank`], {
        env: { ...process.env, PGPASSWORD: 'token' },
      }),
    ).rejects.toThrow('password authentication failed for user "nobody"');
  });
});

describe.runIf(hasPgbench)('pgbench', () => {
  it.each(['simple', 'extended', 'prepared'])('runs in %s mode', async (mode) => {
    if (mode === 'simple')
      await run('pgbench', ['-i', '-I', 'dtGvp', '-q', '-h', server.host, '-p', String(server.port), '-U', 'postgres', 'postgres'], {
        env: { ...process.env, PGPASSWORD: server.password },
      });
    const { stdout } = await run('pgbench', ['-n', '-M', mode, '-c', '3', '-t', '20', '-h', '127.0.0.1', '-p', String(plain.port), '-U', 'alice', 'bank'], {
      env: { ...process.env, PGPASSWORD: 'token' },
    });
    expect(stdout).toContain('number of transactions actually processed: 60/60');
  });
});

describe('drivers', () => {
  it('node-postgres runs text, parameters, cursors of rows and transactions', async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: secure.port,
      user: 'alice',
      password: 'token',
      database: 'bank',
      ssl: { ca: material.cert, servername: 'localhost' },
    });
    await client.connect();
    expect((await client.query<{ v: string }>('select v from t where id = $1', [7])).rows).toEqual([{ v: 'row 7' }]);
    expect((await client.query<{ n: number }>({ name: 'named', text: 'select $1::int + 1 as n', values: [1] })).rows).toEqual([{ n: 2 }]);
    await expect(client.query('select 1/0')).rejects.toMatchObject({ code: '22012' });
    await client.end();
  });

  it('postgres.js runs pipelined and prepared statements', async () => {
    const sql = postgres({ host: '127.0.0.1', port: plain.port, user: 'alice', password: 'token', database: 'bank', max: 2 });
    const answers = await Promise.all(Array.from({ length: 50 }, (_one, index) => sql<{ v: string }[]>`select v from t where id = ${index + 1}`));
    expect(answers.map((answer) => answer[0]?.v)).toEqual(Array.from({ length: 50 }, (_one, index) => `row ${String(index + 1)}`));
    await sql.begin(async (transaction) => {
      expect((await transaction`select count(*)::int as n from t`)[0]).toEqual({ n: 1000 });
    });
    await sql.end();
  });
});

describe('TLS', () => {
  it('may start at once, with ALPN', async () => {
    const socket = connectTls({ host: '127.0.0.1', port: secure.port, ca: material.cert, servername: 'localhost', ALPNProtocols: ['postgresql'] });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const client = new RawClient(socket);
    client.send(startup({ user: 'alice', database: 'bank' }));
    await client.authenticate('token');
    await client.until('Z');
    expect(rows(await client.ask(query('select 1')))).toEqual([['1']]);
    client.end();
  });

  it('may not start at once without ALPN', async () => {
    const socket = connectTls({ host: '127.0.0.1', port: secure.port, ca: material.cert, servername: 'localhost' });
    const client = new RawClient(socket);
    await expect.poll(() => client.closed).toBe(true);
  });

  it('drops the connection when plaintext came behind the request', async () => {
    const client = await RawClient.open('127.0.0.1', secure.port);
    client.raw = [];
    client.send(Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]), startup({ user: 'alice', database: 'bank' }));
    await expect.poll(() => client.closed).toBe(true);
    expect(Buffer.concat(client.raw)[0]).not.toBe(0x53);
  });

  it('and Kerberos encryption are refused in the protocol, and the login goes on', async () => {
    const client = await RawClient.open('127.0.0.1', plain.port);
    const answers: string[] = [];
    const first = (): Promise<void> =>
      new Promise((resolve) =>
        client.socket.once('data', (chunk: Buffer) => {
          answers.push(chunk.toString('latin1'));
          resolve();
        }),
      );
    client.socket.removeAllListeners('data');
    client.send(Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x30]));
    await first();
    client.send(Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]));
    await first();
    client.send(startup({ user: 'alice', database: 'bank', replication: 'database' }));
    await first();
    expect(answers.slice(0, 2)).toEqual(['N', 'N']);
    expect(answers[2]).toContain('replication connections are refused');
    client.socket.destroy();
  });
});

describe('protocol versions', () => {
  it('3.2 is spoken, newer ones are talked down', async () => {
    const newer = await RawClient.open('127.0.0.1', plain.port);
    newer.send(startup({ user: 'alice', database: 'bank', '_pq_.magic': 'on' }, 196_617));
    const negotiated = (await newer.until('v')).at(-1);
    expect(negotiated?.payload.readInt32BE(0)).toBe(196_610);
    expect(negotiated?.payload.toString('latin1', 8)).toBe('_pq_.magic\0');
    await newer.authenticate('token');
    await newer.until('Z');
    expect(rows(await newer.ask(query('select 1')))).toEqual([['1']]);
    newer.end();
  });

  it('2.0 is refused', async () => {
    const client = await RawClient.open('127.0.0.1', plain.port);
    client.send(startup({ user: 'alice' }, 131_072));
    expect(fields((await client.until('E'))[0])).toMatchObject({ S: 'FATAL', C: '0A000' });
  });
});

describe('the way to the target', () => {
  it.each([
    ['md5 over TLS', 'md5db', 'old', true],
    ['a password in clear on loopback', 'clear', 'postgres', false],
  ])('works with %s', async (_name, database, account, tls) => {
    const gateway = await startGateway({
      target: target(tls ? { mode: 'verify-full', ca: material.cert, serverName: 'localhost' } : { mode: 'disable' }, database, account),
    });
    const client = await RawClient.login({ host: '127.0.0.1', port: gateway.port, user: 'alice', password: 'token', database: 'bank' });
    expect(rows(await client.ask(query('select current_user, current_database()')))).toEqual([[account, database]]);
    client.end();
    await gateway.stop();
  });

  it('refuses a certificate for another name', async () => {
    const gateway = await startGateway({ target: target({ mode: 'verify-full', ca: material.cert, serverName: 'elsewhere' }) });
    await expect(RawClient.login({ host: '127.0.0.1', port: gateway.port, user: 'alice', password: 'token', database: 'bank' })).rejects.toThrow('08006');
    await gateway.stop();
  });

  it('names an unknown database, and nothing else of the target', async () => {
    const gateway = await startGateway({ target: target({ mode: 'disable' }, 'missing') });
    await expect(RawClient.login({ host: '127.0.0.1', port: gateway.port, user: 'alice', password: 'token', database: 'bank' })).rejects.toThrow('3D000');
    await gateway.stop();
  });
});

describe('a cancel request', () => {
  it.each([
    ['plain', false],
    ['TLS', true],
  ])('reaches the target over %s', async (_name, tls) => {
    const gateway = tls ? secure : plain;
    const client = await RawClient.open('127.0.0.1', gateway.port);
    client.send(startup({ user: 'alice', database: 'bank' }));
    await client.authenticate('token');
    const key = (await client.until('Z')).find((frame) => frame.type === 'K')?.payload ?? Buffer.alloc(0);
    client.send(query('select pg_sleep(20)'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const canceller = await RawClient.open('127.0.0.1', gateway.port);
    canceller.send(Buffer.concat([Buffer.from([0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e]), key]));
    expect(fields((await client.until('Z')).find((frame) => frame.type === 'E'))['C']).toBe('57014');
    client.end();
  });
});

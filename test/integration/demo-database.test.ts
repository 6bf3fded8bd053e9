import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, removeCluster, startPostgres } from '../../proxy/demo/embedded-postgres.ts';
import { demoCards } from '../../proxy/demo/payments-cards.ts';
import { seedPayments } from '../../proxy/demo/payments-schema.ts';
import { Secret } from '../../proxy/lib/secret.ts';

const superuser = new Secret('super secret');
const appPassword = new Secret(`it's app's`);

describe('the demo database', () => {
  let parent = '';
  let server: EmbeddedPostgres | undefined;

  const start = async (): Promise<EmbeddedPostgres> => (server = await startPostgres({ dir: join(parent, 'cluster'), password: superuser, durable: false }));

  const ask = async (text: string, user = 'app', password = appPassword): Promise<unknown[]> => {
    const client = new pg.Client({ host: '127.0.0.1', port: server?.port ?? 0, user, password: password.reveal(), database: 'payments' });
    await client.connect();
    try {
      return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows.flat();
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    parent = mkdtempSync(join(tmpdir(), 'postern-demo-database-'));
    // initdb refuses root, so nobody must be able to enter
    chmodSync(parent, 0o755);
    const { host, port, superuser: user, password } = await start();
    await seedPayments({ host, port, superuser: user, password, appPassword, canaries: true, orders: 2000 });
  });

  afterAll(async () => {
    await server?.stop();
    removeCluster(join(parent, 'cluster'));
    rmSync(parent, { recursive: true, force: true });
  });

  it('listens below the ephemeral range', () => expect(server?.port).toBeLessThan(32_768));

  it('holds exactly the cards the tests know', async () => {
    const cards = demoCards(true);
    expect(await ask('select count(*)::int from orders')).toEqual([2000]);
    expect(await ask('select pan from cards order by id')).toEqual(cards.map((card) => card.pan));
    expect(await ask('select cvv from cards order by id')).toEqual(cards.map((card) => card.cvv));
    expect(await ask('select pan::text from card_numbers_numeric order by card_id')).toEqual(cards.slice(0, 500).map((card) => card.pan));
    expect(new Set(cards.map((card) => card.cvv)).size).toBe(cards.length);
  });

  it('lets the role read and write rows, and nothing else', async () => {
    await expect(ask('drop table orders')).rejects.toThrow('must be owner of table orders');
    await expect(ask('create table x ()')).rejects.toThrow('permission denied for schema public');
    await expect(ask('create temp table x ()')).rejects.toThrow('permission denied to create temporary tables');
    await expect(ask(`copy orders to program 'id'`)).rejects.toThrow('permission denied to COPY to or from an external program');
    expect(await ask(`insert into orders (customer_id, card_id, amount_cents, currency, status) values (1, 1, 5, 'EUR', 'paid') returning id`)).toEqual([2001]);
  });

  it('wants a password', async () => {
    await expect(ask('select 1', 'app', new Secret('wrong'))).rejects.toThrow('password authentication failed');
  });

  it('keeps its rows over a restart, a killed one too, and is filled once', async () => {
    const before = server;
    if (before === undefined) throw new Error('not started');
    process.kill(before.pid, 'SIGKILL');
    await before.exited;
    const { host, port, superuser: user, password } = await start();
    await seedPayments({ host, port, superuser: user, password, appPassword, orders: 2000 });
    expect(await ask('select count(*)::int from customers')).toEqual([5000]);
  });

  it('says why it did not start', async () => {
    const port = server?.port ?? 0;
    const second = join(parent, 'second');
    await expect(startPostgres({ dir: second, port, password: superuser, durable: false })).rejects.toThrow(/did not start[^]*could not bind/);
    removeCluster(second);
  });
});

import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { int32, RawClient } from '../support/postgres-client.ts';
import { Observer, startService, type Service } from '../support/service.ts';

let service: Service;
let observer: Observer;

beforeAll(async () => {
  service = await startService();
  observer = await Observer.open(service.direct());
});

afterAll(async () => {
  observer.end();
  await service.stop();
});

beforeEach(async () => {
  await observer.rows('drop table if exists t');
  await observer.rows('create table t (id int primary key, v text)');
  await observer.rows("insert into t select i, 'v' || i from generate_series(1, 100) i");
});

const login = (): { host: string; port: number; user: string; password: string; database: string } => service.through;
const idle = (): Promise<string | null> => observer.value("select count(*) from pg_stat_activity where application_name = 'postern:ci' and state = 'idle'");
const active = (): Promise<string | null> => observer.value("select count(*) from pg_stat_activity where application_name = 'postern:ci' and state = 'active'");

describe('node-postgres', () => {
  let client: pg.Client;

  beforeEach(async () => {
    client = new pg.Client(login());
    await client.connect();
    return () => client.end();
  });

  it('runs text, parameters, named statements and binary results', async () => {
    expect((await client.query<{ v: string }>('select v from t where id = 7')).rows).toEqual([{ v: 'v7' }]);
    expect(
      (
        await client.query('select $1::int + 1 as n, $2::text as s, $3::jsonb as j, $4::timestamptz as at, $5::int[] as a', [
          41,
          'it’s',
          { a: [1] },
          new Date(0),
          [1, 2],
        ])
      ).rows,
    ).toEqual([{ n: 42, s: 'it’s', j: { a: [1] }, at: new Date(0), a: [1, 2] }]);
    for (let id = 1; id <= 3; id++)
      expect((await client.query({ name: 'by-id', text: 'select v from t where id = $1', values: [id] })).rows).toEqual([{ v: `v${String(id)}` }]);
    // the published types leave it out
    const binary: pg.QueryConfig & { binary: boolean } = { text: 'select id, v from t where id = 3', binary: true };
    expect((await client.query(binary)).rows).toEqual([{ id: 3, v: 'v3' }]);
    expect(await client.query('select 1 as a; select 2 as b')).toMatchObject([{ rows: [{ a: 1 }] }, { rows: [{ b: 2 }] }]);
  });

  it('reads a portal in parts', async () => {
    // `rows` is what pg-cursor and pg-query-stream use; the published types leave it out
    const config: pg.QueryConfig & { rows: number } = { text: 'select id from t where id > $1 order by id', values: [10], rows: 7 };
    expect((await client.query(config)).rows).toHaveLength(90);
  });

  it('keeps transactions apart from their errors', async () => {
    await client.query('begin');
    await client.query("insert into t values (200, 'x')");
    await expect(client.query('insert into t values ($1, $2)', [200, 'again'])).rejects.toMatchObject({
      code: '23505',
      constraint: 't_pkey',
      table: 't',
      schema: 'public',
    });
    await expect(client.query('select 1')).rejects.toMatchObject({ code: '25P02' });
    await client.query('rollback');
    expect(await observer.value('select count(*) from t where id = 200')).toBe('0');
  });

  it('sees notices', async () => {
    const notices: (string | undefined)[] = [];
    client.on('notice', ({ message }) => notices.push(message));
    await client.query("do $$ begin raise notice 'one'; raise warning 'two'; end $$");
    expect(notices).toEqual(['one', 'two']);
  });

  it('cancels', async () => {
    const running = client.query('select pg_sleep(60)');
    const rejected = expect(running).rejects.toMatchObject({ code: '57014' });
    await expect.poll(active).toBe('1');
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }; // what its own cancel() uses; not in its types
    await cancel(processID, secretKey);
    await rejected;
    expect(await active()).toBe('0');
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  it('is told about COPY, LISTEN and NOTIFY, and goes on', async () => {
    for (const sql of ['copy t to stdout', 'listen news', "notify news, 'x'"]) await expect(client.query(sql)).rejects.toMatchObject({ code: '0A000' });
    expect((await client.query('select count(*)::int as n from t')).rows).toEqual([{ n: 100 }]);
  });

  it('is told about replication before it is let in', async () => {
    const replica = new pg.Client({ ...login(), replication: 'database' } as pg.ClientConfig); // known to pg, not to its types
    await expect(replica.connect()).rejects.toThrow('replication connections are refused by the gateway');
  });

  it('works from a pool', async () => {
    const pool = new pg.Pool({ ...login(), max: 5 });
    const sums = await Promise.all(Array.from({ length: 50 }, (_one, index) => pool.query<{ n: number }>('select $1::int * 2 as n', [index])));
    expect(sums.map(({ rows }) => rows[0]?.n)).toEqual(Array.from({ length: 50 }, (_one, index) => index * 2));
    await pool.end();
  });
});

/** What its own cancel() sends; that has no promise to wait for. */
async function cancel(processID: number, secretKey: number): Promise<void> {
  const canceller = await RawClient.open(login().host, login().port);
  canceller.send(Buffer.concat([16, 80_877_102, processID, secretKey].map(int32)));
  await expect.poll(() => canceller.closed).toBe(true);
}

describe('postgres.js', () => {
  let sql: postgres.Sql;

  beforeEach(() => {
    sql = postgres({ ...login(), max: 2, onnotice: () => undefined });
    return () => sql.end();
  });

  it('prepares, pipelines and converts', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, (_one, index) => sql<{ v: string }[]>`select v from t where id = ${index + 1}`));
    expect(answers.map((answer) => answer[0]?.v)).toEqual(Array.from({ length: 100 }, (_one, index) => `v${String(index + 1)}`));
    expect([
      ...(await sql`select ${sql.array([1, 2, 3])}::int[] as a, ${sql.json({ b: [null, true] })}::jsonb as j, ${new Date(0)}::timestamptz as at, ${'x'}::text as s, ${null}::int as none, 12345678901234567890::numeric as big`),
    ]).toEqual([{ a: [1, 2, 3], j: { b: [null, true] }, at: new Date(0), s: 'x', none: null, big: '12345678901234567890' }]);
    expect(await sql`select id, v from t where id in ${sql([1, 2])} order by id`.values()).toEqual([
      [1, 'v1'],
      [2, 'v2'],
    ]);
  });

  it('runs several statements with simple(), and describes without running', async () => {
    const both = await sql.unsafe('select 1 as a; select 2 as b').simple();
    expect(both).toMatchObject([[{ a: 1 }], [{ b: 2 }]]);
    expect((await sql`select id, v from t`.describe()).columns.map(({ name }) => name)).toEqual(['id', 'v']);
  });

  it('commits, rolls back and nests transactions', async () => {
    await sql.begin(async (transaction) => {
      await transaction`insert into t values (200, 'x')`;
      await transaction
        .savepoint(async (inner) => {
          await inner`insert into t values (201, 'y')`;
          await inner`insert into t values (200, 'again')`;
        })
        .catch((error: unknown) => {
          expect(error).toMatchObject({ code: '23505' });
        });
      await transaction`insert into t values (202, 'z')`;
    });
    expect(await observer.rows('select id from t where id >= 200 order by id')).toEqual([['200'], ['202']]);
    await expect(sql.begin(async (transaction) => [await transaction`delete from t`, await transaction`select 1/0`])).rejects.toMatchObject({ code: '22012' });
    expect(await observer.value('select count(*) from t')).toBe('102');
  });

  it('reads with a cursor', async () => {
    const sizes: number[] = [];
    for await (const rows of sql`select id from t order by id`.cursor(30)) sizes.push(rows.length);
    expect(sizes).toEqual([30, 30, 30, 10]);
  });

  it('cancels', async () => {
    const running = sql`select pg_sleep(60)`.execute();
    const rejected = expect(running).rejects.toMatchObject({ code: '57014' });
    await expect.poll(active).toBe('1');
    running.cancel();
    await rejected;
    await expect.poll(active).toBe('0');
    expect(Number(await idle())).toBeGreaterThan(0);
    expect((await sql`select 1 as one`)[0]).toEqual({ one: 1 });
  });

  it('is told about COPY and LISTEN, and goes on', async () => {
    await expect(sql`copy t (id, v) from stdin`.writable()).rejects.toMatchObject({ code: '0A000' });
    await expect(sql`copy t to stdout`.readable()).rejects.toMatchObject({ code: '0A000' });
    await expect(sql`listen news`).rejects.toMatchObject({ code: '0A000' });
    expect((await sql`select count(*)::int as n from t`)[0]).toEqual({ n: 100 });
  });
});

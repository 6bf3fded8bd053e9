import { afterAll, beforeAll, describe as suite, expect, it } from 'vitest';
import { permitAll } from '../support/appliance.ts';
import { bind, execute, parse, query, RawClient, rows, sync, type Frame } from '../support/postgres-client.ts';
import { Observer, startService, type Service } from '../support/service.ts';

// no article number, year or row count of the test's own looks like these
const pan = '4539578763621486';
const cvv = '7319';

let service: Service;

beforeAll(async () => {
  service = await startService({ policies: `${permitAll}\n@id("masked") forbid (principal, action == Action::"field:unmask", resource);` });
  const setup = await Observer.open(service.direct());
  await setup.rows(
    `create table cards(id int primary key, pan text not null unique, cvv text not null, holder text not null, constraint short check (length(holder) < 40));
     insert into cards values (1, '${pan}', '${cvv}', 'ANN'), (2, '4111111111111111', '118', 'BOB');
     create table notes(id int primary key, body text not null); insert into notes values (1, 'plain');
     create view shown as select id, pan, cvv as code, holder from cards`,
  );
  setup.end();
  const { appliance } = service;
  await appliance.json(['masking', 'add', 'bank', 'public.cards.pan', '--tag', 'pan']);
  await appliance.json(['masking', 'add', 'bank', 'public.cards.cvv', '--tag', 'sad']);
}, 120_000);

afterAll(async () => {
  await service.stop();
});

async function asked(...steps: readonly (readonly Uint8Array[])[]): Promise<Frame[]> {
  const client = await RawClient.login(service.through);
  const frames: Frame[] = [];
  for (const step of steps) frames.push(...(await client.ask(...step)));
  client.end();
  return frames;
}

function text(frames: readonly Frame[]): string {
  return frames.map(({ payload }) => payload.toString('latin1')).join('\n');
}

function reversed(value: string): string {
  return Array.from(value).reverse().join('');
}

function expectNothing(frames: readonly Frame[]): void {
  const all = text(frames);
  for (const secret of [cvv, reversed(cvv), pan, reversed(pan)]) expect(all).not.toContain(secret);
}

suite('values of tagged columns do not come', () => {
  it.each([
    'select mode() within group (order by cvv) from cards where id = 1',
    'select percentile_disc(0) within group (order by reverse(pan)) from cards where id = 1',
    'select x from (select mode() within group (order by cvv) as x from cards where id = 1) s',
    'select mode() within group (order by code) from shown where id = 1',
    "select (cvv || 'x')::int from cards where id = 1",
    "select (reverse(pan) || 'x')::int from cards where id = 1",
    "select (code || 'x')::int from shown where id = 1",
    "select 1 from cards where id = 1 and (cvv || 'x')::int = 1",
    "select (cvv || 'x')::regclass from cards where id = 1",
    "select current_setting('a.' || cvv) from cards where id = 1",
    "select (to_json(cvv || 'x')::text || '}')::json from cards where id = 1",
    'update cards set holder = null where id = 1',
    'update shown set holder = null where id = 1',
    "update cards set holder = repeat('x', 50) where id = 1",
    "insert into cards select 3, pan, cvv, 'X' from cards where id = 1",
    'alter table cards add constraint no check (cvv::int < 10)',
    "alter table cards alter column cvv type int using (cvv || 'x')::int",
    "begin; declare c cursor for select (cvv || 'x')::int from cards where id = 1; fetch c",
    'update cards set holder = cvv where id = 1 returning holder',
    'update cards set holder = reverse(pan) where id = 1 returning holder',
    'update cards set pan = reverse(pan) where id = 1 returning pan',
    'update notes set body = (select cvv from cards where id = 1) where id = 1 returning body',
    'insert into notes select 9, code from shown where id = 1 returning body',
    'create table copied as select cvv from cards',
    "explain analyze select (cvv || 'x')::int from cards where id = 1",
    "do $$ begin raise notice '%', (select cvv from cards where id = 1); end $$",
    "do $$ begin raise exception '%', (select reverse(pan) from cards where id = 1); end $$",
  ])('in anything the client reads: %s', async (sql) => {
    expectNothing(await asked([query(sql)], [query('rollback')]));
    expectNothing(await asked([parse('', sql.replace(/^begin; declare.*$/, 'select 1')), bind('', ''), execute(''), sync]));
  });

  it('is said, with the error code the target gave', async () => {
    const frames = await asked([query("select (cvv || 'x')::int from cards where id = 1")]);
    expect(text(frames)).toContain('22P02');
    expect(text(frames)).toContain('tagged columns');
  });

  it.each([
    ["select set_config('search_path', cvv, false) from cards where id = 1", 'show search_path'],
    ['select pg_advisory_lock(cvv::bigint) from cards where id = 1', "select objid from pg_locks where locktype = 'advisory'"],
    ["select set_config('search_path', z, false) from (select reverse(pan) as z from cards where id = 1) q", "select current_setting('search_path')"],
  ])('by way of the session: %s', async (put, get) => {
    expectNothing(await asked([query(put)], [query(get)]));
    expectNothing(await asked([parse('', put), bind('', ''), execute(''), sync], [query(get)]));
  });

  it.each([
    'select query from pg_stat_activity',
    "select query || '' from pg_stat_activity",
    'select query from pg_stat_get_activity(null)',
    'select pg_stat_get_backend_activity(b) from pg_stat_get_backend_idset() b',
  ])('in commands of another session: %s', async (sql) => {
    const other = await RawClient.login(service.through);
    await other.ask(query(`select 1 from cards where cvv = '${cvv}'`));
    expectNothing(await asked([query(sql)]));
    other.end();
  });

  it('in a portal that a cursor of SQL replaced', async () => {
    const frames = await asked(
      [query('begin')],
      [parse('', "select body || '' as x from notes"), bind('c', ''), sync],
      [query('close c')],
      [query("declare c cursor for select cvv || '' as x from cards where id = 1")],
      [execute('c'), sync],
      [query('rollback')],
    );
    expectNothing(frames);
  });

  it('in a portal that went with its savepoint', async () => {
    const frames = await asked(
      [query('begin; savepoint s')],
      [parse('', "select body || '' as x from notes"), bind('c', ''), sync],
      [query('rollback to s')],
      [query("declare c cursor for select cvv || '' as x from cards where id = 1")],
      [execute('c'), sync],
      [query('rollback')],
    );
    expectNothing(frames);
  });
});

suite('what is no secret still comes', () => {
  it.each<[string, string]>([
    ['select nothing from cards', 'column "nothing" does not exist'],
    ['select * from nowhere', 'relation "nowhere" does not exist'],
    ['select 1/0 from cards', 'division by zero'],
    ["insert into cards values (1, 'x', 'y', 'z')", 'duplicate key value violates unique constraint "cards_pkey"'],
    ["select 'abc'::int from cards", 'invalid input syntax for type integer: "abc"'],
    ["select (body || 'x')::int from notes", 'invalid input syntax for type integer: "plainx"'],
    ['drop table nowhere', 'table "nowhere" does not exist'],
    ['create table cards()', 'relation "cards" already exists'],
  ])('%s', async (sql, message) => {
    expect(text(await asked([query(sql)]))).toContain(message);
  });

  it('rows written by plain values, and card numbers looked up', async () => {
    const frames = await asked(
      [query("insert into cards values (5, '6011000990139424', '771', 'EVE') on conflict (id) do update set cvv = excluded.cvv")],
      [query("insert into notes select id, holder from cards where pan = '6011000990139424'")],
      [query('select body from notes where id = 5')],
    );
    expect(rows(frames)).toEqual([['EVE']]);
  });
});

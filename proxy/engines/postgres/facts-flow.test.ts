import { describe, expect, it } from 'vitest';
import { statementOf } from '../../../test/support/classified.ts';

async function copies(sql: string): Promise<readonly string[]> {
  const { facts } = await statementOf(sql);
  const shown = (facts.copies ?? [])
    .filter(({ from }) => from.table === 'cards')
    .map(({ from, to, computed }) => `${from.column}${computed ? '*' : ''}→${to?.column ?? '?'}`);
  return [...new Set(shown)].sort();
}

describe('the columns whose values a statement stores elsewhere', () => {
  it.each<[string, readonly string[]]>([
    ["insert into payments.cards (pan, cvv) values ('4111', '123')", []],
    ['update payments.cards set cvv = $1 where pan = $2', []],
    ['update payments.cards set owner = cvv where id = 1', ['cvv→owner']],
    ["update payments.cards set owner = cvv || 'x' where id = 1", ['cvv*→owner']],
    ['update payments.cards set (owner, pan) = (cvv, owner) where id = 1', ['cvv*→owner', 'cvv*→pan', 'owner*→owner', 'owner*→pan']],
    ['update payments.orders set note = (select cvv from payments.cards c where c.id = card_id) where id = 1', ['cvv*→note']],
    ['update payments.orders set note = $1 where card_id in (select id from payments.cards where pan = $2)', []],
    ['insert into payments.orders (id, note) select id, cvv from payments.cards', ['cvv→note', 'id→id']],
    [
      'insert into payments.orders (id, note) select * from payments.cards',
      ['cvv→id', 'cvv→note', 'id→id', 'id→note', 'owner→id', 'owner→note', 'pan→id', 'pan→note'],
    ],
    ['insert into payments.orders (card_id) select id from payments.cards where pan = $1', ['id→card_id']],
    ['insert into payments.orders (card_id, note) values ((select id from payments.cards where pan = $1), $2)', ['id*→card_id']],
    ['insert into payments.orders (note) values ((select cvv from payments.cards where id = 1))', ['cvv*→note']],
    ['insert into payments.orders (note) select mode() within group (order by cvv) from payments.cards', ['cvv*→note']],
    ['insert into payments.cards (id, pan) values (1, $1) on conflict (id) do update set owner = excluded.cvv', ['cvv→owner']],
    ['insert into payments.cards (id, cvv) values (1, $1) on conflict (id) do update set cvv = excluded.cvv', ['cvv→cvv']],
    ['insert into orders (note) select cvv from payments.cards', ['cvv→?']],
    ['create table x as select cvv from payments.cards', ['cvv*→?']],
    ['select cvv into x from payments.cards', ['cvv*→?']],
    ['with x as (update payments.cards set owner = cvv where id = 1 returning owner) select owner from x', ['cvv*→owner', 'owner*→owner']],
    ['merge into payments.cards c using payments.orders o on c.id = o.card_id when matched then update set owner = cvv', ['cvv→owner']],
    ['merge into payments.orders o using payments.cards c on c.id = o.card_id when not matched then insert (note) values (c.pan)', ['pan→note']],
    ['insert into payments.orders (note) select steal(cvv) from payments.cards', ['cvv*→note']],
    ['explain analyze update payments.cards set owner = cvv where id = 1', ['cvv→owner']],
    ['prepare p as update payments.cards set owner = cvv where id = 1', ['cvv→owner']],
    ['select cvv from payments.cards for update', []],
    ["select set_config('search_path', cvv, false) from payments.cards", ['cvv*→?']],
    ["select set_config('search_path', z, false) from (select cvv as z from payments.cards) q", ['cvv*→?']],
    ['select pg_catalog.pg_advisory_lock(pan::bigint) from payments.cards', ['pan*→?']],
    ["select setval('s', (select cvv::int from payments.cards where id = 1))", ['cvv*→?', 'id*→?']],
    ["select set_config('search_path', $1, false) from payments.cards where pan = $2", []],
    ['select nextval($1), cvv from payments.cards', []],
  ])('%s', async (sql, expected) => {
    expect(await copies(sql)).toEqual(expected);
  });
});

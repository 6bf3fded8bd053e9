import { expect, it } from 'vitest';
import { classifiedAs } from '../../../test/support/classified.ts';

// [statement, kind effect flags: acts], or the refusal's code and kind
const table: readonly (readonly [string, string])[] = [
  ['insert into t values (1, 2, 3)', 'insert write: insert Table public.t'],
  ['insert into t (a) values (1) returning a', 'insert write: insert Table public.t, select Table public.t'],
  ['insert into t (a) select id from payments.cards', 'insert write: insert Table public.t, select Table payments.cards'],
  ['insert into t (a) values ((select id from payments.cards limit 1))', 'insert write: insert Table public.t, select Table payments.cards'],
  ['insert into t (a) values (default) on conflict do nothing', 'insert write: insert Table public.t, select Table public.t'],
  [
    'insert into t (a) values (1) on conflict (a) do update set b = excluded.b where t.c > 1',
    'insert write: insert Table public.t, select Table public.t, update Table public.t',
  ],
  ['with t as (select 1) insert into t select * from t', 'insert write: insert Table public.t'],
  ["insert into payments.cards (pan, cvv) values ('4111111111111111', '123')", 'insert write: insert Table payments.cards'],
  ['insert into orders (id) values (1)', 'insert write: insert Table archive.orders, insert Table payments.orders'],
  ['insert into missing values (1)', 'insert unknown: insert Table ?.missing'],
  ["insert into t (a) values (nextval('s'))", 'insert unknown: execute Function pg_catalog.nextval, insert Table public.t'],
  ['update t set a = 1', 'update write: update Table public.t'],
  ['update t set a = 1 where b = 2', 'update write where: select Table public.t, update Table public.t'],
  ['update t set a = 1 where true', 'update write: select Table public.t, update Table public.t'],
  ['update t set a = 1 where 1 = 1', 'update write: select Table public.t, update Table public.t'],
  ['update t set a = b', 'update write: select Table public.t, update Table public.t'],
  [
    'update t set (a, b) = (select id, pan from payments.cards limit 1)',
    'update write: select Table payments.cards, select Table public.t, update Table public.t',
  ],
  [
    'update t set a = 1 from payments.cards c where c.id = t.a',
    'update write where: select Table payments.cards, select Table public.t, update Table public.t',
  ],
  ['update t set a = 1 where current of cur', 'update write where: select Table public.t, update Table public.t'],
  ["update pg_settings set setting = 'off' where name = 'x'", 'ERR_FEATURE_REFUSED set'],
  ["update pg_catalog.pg_settings set setting = 'off'", 'ERR_FEATURE_REFUSED set'],
  ['delete from t', 'delete write: delete Table public.t'],
  ['delete from t where a = 1', 'delete write where: delete Table public.t, select Table public.t'],
  ['delete from t using payments.cards c where c.id = t.a', 'delete write where: delete Table public.t, select Table payments.cards, select Table public.t'],
  ['delete from t where a = 1 returning *', 'delete write where: delete Table public.t, select Table public.t'],
  [
    'merge into t using payments.orders o on t.a = o.id when matched then update set b = o.amount when not matched then insert (a) values (o.id)',
    'merge write where: insert Table public.t, select Table payments.orders, select Table public.t, update Table public.t',
  ],
  [
    'merge into t using payments.cards s on t.a = s.id when matched then delete',
    'merge write where: delete Table public.t, select Table payments.cards, select Table public.t',
  ],
  ['merge into t using payments.cards s on true when matched then do nothing', 'merge write: select Table payments.cards, select Table public.t'],
  ['explain select * from payments.cards', 'explain read: select Table payments.cards'],
  ['explain delete from t', 'explain read: delete Table public.t'],
  ['explain (analyze) delete from t', 'explain write: delete Table public.t'],
  ['explain analyze select * from t', 'explain read: select Table public.t'],
  ['explain (analyze false) delete from t', 'explain write: delete Table public.t'],
  ['explain (format json) select steal(1)', 'explain unknown: execute Function public.steal'],
  ['explain create table x as select 1', 'explain unknown: ddl Table ?.x'],
  ['explain execute p', 'ERR_FEATURE_REFUSED execute'],
  ['prepare p as select * from payments.cards where id = $1', 'prepare none where: select Table payments.cards'],
  ['prepare p (int) as delete from t where a = $1', 'prepare none where: delete Table public.t, select Table public.t'],
  ['execute p', 'execute unknown:'],
  ["execute p (1, 'a')", 'execute unknown:'],
  ['execute p (pg_sleep(1))', 'ERR_FEATURE_REFUSED execute'],
  ['deallocate p', 'deallocate none:'],
  ['deallocate all', 'deallocate none:'],
  ['discard all', 'discard write: utility Utility discard'],
  ['discard plans', 'discard write: utility Utility discard'],
  ['declare c cursor for select * from payments.cards', 'declare_cursor read: select Table payments.cards'],
  ['declare c cursor with hold for select steal(1)', 'declare_cursor unknown: execute Function public.steal'],
  ['fetch 10 from c', 'fetch unknown: utility Utility fetch'],
  ['move all in c', 'fetch unknown: utility Utility fetch'],
  ['close c', 'close none: utility Utility close'],
  ["prepare transaction 'x'", 'prepare_transaction write: utility Utility prepare_transaction'],
  ['truncate t, payments.cards', 'truncate write: delete Table payments.cards, delete Table public.t'],
  ['prepare p as select 1; select 1', 'ERR_FEATURE_REFUSED prepare'],
];

it.each(table)('%s', async (sql, expected) => {
  expect(await classifiedAs(sql)).toBe(expected);
});

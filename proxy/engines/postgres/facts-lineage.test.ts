import { describe, expect, it } from 'vitest';
import { statementOf } from '../../../test/support/classified.ts';

const all = ['id', 'pan', 'cvv', 'owner'];

async function reads(sql: string, index = 0, name = 'x'): Promise<readonly string[] | null> {
  const statement = await statementOf(sql);
  return statement.reads(index, name)?.map((column) => column.column) ?? null;
}

describe('the stored columns an output column may be computed from', () => {
  it.each<[string, readonly string[] | null]>([
    ["select pan || 'x' as x from payments.cards", ['pan']],
    ['select upper(c.cvv) as x from payments.cards c', ['cvv']],
    ['select count(*) as x from payments.cards', []],
    ['select count(cvv) as x from payments.cards', []],
    ['select 1 as x from payments.cards', []],
    ['select now() as x', []],
    ['select ctid as x from payments.cards', []],
    ['select (select max(pan) from payments.cards) as x', ['pan']],
    ['select array(select cvv from payments.cards) as x', ['cvv']],
    ['select row_to_json(c) as x from payments.cards c', all],
    ['select c as x from payments.cards c', all],
    ['select (c).cvv as x from payments.cards c', ['id', 'pan', 'cvv', 'owner']],
    ['select q.name as x from (select cvv as name from payments.cards) q', ['cvv']],
    ['select q.owner as x from (select cvv as owner, pan from payments.cards) q', ['cvv', 'pan', 'owner']],
    ['with q as (select cvv as y from payments.cards) select y as x from q', ['cvv']],
    ['select b as x from payments.cards as q(a, b, c, d)', all],
    ['select value as x from jsonb_array_elements_text((select to_jsonb(cvv) from payments.cards))', ['cvv']],
    ['select pan as x from payments.cards union select owner from payments.cards', ['pan', 'owner']],
    ['select steal(pan) as x from payments.cards', null],
    ['select (pan).steal as x from payments.cards', null],
    ['select c.steal as x from payments.cards c', null],
    ['select pan::public.mood as x from payments.cards', null],
    ['select pan operator(evil.||) pan as x from payments.cards', null],
    ["select query_to_xml('select cvv from payments.cards', true, false, '') as x", null],
    ['select y as x from missing', null],
    ['select unheard_of as x from payments.cards', null],
    ['explain select * from payments.cards', null],
    ['explain select 1', []],
    ['show search_path', []],
    ['fetch 1 from c', null],
    ['call steal(1)', null],
    ['select 1; select pan from payments.cards', null],
    ['select 1; select 2', []],
    ['delete from payments.cards where id = 1 returning lower(pan) as x', null],
    ['delete from payments.cards where id = 1 returning upper(pan) as x', ['pan']],
    ['insert into payments.cards (pan) values ($1) returning substr(pan, 1, 6) as x', ['pan']],
  ])('%s', async (sql, expected) => {
    const found = await reads(sql);
    expect(found === null ? null : [...found].sort()).toEqual(expected === null ? null : [...expected].sort());
  });

  it('does not count positions behind a star', async () => {
    expect(await reads('select *, 1 as x from payments.cards', 4, 'x')).toEqual(all);
    expect(await reads("select q.*, 'a' as x from (select cvv from payments.cards) q", 1, 'x')).toEqual(all);
  });

  it('is unknown when the target gives the column another name', async () => {
    expect(await reads('select upper(pan) as x from payments.cards', 0, 'y')).toBeNull();
  });
});

describe('columns in the context', () => {
  it.each<[string, readonly string[]]>([
    ['select * from payments.cards', ['cvv', 'id', 'owner', 'pan']],
    ['select c from payments.cards c', ['c', 'cvv', 'id', 'owner', 'pan']],
    ['select x from payments.cards as q(w, x, y, z)', ['cvv', 'id', 'owner', 'pan', 'x']],
    ['select 1 from payments.cards where cvv = $1 order by owner', ['cvv', 'owner']],
    ['update payments.cards set cvv = 1', ['cvv']],
    ['insert into payments.cards values (1)', ['cvv', 'id', 'owner', 'pan']],
    ['insert into t (a) values (1) on conflict (b) do update set c = 1', ['a', 'b', 'c']],
    ['select (c).cvv from payments.cards c', ['c', 'cvv', 'id', 'owner', 'pan']],
    ['select a from t join t u using (b)', ['a', 'b']],
  ])('%s', async (sql, columns) => {
    expect((await statementOf(sql)).facts.context.columns).toEqual(columns);
  });
});

describe('spans', () => {
  const value = async (sql: string): Promise<string> => {
    const spans = (await statementOf(sql)).spans(sql);
    return spans
      .map((span) => (span.kind === 'text' ? span.text : `{${span.text}${span.column === undefined ? '' : `@${span.column.table}.${span.column.column}`}}`))
      .join('');
  };

  it.each([
    [
      "select 1 from payments.cards where cvv = '123' and id in (4, -5)",
      "select {1} from payments.cards where cvv = '{123@cards.cvv}' and id in ({4@cards.id}, -{5@cards.id})",
    ],
    ["select 1 from payments.cards c where '123' = lower(c.cvv)", "select {1} from payments.cards c where '{123@cards.cvv}' = lower(c.cvv)"],
    [
      "insert into payments.cards (cvv, pan) values ('1', '2'), ('3', $1)",
      "insert into payments.cards (cvv, pan) values ('{1@cards.cvv}', '{2@cards.pan}'), ('{3@cards.cvv}', $1)",
    ],
    [
      "insert into payments.cards values (1, '2', '3' || '4')",
      "insert into payments.cards values ({1@cards.id}, '{2@cards.pan}', '{3@cards.cvv}' || '{4@cards.cvv}')",
    ],
    ["insert into payments.cards (cvv) select '123'", "insert into payments.cards (cvv) select '{123@cards.cvv}'"],
    ["update payments.cards set (cvv, pan) = ('1', '2')", "update payments.cards set (cvv, pan) = ('{1@cards.cvv}', '{2@cards.pan}')"],
    ["select E'\\x34\\061''1'", "select E'{41'1}'"],
    ["select '41''11'\n\n '22'", "select '{41'1122}'"],
    ['select $a$4111$a$, $$x$$', 'select $a${4111}$a$, $${x}$$'],
    ["select U&'\\0034', b'101', x'34'", "select U&'{…}', b'{…}', x'{…}'"],
    ['select 1 -- 4111\n /* 5500 */', 'select {1} {-- 4111}\n {/* 5500 */}'],
    ['select a as "4111111111111111" from t', 'select a as {"4111111111111111"} from t'],
    ["select 'ä€' as ü", "select '{ä€}' as ü"],
  ])('%s', async (sql, expected) => {
    expect(await value(sql)).toBe(expected);
  });
});

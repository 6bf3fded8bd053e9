/**
 * Statements whose backend messages must be the same directly and through Postern: no rule applies to them. They run in this order in
 * one session as an account that may do anything; each is one simple Query, and the single ones are also run with the extended protocol.
 */
const literals = [
  'true', 'false', 'null', '0', '-1', '2147483647', '9223372036854775807', '1.5', '-0.000001', '1e10', `'text'`, `''`, `'it''s'`, `E'tab\\tnew\\nline'`, `U&'d\\0061t\\+000061'`,
  `$$dollar$$`, `$tag$a $$ b$tag$`, `B'101'`, `X'1F'`, `'a' || 'b'`, `date '2024-02-29'`, `time '12:34:56.789'`, `timestamp '2024-02-29 12:00:00'`, `timestamptz '2024-02-29 12:00:00+02'`,
  `interval '1 year 2 mons 3 days 04:05:06'`, `'{"a": [1, 2, {"b": null}]}'::json`, `'{"b": 1, "a": 2}'::jsonb`, `'<a>x</a>'::xml`, `'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid`,
  `'192.168.0.1/24'::inet`, `'10.1.2.0/24'::cidr`, `'08:00:2b:01:02:03'::macaddr`, `'(1,2)'::point`, `'((0,0),(1,1))'::box`, `'{1,2,3}'::int[]`, `array['a','b',null]`, `array[[1,2],[3,4]]`,
  `row(1,'a',null)`, `'[1,5)'::int4range`, `'\\xdeadbeef'::bytea`, `'12.34'::money`, `'a & b'::tsquery`, `'fat cat'::tsvector`, `1::bit(4)`, `'abc'::char(6)`, `'abc'::varchar(2)`, `'pg_class'::regclass`,
  `1::oid`, `'infinity'::timestamp`, `'NaN'::numeric`, `'-Infinity'::float8`, `12345.6789::numeric(10,2)`, `1::smallint`, `1.1::real`, `pi()`, `'0/16B3748'::pg_lsn`,
];

const expressions = [
  '1 + 1', '7 / 2', '7 % 3', '2 ^ 10', '|/ 25', '@ -5', '1 << 4', '91 & 15', '32 | 3', '17 # 5', '~1', `'abc' like 'a%'`, `'abc' similar to '(a|b)%'`, `'abc' ~ '^a'`, '1 between 0 and 2', '1 in (1, 2, 3)',
  'null is null', '1 is distinct from null', 'not true', 'true and null', 'false or null', `coalesce(null, 'x')`, `nullif(1, 1)`, `greatest(1, 2, 3)`, `least('a', 'b')`, `case when 1 = 1 then 'y' else 'n' end`,
  `case 2 when 1 then 'one' when 2 then 'two' end`, `length('héllo')`, `upper('abc')`, `substring('hello' from 2 for 3)`, `position('l' in 'hello')`, `trim(both 'x' from 'xxhixx')`, `overlay('abcdef' placing 'ZZ' from 2)`,
  `replace('aaa', 'a', 'b')`, `split_part('a,b,c', ',', 2)`, `md5('x')`, `encode('abc'::bytea, 'base64')`, `decode('YWJj', 'base64')`, `to_char(1234.5, '9G999D99')`, `to_date('2024-01-02', 'YYYY-MM-DD')`, `round(2.567, 2)`,
  `trunc(-2.5)`, `ceil(1.2)`, `floor(-1.2)`, `abs(-3)`, `mod(10, 3)`, `power(2, 0.5)`, `sqrt(2)`, `exp(1)`, `ln(10)`, `sign(-2)`, `extract(year from date '2024-05-06')`, `date_trunc('month', timestamp '2024-05-06 07:08:09')`,
  `age(timestamp '2024-05-06', timestamp '2020-01-01')`, `date '2024-01-31' + interval '1 month'`, `justify_days(interval '35 days')`, `make_date(2024, 5, 6)`, `array_length(array[1,2,3], 1)`, `array_append(array[1], 2)`,
  `array[1,2] || array[3]`, `array[1,2,3] @> array[2]`, `unnest(array[1,2,3])`, `array_to_string(array[1,null,3], ',', '*')`, `string_to_array('a,b', ',')`, `'{"a":{"b":2}}'::jsonb -> 'a' ->> 'b'`, `'{"a":1}'::jsonb @> '{"a":1}'`,
  `jsonb_build_object('k', 1, 'l', array[1,2])`, `json_build_array(1, 'a', null)`, `jsonb_pretty('{"a":[1,2]}')`, `'{"a":1,"b":2}'::jsonb - 'a'`, `jsonb_set('{"a":1}', '{a}', '2')`, `to_jsonb(row(1,'x'))`, `jsonb_typeof('[]')`,
  `int4range(1, 10) * int4range(5, 15)`, `lower(int4range(1, 10))`, `5 <@ int4range(1, 10)`, `to_tsvector('english', 'The fat cats') @@ to_tsquery('cat')`, `format('%s %I %L', 'a', 'b c', 'd''e')`, `lpad('7', 3, '0')`,
  `repeat('ab', 3)`, `reverse('abc')`, `chr(65)`, `ascii('A')`, `initcap('hello world')`, `regexp_replace('foobar', 'o+', '0')`, `regexp_matches('foobarbaz', 'ba.', 'g')`, `generate_series(1, 5)`, `width_bucket(5.35, 0.024, 10.06, 5)`,
  `pg_typeof(1.5)`, `current_database() is not null`, `cast('42' as int) + 1`, `'1'::text::int`, `1::text || 'x'`, `quote_literal(E'\\\\')`, `num_nulls(1, null, 2)`, `starts_with('alphabet', 'alph')`, `gcd(12, 18)`, `factorial(10)`,
];

const setUp = [
  'drop table if exists t_child, t, t_wide, t_types cascade',
  'create table t (id int primary key, name text not null, amount numeric(12,2), tags text[], doc jsonb, at timestamptz default $$2024-03-01 00:00:00+00$$)',
  'create table t_child (id serial primary key, t_id int references t (id) on delete cascade, note varchar(20) check (note <> $$bad$$))',
  'create index t_name on t (name)',
  `insert into t select i, 'name ' || i, i * 1.25, array['a', i::text], jsonb_build_object('i', i), '2024-01-01'::timestamptz from generate_series(1, 50) i`,
  `insert into t_child (t_id, note) select i, 'note ' || i from generate_series(1, 20) i`,
  'create view v as select id, name, amount * 2 as doubled from t',
  'analyze t',
];

const queries = [
  'select * from t order by id limit 5', 'select id, name from t where id = 7', 'select count(*) from t', 'select sum(amount), avg(amount), min(id), max(id) from t', 'select name from t where name like $$name 1%$$ order by 1',
  'select t.id, c.note from t join t_child c on c.t_id = t.id order by t.id limit 3', 'select t.id, c.id from t left join t_child c on c.t_id = t.id where t.id > 18 order by 1 limit 5', 'select * from t natural join (select 1 as id) x',
  'select * from v where id < 4 order by id', 'select distinct amount > 30 from t order by 1', 'select id % 3 as k, count(*) from t group by 1 having count(*) > 16 order by 1', 'select id, row_number() over (order by amount desc) from t order by 2 limit 3',
  'select id, sum(amount) over (partition by id % 2 order by id rows between 1 preceding and current row) from t order by id limit 4', 'with x as (select id from t where id < 3) select * from x order by 1',
  'with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select * from r', 'select * from (values (1, $$a$$), (2, $$b$$)) v(n, s)', 'values (1, 2), (3, 4)', 'table t_child limit 1', 'select 1 union select 2 union all select 1 order by 1',
  'select 1 intersect select 1', 'select 1 except select 2', 'select exists (select 1 from t where id = 99)', 'select id from t where id in (select t_id from t_child where id < 4) order by 1', 'select (select name from t where id = 3) as scalar',
  'select array(select id from t order by id limit 3)', 'select * from t, lateral (select note from t_child where t_id = t.id limit 1) n order by t.id limit 2', 'select * from generate_series(1, 3) with ordinality', 'select doc -> $$i$$ from t order by id limit 2',
  'select id from t order by amount desc nulls last offset 10 fetch next 2 rows only', 'select grouping(id % 2), id % 2, count(*) from t group by rollup (id % 2) order by 1, 2', 'select count(*) filter (where id > 10) from t', 'select string_agg(name, $$,$$ order by id) from t where id < 4',
  'select percentile_cont(0.5) within group (order by amount) from t', 'select json_agg(x) from (select id, name from t where id < 3) x', 'select t from t where id = 1', 'select (t).name from t where id = 2', 'select null::t', 'select * from t where false', 'select from t where id < 3',
  'select tableoid::regclass, ctid from t where id = 1', 'select id as "Mixed Case", name as "quo""te" from t where id = 1', 'select 1 as a, 2 as a', 'select /* comment */ 1 -- tail', 'select 1;', '', ';', '  ', '-- only a comment', 'select 1; select 2', 'select 1; select * from t where id = 1; select 3',
  'explain (costs off) select * from t where id = 1', 'explain (costs off, format json) select * from t', 'show server_version_num', 'show transaction_isolation', 'show datestyle',
];

const errors = [
  'select 1/0', 'select nope', 'select * from nope', 'select nope(1)', `select 'x'::int`, 'insert into t (id, name) values (1, $$dup$$)', 'insert into t (id) values (1000)', `insert into t_child (t_id, note) values (9999, 'x')`, `insert into t_child (t_id, note) values (1, 'bad')`,
  `insert into t_child (t_id, note) values (1, 'much longer than twenty characters')`, 'select id, count(*) from t', 'select sum(name) from t', 'select 1 union select 1, 2', 'select (select id from t)', 'select sqrt(-1)', `select date '2024-02-30'`, `select '{bad'::json`, `select array[1,2][5]`, 'select 1; select 1/0; select 2',
];

const writes = [
  `insert into t (id, name) values (100, 'hundred')`, `insert into t (id, name) values (101, 'a'), (102, 'b') returning id, name`, `insert into t (id, name) values (100, 'again') on conflict (id) do update set name = excluded.name returning name`,
  `insert into t (id, name) values (100, 'x') on conflict do nothing`, `update t set amount = 1 where id = 100`, `update t set amount = amount + 1 where id > 100 returning id, amount`, `delete from t where id = 101`, `delete from t where id = 102 returning *`, `update t set name = name where false`,
  `with d as (delete from t where id = 100 returning id) select * from d`, `merge into t using (values (200, 'm')) s(id, name) on t.id = s.id when matched then update set name = s.name when not matched then insert (id, name) values (s.id, s.name)`,
  `merge into t using (values (200, 'n')) s(id, name) on t.id = s.id when matched then delete`, 'create table t_types (a int, b text)', `insert into t_types values (1, 'x'), (2, null)`, 'select * from t_types order by a', 'alter table t_types add column c numeric default 1.5', 'select * from t_types order by a',
  'create table t_wide as select i, repeat($$x$$, 200) as r from generate_series(1, 300) i', 'select * from t_wide order by i', 'truncate t_types', 'select count(*) from t_types', 'drop table t_types', 'comment on table t is $$a comment$$', 'create sequence s_conf', `select nextval('s_conf'), nextval('s_conf')`, 'drop sequence s_conf',
];

const transactions = [
  'begin', 'select 1', 'commit', 'begin', `insert into t (id, name) values (300, 'tx')`, 'rollback', 'select count(*) from t where id = 300', 'begin', 'select 1/0', 'select 1', 'commit', 'begin; select 1; commit', 'begin', 'savepoint a', `insert into t (id, name) values (301, 'sp')`, 'rollback to a',
  'release a', 'end', 'start transaction isolation level repeatable read read only', 'show transaction_isolation', `insert into t (id, name) values (302, 'ro')`, 'abort', 'commit', 'begin', 'begin', 'rollback', 'rollback', 'set local statement_timeout = 1000', 'begin', 'set local statement_timeout = 1000', 'show statement_timeout', 'commit',
  'set datestyle to german', 'select date $$2024-05-06$$', 'reset datestyle', 'set timezone to $$UTC$$', `select timestamptz '2024-01-01 00:00:00+00'`, 'set extra_float_digits to 0', 'select 0.1::float8 + 0.2::float8', 'reset extra_float_digits',
];

const prepared = [
  'prepare p1 (int) as select name from t where id = $1', 'execute p1(3)', 'execute p1(4)', 'deallocate p1', 'prepare p2 as insert into t (id, name) values ($1, $2) returning id', `execute p2(400, 'prep')`, 'delete from t where id = 400', 'deallocate all',
  'begin', 'declare c cursor for select id from t order by id', 'fetch 3 from c', 'move 2 in c', 'fetch next from c', 'fetch all from c', 'close c', 'commit', 'select current_schema()', 'discard temp', 'create temp table tmp_x (a int)', 'insert into tmp_x values (1)', 'select * from tmp_x', 'drop table tmp_x',
  'do $$ begin raise notice $n$hello %$n$, 42; end $$', 'do $$ begin raise warning $n$careful$n$; end $$', 'do $$ begin raise exception $n$stop$n$ using errcode = $e$P1234$e$, hint = $e$a hint$e$, detail = $e$details$e$; end $$',
];

export const statements: readonly string[] = [
  ...setUp,
  ...literals.map((literal) => `select ${literal}`),
  ...expressions.map((expression) => `select ${expression} as x`),
  ...queries,
  ...errors,
  ...writes,
  ...transactions,
  ...prepared,
  'drop view v',
  'drop table t_child, t, t_wide',
];

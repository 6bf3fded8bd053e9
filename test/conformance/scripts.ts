import { bind, close, describe, execute, flush, int32, message, parse, query, sync } from '../support/postgres-client.ts';

/** What is sent at once, and the types of the frames that are waited for then, in order. */
interface Step {
  readonly send: readonly Uint8Array[];
  readonly wait: readonly string[];
}

interface Script {
  readonly name: string;
  readonly steps: readonly Step[];
}

const ready = (...send: readonly Uint8Array[]): Step => ({ send, wait: ['Z'] });
const segments = (count: number, ...send: readonly Uint8Array[]): Step => ({ send, wait: Array.from({ length: count }, () => 'Z') });
const table = ready(
  query('drop table if exists s; create table s (id int primary key, v text); insert into s select i, $$v$$ || i from generate_series(1, 9) i'),
);
const rows = 'select id, v from s order by id';

/** Uses of the extended protocol that no list of statements shows; each in a session of its own. */
export const scripts: readonly Script[] = [
  { name: 'a Sync alone', steps: [ready(sync)] },
  { name: 'an empty statement', steps: [ready(parse('', ''), bind('', ''), describe('P', ''), execute(''), sync)] },
  {
    name: 'a named statement, described and used twice',
    steps: [
      table,
      ready(parse('a', 'select v from s where id = $1', 23), describe('S', 'a'), sync),
      ready(bind('', 'a', ['3']), execute(''), bind('', 'a', ['4']), execute(''), sync),
      ready(close('S', 'a'), sync),
      ready(bind('', 'a', ['3']), sync),
    ],
  },
  {
    name: 'parameters whose types the target infers, and a null',
    steps: [
      table,
      ready(parse('', 'insert into s values ($1, $2) returning *'), describe('S', ''), sync),
      ready(bind('', '', ['20', null]), describe('P', ''), execute(''), sync),
      ready(query('select * from s where id = 20')),
    ],
  },
  {
    name: 'binary parameters and mixed results',
    steps: [
      ready(
        parse('', 'select $1::int + 1, $2::text, $1', 23, 25),
        bind('', '', [int32(41), 'x'], { parameters: [1, 0], results: [1, 0, 1] }),
        describe('P', ''),
        execute(''),
        sync,
      ),
    ],
  },
  {
    name: 'a portal read in parts inside a transaction',
    steps: [
      table,
      ready(query('begin')),
      ready(parse('', rows), bind('p', ''), execute('p', 4), execute('p', 4), execute('p', 4), sync),
      ready(execute('p', 1), sync),
      ready(query('commit')),
      ready(execute('p'), sync),
    ],
  },
  {
    name: 'a portal that is suspended when its transaction ends',
    steps: [table, ready(parse('', rows), bind('', ''), execute('', 4), sync), ready(execute(''), sync)],
  },
  {
    name: 'two portals, interleaved',
    steps: [
      table,
      ready(query('begin')),
      ready(
        parse('r', rows),
        bind('a', 'r'),
        bind('b', 'r'),
        execute('a', 1),
        execute('b', 2),
        execute('a', 1),
        close('P', 'a'),
        execute('b', 2),
        execute('a', 1),
        sync,
      ),
      ready(query('rollback')),
    ],
  },
  {
    name: 'Flush before Sync',
    steps: [
      table,
      { send: [parse('', rows), describe('S', ''), flush], wait: ['T'] },
      { send: [bind('', ''), execute('', 2), flush], wait: ['s'] },
      ready(execute(''), sync),
    ],
  },
  {
    name: 'an error in mid-pipeline skips to the Sync',
    steps: [
      table,
      segments(
        2,
        parse('', 'insert into s values (30)'),
        bind('', ''),
        execute(''),
        parse('', 'select 1/0'),
        bind('', ''),
        execute(''),
        parse('', rows),
        bind('', ''),
        execute(''),
        sync,
        query('select count(*) from s'),
      ),
    ],
  },
  {
    name: 'an error, and a Flush that stays unanswered',
    steps: [{ send: [parse('', 'select nope'), flush], wait: ['E'] }, segments(2, bind('', ''), execute(''), flush, sync, query('select 1'))],
  },
  {
    name: 'a transaction in one pipeline',
    steps: [
      table,
      ready(
        ...['begin', 'insert into s values (40)', 'savepoint a', 'insert into s values (41)', 'rollback to a', 'commit'].flatMap((sql) => [
          parse('', sql),
          bind('', ''),
          execute(''),
        ]),
        sync,
      ),
      ready(query('select id from s where id >= 40')),
    ],
  },
  {
    name: 'a failed transaction, until it is ended',
    steps: [
      ready(query('begin')),
      ready(parse('', 'select 1/0'), bind('', ''), execute(''), sync),
      ready(parse('', 'select 1'), sync),
      ready(parse('', 'rollback'), bind('', ''), execute(''), sync),
      ready(query('select 1')),
    ],
  },
  { name: 'a statement name given twice', steps: [ready(parse('a', 'select 1'), parse('a', 'select 2'), sync), ready(bind('', 'a'), execute(''), sync)] },
  {
    name: 'a portal name given twice',
    steps: [ready(query('begin')), ready(parse('', 'select 1'), bind('p', ''), bind('p', ''), sync), ready(query('rollback'))],
  },
  {
    name: 'names that nobody made',
    steps: [
      ready(bind('', 'none'), sync),
      ready(describe('S', 'none'), sync),
      ready(describe('P', 'none'), sync),
      ready(execute('none'), sync),
      ready(close('S', 'none'), close('P', 'none'), sync),
    ],
  },
  {
    name: 'a wrong number of parameters',
    steps: [ready(parse('', 'select $1::int'), bind('', '', []), sync), ready(parse('', 'select 1'), bind('', '', ['1']), sync)],
  },
  {
    name: 'a value that does not fit',
    steps: [
      ready(parse('', 'select $1::int'), bind('', '', ['x']), execute(''), sync),
      ready(parse('', 'select $1::int'), bind('', '', [Buffer.from([1])], { parameters: [1] }), sync),
    ],
  },
  { name: 'a wrong number of result formats', steps: [ready(parse('', 'select 1, 2'), bind('', '', [], { results: [0, 1, 0] }), execute(''), sync)] },
  { name: 'several statements in one Parse', steps: [ready(parse('', 'select 1; select 2'), bind('', ''), execute(''), sync), ready(query('select 1'))] },
  { name: 'a Query between Parse and Execute', steps: [table, ready(parse('', rows), bind('', ''), query('select 1')), ready(execute(''), sync)] },
  {
    name: 'an EXECUTE of a name that nobody prepared',
    steps: [ready(query('execute none')), ready(query('begin')), ready(query('execute none')), ready(query('execute none')), ready(query('rollback'))],
  },
  {
    name: 'SQL and protocol statements under one name',
    steps: [
      ready(parse('a', 'select 1 as one'), sync),
      ready(query('execute a')),
      ready(query('prepare b as select 2 as two')),
      ready(bind('', 'b'), describe('P', ''), execute(''), sync),
      ready(query('deallocate a')),
      ready(bind('', 'a'), sync),
    ],
  },
  {
    name: 'DISCARD ALL and what it forgets',
    steps: [
      ready(parse('a', 'select 1'), sync),
      ready(query('discard all')),
      ready(bind('', 'a'), sync),
      ready(parse('a', 'select 2'), bind('', 'a'), execute(''), sync),
    ],
  },
  {
    name: 'a table that changes under a prepared statement',
    steps: [
      table,
      ready(parse('a', 'select * from s where id = 1'), sync),
      ready(bind('', 'a'), execute(''), sync),
      ready(query('alter table s add column w int default 7')),
      ready(bind('', 'a'), execute(''), sync),
    ],
  },
  {
    name: 'notices inside a pipeline',
    steps: [ready(parse('', 'do $$ begin raise notice $n$one$n$; raise notice $n$two$n$; end $$'), bind('', ''), execute(''), sync)],
  },
  {
    name: 'a setting that is reported',
    steps: [
      ...["'JDBC'", "'it''s'", "'it''s'", "'Zürich \n 中'", `'${'63 bytes '.repeat(7)}'`, '"Quoted"', 'Bare', 'default'].map((name) =>
        ready(query(`set application_name = ${name}`)),
      ),
      ready(...['set session application_name to x', 'select 1'].flatMap((sql) => [parse('', sql), bind('', ''), execute('')]), sync),
      ...['reset application_name', 'set application_name = x', 'reset all', 'set application_name = y', 'discard all'].map((sql) => ready(query(sql))),
      ready(query('set datestyle to $$SQL, DMY$$')),
      ready(query('begin; set timezone to $$Europe/Vienna$$; rollback')),
      ready(query('set search_path to pg_catalog')),
    ],
  },
  {
    name: 'what pools of drivers reset a session with',
    steps: ['select pg_advisory_unlock_all(); close all; unlisten *; reset all;', 'discard all', 'unlisten *'].map((sql) => ready(query(sql))),
  },
  { name: 'COPY data that nobody asked for', steps: [ready(message('d', Buffer.from('1\n')), message('c'), query('select 1'))] },
  {
    name: 'a long row and a long statement',
    steps: [
      ready(query('select repeat($$x$$, 3000000)')),
      ready(query(`select ${Array.from({ length: 5_000 }, (_one, index) => String(index)).join('+')}`)),
      ready(query(`select length($$${'y'.repeat(400_000)}$$)`)),
    ],
  },
];

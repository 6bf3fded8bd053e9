import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { debianTool, type DebianTool } from '../support/debian-packages.ts';
import { javaWithJdbc, pythonWithPsycopg } from '../support/drivers.ts';
import { run, start, type Finished, type Running } from '../support/program.ts';
import { Observer, startService, type Service } from '../support/service.ts';
import { skipBecause } from '../support/skip.ts';

let service: Service;
let observer: Observer;
let home: string;

beforeAll(async () => {
  service = await startService();
  observer = await Observer.open(service.direct());
  home = mkdtempSync(join(tmpdir(), 'postern-clients-'));
  await observer.rows('create database beside');
});

afterAll(async () => {
  observer.end();
  await service.stop();
  rmSync(home, { recursive: true });
});

async function tool(context: TestContext, name: DebianTool): Promise<string> {
  const { found, why } = await debianTool(name);
  return found ?? skipBecause(context, why);
}

const through = (): Record<string, string> => ({
  PGHOST: '127.0.0.1',
  PGPORT: String(service.through.port),
  PGUSER: 'ci',
  PGPASSWORD: service.token,
  PGDATABASE: 'bank',
});
const directly = (): Record<string, string> => ({
  PGHOST: '127.0.0.1',
  PGPORT: String(service.server.port),
  PGUSER: 'postgres',
  PGPASSWORD: service.server.password,
  PGDATABASE: 'postgres',
});

function file(name: string, text: string): string {
  const path = join(home, name);
  writeFileSync(path, text);
  return path;
}

const fixture = [
  'drop table if exists t, items cascade',
  'create table t (id int primary key, name text not null, amount numeric(12,2) check (amount > 0), part int references t (id))',
  'create index t_name on t (name)',
  'create or replace view v as select id, name from t',
  'create or replace function f(a int, b text default null) returns int language sql immutable as $$select a + 1$$',
  "comment on table t is 'with a comment'",
  "insert into t select i, 'name ' || i, i from generate_series(1, 20) i",
  'create table items (id int primary key default 1000, name text not null, price numeric(10,2), tags text[], doc jsonb, made date)',
  "insert into items select i, 'item ' || i, i * 1.5, array['a', 't' || i], jsonb_build_object('i', i), date '2024-01-01' + i from generate_series(1, 5) i",
];

const build = async (): Promise<void> => {
  for (const sql of fixture) await observer.rows(sql);
};

describe('psql', () => {
  const commands = [
    ...[
      '\\d',
      '\\d t',
      '\\d+ t',
      '\\d+ v',
      '\\dt',
      '\\dt+',
      '\\di+',
      '\\l',
      '\\df',
      '\\df+ f',
      '\\dn+',
      '\\du+',
      '\\dp',
      '\\dT+',
      '\\do =',
      '\\dx',
      '\\dv+',
      '\\dc UTF8*',
      '\\dC int4',
      '\\dd',
      '\\dD',
      '\\dF',
      '\\dL+',
      '\\drds',
      '\\dy',
      '\\z',
      '\\sf f',
      '\\sv v',
    ],
    "select 1 as one, 'x' as two \\gdesc",
    'select id, name from t where id < 3 \\gx',
    'select 42 as a \\gset',
    '\\echo :a',
    "select 'select 43' \\gexec",
    'select id % 2 as x, id % 3 as y, count(*) from t group by 1, 2 order by 1, 2 \\crosstabview',
    '\\set FETCH_COUNT 7',
    'select * from t order by id;',
    '\\unset FETCH_COUNT',
    '\\encoding',
    'select nope;',
    '\\errverbose',
    '\\set ON_ERROR_ROLLBACK on',
    'begin;',
    'select 1/0;',
    'insert into t values (99);',
    'select count(*) from t;',
    'rollback;',
    "do $$ begin raise notice 'a notice'; end $$;",
  ];

  it('shows with every command what it shows directly', async (context) => {
    const psql = await tool(context, 'psql');
    await build();
    const script = file('commands.sql', `${commands.join('\n')}\n`);
    const [ours, theirs] = [await run(psql, ['-X', '-a', '-f', script], through()), await run(psql, ['-X', '-a', '-f', script], directly())];
    expect(ours).toEqual(theirs);
    expect(ours.out).toContain('with a comment');
    expect(ours.out).toContain('"t_name" btree (name)');
  });

  it('runs a script in one transaction, and undoes all of it when one statement is wrong', async (context) => {
    const psql = await tool(context, 'psql');
    await build();
    const once = (sql: string): Promise<Finished> => run(psql, ['-X', '-q', '-1', '-v', 'ON_ERROR_STOP=1', '-f', file('script.sql', sql)], through());
    expect(await once('insert into t values (100, $$a$$, 1);\ncreate table made_in_script (a int);\n')).toMatchObject({ code: 0, err: '' });
    expect(await observer.rows("select (select count(*) from t where id = 100), to_regclass('made_in_script')")).toEqual([['1', 'made_in_script']]);
    const failed = await once('insert into t values (101, $$b$$, 1);\nselect 1/0;\n');
    expect(failed.code).toBe(3);
    expect(await observer.value('select count(*) from t where id = 101')).toBe('0');
    await observer.rows('drop table made_in_script');
  });

  it('gives scripts the exit code and the values of variables', async (context) => {
    const psql = await tool(context, 'psql');
    await build();
    expect(await run(psql, ['-XAtq', '-v', 'wanted=3', '-f', '-'], through(), "select name from t where id = :'wanted';\n")).toEqual({
      code: 0,
      out: 'name 3\n',
      err: '',
    });
    expect((await run(psql, ['-X', '-c', 'select nope'], through())).code).toBe(1);
  });

  it('says why COPY and LISTEN are refused, and goes on', async (context) => {
    const psql = await tool(context, 'psql');
    await build();
    const script = "\\copy t to '/dev/null'\ncopy t from stdin;\n\\.\nlisten news;\nnotify news;\nselect 'still here';\n";
    const { out, err, code } = await run(psql, ['-XAtq', '-f', '-'], through(), script);
    expect(err.match(/is refused by the gateway/g)).toHaveLength(4);
    expect(out).toContain('still here');
    expect(code).toBe(0);
  });

  describe('at a terminal', () => {
    const prompt = 'bank=# ';
    let terminal: Running;

    async function open(context: TestContext): Promise<void> {
      const psql = await tool(context, 'psql');
      terminal = start('script', ['-qec', `'${psql}' -X -n`, '/dev/null'], { ...through(), PAGER: 'cat' });
      await terminal.saying(prompt);
    }

    async function type(line: string, until = prompt): Promise<string> {
      terminal.write(`${line}\n`);
      return terminal.saying(until);
    }

    const backend = async (): Promise<string> => /pid (\d+)/.exec(await type("select 'pid ' || pg_backend_pid();"))?.[1] ?? '';

    async function leave(): Promise<void> {
      terminal.write('\\q\n');
      await terminal.finished;
    }

    it('Ctrl-C ends a statement at the target at once, and the session lives on', async (context) => {
      await open(context);
      const pid = await backend();
      terminal.write('select pg_sleep(60);\n');
      await expect.poll(() => observer.state(pid)).toBe('active');
      terminal.write('\x03');
      expect(await terminal.saying(prompt)).toContain('canceling statement due to user request');
      expect(await observer.state(pid)).toBe('idle');
      expect(await type('select 6 * 7;')).toContain('42');
      await leave();
      await expect.poll(() => observer.state(pid)).toBeNull();
    });

    it('Ctrl-C ends \\watch', async (context) => {
      await open(context);
      terminal.write("select 'tick' || 's' \\watch 0.1\n");
      for (let times = 0; times < 3; times++) await terminal.saying('ticks');
      terminal.write('\x03');
      await terminal.saying(prompt);
      expect(await type('select 6 * 7;')).toContain('42');
      await leave();
    });

    it('the prompt shows the state of the transaction', async (context) => {
      await open(context);
      await type('begin;', 'bank=*# ');
      await type('select 1/0;', 'bank=!# ');
      await type('rollback;');
      await leave();
    });

    it('\\c opens the same resource again, and other databases of it', async (context) => {
      await open(context);
      const before = await backend();
      expect(await type('\\c')).toContain('You are now connected to database "bank"');
      expect(await backend()).not.toBe(before);
      await type('\\c bank/beside', 'bank/beside=# ');
      expect(await type('select current_database();', 'bank/beside=# ')).toContain('beside');
      expect(await type('\\c nowhere', 'bank/beside=# ')).toContain('Previous connection kept');
      await leave();
    });
  });
});

describe('pgbench', () => {
  it('says at once that COPY is refused, and leaves nothing open', async (context) => {
    const pgbench = await tool(context, 'pgbench');
    const { code, err } = await run(pgbench, ['-i', '-q', '-s', '1'], through());
    expect(code).toBe(1);
    expect(err).toContain('COPY is refused by the gateway.');
    await expect.poll(() => observer.value("select count(*) from pg_stat_activity where application_name = 'postern:ci'")).toBe('0');
  });

  it('fills its tables at the server and runs in every mode with 8 clients', async (context) => {
    const pgbench = await tool(context, 'pgbench');
    expect(await run(pgbench, ['-i', '-q', '-s', '1', '-I', 'dtGvp'], through())).toMatchObject({ code: 0 });
    for (const mode of ['simple', 'extended', 'prepared']) {
      const read = await run(pgbench, ['-n', '-S', '-M', mode, '-c', '8', '-t', '40'], through());
      expect(read.out).toContain('number of transactions actually processed: 320/320');
      const written = await run(pgbench, ['-n', '-M', mode, '-c', '8', '-t', '5'], through());
      expect(written.out).toContain('number of transactions actually processed: 40/40');
      expect(written.out).toContain('number of failed transactions: 0');
    }
    // TPC-B's own invariant
    const sums = await observer.rows(
      'select (select sum(abalance) from pgbench_accounts), (select sum(tbalance) from pgbench_tellers), (select sum(bbalance) from pgbench_branches), (select sum(delta) from pgbench_history), (select count(*) from pgbench_history)',
    );
    expect(new Set(sums[0]?.slice(0, 4)).size).toBe(1);
    expect(sums[0]?.[4]).toBe('120');
  });

  it('goes on after errors inside its scripts', async (context) => {
    const pgbench = await tool(context, 'pgbench');
    await build();
    const script = file(
      'pipeline.sql',
      '\\startpipeline\nselect 1;\ninsert into t (id, name) values (5000 + :client_id, $$x$$) on conflict do nothing;\n\\endpipeline\n',
    );
    const { out } = await run(pgbench, ['-n', '-M', 'extended', '-f', script, '-c', '2', '-t', '10'], through());
    expect(out).toContain('number of transactions actually processed: 20/20');
  });
});

describe('drivers in other languages print what they print directly', () => {
  const refused = /^refused .*\n/gm;

  beforeEach(build);

  it('psycopg 3 and psycopg2', async (context) => {
    const { found, why } = await pythonWithPsycopg();
    const python = found ?? skipBecause(context, why);
    const script = join(import.meta.dirname, 'drivers', 'drive.py');
    const both = await twice((environment, ...more) =>
      run(python.program, [...python.arguments, script, '', ...more], { ...python.environment, ...environment }),
    );
    expect(both.ours.err).toBe('');
    expect(both.ours.out.match(refused)).toEqual(Array.from({ length: 4 }, () => 'refused 0A000\n'));
    expect(both.ours.out.replaceAll(refused, '')).toBe(both.theirs.out);
  });

  it('JDBC', async (context) => {
    const { found, why } = await javaWithJdbc();
    const java = found ?? skipBecause(context, why);
    const script = join(import.meta.dirname, 'drivers', 'Drive.java');
    const both = await twice(({ PGPORT = '', PGUSER = '', PGPASSWORD = '', PGDATABASE = '' }, ...more) =>
      run(java.program, [...java.arguments, script, `jdbc:postgresql://127.0.0.1:${PGPORT}/${PGDATABASE}`, PGUSER, ...more], {
        ...java.environment,
        PASSWORD: PGPASSWORD,
      }),
    );
    expect(both.ours.err).toBe('');
    expect(both.ours.out.match(refused)).toEqual(['refused 0A000\n']);
    expect(both.ours.out.replaceAll(refused, '')).toBe(both.theirs.out);
  });

  /** Through the service it is also asked for what is refused there. */
  async function twice(drive: (environment: Record<string, string>, ...more: string[]) => Promise<Finished>): Promise<{ ours: Finished; theirs: Finished }> {
    const ours = await drive(through(), 'refusals');
    await build();
    return { ours, theirs: await drive(directly()) };
  }
});

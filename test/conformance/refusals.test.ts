import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { permitAll, putPolicies } from '../support/appliance.ts';
import {
  bind,
  describe as describeMessage,
  execute,
  fields,
  flush,
  int32,
  message,
  parse,
  query,
  RawClient,
  sync,
  type Frame,
} from '../support/postgres-client.ts';
import { backendOf, Observer, startService, type Service } from '../support/service.ts';

const noDelete = `${permitAll}
@id("no-delete")
@message("rows of t are never deleted")
@hint("Mark them as inactive.")
forbid (principal, action == Action::"sql:delete", resource is Table) when { resource.name == "t" };
`;
const refusal = { S: 'ERROR', V: 'ERROR', C: '42501', H: 'Mark them as inactive.', D: 'policy: no-delete' };
const states = new Map([
  ['I', 'idle'],
  ['T', 'idle in transaction'],
  ['E', 'idle in transaction (aborted)'],
]);

let service: Service;
let observer: Observer;
let client: RawClient;
let pid: string;

beforeAll(async () => {
  service = await startService({ policies: noDelete });
  observer = await Observer.open(service.direct());
  await observer.rows('create table t (id int primary key, v text)');
  await observer.rows('create database other');
});

afterAll(async () => {
  observer.end();
  await service.stop();
});

beforeEach(async () => {
  await observer.rows('truncate t');
  await observer.rows("insert into t values (1, 'one')");
  client = await RawClient.login(service.through);
  pid = await backendOf(client);
});

afterEach(async () => {
  // whatever happened, the session lives on
  await client.ask(query('rollback'));
  expect(outline(await client.ask(query('select 1')))).toEqual(['T', 'D', 'C SELECT 1', 'Z I']);
  client.end();
});

/** Types with what matters: SQLSTATE, tag, status. */
function outline(frames: readonly Frame[]): string[] {
  return frames.map((frame) => {
    if (frame.type === 'E') return `E ${fields(frame)['C'] ?? ''}`;
    if (frame.type === 'C') return `C ${frame.payload.toString('latin1').slice(0, -1)}`;
    return frame.type === 'Z' ? `Z ${frame.payload.toString('latin1')}` : frame.type;
  });
}

/** Asks, and checks what the client was told last with the target itself. */
async function ask(...frames: readonly Uint8Array[]): Promise<string[]> {
  const answer = await client.ask(...frames);
  await sameState(answer);
  return outline(answer);
}

async function sameState(answer: readonly Frame[]): Promise<void> {
  const status = answer.at(-1)?.payload.toString('latin1') ?? '';
  expect(await observer.state(pid)).toBe(states.get(status));
}

const ids = async (): Promise<string[]> => (await observer.rows('select id from t order by id')).map(([id]) => id ?? '');
const errorOf = (frames: readonly Frame[]): Readonly<Record<string, string>> => fields(frames.find(({ type }) => type === 'E'));
const run = (sql: string): Uint8Array[] => [parse('', sql), bind('', ''), execute('')];
const ran = (tag: string): string[] => ['1', '2', `C ${tag}`];

describe('a refused simple query', () => {
  it('names policy, message and hint, and does nothing', async () => {
    const answer = await client.ask(query('delete from t where id = 1'));
    expect(errorOf(answer)).toMatchObject(refusal);
    expect(errorOf(answer)['M']).toContain('rows of t are never deleted');
    expect(outline(answer)).toEqual(['E 42501', 'Z I']);
    await sameState(answer);
    expect(await ids()).toEqual(['1']);
  });

  it('aborts the transaction it is in, on both sides', async () => {
    expect(await ask(query('begin'))).toEqual(['C BEGIN', 'Z T']);
    expect(await ask(query('insert into t values (2)'))).toEqual(['C INSERT 0 1', 'Z T']);
    expect(await ask(query('delete from t'))).toEqual(['E 42501', 'Z E']);
    expect(await ask(query('select 1'))).toEqual(['E 25P02', 'Z E']);
    expect(await ask(query('delete from t'))).toEqual(['E 42501', 'Z E']);
    expect(await ask(query('commit'))).toEqual(['C ROLLBACK', 'Z I']);
    expect(await ids()).toEqual(['1']);
  });

  it('is undone by ROLLBACK TO, and what was before it commits', async () => {
    await ask(query('begin; insert into t values (2); savepoint a'));
    expect(await ask(query('delete from t'))).toEqual(['E 42501', 'Z E']);
    expect(await ask(query('rollback to a'))).toEqual(['C ROLLBACK', 'Z T']);
    expect(await ask(query('insert into t values (3); commit'))).toEqual(['C INSERT 0 1', 'C COMMIT', 'Z I']);
    expect(await ids()).toEqual(['1', '2', '3']);
  });

  it.each([
    ['insert into t values (2); delete from t; insert into t values (3)', 'E 42501'],
    ['begin; insert into t values (2); delete from t; commit', 'E 42501'],
    ['insert into t values (2); with d as (delete from t returning *) select * from d', 'E 42501'],
    ['insert into t values (2); explain analyze delete from t', 'E 42501'],
    ['insert into t values (2); delet from t', 'E 42601'],
    ['insert into t values (2); copy t to stdout', 'E 0A000'],
    ['insert into t values (2); listen x', 'E 0A000'],
    ['insert into t values (2); prepare p as delete from t', 'E 0A000'],
  ])('is refused whole when one of its statements is: %s', async (sql, error) => {
    expect(await ask(query(sql))).toEqual([error, 'Z I']);
    expect(await ids()).toEqual(['1']);
    await client.ask(query('begin'));
    expect(await ask(query(sql))).toEqual([error, 'Z E']);
  });

  it('stands in the middle of others that were sent with it', async () => {
    client.send(
      query('insert into t values (2)'),
      query('delete from t'),
      query('insert into t values (3)'),
      query('begin'),
      query('delete from t'),
      query('insert into t values (4)'),
      query('commit'),
    );
    const answers: string[] = [];
    for (let left = 7; left > 0; left--) answers.push(...outline(await client.until('Z')));
    expect(answers).toEqual([
      'C INSERT 0 1',
      'Z I',
      'E 42501',
      'Z I',
      'C INSERT 0 1',
      'Z I',
      'C BEGIN',
      'Z T',
      'E 42501',
      'Z E',
      'E 25P02',
      'Z E',
      'C ROLLBACK',
      'Z I',
    ]);
    expect(await ids()).toEqual(['1', '2', '3']);
  });
});

describe('a refused step of a pipeline', () => {
  it('at Parse: earlier statements of the pipeline are undone, later ones skipped', async () => {
    const frames = [...run('insert into t values (2)'), ...run('delete from t'), ...run('insert into t values (3)'), sync];
    const answer = await client.ask(...frames);
    expect(outline(answer)).toEqual([...ran('INSERT 0 1'), 'E 42501', 'Z I']);
    expect(errorOf(answer)).toMatchObject(refusal);
    await sameState(answer);
    expect(await ids()).toEqual(['1']);
  });

  it('at Parse, inside a transaction: it is aborted at the target, and only there it ends', async () => {
    await ask(query('begin'));
    expect(await ask(...run('insert into t values (2)'), ...run('delete from t'), ...run('commit'), sync)).toEqual([...ran('INSERT 0 1'), 'E 42501', 'Z E']);
    expect(await ask(...run('insert into t values (3)'), sync)).toEqual(['E 25P02', 'Z E']);
    expect(await ask(...run('rollback'), sync)).toEqual([...ran('ROLLBACK'), 'Z I']);
    expect(await ids()).toEqual(['1']);
  });

  it('takes BEGIN and COMMIT of its own pipeline with it', async () => {
    expect(await ask(...run('begin'), ...run('insert into t values (2)'), ...run('delete from t'), ...run('commit'), sync)).toEqual([
      ...ran('BEGIN'),
      ...ran('INSERT 0 1'),
      'E 42501',
      'Z E',
    ]);
    expect(await ask(query('rollback'))).toEqual(['C ROLLBACK', 'Z I']);
    expect(await ids()).toEqual(['1']);
  });

  it('leaves the pipelines before and behind it alone', async () => {
    client.send(
      ...run('insert into t values (2)'),
      sync,
      ...run('delete from t'),
      ...run('insert into t values (3)'),
      sync,
      ...run('insert into t values (4)'),
      sync,
    );
    const answers = [await client.until('Z'), await client.until('Z'), await client.until('Z')];
    expect(answers.map(outline)).toEqual([
      [...ran('INSERT 0 1'), 'Z I'],
      ['E 42501', 'Z I'],
      [...ran('INSERT 0 1'), 'Z I'],
    ]);
    expect(await ids()).toEqual(['1', '2', '4']);
  });

  it('is answered at a Flush; everything up to the Sync stays unanswered', async () => {
    client.send(...run('insert into t values (2)'), parse('', 'delete from t'), flush);
    expect(outline(await client.until('E'))).toEqual([...ran('INSERT 0 1'), 'E 42501']);
    const skipped = Array.from({ length: 200 }, () => [...run('insert into t values (3)'), describeMessage('P', ''), flush]).flat();
    expect(await ask(...skipped, sync)).toEqual(['Z I']);
    expect(await ids()).toEqual(['1']);
  });

  it('leaves a prepared statement of the same name as it was', async () => {
    await ask(parse('p', 'select 7'), sync);
    expect(await ask(parse('p', 'delete from t'), sync)).toEqual(['E 42501', 'Z I']);
    expect(await ask(bind('', 'p'), execute(''), sync)).toEqual(['2', 'D', 'C SELECT 1', 'Z I']);
  });

  it('and the unnamed statement is gone, as after any failed Parse', async () => {
    await ask(...run('select 7'), sync);
    expect(await ask(parse('', 'delete from t'), sync)).toEqual(['E 42501', 'Z I']);
    // whatever the target still has under that name, no DELETE runs
    expect(await ask(bind('', ''), execute(''), sync)).not.toContain('C DELETE 1');
    expect(await ids()).toEqual(['1']);
  });

  it.each([
    ['select 1; select 2', 'E 42601'],
    ['selec', 'E 42601'],
    ['copy t from stdin', 'E 0A000'],
    ['notify x', 'E 0A000'],
    ['set client_encoding to latin1', 'E 0A000'],
    ['set standard_conforming_strings to off', 'E 0A000'],
  ])('may be one that is never forwarded: %s', async (sql, error) => {
    await ask(query('begin'));
    expect(await ask(...run('insert into t values (2)'), ...run(sql), sync)).toEqual([...ran('INSERT 0 1'), error, 'Z E']);
    expect(await ask(query('rollback'))).toEqual(['C ROLLBACK', 'Z I']);
    expect(await ids()).toEqual(['1']);
  });
});

describe('a function call', () => {
  it('is refused in and out of a transaction', async () => {
    const call = message('F', int32(1598), 0, 0, 0);
    expect(await ask(call)).toEqual(['E 0A000', 'Z I']);
    await ask(query('begin; insert into t values (2)'));
    expect(await ask(call)).toEqual(['E 0A000', 'Z E']);
  });
});

describe('a cursor declared in SQL', () => {
  it('is read with FETCH; an Execute of the protocol, which nobody decided, finds no portal', async () => {
    await ask(query('begin; declare c cursor for select id from t'));
    expect(await ask(query('fetch 1 from c'))).toEqual(['T', 'D', 'C FETCH 1', 'Z T']);
    expect(await ask(execute('c'), sync)).toEqual(['E 34000', 'Z E']);
    expect(await ask(query('rollback'))).toEqual(['C ROLLBACK', 'Z I']);
  });
});

describe('a policy that changes meanwhile', () => {
  it('refuses at Execute what was parsed and bound before', async () => {
    await putPolicies(service.appliance, permitAll);
    await ask(parse('gone', 'delete from t where id = $1'), parse('new', 'insert into t values ($1)'), sync);
    await ask(query('begin'));
    await ask(bind('portal', 'gone', ['1']), sync);
    await ask(query('prepare gone_in_sql as delete from t'));
    await putPolicies(service.appliance, noDelete);
    try {
      expect(await ask(bind('', 'new', ['2']), execute(''), execute('portal'), bind('', 'new', ['3']), execute(''), sync)).toEqual([
        '2',
        'C INSERT 0 1',
        'E 42501',
        'Z E',
      ]);
      await ask(query('rollback'));
      expect(await ask(bind('', 'new', ['2']), execute(''), bind('', 'gone', ['1']), execute(''), sync)).toEqual(['2', 'C INSERT 0 1', '2', 'E 42501', 'Z I']);
      expect(await ask(bind('', 'gone', ['1'], { results: [1] }), describeMessage('P', ''), execute(''), sync)).toEqual(['2', 'n', 'E 42501', 'Z I']);
      expect(await ids()).toEqual(['1']);
    } finally {
      await putPolicies(service.appliance, noDelete);
    }
  });
});

/** Statements of a random script; `denied` stands for a refused one, and directly for one that fails. */
const denied = 'delete from t';
const words = [
  'begin',
  'commit',
  'rollback',
  'savepoint a',
  'rollback to a',
  'release a',
  'insert',
  'insert',
  "insert into t values (1, 'again')",
  'select 1/0',
  'select count(*) from t',
  "update t set v = v || 'x'",
  denied,
  denied,
];
const group = fc.record({ simple: fc.boolean(), words: fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 4 }) });
type Group = typeof group extends fc.Arbitrary<infer T> ? T : never;

/** `denying`: the way through the service. Directly the text in its place can't be parsed, as a whole in the simple protocol. */
function frames({ simple, words: chosen }: Group, numbers: Iterator<number>, denying: boolean): Uint8Array[] {
  const texts = chosen.map((word) => (word === 'insert' ? `insert into t values (${String(numbers.next().value)})` : word));
  const sql = denying ? texts : texts.map((text) => (text === denied ? 'selec' : text));
  return simple ? [query(sql.join('; '))] : [...sql.flatMap(run), sync];
}

function* counting(): Generator<number> {
  for (let id = 100; ; id++) yield id;
}

/** Error codes of refusals aside, what the client sees; the rows; and what the target says about its own state. */
async function played(
  on: RawClient,
  groups: readonly Group[],
  how: { denying: boolean; pipelined: boolean; watched: string; at: Observer },
): Promise<unknown[]> {
  await how.at.rows('truncate t');
  await how.at.rows("insert into t values (1, 'one')");
  const seen: unknown[] = [];
  const numbers = counting();
  const sent = groups.map((one) => frames(one, numbers, how.denying));
  if (how.pipelined) on.send(...sent.flat());
  for (const bytes of sent) {
    const answer = how.pipelined ? await on.until('Z') : await on.ask(...bytes);
    seen.push(outline(answer).map((line) => (line === 'E 42501' || line === 'E 42601' ? 'E' : line)));
    if (!how.pipelined) seen.push(await how.at.state(how.watched));
  }
  seen.push(await how.at.state(how.watched));
  await on.ask(query('rollback'));
  seen.push(await how.at.rows('select id, v from t order by id'));
  return seen;
}

describe('any script of transactions, pipelines and refusals', () => {
  it.each([false, true])('leaves client and target as a failed statement would (everything sent at once: %s)', async (pipelined) => {
    const direct = await RawClient.login(service.direct('other'));
    const there = await Observer.open(service.direct('other'));
    await there.rows('create table if not exists t (id int primary key, v text)');
    const directPid = await backendOf(direct);
    await fc.assert(
      fc.asyncProperty(fc.array(group, { minLength: 1, maxLength: 8 }), async (groups) => {
        const ours = await played(client, groups, { denying: true, pipelined, watched: pid, at: observer });
        const theirs = await played(direct, groups, { denying: false, pipelined, watched: directPid, at: there });
        expect(ours).toEqual(theirs);
      }),
      { numRuns: 25 },
    );
    direct.end();
    there.end();
  });
});

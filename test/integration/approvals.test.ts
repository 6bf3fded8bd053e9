import { writeFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { putPolicies, tokenFor } from '../support/appliance.ts';
import { Approvers } from '../support/approvers.ts';
import { allEvents } from '../support/audit-events.ts';
import { bind, execute, fields, parse, query, RawClient, sync, type Frame } from '../support/postgres-client.ts';
import { Observer, startService, type Service } from '../support/service.ts';

const pans = ['4539578763621486', '4539571111111486'] as const;

const policies = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("read") permit (principal, action == Action::"sql:select", resource);
@id("write") permit (principal, action == Action::"sql:insert", resource);
@id("other") permit (principal, action in [Action::"sql:utility", Action::"sql:execute"], resource);
@id("delete") @approve("approvers:1") @description("Deleting is looked at.")
permit (principal, action == Action::"sql:delete", resource);
@id("update") @approve("approvers:2") @expires("10m")
permit (principal, action == Action::"sql:update", resource);
@id("ddl") @approve("approvers:1") @request("retry")
permit (principal, action == Action::"sql:ddl", resource);
@id("join") @approve("approvers:1") permit (principal, action == Action::"access:request", resource == Group::"prod-dba");
@id("break") permit (principal, action == Action::"access:break-glass", resource == Group::"prod-dba");
@id("dba") permit (principal in Group::"prod-dba", action == Action::"sql:dcl", resource);
`;

let service: Service;
let approvers: Approvers;
let observer: Observer;

beforeAll(async () => {
  service = await startService({ policies });
  approvers = new Approvers(service.appliance);
  observer = await Observer.open(service.direct());
  await observer.rows('create table orders(id int primary key, note text, pan text); insert into orders select i, $$n$$, null from generate_series(1, 200) i');
  await approvers.add('alice', 'alice@example.com', ['approvers']);
  await approvers.add('bob', 'bob@example.com', ['approvers']);
  // another account of the same person, written otherwise
  await approvers.add('alice-admin', ' Alice@Example.com', ['approvers']);
  // startService's service account belongs to "Test owner"
  await approvers.add('owner', 'test owner', ['approvers']);
  await approvers.add('stranger', 'stranger@example.com', ['others']);
}, 180_000);

afterAll(async () => {
  approvers.remove();
  observer.end();
  await service.stop();
});

const login = (): Promise<RawClient> => RawClient.login(service.through);

function errorOf(frames: readonly Frame[]): Readonly<Record<string, string>> {
  return fields(frames.find(({ type }) => type === 'E'));
}

function tagOf(frames: readonly Frame[]): string | undefined {
  return frames
    .find(({ type }) => type === 'C')
    ?.payload.toString('latin1')
    .replace('\0', '');
}

async function count(where: string): Promise<number> {
  return Number(await observer.value(`select count(*) from orders where ${where}`));
}

/** Ends within `ms`, measured from now. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = sleep(ms).then(() => Promise.reject(new Error(`not within ${String(ms)} ms`)));
  return Promise.race([work, late]);
}

async function closedAs(id: string, status: string): Promise<string | null> {
  const request = await approvers.find(id);
  expect(request.status).toBe(status);
  return request.closedReason;
}

describe('a delete that waits', () => {
  it('tells the client, runs after approval, and leaves the whole story in the log', async () => {
    const client = await login();
    const answer = client.ask(query('delete from orders where id = 1'));
    const request = await approvers.waiting();
    expect(request.canonical.subject.command).toBe('delete from orders where id = 1');
    expect(request.rowEstimate).toBe(1);
    await sleep(200);
    expect(await count('id = 1')).toBe(1);
    expect((await approvers.decide('approve', request.id, 'alice')).code).toBe(0);
    const frames = await answer;
    expect(fields(frames.find(({ type }) => type === 'N'))['M']).toBe(`Waiting for the approval of 1 of group approvers: request ${request.id}.`);
    expect(tagOf(frames)).toBe('DELETE 1');
    expect(await count('id = 1')).toBe(0);
    client.end();
    const about = (await allEvents(service.appliance)).filter(({ header, body }) => header['request'] === request.id || body?.includes(request.id));
    expect(about.map(({ header }) => header['code'])).toEqual([
      'approval-request.created',
      'approval-request.approved',
      'approval-request.used',
      'operation.intended',
    ]);
  });

  it('is refused with the reason when it is denied, and the session lives on', async () => {
    const client = await login();
    const answer = client.ask(query('delete from orders where id = 2'));
    const request = await approvers.waiting();
    expect((await approvers.decide('deny', request.id, 'bob', 'not on a Friday')).code).toBe(0);
    const error = errorOf(await answer);
    expect(error).toMatchObject({ C: '42501' });
    expect(error['M']).toContain('not on a Friday');
    expect(await count('id = 2')).toBe(1);
    expect(tagOf(await client.ask(query('select 1')))).toBe('SELECT 1');
    client.end();
  });

  it('waits in a pipeline of the extended protocol, and what stands behind it waits with it', async () => {
    const client = await login();
    const answer = client.ask(
      parse('', 'delete from orders where id = $1'),
      bind('', '', ['3']),
      execute(''),
      parse('', 'select count(*) from orders where id = 3'),
      bind('', ''),
      execute(''),
      sync,
    );
    const request = await approvers.waiting();
    expect(request.canonical.subject.command).toBe("delete from orders where id = $1 /* $1 = '3' */");
    await approvers.decide('approve', request.id, 'alice');
    const frames = await answer;
    expect(frames.filter(({ type }) => type === 'C').map(({ payload }) => payload.toString('latin1'))).toEqual(['DELETE 1\0', 'SELECT 1\0']);
    client.end();
  });

  it('works with node-postgres as with psql', async () => {
    const { host, port, user, password, database } = service.through;
    const client = new pg.Client({ host, port, user, password, database });
    await client.connect();
    const notices: string[] = [];
    client.on('notice', ({ message }) => notices.push(message ?? ''));
    const answers = Promise.all([client.query('select 1'), client.query('delete from orders where id = $1', [4]), client.query('select 2 as two')]);
    const request = await approvers.waiting();
    await approvers.decide('approve', request.id, 'bob');
    const [, deleted, last] = await answers;
    expect([deleted.rowCount, last.rows, notices.length]).toEqual([1, [{ two: 2 }], 1]);
    await client.end();
  });

  it('is withdrawn by Ctrl-C and never runs, whatever people say afterwards', async () => {
    const client = await login();
    const answer = client.ask(query('delete from orders where id = 5'));
    const request = await approvers.waiting();
    await client.cancel();
    expect(errorOf(await within(1_000, answer))['C']).toBe('57014');
    expect(await closedAs(request.id, 'withdrawn')).toContain('cancelled');
    expect((await approvers.decide('approve', request.id, 'alice')).code).toBe(1);
    expect(tagOf(await client.ask(query('select 1')))).toBe('SELECT 1');
    expect(await count('id = 5')).toBe(1);
    client.end();
  });

  it('is withdrawn when the client goes', async () => {
    const client = await login();
    client.ask(query('delete from orders where id = 5')).catch(() => undefined);
    const request = await approvers.waiting();
    client.destroy();
    await sleep(1_000);
    await closedAs(request.id, 'withdrawn');
    expect((await approvers.decide('approve', request.id, 'alice')).code).toBe(1);
    expect(await count('id = 5')).toBe(1);
  });

  it('is withdrawn when the policies change, though they still permit it', async () => {
    const client = await login();
    const answer = client.ask(query('delete from orders where id = 5'));
    const request = await approvers.waiting();
    await putPolicies(service.appliance, `${policies}\n// changed\n`);
    expect(errorOf(await within(1_000, answer))['M']).toContain('policies were changed');
    await closedAs(request.id, 'withdrawn');
    expect(await count('id = 5')).toBe(1);
    client.end();
  });

  it('ends with the session when the token is revoked', async () => {
    const token = await tokenFor(service.appliance, 'ci');
    const client = await RawClient.login({ ...service.through, password: token });
    const answer = client.ask(query('delete from orders where id = 5'));
    const request = await approvers.waiting();
    const tokens = (await service.appliance.json(['token', 'list'])) as { id: string; createdAt: string; revokedAt: string | null }[];
    const newest = tokens.filter(({ revokedAt }) => revokedAt === null).sort((a, b) => b.createdAt.localeCompare(a.createdAt))[0];
    await service.appliance.json(['token', 'revoke', newest?.id ?? '']);
    expect(
      errorOf(
        await within(
          1_000,
          answer.catch(() => [] as Frame[]),
        ),
      )['C'] ?? '57P01',
    ).toBe('57P01');
    await closedAs(request.id, 'withdrawn');
    expect(await count('id = 5')).toBe(1);
  });

  it.each(['control', 'gateway'] as const)('is void after a restart of %s', async (part) => {
    const client = await login();
    const answer = client.ask(query('delete from orders where id = 5')).catch(() => [] as Frame[]);
    const request = await approvers.waiting();
    await service.appliance.kill(part);
    await within(5_000, answer);
    await sleep(500);
    await closedAs(request.id, 'withdrawn');
    expect((await approvers.decide('approve', request.id, 'alice')).code).toBe(1);
    expect(await count('id = 5')).toBe(1);
    client.destroy();
  });
});

describe('who may decide', () => {
  it('is neither the owner of the service account nor somebody of another group', async () => {
    const client = await login();
    const answer = client.ask(query('delete from orders where id = 6'));
    const request = await approvers.waiting();
    for (const name of ['owner', 'stranger']) expect((await approvers.decide('approve', request.id, name)).code).toBe(1);
    expect(await count('id = 6')).toBe(1);
    expect((await approvers.decide('approve', request.id, 'alice')).code).toBe(0);
    expect(tagOf(await answer)).toBe('DELETE 1');
    client.end();
  });

  it('is two humans where two are asked for, not two accounts of one', async () => {
    const client = await login();
    const answer = client.ask(query("update orders set note = 'x' where id = 7"));
    const request = await approvers.waiting();
    expect((await approvers.decide('approve', request.id, 'alice')).code).toBe(0);
    expect((await approvers.decide('approve', request.id, 'alice')).code).toBe(1);
    expect((await approvers.decide('approve', request.id, 'alice-admin')).code).toBe(1);
    await sleep(300);
    expect(await count("note = 'x'")).toBe(0);
    expect((await approvers.decide('approve', request.id, 'bob')).code).toBe(0);
    expect(tagOf(await answer)).toBe('UPDATE 1');
    client.end();
  });
});

describe('commands that look alike when masked', () => {
  it('have different marks, and one approval does not cover the other', async () => {
    const [first, second] = await Promise.all([login(), login()]);
    await observer.rows(`update orders set pan = '${pans[0]}' where id = 8; update orders set pan = '${pans[1]}' where id = 9`);
    const answers = [first, second].map((client, index) => client.ask(query(`delete from orders where pan = '${pans[index] ?? ''}'`)));
    await sleep(1_000);
    const waiting = await approvers.requests('pending');
    expect(waiting).toHaveLength(2);
    const [a, b] = waiting.map(({ canonical }) => canonical.subject);
    expect(a?.command).toBe(b?.command);
    expect(JSON.stringify(waiting)).not.toContain(pans[0]);
    expect(a?.hidden?.[0]?.mark).not.toBe(b?.hidden?.[0]?.mark);
    for (const { id } of waiting.slice(0, 1)) await approvers.decide('approve', id, 'alice');
    for (const { id } of waiting.slice(1)) await approvers.decide('deny', id, 'alice');
    const ended = await Promise.all(answers);
    expect(ended.map(tagOf).filter((tag) => tag === 'DELETE 1')).toHaveLength(1);
    expect(await count('id in (8, 9)')).toBe(1);
    for (const client of [first, second]) client.end();
  });
});

describe('what would run without being asked, or not as it was shown', () => {
  async function waitingAfter(
    frames: readonly Uint8Array[],
  ): Promise<{ searchPath: string | undefined; answer: Promise<Frame[]>; client: RawClient; id: string }> {
    const client = await login();
    client.send(...frames);
    const answer = client.until('Z', frames.filter((frame) => frame[0] === 0x51 || frame[0] === 0x53).length);
    const request = await approvers.waiting();
    return { searchPath: request.canonical.subject.searchPath, answer, client, id: request.id };
  }

  it.each([
    ['simple', [query('set search_path = pg_catalog'), query('delete from public.orders where id = 11')]],
    [
      'extended',
      [
        parse('', 'set search_path = pg_catalog'),
        bind('', ''),
        execute(''),
        parse('', 'delete from public.orders where id = 11'),
        bind('', ''),
        execute(''),
        sync,
      ],
    ],
  ] as const)('a search path that a command right before changes is not shown as certain: %s', async (_, frames) => {
    const { searchPath, answer, client, id } = await waitingAfter(frames);
    expect(searchPath).toContain('uncertain');
    await approvers.decide('deny', id, 'alice');
    await answer;
    client.end();
  });

  it('a search path too long to be shown is not approved in part', async () => {
    const client = await RawClient.login({ ...service.through, parameters: { search_path: `${'a, '.repeat(336)}public` } });
    expect(errorOf(await client.ask(query('delete from public.orders where id = 11')))['C']).toBe('54000');
    client.end();
  });

  it('a prepared EXECUTE runs nothing that was not decided', async () => {
    const client = await login();
    await client.ask(parse('q', 'delete from orders where id = 11'), parse('s1', 'execute q'), sync);
    expect(errorOf(await client.ask(query('execute s1')))).toMatchObject({ C: '0A000' });
    expect(errorOf(await client.ask(parse('s2', 'execute s1'), bind('p', 's2'), execute('p'), sync))).toMatchObject({ C: '0A000' });
    for (const nested of ['deallocate q', 'prepare q2 as select 1', 'declare c cursor for select 1']) {
      await client.ask(parse('n', nested), sync);
      expect(errorOf(await client.ask(query('execute n')))).toMatchObject({ C: '0A000' });
      await client.ask(query('deallocate n'));
    }
    expect(await count('id = 11')).toBe(1);
    client.end();
  });

  it('planning does not run functions before people were asked', async () => {
    await observer.rows(
      'create function public.sneak(i int) returns int immutable language plpgsql as $$ begin delete from orders where id = i; return i; end $$',
    );
    const client = await login();
    const refused = errorOf(await client.ask(parse('', 'delete from orders where id = sneak(12)'), bind('', ''), execute(''), sync));
    expect(refused['M']).toContain('cannot be prepared');
    expect(await count('id = 12')).toBe(1);
    client.end();
  });

  it('a view put in place of the table while people decide is not what was approved', async () => {
    await observer.rows(
      'create table swapped(id int primary key); insert into swapped values (1); create table victim(id int primary key); insert into victim values (1)',
    );
    const client = await login();
    await client.ask(query('select count(*) from swapped'));
    const answer = client.ask(query('delete from swapped where id = 1'));
    const request = await approvers.waiting();
    await observer.rows('alter table swapped rename to kept; create view swapped as select id from victim');
    expect((await approvers.decide('approve', request.id, 'alice')).code).toBe(0);
    expect(errorOf(await answer)['M']).toContain('has changed since');
    expect(await observer.value('select count(*) from victim')).toBe('1');
    expect(tagOf(await client.ask(query('select 1')))).toBe('SELECT 1');
    client.end();
  });

  it('parameter types are part of what was approved', async () => {
    const client = await login();
    await client.ask(parse('q', "update orders set note = 'y' where $1 < '9' and id = 13", 23), sync);
    const answer = client.ask(query("execute q('10')"));
    const request = await approvers.waiting();
    expect(request.canonical.subject.command).toContain('with parameters of types 23');
    await approvers.decide('deny', request.id, 'bob');
    await answer;
    client.end();
  });

  it.each([
    ["delete from orders where note = 'a'' and id = ''5'", "delete from orders where note = 'a'' and id = ''5'"],
    ["delete from orders where note = E'a\\' and id = \\'5'", "delete from orders where note = E'a'' and id = ''5'"],
    ["delete from orders where note = 'a'\n'b'", "delete from orders where note = 'ab'"],
  ])('a literal is shown as one: %s', async (sql, shown) => {
    const client = await login();
    const answer = client.ask(query(sql));
    const request = await approvers.waiting();
    expect(request.canonical.subject.command).toBe(shown);
    await approvers.decide('deny', request.id, 'bob');
    await answer;
    client.end();
  });

  it('bound values and values that cannot be shown are told apart', async () => {
    const shown: (string | undefined)[] = [];
    const marks: (string | undefined)[] = [];
    for (const frames of [
      [parse('', 'delete from orders where note in ($1, $2)'), bind('', '', ['a, $2 = b', 'c']), execute(''), sync],
      [parse('', 'delete from orders where note in ($1, $2)'), bind('', '', ['a', 'b, $2 = c']), execute(''), sync],
      [parse('', 'delete from orders where note in ($1, $2)'), bind('', '', ['a', null]), execute(''), sync],
      [parse('', 'delete from orders where note in ($1, $2)'), bind('', '', ['a', 'NULL']), execute(''), sync],
      [query("delete from orders where note = U&'1'")],
      [query("delete from orders where note = U&'2'")],
    ]) {
      const client = await login();
      const answer = client.ask(...frames);
      const request = await approvers.waiting();
      shown.push(request.canonical.subject.command);
      marks.push(request.canonical.subject.hidden?.[0]?.mark);
      await approvers.decide('deny', request.id, 'bob');
      await answer;
      client.end();
    }
    expect(new Set(shown.slice(0, 4)).size).toBe(4);
    expect(marks.slice(0, 4)).toEqual([undefined, undefined, undefined, undefined]);
    expect(marks[4]).toBeDefined();
    expect(marks[4]).not.toBe(marks[5]);
  });
});

describe('refuse-and-request', () => {
  const ddl = 'create index by_note on orders (note)';

  it('runs the same command once after approval, and no other', async () => {
    const client = await login();
    const refused = errorOf(await client.ask(query(ddl)));
    expect(refused).toMatchObject({ C: '42501' });
    const [, id = ''] = /request (req_[A-Za-z]+)/.exec(refused['M'] ?? '') ?? [];
    // asking again asks nobody again
    expect(errorOf(await client.ask(query(ddl)))['M']).toContain(id);
    client.end();
    expect((await approvers.decide('approve', id, 'alice')).code).toBe(0);
    const other = await login();
    expect(errorOf(await other.ask(query('create index by_pan on orders (pan)')))['M']).not.toContain(id);
    expect(errorOf(await other.ask(query(`${ddl} `)))['M']).not.toContain(id);
    await other.ask(query("set search_path to pg_catalog, 'public'"));
    expect(errorOf(await other.ask(query(ddl)))['M']).not.toContain(id);
    await other.ask(query('reset search_path'), query("set datestyle to 'German'"));
    await other.until('Z');
    expect(errorOf(await other.ask(query(ddl)))['M']).not.toContain(id);
    const third = await login();
    await third.ask(query('begin'));
    expect(tagOf(await third.ask(query(ddl)))).toBe('CREATE INDEX');
    await third.ask(query('commit'));
    expect(await closedAs(id, 'used')).toBeNull();
    await observer.rows('drop index by_note');
    expect(errorOf(await third.ask(query(ddl)))['M']).not.toContain(id);
    third.end();
    expect(await observer.value("select count(*) from pg_indexes where indexname like 'by_%'")).toBe('0');
    other.end();
    for (const { id: left } of await approvers.requests('pending')) await approvers.decide('deny', left, 'bob');
  });
});

describe('access for a time', () => {
  const dcl = 'grant select on orders to public';

  it('is asked for, approved, and ends by itself, with the sessions that rest on it', async () => {
    const env = ['--token-file', await tokenFile()];
    const asked = (await service.appliance.json(['access', 'request', '--group', 'prod-dba', '--for', '60s', '--reason', 'month end', ...env])) as {
      id: string;
    };
    const before = await login();
    expect(errorOf(await before.ask(query(dcl)))['C']).toBe('42501');
    const approvedAt = Date.now();
    expect((await approvers.decide('approve', asked.id, 'bob')).code).toBe(0);
    const client = await login();
    expect(tagOf(await client.ask(query(dcl)))).toBe('GRANT');
    const [grant] = (await service.appliance.json(['access', 'list', '--live'])) as { id: string; expiresAt: string; request: string }[];
    expect(grant?.request).toBe(asked.id);
    const end = Date.parse(grant?.expiresAt ?? '');
    expect(Math.abs(end - approvedAt - 60_000)).toBeLessThan(5_000);
    const gone = new Promise<number>((resolve) => {
      client.onClose(() => {
        resolve(Date.now());
      });
    });
    expect(Math.abs((await gone) - end)).toBeLessThan(1_000);
    expect(tagOf(await before.ask(query('select 1')))).toBe('SELECT 1');
    before.end();
  });

  it('can be taken in an emergency, loudly, and is reviewed afterwards', async () => {
    const env = ['--token-file', await tokenFile()];
    const taken = ['access', 'break-glass', '--group', 'prod-dba', '--for', '5m', '--reason', 'payments are down, nobody answers'];
    const grant = (await service.appliance.json([...taken, ...env])) as { id: string; request: null; review: null };
    const client = await login();
    expect(tagOf(await client.ask(query(dcl)))).toBe('GRANT');
    const { out } = await service.appliance.cli(['--json', 'status']);
    expect(JSON.parse(out)).toMatchObject({ state: 'degraded' });
    await service.appliance.json(['access', 'revoke', grant.id, '--reason', 'over']);
    await sleep(1_000);
    expect(errorOf(await client.ask(query('select 1')))['C']).toBe('57P01');
    await service.appliance.json(['access', 'review', grant.id, '--finding', 'it was needed']);
    const codes = (await allEvents(service.appliance)).map(({ header }) => header['code']);
    for (const code of ['access.broke-glass', 'grant.revoked', 'break-glass.reviewed']) expect(codes).toContain(code);
  });

  async function tokenFile(): Promise<string> {
    const path = approvers.keyFile('token');
    writeFileSync(path, await tokenFor(service.appliance, 'ci'));
    return path;
  }
});

describe('a key', () => {
  it('is replaced only with a second administrator, and then the old one counts no more', async () => {
    await service.appliance.json(['service-account', 'create', 'second-admin', '--owner', 'Somebody else', '--purpose', 'Confirms keys']);
    const tokenPath = approvers.keyFile('second');
    writeFileSync(tokenPath, await tokenFor(service.appliance, 'second-admin', ['--role', 'administrator']));
    const invited = (await service.appliance.json(['user', 'invite', 'bob'])) as { id: string; code: string; replaces: boolean };
    expect(invited.replaces).toBe(true);
    const file = approvers.keyFile('bob-new');
    expect((await service.appliance.cli(['enrol', invited.code, '--no-passphrase', '--key-file', file])).code).toBe(1);
    expect((await service.appliance.cli(['user', 'confirm', invited.id])).code).toBe(1);
    // made for the purpose
    await service.appliance.json(['service-account', 'create', 'late-admin', '--owner', 'Nobody yet', '--purpose', 'Confirms keys']);
    const latePath = approvers.keyFile('late');
    writeFileSync(latePath, await tokenFor(service.appliance, 'late-admin', ['--role', 'administrator']));
    expect((await service.appliance.cli(['user', 'confirm', invited.id, '--token-file', latePath])).code).toBe(1);
    await service.appliance.json(['user', 'confirm', invited.id, '--token-file', tokenPath]);
    expect((await service.appliance.cli(['enrol', invited.code, '--no-passphrase', '--key-file', file])).code).toBe(0);
    expect((await service.appliance.cli(['enrol', invited.code, '--no-passphrase', '--key-file', `${file}2`])).code).toBe(1);
    const client = await login();
    const answer = client.ask(query('delete from orders where id = 10'));
    const request = await approvers.waiting();
    expect((await approvers.decide('approve', request.id, 'bob')).code).toBe(1);
    expect((await approvers.decide('approve', request.id, 'bob-new')).code).toBe(0);
    expect(tagOf(await answer)).toBe('DELETE 1');
    client.end();
  });
});

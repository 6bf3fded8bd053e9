import { afterAll, afterEach, beforeAll, describe as suite, expect, it } from 'vitest';
import { fail } from '../../proxy/contract/errors.ts';
import {
  bind,
  close,
  describe,
  execute,
  fields,
  flush,
  message,
  parse,
  query,
  RawClient,
  rows,
  show,
  startup,
  sync,
  type Frame,
} from '../support/postgres-client.ts';
import { startGateway, type PostgresGateway } from '../support/postgres-gateway.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import type { GateOptions } from '../support/permissive-gate.ts';

let server: PostgresServer;
const gateways: PostgresGateway[] = [];
const clients: RawClient[] = [];

beforeAll(async () => {
  server = await startPostgres();
  const setup = await direct();
  await setup.ask(
    query(
      "create table t(id int primary key, v text); insert into t select g, 'row ' || g from generate_series(1, 5) g; create table other(id int primary key, secret text); insert into other values (1, 'hush')",
    ),
  );
}, 60_000);

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  for (const gateway of gateways.splice(0)) await gateway.stop();
});

afterAll(async () => {
  await server.stop();
});

async function gateway(options: Partial<GateOptions> = {}, deps: Parameters<typeof startGateway>[1] = {}): Promise<PostgresGateway> {
  const target = { host: server.host, port: server.port, database: 'postgres', account: server.user, password: server.password };
  const started = await startGateway({ target, ...options }, deps);
  gateways.push(started);
  return started;
}

async function login(via: PostgresGateway, parameters: Record<string, string> = {}): Promise<RawClient> {
  const client = await RawClient.login({ host: via.host, port: via.port, user: 'alice', password: 'token', database: 'bank', parameters });
  clients.push(client);
  return client;
}

async function direct(): Promise<RawClient> {
  const client = await RawClient.login({ host: server.host, port: server.port, user: server.user, password: server.password, database: 'postgres' });
  clients.push(client);
  return client;
}

const types = (frames: readonly Frame[]): string => frames.map((frame) => frame.type).join('');
const refusesDelete: Partial<GateOptions> = { refuses: (operation) => (operation.facts.template.includes('delete') ? 'no deletes' : null) };

suite('what the client reads', () => {
  const exchanges: [string, Buffer[]][] = [
    ['a simple query', [query('select id, v from t order by id')]],
    ['several results', [query('select 1; select 2, 3; begin; commit')]],
    ['an empty query', [query('')]],
    ['an error', [query('select 1/0')]],
    ['an extended query', [parse('', 'select v from t where id = $1'), describe('S', ''), bind('', '', ['2']), describe('P', ''), execute(''), sync]],
    ['binary results', [parse('', 'select id from t where id < $1'), bind('', '', ['4'], { results: [1] }), describe('P', ''), execute(''), sync]],
    ['an undescribed portal', [parse('', 'select id, v from t'), bind('', ''), execute(''), sync]],
    [
      'a portal read in parts',
      [query('begin'), parse('', 'select id from t order by 1'), bind('c', ''), execute('c', 2), execute('c', 2), execute('c', 2), sync, query('commit')],
    ],
    ['named statements', [parse('s1', 'select 1'), sync, bind('', 's1'), execute(''), close('S', 's1'), sync, bind('', 's1'), sync]],
    [
      'an error that skips a segment',
      [parse('', 'select 1'), bind('', ''), execute(''), parse('', 'select nothing'), bind('', ''), execute(''), sync, query('select 7')],
    ],
    ['flush', [parse('', 'select 1'), bind('', ''), describe('P', ''), flush, execute(''), sync]],
    ['a notice', [query("do $$ begin raise notice 'hello'; end $$")]],
    ['SQL prepare', [query('prepare p as select 5'), query('execute p'), query('deallocate p')]],
    ['a slow classification between others', [query('select 1'), query('select 2 /*slow*/'), query('select 3')]],
    ['sync alone', [sync, sync]],
    ['no data', [parse('', "set application_name to 'x'"), bind('', ''), describe('P', ''), execute(''), sync]],
  ];

  it.each(exchanges)('is what it would read directly: %s', async (_name, frames) => {
    const via = await login(await gateway());
    const straight = await direct();
    const count = frames.filter((frame) => frame[0] === 0x51 || frame[0] === 0x53).length;
    for (const client of [via, straight]) client.send(...frames);
    const expected = (await straight.until('Z', count)).map(show);
    expect((await via.until('Z', count)).map(show)).toEqual(expected);
  });

  it('does not depend on how the bytes arrive', async () => {
    const via = await login(await gateway());
    const bytes = Buffer.concat([query('select id, v from t'), parse('', 'select $1::int'), bind('', '', ['9']), execute(''), sync]);
    const expected = (await (via.send(bytes), via.until('Z', 2))).map(show);
    for (let cut = 1; cut < bytes.length; cut += 7) {
      via.send(bytes.subarray(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      via.send(bytes.subarray(cut));
      expect((await via.until('Z', 2)).map(show)).toEqual(expected);
    }
  });

  it('passes rows larger than the read buffer', async () => {
    const via = await login(await gateway());
    const answer = await via.ask(query("select repeat('x', 3000000), 1 union all select 'y', 2"));
    expect(rows(answer).map((row) => row[0]?.length)).toEqual([3_000_000, 1]);
  });

  it('ends the session at a row above the cap, and says why', async () => {
    const via = await login(await gateway({}, { maxRowBytes: 100_000 }));
    const answer = await via.ask(query("select repeat('x', 200000)"));
    expect(fields(answer.at(-1))).toMatchObject({ S: 'FATAL', C: '54000' });
  });
});

suite('a refused statement', () => {
  it('is answered in the words of the denial, and the session lives on', async () => {
    const via = await login(await gateway(refusesDelete));
    const refused = await via.ask(query('delete from t'));
    expect(types(refused)).toBe('EZ');
    expect(fields(refused[0])).toMatchObject({ S: 'ERROR', C: '42501', M: 'no deletes', D: 'policy: test-policy', H: 'ask the administrator' });
    expect(rows(await via.ask(query('select count(*) from t')))).toEqual([['5']]);
  });

  it('leaves client and target in the same transaction state', async () => {
    const via = await login(await gateway(refusesDelete));
    await via.ask(query('begin'));
    const refused = await via.ask(query('delete from t'));
    expect(refused.at(-1)?.payload.toString()).toBe('E');
    expect(fields((await via.ask(query('select 1')))[0])).toMatchObject({ C: '25P02' });
    expect((await via.ask(query('rollback'))).at(-1)?.payload.toString()).toBe('I');
  });

  it('in mid-pipeline takes the earlier part of the segment back, as an error at the target would', async () => {
    const via = await login(await gateway(refusesDelete));
    const answer = await via.ask(
      parse('', "insert into t values (100, 'never')"),
      bind('', ''),
      execute(''),
      parse('', 'delete from t'),
      bind('', ''),
      execute(''),
      parse('', "insert into t values (101, 'never')"),
      bind('', ''),
      execute(''),
      sync,
    );
    expect(types(answer)).toBe('12CEZ');
    expect(fields(answer[3])).toMatchObject({ C: '42501', M: 'no deletes' });
    expect(rows(await (await direct()).ask(query('select count(*) from t where id >= 100')))).toEqual([['0']]);
  });

  it('keeps its place among pipelined queries', async () => {
    const via = await login(await gateway(refusesDelete));
    via.send(query('select 1'), query('delete from t'), query('select 2'), parse('', 'select 3'), bind('', ''), execute(''), sync);
    expect(types(await via.until('Z', 4))).toBe('TDCZEZTDCZ12DCZ');
  });

  it('is skipped without a word inside a segment that has failed already', async () => {
    const via = await login(await gateway(refusesDelete));
    const answer = await via.ask(parse('', 'select nothing'), parse('', 'delete from t'), bind('', ''), query('delete from t'), sync);
    expect(types(answer)).toBe('EZ');
    expect(fields(answer[0])['C']).toBe('42703');
  });

  it('in the prepared form is refused at Parse and stays unknown', async () => {
    const via = await login(await gateway(refusesDelete));
    expect(types(await via.ask(parse('d', 'delete from t'), sync))).toBe('EZ');
    expect(fields((await via.ask(bind('', 'd'), execute(''), sync))[0])).toMatchObject({ C: '26000', M: 'prepared statement "d" does not exist' });
  });

  it.each([
    ['COPY', query('copy t to stdout'), '0A000'],
    ['what can not be parsed', query('unparseable'), '42601'],
    ['a fast-path function call', message('F', Buffer.alloc(10)), '0A000'],
    ['EXECUTE of an unknown name', query('execute nobody'), '26000'],
    ['a cursor declared in SQL, executed as a portal', Buffer.concat([execute('c'), sync]), '34000'],
  ])('has a clear code: %s', async (_name, bytes, sqlstate) => {
    const via = await login(await gateway());
    await via.ask(query('begin; declare c cursor for select secret from other'));
    const answer = await via.ask(bytes);
    expect(types(answer)).toBe('EZ');
    expect(fields(answer[0])['C']).toBe(sqlstate);
    await via.ask(query('rollback'));
    expect(types(await via.ask(query('select 1')))).toBe('TDCZ');
  });
});

suite('names', () => {
  it('never let a statement run that was not the decided one', async () => {
    const via = await gateway();
    const client = await login(via);
    await client.ask(parse('', 'delete from other'), sync);
    // the second Parse is skipped at the target, so the unnamed statement is still the delete
    client.send(bind('nope', 'nope'), parse('', 'select 1'), sync, bind('', ''), execute(''), sync);
    await client.until('Z', 2);
    const submitted = via.gate.happenings.flatMap((one) => (one.what === 'submit' ? [one.shown] : []));
    expect(submitted.at(-1)).toBe('delete from other');
    await client.ask(query("insert into other values (1, 'hush')"));
  });

  it('of a PREPARE that fails keep their old meaning for what was sent behind it', async () => {
    const via = await gateway();
    const client = await login(via);
    await client.ask(query('prepare s as select 1'));
    client.send(query('prepare s as delete from other'), bind('', 's'), execute(''), sync, query('execute s'));
    const answer = await client.until('Z', 3);
    expect(types(answer)).toBe('EZ2DCZTDCZ');
    const templates = via.gate.happenings.flatMap((one) => (one.what === 'submit' ? [one.template] : []));
    expect(templates.slice(-2)).toEqual(['select 1', 'select 1']);
  });

  it('are never changed or used by a prepared EXECUTE, PREPARE, DEALLOCATE or DECLARE', async () => {
    const via = await gateway();
    const client = await login(via);
    await client.ask(parse('q', 'delete from other'), sync);
    for (const nested of ['execute q', 'prepare z as select 1', 'deallocate q', 'declare c cursor for select 1']) {
      await client.ask(parse('n', nested), sync);
      expect(fields((await client.ask(query('execute n')))[0])['C']).toBe('0A000');
      await client.ask(close('S', 'n'), sync);
    }
    expect(rows(await client.ask(query('select count(*) from other')))).toEqual([['1']]);
  });

  it('are forgotten when the target refuses them, and cut as the target cuts them', async () => {
    const client = await login(await gateway());
    const long = 'n'.repeat(63);
    expect(types(await client.ask(parse(`${long}A`, 'select 1'), sync))).toBe('1Z');
    expect(types(await client.ask(close('S', `${long}B`), sync))).toBe('3Z');
    expect(types(await client.ask(bind('', `${long}A`), sync))).toBe('EZ');
    expect(types(await client.ask(parse('s', 'select 1'), sync, parse('s', 'select 2'), sync))).toBe('1Z');
    expect(fields((await client.until('Z'))[0])['C']).toBe('42P05');
    expect(rows(await client.ask(bind('', 's'), execute(''), sync))).toEqual([['1']]);
  });

  it("never come from a cursor of SQL that took a portal's name", async () => {
    const via = await gateway({ maskColumn: (shape, column) => shape.columns[column]?.origin?.column === 'secret' });
    const client = await login(via);
    await client.ask(query('begin'), parse('', 'select v from t'), bind('p', ''), describe('P', 'p'), sync);
    await client.until('Z');
    await client.ask(query('close p'));
    await client.ask(query('declare p cursor for select secret from other'));
    const answer = await client.ask(execute('p'), sync);
    expect(types(answer)).toBe('EZ');
    expect(answer[0]?.payload.toString()).toContain('portal "p" does not exist');
  });
});

suite('a statement that waits', () => {
  it('holds back what comes behind it, not what came before', async () => {
    const gate: PromiseWithResolvers<void> = Promise.withResolvers();
    const client = await login(await gateway({ forwardable: (operation) => (operation.facts.effect === 'write' ? gate.promise : true) }));
    client.send(query('select 1'), query("update t set v = 'changed' where id = 1"), query('select v from t where id = 1'));
    await client.until('Z');
    expect(rows(await (await direct()).ask(query('select v from t where id = 1')))).toEqual([['row 1']]);
    gate.resolve();
    expect(rows(await client.until('Z', 2))).toEqual([['changed']]);
    await client.ask(query("update t set v = 'row 1' where id = 1"));
  });

  it('is refused when its intent cannot become durable', async () => {
    const via = await gateway({ forwardable: (operation) => (operation.facts.effect === 'write' ? Promise.reject(fail('ERR_AUDIT_UNAVAILABLE')) : true) });
    const client = await login(via);
    expect(fields((await client.ask(query('delete from t')))[0])['C']).toBe('58030');
    expect(rows(await client.ask(query('select count(*) from t')))).toEqual([['5']]);
  });

  it('for approval tells the request, and runs when approved', async () => {
    const approval = Promise.withResolvers<boolean>();
    const client = await login(await gateway({ holds: (operation) => (operation.facts.template.includes('delete') ? { decided: approval.promise } : null) }));
    client.send(parse('', 'delete from t where id = 99'), bind('', ''), execute(''), sync);
    const notice = (await client.until('N')).at(-1);
    expect(fields(notice)).toMatchObject({ S: 'NOTICE', M: 'Waiting for the approval of 1 of group dba: request req_a.' });
    approval.resolve(true);
    expect(types(await client.until('Z'))).toBe('12CZ');
  });

  it('for approval is withdrawn by a cancel request and never runs', async () => {
    const via = await gateway({
      holds: (operation) => (operation.facts.template.includes('delete') ? { decided: new Promise<boolean>(() => undefined) } : null),
    });
    const client = await RawClient.open(via.host, via.port);
    clients.push(client);
    client.send(startup({ user: 'alice', database: 'bank' }));
    await client.authenticate('token');
    const key = (await client.until('Z')).find((frame) => frame.type === 'K')?.payload ?? Buffer.alloc(0);
    client.send(query('delete from t'));
    await client.until('N');
    const canceller = await RawClient.open(via.host, via.port);
    const request = Buffer.concat([Buffer.alloc(8), key]);
    request.writeInt32BE(request.length, 0);
    request.writeInt32BE(80_877_102, 4);
    canceller.send(request);
    expect(fields((await client.until('Z'))[0])['C']).toBe('57014');
    expect(rows(await client.ask(query('select count(*) from t')))).toEqual([['5']]);
  });
});

suite('the end of a session', () => {
  it('cancels what runs at the target when the client goes away', async () => {
    const via = await gateway();
    const client = await login(via);
    client.send(query('select pg_sleep(30)'));
    const watcher = await direct();
    const sleeping = async (): Promise<string | null | undefined> =>
      rows(
        await watcher.ask(query("select count(*) from pg_stat_activity where query like '%pg_sleep(30)%' and state = 'active' and pid <> pg_backend_pid()")),
      )[0]?.[0];
    await expect.poll(sleeping).toBe('1');
    client.socket.destroy();
    await expect.poll(sleeping, { timeout: 5000 }).toBe('0');
    await expect.poll(() => via.gate.happenings.at(-1)?.what).toBe('close');
  });

  it('lets finish what was sent before Terminate', async () => {
    const via = await gateway();
    const client = await login(via);
    client.socket.end(Buffer.concat([query('select pg_sleep(0.2)'), query("insert into t values (200, 'last')"), message('X')]));
    const watcher = await direct();
    await expect.poll(async () => rows(await watcher.ask(query('select count(*) from t where id = 200')))[0]?.[0]).toBe('1');
    await watcher.ask(query('delete from t where id = 200'));
    await expect.poll(() => via.gate.happenings.at(-1)?.what).toBe('close');
  });

  it('by the gateway is told as 57P01', async () => {
    const via = await gateway();
    const client = await login(via);
    client.send(query('select pg_sleep(30)'));
    await expect.poll(() => via.gate.happenings.length).toBeGreaterThan(0);
    via.gate.sessions[0]?.end(fail('ERR_SESSION_ENDED', { message: 'The token was revoked.' }));
    const answer = await client.until('Z');
    expect(fields(answer.at(-1))).toMatchObject({ S: 'FATAL', C: '57P01', M: 'The token was revoked.' });
    expect(via.gate.happenings.some((one) => one.what === 'settle' && one.status === 'indeterminate')).toBe(true);
  });

  it('by the target is passed on', async () => {
    const client = await login(await gateway());
    const answer = await client.ask(query('select pg_terminate_backend(pg_backend_pid())'));
    expect(fields(answer.find((frame) => frame.type === 'E'))).toMatchObject({ S: 'FATAL', C: '57P01' });
    await expect.poll(() => client.closed).toBe(true);
  });

  it('comes when a setting would change how statements are read', async () => {
    const client = await login(await gateway());
    const answer = await client.ask(query('set standard_conforming_strings to off'));
    expect(fields(answer.at(-1))).toMatchObject({ S: 'FATAL', C: '0A000' });
  });
});

suite('results', () => {
  it('are masked by the shape the target names, in simple and extended protocol', async () => {
    const via = await gateway({ maskColumn: (shape, column) => shape.columns[column]?.origin?.column === 'secret' });
    const client = await login(via);
    expect(rows(await client.ask(query('select id, secret as s from other')))).toEqual([['1', 'xxxx']]);
    expect(rows(await client.ask(parse('', 'select secret from other'), bind('', ''), execute(''), sync))).toEqual([['xxxx']]);
    expect(via.gate.shapes.at(-1)?.columns[0]).toMatchObject({
      origin: { schema: 'public', table: 'other', column: 'secret' },
      type: 'text',
      encoding: 'text',
    });
  });

  it('of a new table are masked, too: the catalogue is loaded again', async () => {
    const via = await gateway({ maskColumn: (shape, column) => shape.columns[column]?.origin?.column === 'secret' });
    const client = await login(via);
    const other = await direct();
    await other.ask(query("drop table if exists fresh; create table fresh(secret text); insert into fresh values ('hush')"));
    expect(rows(await client.ask(query('select * from fresh')))).toEqual([['xxxx']]);
  });

  it('in binary with a masked column refuse the statement and nothing else', async () => {
    const client = await login(await gateway({ maskColumn: (shape, column) => shape.columns[column]?.origin?.column === 'secret' }));
    await client.ask(query('begin'));
    const answer = await client.ask(parse('', 'select secret from other'), bind('', '', [], { results: [1] }), execute(''), sync);
    expect(types(answer)).toBe('12EZ');
    expect(fields(answer[2])).toMatchObject({ C: '42501' });
    expect(answer.at(-1)?.payload.toString()).toBe('E');
    await client.ask(query('rollback'));
    expect(rows(await client.ask(parse('', 'select id from other'), bind('', '', [], { results: [1] }), execute(''), sync))).toEqual([['\0\0\0\x01']]);
  });

  it('of errors and notices are masked', async () => {
    const client = await login(await gateway({ maskText: (text) => text.replaceAll('4111111111111111', '411111xxxxxx1111') }));
    const answer = await client.ask(
      query("do $$ begin raise notice 'n 4111111111111111'; raise exception 'e 4111111111111111' using detail = 'd 4111111111111111'; end $$"),
    );
    expect(fields(answer[0])['M']).toBe('n 411111xxxxxx1111');
    expect(fields(answer[1])).toMatchObject({ M: 'e 411111xxxxxx1111', D: 'd 411111xxxxxx1111' });
  });

  it('of LISTEN never arrive', async () => {
    const client = await login(await gateway());
    await client.ask(query('listen x'));
    expect(types(await client.ask(query("notify x, 'secret'")))).toBe('CZ');
  });

  it('reach a slow reader without filling the memory', async () => {
    const via = await login(await gateway());
    via.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    via.send(query("select repeat('x', 1000) from generate_series(1, 100000)"));
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40_000_000);
    via.frames.length = 0;
    let bytes = 0;
    via.socket.removeAllListeners('data');
    const done = new Promise<void>((resolve) =>
      via.socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (chunk.at(-6) === 0x5a) resolve();
      }),
    );
    via.socket.resume();
    await done;
    expect(bytes).toBeGreaterThan(100_000_000);
  }, 30_000);
});

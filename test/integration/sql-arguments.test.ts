import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Facts } from '../../proxy/contract/operation.ts';
import type { PostgresResource } from '../../proxy/contract/resource.ts';
import { loadCatalogue } from '../../proxy/engines/postgres/catalogue.ts';
import { createClassifier, loadParser } from '../../proxy/engines/postgres/classify.ts';
import type { SqlAnalyser } from '../../proxy/engines/mcp/analyse-arguments.ts';
import { createMasking } from '../../proxy/masking/masking.ts';
import type { Session } from '../../proxy/pipeline/engine.ts';
import { sqlAnalyser } from '../../proxy/processes/gateway-analysers.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';

const schema = `
  create table public.orders (id int primary key, note text);
  create table public.cards (id int, pan text, holder text);
  create table public.copies (pan text, anything text);
  create view public.harmless as select id from public.orders;`;
const on = { resource: 'payments', database: 'postgres' };
const session = { id: 'ses_a' } as unknown as Session; // only its id is looked at

let server: PostgresServer;
let client: pg.Client;
let leased: string[] = [];
let now = Date.now();
let analyse: SqlAnalyser;
const masking = createMasking();
const parser = await loadParser();

function resource(): PostgresResource {
  return {
    id: 'res_a',
    name: 'payments',
    protocol: 'postgres',
    host: server.host,
    port: server.port,
    database: 'postgres',
    account: server.user,
    secret: 'sec_a',
    tls: { mode: 'disable' },
    listenPort: null,
    recording: { maxBytesPerOperation: 0 },
    createdAt: '2026-01-01T00:00:00Z',
  };
}

beforeAll(async () => {
  server = await startPostgres();
  client = new pg.Client({ host: server.host, port: server.port, user: server.user, password: server.password, database: 'postgres' });
  await client.connect();
  await client.query(schema);
  masking.update([{ resource: 'payments', schema: 'public', table: 'cards', column: 'holder', tag: 'other' }]);
  analyse = sqlAnalyser({
    loading: {
      loadCatalogue: (query, previous) => loadCatalogue(query, parser, previous),
      createClassifier: (catalogue) => createClassifier(catalogue, { parser }),
    },
    resource: (name) => (name === 'payments' ? resource() : null),
    lease: (holder, name) => {
      leased.push(`${holder} ${name}`);
      return Promise.resolve({ account: server.user, password: server.password, secretVersion: 1 });
    },
    masking: masking.port,
    clock: { now: () => now },
  });
}, 60_000);

afterAll(async () => {
  await client.end();
  await server.stop();
  await parser[Symbol.asyncDispose]();
});

const said = ({ acts }: Facts): string[] =>
  acts.map(({ action, object }) => `${action} ${object.type} ${object.path.join('.')} of ${object.on?.resource ?? '-'}/${object.on?.database ?? '-'}`);

describe('a statement in an argument', () => {
  it('is understood by the catalogue of its resource, and every act of it is on that resource', async () => {
    const { facts, spans } = await analyse("select note from orders where id = 7 and note = 'x'", on, session);
    expect(said(facts)).toEqual(['connect Database  of payments/postgres', 'sql:select Table public.orders of payments/postgres']);
    expect(facts).toMatchObject({ effect: 'read', context: { kind: 'select', has_where: true, tables: ['public.orders'] } });
    expect(spans.filter(({ kind }) => kind === 'value').map(({ text }) => text)).toEqual(['7', 'x']);
    expect(spans.find(({ kind }) => kind === 'value')).toMatchObject({ resource: 'payments', column: { table: 'orders', column: 'id' } });
    expect(leased).toEqual(['ses_a payments']);
  });

  it('behind another one is not overlooked', async () => {
    const { facts } = await analyse('delete from orders; select 1', on, session);
    expect(said(facts)).toContain('sql:delete Table public.orders of payments/postgres');
    expect(facts).toMatchObject({ effect: 'write', context: { kind: 'multi', statements: 2, has_where: false } });
  });

  it('in a comment or a text stays there', async () => {
    expect(said((await analyse("select 'delete from orders' /* ; delete from orders */ -- delete", on, session)).facts)).toEqual([
      'connect Database  of payments/postgres',
    ]);
  });

  it('that names nothing but may run code needs leave for it', async () => {
    expect(said((await analyse('select random()', on, session)).facts)).toContain('sql:execute Database  of payments/postgres');
  });

  it('hides what is tagged there, and does not copy it to where it is less hidden', async () => {
    const { facts, spans } = await analyse("select id from cards where holder = 'Ann'", on, session);
    expect(masking.port.command('tools', facts, spans)).toBe("select id from cards where holder = '<hidden>'");
    await expect(analyse('insert into copies (anything) select holder from cards', on, session)).rejects.toMatchObject({
      code: 'ERR_ACCESS_DENIED',
      message: expect.stringContaining('public.cards.holder') as string,
    });
  });

  it.each([
    ['selec 1', 'ERR_STATEMENT_UNPARSEABLE'],
    ['select 1\0', 'ERR_STATEMENT_UNPARSEABLE'],
    ['prepare x as delete from orders', 'ERR_FEATURE_REFUSED'],
    ['execute x', 'ERR_FEATURE_REFUSED'],
    ['deallocate all', 'ERR_FEATURE_REFUSED'],
    ['declare c cursor for select 1', 'ERR_FEATURE_REFUSED'],
    ['set standard_conforming_strings = off', 'ERR_FEATURE_REFUSED'],
  ])('that means something only in a session of its own, or nothing at all, is refused: %j', async (text, code) => {
    await expect(analyse(text, on, session)).rejects.toMatchObject({ code });
  });

  it('about a resource that is not there is refused', async () => {
    await expect(analyse('select 1', { resource: 'other', database: 'x' }, session)).rejects.toMatchObject({ code: 'ERR_RESOURCE_UNKNOWN' });
  });

  it('sees tables that were made since, and what names mean after they were changed', async () => {
    await client.query('create table public.later (id int)');
    expect(said((await analyse('select * from later', on, session)).facts)).toContain('sql:select Table public.later of payments/postgres');
    expect(said((await analyse('select * from harmless', on, session)).facts)).toEqual([
      'connect Database  of payments/postgres',
      'sql:select Table public.harmless of payments/postgres',
    ]);
    const { facts } = await analyse('drop view harmless', on, session);
    expect(facts.acts.some(({ action }) => action === 'sql:ddl')).toBe(true);
    // the server runs it at some time after it was understood
    await client.query(
      'drop view public.harmless; create function public.spend() returns int language sql volatile as $$ select 1 $$; create view public.harmless as select public.spend() as id',
    );
    expect((await analyse('select * from harmless', on, session)).facts.effect).toBe('unknown');
  });

  it('loads the catalogue again when it is old', async () => {
    now += 600_000;
    leased = [];
    await analyse('select 1', on, session);
    await analyse('select 2', on, session);
    expect(leased).toEqual(['ses_a payments']);
  });
});

import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeCluster, startPostgres } from '../../proxy/demo/embedded-postgres.ts';
import type { EmbeddedPostgres } from '../../proxy/demo/embedded-postgres.ts';
import { loadCatalogue } from '../../proxy/engines/postgres/catalogue.ts';
import type { LoadedCatalogue } from '../../proxy/engines/postgres/catalogue.ts';
import { createClassifier, loadParser } from '../../proxy/engines/postgres/classify.ts';
import { guardedFunctions, harmlessFunctions, inertFunctions } from '../../proxy/engines/postgres/functions-inert.ts';
import { Secret } from '../../proxy/lib/secret.ts';

const schema = `
  create schema pay;
  create table pay.cards (id int, pan text, cvv text, gone int, owner text);
  alter table pay.cards drop column gone;
  create function pay.charge(int) returns int language sql volatile as 'select 1';
  create view pay.renamed as select pan as p, upper(cvv) as owner, owner as id from pay.cards;
  create view pay.nested as select p || 'x' as q, count(*) as n from pay.renamed group by p;
  create view pay.calls as select pay.charge(id) from pay.cards;
  create view pay.sleeps as select pg_sleep(1)::text as slept;
  create materialized view pay.stored as select cvv as c from pay.cards;
  create table pay.parts (id int, pan text) partition by range (id);
  create table pay.part partition of pay.parts for values from (1) to (10);
  create table pay.secured (id int);
  alter table pay.secured enable row level security;
  create table pay.parent (id int);
  create table pay.heir () inherits (pay.parent);
  alter table pay.heir enable row level security;`;

const dir = mkdtempSync(join(tmpdir(), 'postern-catalogue-'));
const password = new Secret(randomBytes(12).toString('hex'));
let server: EmbeddedPostgres;
let client: pg.Client;
const parser = await loadParser();

async function query(sql: string): Promise<readonly (readonly (string | null)[])[]> {
  const result = await client.query<(string | null)[]>({ text: sql, rowMode: 'array' });
  return result.rows;
}

function oid(catalogue: LoadedCatalogue, name: string): number {
  return catalogue.relations('pay', name)[0]?.oid ?? 0;
}

beforeAll(async () => {
  server = await startPostgres({ dir, password, durable: false });
  client = new pg.Client({ host: server.host, port: server.port, user: server.superuser, password: password.reveal(), database: 'postgres' });
  await client.connect();
  await client.query(schema);
  // hostile path: our own questions must not care
  await client.query(
    "create schema evil; create function evil.pg_get_viewdef(oid) returns text language sql as 'select null::text'; set search_path = evil, pg_catalog",
  );
});

afterAll(async () => {
  await client.end();
  await server.stop();
  removeCluster(dir);
  await parser[Symbol.asyncDispose]();
});

describe('the catalogue of a real server', () => {
  it('finds inert relations, origins and what views are made of', async () => {
    const catalogue = await loadCatalogue(query, parser);
    const names = ['cards', 'renamed', 'nested', 'calls', 'sleeps', 'stored', 'parts', 'part', 'secured', 'parent', 'heir'];
    expect(names.filter((name) => catalogue.relations('pay', name)[0]?.inert)).toEqual(['cards', 'renamed', 'nested', 'stored', 'parts', 'part']);
    expect(catalogue.origin(oid(catalogue, 'cards'), 5)).toEqual({ schema: 'pay', table: 'cards', column: 'owner' });
    const bases = (name: string, attribute: number) =>
      catalogue.baseColumns(oid(catalogue, name), attribute)?.map((found) => `${found.table}.${found.column}`) ?? null;
    expect(bases('renamed', 2)).toEqual(['renamed.owner', 'cards.cvv']);
    expect(bases('nested', 1)).toEqual(['nested.q', 'renamed.p', 'cards.pan']);
    expect(bases('nested', 2)).toEqual(['nested.n']);
    expect(bases('stored', 1)).toEqual(['stored.c', 'cards.cvv']);
    expect(bases('part', 2)).toEqual(['part.pan', 'parts.pan']);
    expect(bases('calls', 1)).toBeNull();
    expect(catalogue.functionSchemas('charge')).toEqual(['pay']);
    expect(catalogue.hasUserOperators).toBe(false);
  });

  it('gives facts, reads and literal columns through views', async () => {
    const classifier = createClassifier(await loadCatalogue(query, parser), { parser });
    const sql = "select upper(owner) as x from pay.renamed where owner = '123'";
    const found = await classifier.classify(Buffer.from(sql));
    if (!('facts' in found)) throw new TypeError(found.code);
    expect(found.facts.effect).toBe('read');
    expect(found.reads(0, 'x')?.map((column) => `${column.table}.${column.column}`)).toEqual(['renamed.owner', 'cards.cvv']);
    expect(found.spans(sql).find((span) => span.kind === 'value')).toMatchObject({ text: '123', column: { table: 'cards', column: 'cvv' } });
  });

  it('sees operators of users, and keeps the epoch while nothing changes', async () => {
    const first = await loadCatalogue(query, parser);
    expect(await loadCatalogue(query, parser, first)).toBe(first);
    await client.query('create operator pay.@#@ (function = pay.charge, rightarg = int)');
    const second = await loadCatalogue(query, parser, first);
    expect(second.epoch).toBe(first.epoch + 1);
    expect(second.hasUserOperators).toBe(true);
  });

  it('knows every function of this server', async () => {
    const rows = await query(
      "select distinct proname from pg_catalog.pg_proc where pronamespace = 'pg_catalog'::regnamespace and prokind <> 'p' and oid < 16384",
    );
    const unknown = rows.map(([name]) => name ?? '').filter((name) => !inertFunctions.has(name) && !harmlessFunctions.has(name) && !guardedFunctions.has(name));
    expect(unknown).toEqual([]);
  });

  it('is right that a field selection can call a function', async () => {
    const rows = await query('select (0.001::float8).pg_sleep is null');
    expect(rows).toHaveLength(1);
  });
});

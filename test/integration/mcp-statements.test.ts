import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import type { Found } from '../support/debian-packages.ts';
import { sdk2, type McpUser } from '../support/mcp-clients.ts';
import { behindGateway, dbhubServer, filesystemServer, type StdioServer } from '../support/mcp-servers.ts';
import { startMcpService, type McpService } from '../support/mcp-service.ts';
import { query, RawClient, rows } from '../support/postgres-client.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { skipBecause } from '../support/skip.ts';
import { thirdParty, type ThirdParty } from '../support/third-party.ts';

const pan = '4539578763621486';
const policies = `@id("all") permit (principal, action, resource);
@id("no-writes") forbid (principal, action in [Action::"sql:write", Action::"sql:ddl"], resource);`;

let found: Found<ThirdParty>;
let database: PostgresServer;
let service: McpService;
let folder: string;
beforeAll(async () => {
  found = await thirdParty('mcp');
  [database, service] = await Promise.all([startPostgres(), startMcpService({ policies })]);
  await direct(`create table cards(id int primary key, pan text, cvv text); insert into cards values (1, '${pan}', '917'), (2, '${pan}', '918')`);
  const { host, port, user, password } = database;
  const added = ['resource', 'add', 'payments', '--host', host, '--port', String(port), '--database', 'postgres', '--account', user, '--tls', 'disable'];
  await service.appliance.json(added, `${password}\n`);
  folder = mkdtempSync(join(tmpdir(), 'postern-mcp-files-'));
  // a child of a gateway that is root runs as somebody else
  chmodSync(folder, 0o777);
  writeFileSync(join(folder, 'cards.txt'), `card ${pan}\n`);
});
afterAll(async () => {
  await service.stop();
  await database.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function direct(sql: string): Promise<unknown> {
  const client = await RawClient.login({ ...database, database: 'postgres' });
  const answered = rows(await client.ask(query(sql)));
  client.end();
  return answered;
}

function kitOf(context: TestContext): ThirdParty {
  if (found.found === undefined) skipBecause(context, found.why);
  return found.found;
}

async function open(kit: ThirdParty, name: string, server: StdioServer, more: Readonly<Record<string, unknown>>): Promise<McpUser> {
  const { upstream, settings } = behindGateway(server, kit);
  await service.add(name, upstream, { ...settings, ...more });
  await service.agree(name);
  return sdk2(service.place(name), 'legacy');
}

describe('a statement in an argument of dbhub', () => {
  it('is decided like one on the database itself, and its answer is masked', async (context) => {
    const kit = kitOf(context);
    const { user, password, host, port } = database;
    const dsn = `postgres://${user}:${password}@${host}:${port}/postgres?sslmode=disable`;
    const analysers = [{ tool: 'execute_sql*', pointer: '/sql', reads: { as: 'sql', resource: 'payments', database: 'postgres' } }];
    const client = await open(kit, 'dbhub', dbhubServer(kit, dsn), { analysers });
    const asked = JSON.stringify(await client.call('execute_sql', { sql: 'select id, pan from cards order by id' }));
    expect(asked).toContain('453957******1486');
    expect(asked).not.toContain(pan);
    for (const sql of [
      'delete from cards; select 1',
      'select 1; delete from cards',
      'with gone as (delete from cards returning id) select * from gone',
      'selec 1',
    ]) {
      expect(await client.call('execute_sql', { sql })).toMatchObject({ isError: true, _meta: { 'postern/error': { code: expect.any(String) as string } } });
    }
    await client.close();
    expect(await direct('select count(*) from cards')).toEqual([['2']]);
  });
});

it('a file that server-filesystem reads as media is masked where it is text', async (context) => {
  const kit = kitOf(context);
  const client = await open(kit, 'files', filesystemServer(kit, folder), { media: 'drop' });
  const answer = JSON.stringify(await client.call('read_media_file', { path: join(folder, 'cards.txt') }));
  await client.close();
  const decoded = answer.replaceAll(/[A-Za-z0-9+/]{16,}={0,2}/g, (text) => `${text} ${Buffer.from(text, 'base64').toString('latin1')}`);
  expect(decoded).not.toContain(pan);
  expect(answer).not.toContain('isError":true');
});

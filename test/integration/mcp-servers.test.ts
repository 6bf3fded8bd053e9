import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { z } from 'zod';
import { sandboxAvailable } from '../../proxy/engines/mcp/sandbox-trial.ts';
import type { Found } from '../support/debian-packages.ts';
import { sdk2, sdk2Stdio, type McpUser } from '../support/mcp-clients.ts';
import { behindGateway, dbhubServer, everythingOverHttp, everythingServer, filesystemServer, memoryServer, type StdioServer } from '../support/mcp-servers.ts';
import { overHttp, startMcpService, type McpService } from '../support/mcp-service.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { skipBecause } from '../support/skip.ts';
import { thirdParty, type ThirdParty } from '../support/third-party.ts';

const pan = '4111111111111111';
const Checks = z.object({ checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })) });

let found: Found<ThirdParty>;
let folder: string;
let database: PostgresServer;
beforeAll(async () => {
  found = await thirdParty('mcp');
  folder = mkdtempSync(join(tmpdir(), 'postern-mcp-servers-'));
  // a child of a gateway that is root runs as somebody else
  chmodSync(folder, 0o777);
  writeFileSync(join(folder, 'cards.txt'), `card ${pan}\n`);
  database = await startPostgres();
});
afterAll(async () => {
  await database.stop();
  rmSync(folder, { recursive: true, force: true });
});

function kitOf(context: TestContext): ThirdParty {
  if (found.found === undefined) skipBecause(context, found.why);
  return found.found;
}

/** What each server of others is asked, and what it says when nobody is between. */
const cases: readonly { name: string; server: (kit: ThirdParty) => StdioServer; ask: (user: McpUser) => Promise<unknown>; says: string[] }[] = [
  { name: 'everything', server: everythingServer, ask: (user) => user.call('echo', { message: `card ${pan}` }), says: [pan] },
  {
    name: 'filesystem',
    server: (kit) => filesystemServer(kit, folder),
    ask: (user) => user.call('read_text_file', { path: join(folder, 'cards.txt') }),
    says: [pan, 'structuredContent'],
  },
  {
    name: 'memory',
    server: (kit) => memoryServer(kit, folder),
    ask: async (user) => {
      await user.call('create_entities', { entities: [{ name: 'card', entityType: 'card', observations: [pan] }] });
      return user.call('read_graph', {});
    },
    says: [pan, 'observations'],
  },
  {
    name: 'dbhub',
    server: (kit) => dbhubServer(kit, `postgres://${database.user}:${database.password}@${database.host}:${database.port}/postgres?sslmode=disable`),
    ask: (user) => user.call('execute_sql', { sql: `select '${pan}' as pan, ${pan} as number` }),
    says: [pan],
  },
];

describe('servers of others, directly: what they answer when nothing masks it', () => {
  it.for(cases)('$name', async ({ server, ask, says }, context) => {
    const user = await sdk2Stdio(server(kitOf(context)));
    try {
      expect((await user.listTools()).length).toBeGreaterThan(0);
      const said = JSON.stringify(await ask(user));
      for (const part of says) expect(said).toContain(part);
    } finally {
      await user.close();
    }
  });
});

describe('servers of others, behind the gateway: the same answers without the card number', () => {
  let service: McpService;
  beforeAll(async () => {
    service = await startMcpService();
  });
  afterAll(() => service.stop());

  async function masked(resource: string, ask: (user: McpUser) => Promise<unknown>): Promise<void> {
    expect((await service.agree(resource)).length).toBeGreaterThan(0);
    const user = await sdk2(service.place(resource), 'legacy');
    try {
      const said = JSON.stringify(await ask(user));
      expect(said).not.toContain(pan);
      expect(said).toMatch(/411111\D{6}1111/);
    } finally {
      await user.close();
    }
  }

  it.for(cases)('$name as a child', async ({ name, server, ask }, context) => {
    const kit = kitOf(context);
    const { upstream, settings } = behindGateway(server(kit), kit);
    await service.add(name, upstream, settings);
    await masked(name, ask);
  });

  it('doctor says whether they can be started in a sandbox', async (context) => {
    kitOf(context);
    const { checks } = Checks.parse(await service.appliance.json(['doctor']));
    const { available, why } = await sandboxAvailable();
    expect(checks.filter(({ name }) => name === 'sandbox')).toEqual([
      expect.objectContaining({ ok: available, detail: `MCP servers run in a sandbox: ${why}.` }),
    ]);
  });

  it.for(['streamableHttp', 'sse'] as const)('everything over %s', async (transport, context) => {
    const server = await everythingOverHttp(kitOf(context), transport);
    try {
      const resource = `everything-${transport.toLowerCase()}`;
      await service.add(resource, { ...overHttp(server.url), transport: transport === 'sse' ? 'sse' : 'streamable-http' });
      await masked(resource, (user) => user.call('echo', { message: `card ${pan}` }));
    } finally {
      await server.stop();
    }
  });

  it('says nothing of a database’s address and password, which dbhub had in its environment', async () => {
    const user = await sdk2(service.place('dbhub'), 'legacy');
    const said = JSON.stringify([await user.listTools(), await user.call('execute_sql', { sql: 'select broken from nothing' })]);
    expect(said).not.toContain(database.password);
    await user.close();
  });
});

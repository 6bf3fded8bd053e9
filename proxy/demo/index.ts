import { readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { Client } from '../cli/client.ts';
import type { Io } from '../cli/output.ts';
import { fail } from '../contract/errors.ts';
import { reasonOf } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import { startService, type Service } from '../processes/supervisor.ts';
import { replaceFile } from '../store/files.ts';
import { enrolApprover } from './approver.ts';
import { configure, demoPrincipals, demoResource, tokens } from './configure.ts';
import { consoleLinks, consoleText, type ConsoleLinks } from './people.ts';
import { findTool, toolCache } from './debian-package.ts';
import { removeCluster, startPostgres, type EmbeddedPostgres } from './embedded-postgres.ts';
import { paymentsDatabase, paymentsRole, seedPayments } from './payments-schema.ts';
import { demoPasswords } from './secrets.ts';
import { startOrdersApi } from './orders-api.ts';
import { sampleFiles } from './sample-files.ts';
import { databaseSteps, psqlCommand, stepsText, type DemoPlace } from './steps.ts';
import { configureWeb, type Servers } from './web-resources.ts';
import { curlCommand, headerFile, mcpUrl, tokenFile, toolCommand, webSteps } from './web-steps.ts';

export interface DemoOptions {
  readonly dataDir: string;
  readonly json: boolean;
  readonly reset: boolean;
  /** false: nothing is fetched */
  readonly install: boolean;
  readonly version: string;
  readonly io: Io;
  /** PostgreSQL on this port; control API, target, the resource's own port, HTTP and MCP on the next four */
  readonly portBase?: number;
}

interface Ports {
  readonly postgres: number;
  readonly control: number;
  readonly target: number | undefined;
  readonly resource: number;
  readonly web: number;
}

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** Not the service's: they hold what it never stores. */
const demoFiles = [
  ...['demo.json', 'demo.pgpass', 'demo-passwords.json', 'demo-approver.json', 'admin.token'],
  ...demoPrincipals.flatMap(({ name }) => [`demo-${name}.token`, `demo-${name}.header`]),
];

const DemoFile = z.object({ principals: z.record(z.string(), z.object({ token: z.string() })) });

/** Everything on one machine until Ctrl-C. Gives the exit code. */
export async function runDemo(options: DemoOptions): Promise<0 | 1> {
  const { io, dataDir, json } = options;
  const startedAt = Date.now();
  const progress = (line: string): void => {
    io.err(`  ${((Date.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  ${line}\n`);
  };
  const stopped = stopSignal();
  if (options.reset) await reset(dataDir, progress);
  const running: { stop: () => Promise<void> }[] = [];
  try {
    const { place, url, links } = await start(options, { progress, running });
    const allSteps = [...databaseSteps(place), ...webSteps(place)];
    if (json) io.out(`${JSON.stringify({ ready: true, demo: join(dataDir, 'demo.json'), steps: allSteps })}\n`);
    else
      io.out(
        `${consoleText(url, links)}${stepsText(allSteps)}\nAddresses, tokens and the direct connection stand in ${join(dataDir, 'demo.json')}. Ctrl-C stops everything; the data stays (--reset begins anew).\n`,
      );
    await stopped;
    io.err('\nStopping.\n');
    return 0;
  } finally {
    for (const part of running.toReversed())
      await part.stop().catch((error: unknown) => {
        io.err(`${reasonOf(error)}\n`);
      });
  }
}

async function start(
  options: DemoOptions,
  { progress, running }: { progress: (line: string) => void; running: { stop: () => Promise<void> }[] },
): Promise<{ place: DemoPlace; url: string; links: ConsoleLinks }> {
  const { dataDir } = options;
  const ports = portsOf(options.portBase);
  const psql = await findTool('psql', ['postgresql-client-15'], {
    cacheDir: toolCache(root, homedir()),
    mayFetch: options.install,
    path: process.env['PATH'] ?? '',
    progress,
  });
  const service = await startService({
    dir: dataDir,
    version: options.version,
    config: {
      name: 'demo',
      listeners: {
        postgres: { host: '127.0.0.1', port: ports.postgres },
        control: { host: '127.0.0.1', port: ports.control },
        web: { host: '127.0.0.1', port: ports.web },
      },
    },
    adminTokenFile: join(dataDir, 'admin.token'),
    // olivia is the one who administers
    setUp: false,
    scanExclude: demoFiles,
  });
  running.push(service);
  progress(`the service is up: audit, control, gateway (data in ${dataDir})`);
  const target = await startTarget(dataDir, ports.target, progress);
  running.push(target.server);
  const { client, verifierKey } = await clientOf(service);
  await configure(client, {
    host: target.server.host,
    port: target.server.port,
    database: paymentsDatabase,
    account: paymentsRole,
    password: target.app,
    listenPort: ports.resource,
  });
  const orders = await startOrdersApi({ key: target.orders });
  running.push(orders);
  const servers = await configureWeb(client, { root, orders: { url: orders.url, key: target.orders }, files: await sampleFiles(dataDir), progress });
  await enrolApprover(client, dataDir);
  const links = await consoleLinks(client, service.controlUrl);
  progress('principals, people, resources, tools, policies (PCI DSS starter set) and masking rules are in force');
  const place: DemoPlace = {
    root,
    cwd: process.cwd(),
    dataDir,
    psql: psql.path,
    port: service.ports['postgres'] ?? ports.postgres,
    webPort: service.ports['web'] ?? ports.web,
    verifierKey,
  };
  await writeDemoFiles(place, { service, client, target, links, listenPort: ports.resource, servers });
  return { place, url: service.controlUrl, links };
}

interface Target {
  readonly server: EmbeddedPostgres;
  readonly app: Secret<string>;
  /** key of the orders API */
  readonly orders: Secret<string>;
}

async function startTarget(dataDir: string, port: number | undefined, progress: (line: string) => void): Promise<Target> {
  const passwords = await demoPasswords(dataDir);
  const server = await startPostgres({ dir: clusterOf(dataDir), password: passwords.superuser, progress, ...(port === undefined ? {} : { port }) });
  await seedPayments({ host: server.host, port: server.port, superuser: server.superuser, password: server.password, appPassword: passwords.app, progress });
  return { server, app: passwords.app, orders: passwords.orders };
}

async function clientOf(service: Service): Promise<{ client: Client; verifierKey: string }> {
  const [ca, token] = await Promise.all([readFile(join(service.layout.tls, 'ca.crt'), 'utf8'), readFile(join(service.layout.dir, 'admin.token'), 'utf8')]);
  const client = new Client({ url: service.controlUrl, ca, token: new Secret(token.trim()) });
  const { key: verifierKey } = await client.call('auditCheckpoint', {});
  return { client, verifierKey };
}

/** `demo.json` for programs, `demo.pgpass` for psql, a token and a header for each principal: all 0600. */
async function writeDemoFiles(
  place: DemoPlace,
  given: { service: Service; client: Client; target: Target; links: ConsoleLinks; listenPort: number; servers: Servers },
): Promise<void> {
  const { dataDir, port } = place;
  const { service, target, links, listenPort } = given;
  const path = join(dataDir, 'demo.json');
  const minted = await tokens(given.client, await knownTokens(path));
  const demo = {
    console: { url: service.controlUrl, caFile: join(service.layout.tls, 'ca.crt'), links },
    principals: Object.fromEntries(demoPrincipals.map(({ name }) => [name, { token: minted[name] }])),
    resources: {
      [demoResource]: {
        protocol: 'postgres',
        host: '127.0.0.1',
        port: listenPort,
        database: paymentsDatabase,
        sharedPort: port,
        command: psqlCommand(place, demoPrincipals[0].name),
      },
      ...webEntries(place, given.servers),
    },
    direct: {
      [demoResource]: {
        protocol: 'postgres',
        host: target.server.host,
        port: target.server.port,
        database: paymentsDatabase,
        user: paymentsRole,
        password: target.app.reveal(),
      },
    },
  };
  await replaceFile(path, Buffer.from(`${JSON.stringify(demo, null, 2)}\n`));
  const lines = Object.entries(minted).flatMap(([name, token]) => [port, listenPort].map((each) => `127.0.0.1:${String(each)}:*:${name}:${token}\n`));
  await replaceFile(join(dataDir, 'demo.pgpass'), Buffer.from(lines.join('')));
  for (const [name, token] of Object.entries(minted)) {
    await replaceFile(tokenFile(dataDir, name), Buffer.from(`${token}\n`));
    await replaceFile(headerFile(dataDir, name), Buffer.from(`Authorization: Bearer ${token}\n`));
  }
}

/** How the first principal reaches what is not the database. */
function webEntries(place: DemoPlace, servers: Servers): Record<string, { protocol: 'http' | 'mcp'; url: string; command: string }> {
  const [{ name }] = demoPrincipals;
  const calls = {
    tools: { server: 'tools', tool: 'search_payments', arguments: { limit: 3 } },
    files: { server: 'files', tool: 'read_text_file', arguments: { path: `${place.dataDir}-files/reports/chargebacks-2026-10.csv` } },
  };
  return {
    ...Object.fromEntries(servers.map((server) => [server, { protocol: 'mcp', url: mcpUrl(place, server), command: toolCommand(place, name, calls[server]) }])),
    orders: { protocol: 'http', url: `https://127.0.0.1:${String(place.webPort)}/http/orders`, command: curlCommand(place, name, '/v1/orders?limit=2') },
  };
}

async function knownTokens(path: string): Promise<Record<string, string>> {
  try {
    const { principals } = DemoFile.parse(JSON.parse(await readFile(path, 'utf8')));
    return Object.fromEntries(Object.entries(principals).map(([name, { token }]) => [name, token]));
  } catch {
    return {};
  }
}

/** Beside the data directory: the server's own account may not enter that one. */
function clusterOf(dataDir: string): string {
  return `${dataDir}-cluster`;
}

async function reset(dataDir: string, progress: (line: string) => void): Promise<void> {
  progress(`removing ${dataDir} and the demo database`);
  removeCluster(clusterOf(dataDir));
  await rm(dataDir, { recursive: true, force: true });
  await rm(`${dataDir}-files`, { recursive: true, force: true });
}

function portsOf(base: number | undefined): Ports {
  if (base === undefined) return { postgres: 15_432, control: 8_443, target: 15_433, resource: 15_434, web: 8_444 };
  if (base > 65_531 || base < 1024) throw fail('ERR_INVALID_INPUT', { message: '--port-base takes a port from 1024 to 65531.' });
  return { postgres: base, control: base + 1, target: base + 2, resource: base + 3, web: base + 4 };
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolve();
      });
    }
  });
}

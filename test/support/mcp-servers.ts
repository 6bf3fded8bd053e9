import { createServer, type AddressInfo } from 'node:net';
import { overStdio, type McpUpstreamInput } from './mcp-service.ts';
import { start } from './program.ts';
import type { ThirdParty } from './third-party.ts';

/** A stdio server of others: how it is started, as a child of anything. */
export interface StdioServer {
  readonly script: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** what makes it useful and is nobody's business: the gateway has it in its vault */
  readonly secret?: { readonly variable: string; readonly value: string };
  /** absolute folders, besides the repository's */
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  readonly network: boolean;
}

/** server-everything of the MCP project: 2025 era. */
export function everythingServer(kit: ThirdParty): StdioServer {
  return { ...plain, script: kit.script('@modelcontextprotocol/server-everything') };
}

/** server-filesystem over one folder. */
export function filesystemServer(kit: ThirdParty, folder: string): StdioServer {
  return { ...plain, script: kit.script('@modelcontextprotocol/server-filesystem'), args: [folder], writable: [folder] };
}

/** server-memory with its graph in `folder`. */
export function memoryServer(kit: ThirdParty, folder: string): StdioServer {
  const environment = { MEMORY_FILE_PATH: `${folder}/memory.jsonl` };
  return { ...plain, script: kit.script('@modelcontextprotocol/server-memory'), environment, writable: [folder] };
}

/** dbhub on a PostgreSQL: `execute_sql` takes any number of statements in one argument. */
export function dbhubServer(kit: ThirdParty, dsn: string): StdioServer {
  return { ...plain, script: kit.script('@bytebase/dbhub'), args: ['--transport', 'stdio'], secret: { variable: 'DSN', value: dsn }, network: true };
}

const plain = { args: [], environment: {}, readable: [], writable: [], network: false } as const;

/** The same server behind the gateway, with its settings for a resource. */
export function behindGateway(server: StdioServer, kit: ThirdParty): { upstream: McpUpstreamInput; settings: Readonly<Record<string, unknown>> } {
  const { script, args, environment, secret, network, readable, writable } = server;
  const credential = secret === undefined ? { type: 'none' } : { type: 'environment', variable: secret.variable };
  const upstream = overStdio(script, args, { environment, credential, network, writable, readable: [kit.folder, nodeFolder, ...readable] });
  return { upstream, settings: secret === undefined ? {} : { password: secret.value } };
}

const nodeFolder = process.execPath.replace(/\/[^/]+$/, '');

/** server-everything over HTTP: with sessions, or the event stream of 2024-11-05. */
export async function everythingOverHttp(kit: ThirdParty, transport: 'streamableHttp' | 'sse'): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const running = start(process.execPath, [kit.script('@modelcontextprotocol/server-everything'), transport], { PORT: String(port) });
  await running.saying(`port ${port}`);
  return {
    url: `http://127.0.0.1:${port}/${transport === 'sse' ? 'sse' : 'mcp'}`,
    stop: async () => {
      running.signal('SIGKILL');
      await running.finished;
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => {
        resolve(port);
      });
    });
  });
}

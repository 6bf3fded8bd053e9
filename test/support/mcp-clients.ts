import { Client, StreamableHTTPClientTransport, type ClientOptions, type FetchLike, type RequestOptions } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch as undiciFetch } from 'undici';
import { z } from 'zod';
import type { StdioServer } from './mcp-servers.ts';
import { run, type Finished } from './program.ts';
import type { ThirdParty } from './third-party.ts';

/** Where a client of others goes, and what it needs for that. */
export interface McpPlace {
  readonly url: string;
  readonly token?: string;
  /** file with the PEM of the authority; for `https` */
  readonly caFile?: string;
  /** the same as text */
  readonly ca?: string;
}

const Content = z.looseObject({ type: z.string(), text: z.string().optional() });
const Answer = z.looseObject({
  content: z.array(Content),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().optional(),
  _meta: z.record(z.string(), z.unknown()).optional(),
});
/** What a client's user gets for a call. */
export type ToolAnswer = z.infer<typeof Answer>;
const Tools = z.looseObject({ tools: z.array(z.looseObject({ name: z.string(), description: z.string().optional() })) });
export type ListedTool = z.infer<typeof Tools>['tools'][number];

/** The same few acts for each library; what it throws passes as it is. */
export interface McpUser {
  listTools(): Promise<readonly ListedTool[]>;
  call(tool: string, args: Readonly<Record<string, unknown>>, options?: RequestOptions): Promise<ToolAnswer>;
  read(uri: string): Promise<unknown>;
  prompt(name: string, args: Readonly<Record<string, string>>): Promise<unknown>;
  close(): Promise<void>;
}

/** What both lines of the SDK have in common. */
interface SdkClient {
  listTools(): Promise<unknown>;
  readResource(params: { uri: string }): Promise<unknown>;
  getPrompt(params: { name: string; arguments: Record<string, string> }): Promise<unknown>;
  close(): Promise<void>;
}

function user(client: SdkClient, call: McpUser['call'], clean: () => void = () => undefined): McpUser {
  return {
    listTools: async () => Tools.parse(await client.listTools()).tools,
    call,
    read: (uri) => client.readResource({ uri }),
    prompt: (name, args) => client.getPrompt({ name, arguments: args }),
    close: async () => {
      await client.close();
      clean();
    },
  };
}

const identity = { name: 'postern-test', version: '1.0.0' };

/** SDK 2.4. `legacy`: as it is by default; `modern`: 2026-07-28 and nothing else; `auto`: whatever the server has. */
export async function sdk2(place: McpPlace, era: 'legacy' | 'modern' | 'auto', options: ClientOptions = {}): Promise<McpUser & { readonly client: Client }> {
  const mode = era === 'modern' ? { pin: '2026-07-28' } : era;
  const client = new Client(identity, { ...options, versionNegotiation: { mode } });
  const headers = bearer(place);
  await client.connect(new StreamableHTTPClientTransport(new URL(place.url), { requestInit: { headers }, fetch: fetchOf(place) }));
  return { client, ...user(client, async (name, args, request) => Answer.parse(await client.callTool({ name, arguments: { ...args } }, request))) };
}

/** SDK 2.4 with a stdio server as its own child. */
export async function sdk2Stdio(server: StdioServer, era: 'legacy' | 'auto' = 'legacy'): Promise<McpUser> {
  const client = new Client(identity, { versionNegotiation: { mode: era } });
  const { script, args, environment, secret } = server;
  const env = { ...environment, ...(secret !== undefined && { [secret.variable]: secret.value }) };
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [script, ...args], env, stderr: 'ignore' }));
  return user(client, async (name, given, request) => Answer.parse(await client.callTool({ name, arguments: { ...given } }, request)));
}

/** SDK 1.32, what most of the world runs. */
export async function sdk1(kit: ThirdParty, place: McpPlace): Promise<McpUser> {
  const [{ Client: Client1 }, { StreamableHTTPClientTransport: Transport1 }] = await sdk1Modules(kit);
  const client = new Client1(identity);
  await client.connect(new Transport1(new URL(place.url), { requestInit: { headers: bearer(place) }, fetch: fetchOf(place) }));
  return user(client, async (name, args, request) => Answer.parse(await client.callTool({ name, arguments: { ...args } }, undefined, request)));
}

/** mcp-remote: a stdio server to its client, here SDK 2.4 of either era, and a client of ours. */
export async function mcpRemote(kit: ThirdParty, place: McpPlace, era: 'legacy' | 'auto' = 'legacy'): Promise<McpUser> {
  const home = mkdtempSync(join(tmpdir(), 'postern-mcp-remote-'));
  const client = new Client(identity, { versionNegotiation: { mode: era } });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [
      kit.script('mcp-remote', 'mcp-remote'),
      place.url,
      ...['--transport', 'http-only', '--allow-http', '--silent', '--protocol', era],
      // the name in braces is read from its environment, so that the token is in no list of processes
      ...(place.token === undefined ? [] : ['--header', 'Authorization:${AUTHORIZATION}']),
    ],
    env: { ...environmentOf(place, home), ...(place.token !== undefined && { AUTHORIZATION: `Bearer ${place.token}` }) },
    stderr: 'ignore',
  });
  const clean = (): void => {
    rmSync(home, { recursive: true, force: true });
  };
  try {
    await client.connect(transport);
  } catch (error) {
    clean();
    throw error;
  }
  return user(client, async (name, args, request) => Answer.parse(await client.callTool({ name, arguments: { ...args } }, request)), clean);
}

/** `mcp-inspector --cli URL --method …`, from start to end. */
export async function inspector(kit: ThirdParty, place: McpPlace, args: readonly string[]): Promise<Finished> {
  const home = mkdtempSync(join(tmpdir(), 'postern-mcp-inspector-'));
  try {
    const header = place.token === undefined ? [] : ['--header', `Authorization: Bearer ${place.token}`];
    const script = kit.script('@modelcontextprotocol/inspector', 'mcp-inspector');
    return await run(process.execPath, [script, '--cli', place.url, '--transport', 'http', ...header, ...args], environmentOf(place, home));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function bearer({ token }: McpPlace): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

/** An ordinary client on an ordinary machine learns of the authority by this variable. */
function environmentOf({ caFile }: McpPlace, home: string): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: home, ...(caFile !== undefined && { NODE_EXTRA_CA_CERTS: caFile }) };
}

/** Node's own fetch, which this library is, with one more authority. */
function fetchOf({ ca }: McpPlace): FetchLike {
  if (ca === undefined) return fetch;
  const dispatcher = new Agent({ connect: { ca } });
  const trusting: unknown = (url: string | URL, init?: Parameters<typeof undiciFetch>[1]) => undiciFetch(url, { ...init, dispatcher });
  return trusting as FetchLike;
}

interface Sdk1Client extends SdkClient {
  connect(transport: unknown): Promise<void>;
  callTool(params: { name: string; arguments: Record<string, unknown> }, schema?: undefined, options?: RequestOptions): Promise<unknown>;
}
interface Sdk1Modules {
  readonly Client: new (identity: { name: string; version: string }) => Sdk1Client;
  readonly StreamableHTTPClientTransport: new (url: URL, options: { requestInit: RequestInit; fetch: FetchLike }) => unknown;
}

async function sdk1Modules(kit: ThirdParty): Promise<[Pick<Sdk1Modules, 'Client'>, Pick<Sdk1Modules, 'StreamableHTTPClientTransport'>]> {
  const load = async (path: string): Promise<unknown> => import(kit.file('@modelcontextprotocol/sdk', `dist/esm/client/${path}.js`));
  return [(await load('index')) as Pick<Sdk1Modules, 'Client'>, (await load('streamableHttp')) as Pick<Sdk1Modules, 'StreamableHTTPClientTransport'>];
}

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../cli/client.ts';
import type { Input } from '../contract/api.ts';
import { fail } from '../contract/errors.ts';
import type { McpUpstream } from '../contract/resource.ts';
import { isAgreed, type ToolPin } from '../contract/tool-pin.ts';
import { sandboxAvailable } from '../engines/mcp/sandbox-trial.ts';
import type { Secret } from '../lib/secret.ts';
import { unlessThere } from './configure.ts';
import type { SampleFiles } from './sample-files.ts';

export interface WebTargets {
  /** the checkout */
  readonly root: string;
  readonly orders: { readonly url: string; readonly key: Secret<string> };
  readonly files: SampleFiles;
  readonly progress: (line: string) => void;
}

/** names of the demo's MCP servers that were added */
export type Servers = readonly ('tools' | 'files')[];

type ChildUpstream = Extract<McpUpstream, { transport: 'stdio' }>;

const recording = { maxBytesPerOperation: 65_536 };
const agreeDeadlineMs = 30_000;
const agreeEveryMs = 1_000;

/** Brings the service to the demo's HTTP API and MCP servers, and agrees to what those offer. */
export async function configureWeb(client: Client, targets: WebTargets): Promise<Servers> {
  const { url, key } = targets.orders;
  const orders = {
    account: 'orders-service',
    url,
    allowLocal: true,
    credential: { type: 'header', header: 'Authorization', prefix: 'Bearer' },
    bodies: { maxBytes: 1_048_576, other: 'refuse' },
  } as const;
  await put(client, { name: 'orders', protocol: 'http', password: key.reveal() }, { ...orders, recording });
  const servers = serversOf(targets, await sandboxOf(targets));
  for (const [name, upstream] of servers) {
    await put(client, { name, protocol: 'mcp' }, { account: 'service', upstream, recording });
    await agree(client, name);
  }
  return servers.map(([name]) => name);
}

type Settings = Omit<Input<'createResource'>, 'name' | 'protocol' | 'password'>;

async function put(
  client: Client,
  { name, password, protocol }: Pick<Input<'createResource'>, 'name' | 'protocol' | 'password'>,
  settings: Settings,
): Promise<void> {
  if (await unlessThere(() => client.call('createResource', { name, protocol, password, ...settings }))) return;
  await client.call('updateResource', { name, ...settings });
  if (password !== undefined) await client.call('setResourceCredential', { name, password });
}

async function sandboxOf({ progress }: WebTargets): Promise<ChildUpstream['sandbox']> {
  const { available, why } = await sandboxAvailable();
  if (!available) progress(`the demo's MCP servers run without a sandbox: ${why}`);
  return available ? 'required' : 'none';
}

function serversOf({ root, files, progress }: WebTargets, sandbox: ChildUpstream['sandbox']): [name: 'tools' | 'files', upstream: ChildUpstream][] {
  const common: Omit<ChildUpstream, 'args' | 'readable' | 'writable'> = {
    transport: 'stdio',
    command: process.execPath,
    environment: {},
    credential: { type: 'none' },
    directory: null,
    integrity: [],
    sandbox,
    network: false,
  };
  const readable = [join(root, 'proxy'), join(root, 'node_modules'), join(root, 'package.json')];
  const tools: ChildUpstream = {
    ...common,
    args: [join(root, 'proxy/demo/payments-mcp/index.ts'), '--exports', files.exports],
    readable,
    writable: [files.exports],
  };
  const program = fileServer(root);
  if (program === null) {
    progress('the file server is not installed: the demo goes without it');
    return [['tools', tools]];
  }
  return [
    ['tools', tools],
    ['files', { ...common, args: [program, files.dir], readable: [join(root, 'node_modules'), files.dir], writable: [] }],
  ];
}

/** Of development only: a packaged Postern has none. */
function fileServer(root: string): string | null {
  try {
    return createRequire(join(root, 'package.json')).resolve('@modelcontextprotocol/server-filesystem/dist/index.js');
  } catch {
    return null;
  }
}

/** As an administrator would who has looked at each: a server's first list comes with the first connection. */
async function agree(client: Client, resource: string): Promise<void> {
  const { reached, detail } = await client.call('testResource', { name: resource });
  if (!reached) throw fail('ERR_TARGET_UNREACHABLE', { message: `The MCP server ${resource} does not start: ${detail}` });
  const deadline = Date.now() + agreeDeadlineMs;
  // they come one after the other: all are there when no more came for a while
  for (let known = 0; ; ) {
    const { items } = await client.call('listTools', { resource, limit: 1_000 });
    for (const pin of items)
      if (!isAgreed(pin, pin.offered)) await client.call('decideTool', { id: pin.id, decision: 'approve', offered: pin.offered, readOnly: saysReadOnly(pin) });
    if (items.length === known && items.some(({ kind }) => kind === 'tool')) return;
    known = items.length;
    if (Date.now() > deadline) throw fail('ERR_TIMEOUT', { message: `The MCP server ${resource} offers no tools.` });
    await sleep(agreeEveryMs);
  }
}

/** The demo takes its own servers' word for it. */
function saysReadOnly({ kind, offeredDefinition }: ToolPin): boolean {
  return kind === 'tool' && /"readOnlyHint"\s*:\s*true/.test(offeredDefinition);
}

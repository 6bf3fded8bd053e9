import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, fetch } from 'undici';
import { z } from 'zod';
import { root } from '../../build/step.ts';
import { permitAll, putPolicies, startAppliance, tokenFor, type Appliance, type ApplianceOptions } from './appliance.ts';
import { sdk2, type McpPlace } from './mcp-clients.ts';

/** As the control API takes it: `{ transport, … }`. */
export type McpUpstreamInput = Readonly<Record<string, unknown>>;

const Pins = z.object({ items: z.array(z.looseObject({ id: z.string(), offered: z.string(), name: z.string() })) });

/** The service with one principal, `agent`, and MCP servers behind it. */
export interface McpService {
  readonly appliance: Appliance;
  readonly token: string;
  /** for clients: the resource's own address, the principal's token and the service's authority */
  place(resource: string): Required<McpPlace>;
  /** Adds an MCP server; nothing of it is agreed to yet. */
  add(resource: string, upstream: McpUpstreamInput, settings?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Lets clients of both eras look what a server offers, and agrees to all of it as an administrator does. Gives the names. */
  agree(resource: string): Promise<readonly string[]>;
  /** A call of the control API as administrator. Throws with the answer when it is refused. */
  api(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

export async function startMcpService(options: { readonly policies?: string; readonly appliance?: ApplianceOptions } = {}): Promise<McpService> {
  const appliance = await startAppliance(options.appliance);
  const ca = readFileSync(appliance.caFile, 'utf8');
  const admin = readFileSync(join(appliance.dir, 'admin.token'), 'utf8').trim();
  const dispatcher = new Agent({ connect: { ca } });
  await appliance.json(['service-account', 'create', 'agent', '--owner', 'Test owner', '--purpose', 'Tests of the service', '--group', 'everybody']);
  await putPolicies(appliance, options.policies ?? permitAll);
  const token = await tokenFor(appliance, 'agent');

  const api: McpService['api'] = async (method, path, body) => {
    const headers = { Authorization: `Bearer ${admin}`, ...(body !== undefined && { 'Content-Type': 'application/json' }) };
    const answer = await fetch(`${appliance.controlUrl}${path}`, { method, headers, dispatcher, ...(body !== undefined && { body: JSON.stringify(body) }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as unknown;
  };
  const place = (resource: string): Required<McpPlace> => ({ url: `${appliance.webUrl}/mcp/${resource}`, token, ca, caFile: appliance.caFile });

  return {
    appliance,
    token,
    place,
    api,
    add: async (name, upstream, settings = {}) => {
      await api('POST', '/v1/resources', { name, protocol: 'mcp', account: 'tests', upstream, analysers: [], media: 'pass', ...settings });
    },
    agree: async (resource) => {
      const agreed: string[] = [];
      // what a gateway saw reaches control a moment later
      for (let found = -1; found !== 0; ) {
        for (const era of ['legacy', 'auto'] as const) await look(place(resource), era);
        await sleep(500);
        const { items } = Pins.parse(await api('GET', `/v1/tools?resource=${resource}&state=quarantined&limit=500`));
        for (const { id, offered } of items) await api('POST', `/v1/tools/${id}/decision`, { decision: 'approve', offered });
        agreed.push(...items.map(({ name }) => name));
        found = items.length;
      }
      return agreed;
    },
    stop: async () => {
      await dispatcher.close();
      await appliance.remove();
    },
  };
}

async function look(place: McpPlace, era: 'legacy' | 'auto'): Promise<void> {
  const user = await sdk2(place, era);
  await user.listTools();
  // a server may have none
  await user.client.listPrompts().catch(() => undefined);
  await user.close();
}

/** A server of test/fixtures/mcp or of others over HTTP on this machine. */
export function overHttp(url: string): McpUpstreamInput {
  return { transport: 'streamable-http', url, allowLocal: true, credential: { type: 'none' } };
}

/** A script under the pinned Node as a child of the gateway; `readable`: folders besides the repository's. */
export function overStdio(script: string, args: readonly string[] = [], more: Readonly<Record<string, unknown>> = {}): McpUpstreamInput {
  return {
    transport: 'stdio',
    command: process.execPath,
    args: [script, ...args],
    environment: {},
    credential: { type: 'none' },
    directory: null,
    integrity: [],
    sandbox: 'required',
    network: false,
    readable: [root],
    writable: [],
    ...more,
  };
}

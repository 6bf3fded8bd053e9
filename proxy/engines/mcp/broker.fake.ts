import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { caller, MemoryAudit, memoryPorts } from '../../../test/support/memory-ports.ts';
import { fail } from '../../contract/errors.ts';
import type { Facts } from '../../contract/operation.ts';
import type { McpResource, McpUpstream } from '../../contract/resource.ts';
import type { OfferedTool, ToolPin } from '../../contract/tool-pin.ts';
import { systemClock } from '../../lib/clock.ts';
import { Secret } from '../../lib/secret.ts';
import { createMasking } from '../../masking/masking.ts';
import { Pipeline } from '../../pipeline/pipeline.ts';
import type { ApprovalPort, Decision, Ports } from '../../pipeline/ports.ts';
import { Upstreams } from '../../wire/web/upstream.ts';
import { createMcpBroker } from './index.ts';
import { StdioChildren } from './stdio-children.ts';

export interface FakeGatewayGiven {
  readonly upstream: McpUpstream;
  /** further resources, by name */
  readonly others?: Readonly<Record<string, McpUpstream>>;
  readonly analysers?: McpResource['analysers'];
  /** what policies say; absent: everything is permitted */
  decide?(facts: Facts): Partial<Decision>;
  readonly approval?: ApprovalPort;
  /** nothing is agreed to by itself */
  readonly quarantine?: boolean;
  readonly password?: string;
}

export interface FakeGateway {
  readonly url: string;
  /** the address of another resource */
  at(resource: string): string;
  readonly audit: MemoryAudit;
  readonly recorded: readonly string[];
  readonly pins: Map<`${ToolPin['kind']}:${string}`, ToolPin>;
  readonly children: StdioChildren;
  killAll(): void;
  close(): Promise<void>;
}

export function mcpResource(name: string, upstream: McpUpstream, analysers: McpResource['analysers'] = []): McpResource {
  return {
    id: `res_${name}`,
    name,
    protocol: 'mcp',
    account: 'app',
    listenPort: null,
    recording: { maxBytesPerOperation: 1_000_000 },
    createdAt: '2026-01-01T00:00:00.000Z',
    upstream,
    secret: null,
    analysers,
    media: 'pass',
  };
}

/** The broker behind the real pipeline and the real masking, over plain HTTP, with what people decide as a parameter. */
export async function fakeGateway(given: FakeGatewayGiven): Promise<FakeGateway> {
  const audit = new MemoryAudit();
  const resources = new Map(Object.entries(given.others ?? {}).map(([name, upstream]) => [name, mcpResource(name, upstream)]));
  resources.set('tools', mcpResource('tools', given.upstream, given.analysers));
  const { base, ports } = portsOf(given, audit, resources);
  const limits = { maxHandshakeBytes: 1024, maxMessageBytes: 1_048_576, handshakeTimeoutMs: 1000, highWaterBytes: 65_536 };
  const pipeline = new Pipeline(ports, { gateway: 'gwy_toy', limits, clock: systemClock, digestKey: new Secret(new Uint8Array(32)) });
  const pins: FakeGateway['pins'] = new Map();
  const children = new StdioChildren({ maxChildren: 64, maxPerServer: 64, idleMs: 60_000, mask: (line) => line });
  const upstreams = new Upstreams();
  const broker = createMcpBroker({
    clock: systemClock,
    upstreams,
    children,
    analysers: { sql: () => Promise.reject(fail('ERR_STATEMENT_UNPARSEABLE')) },
    mask: (plain) => plain,
    pins: () => pins,
    offered: (_resource, tools) => {
      for (const tool of tools) pins.set(`${tool.kind}:${tool.name}`, pinOf(tool, given.quarantine === true ? null : tool.offered));
    },
  });
  const gate = pipeline.gate({ protocols: ['mcp'], address: '127.0.0.1', pinned: null, tls: null, names: [] });
  const server = createServer((request, response) => {
    const [, , name = ''] = (request.url ?? '').split('/');
    const resource = resources.get(name);
    if (resource === undefined) response.writeHead(404).end();
    else void broker.serve({ ...exchangeOf(request, response), resource }, gate);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${origin}/mcp/tools`,
    at: (name) => `${origin}/mcp/${name}`,
    audit,
    recorded: base.recorded,
    pins,
    children,
    killAll: () => {
      void pipeline.stop('revoked');
    },
    close: async () => {
      void pipeline.stop('closing');
      await children.stopAll('closing');
      await upstreams.close();
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    },
  };
}

function portsOf(
  given: FakeGatewayGiven,
  audit: MemoryAudit,
  resources: ReadonlyMap<string, McpResource>,
): { base: ReturnType<typeof memoryPorts>; ports: Ports } {
  const base = memoryPorts(audit, given.approval);
  const decide = (facts: Facts): Decision => ({
    permitted: true,
    policies: ['all'],
    message: 'no policy permits it',
    hint: 'ask',
    policyVersion: 'v1',
    ...given.decide?.(facts),
  });
  const ports = {
    ...base,
    resource: (name: string) => resources.get(name) ?? null,
    masking: createMasking().port,
    policy: {
      version: 'v1',
      scope: () => ({ decide, permits: () => decide(nothing), possible: (facts: Facts) => decide(facts).permitted }),
    },
    control: { ...base.control, lease: () => Promise.resolve({ account: 'app', password: given.password ?? 'hunter2-secret', secretVersion: 1 }) },
  };
  return { base, ports };
}

export function pinOf({ kind, name, offered, offeredDefinition }: OfferedTool, approved: string | null): ToolPin {
  return {
    id: 'pin_a',
    resource: 'tools',
    kind,
    name,
    offered,
    offeredDefinition,
    approved,
    approvedDefinition: null,
    readOnly: name.startsWith('read'),
    seenAt: '2026-01-01T00:00:00.000Z',
    decidedAt: null,
    decidedBy: null,
    rejected: false,
  };
}

const nothing: Facts = {
  acts: [],
  effect: 'none',
  template: '',
  context: { kind: '', statements: 0, has_where: false, tables: [], columns: [], functions: [], has_limit: false },
};

function exchangeOf(
  request: IncomingMessage,
  response: ServerResponse,
): Pick<Parameters<ReturnType<typeof createMcpBroker>['serve']>[0], 'request' | 'response' | 'caller' | 'path' | 'search' | 'here' | 'gone'> {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(fail('ERR_SESSION_ENDED'));
  });
  return { request, response, caller: { ...caller, method: 'bearer' }, path: '', search: '', here: '', gone: gone.signal };
}

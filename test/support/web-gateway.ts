import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, createServer, type AddressInfo } from 'node:net';
import type { HttpResource, Resource } from '../../proxy/contract/resource.ts';
import { createHttpBroker } from '../../proxy/engines/http/index.ts';
import { createWebEngine } from '../../proxy/engines/web/index.ts';
import { Secret } from '../../proxy/lib/secret.ts';
import { createMasking } from '../../proxy/masking/masking.ts';
import { Pipeline } from '../../proxy/pipeline/pipeline.ts';
import type { ApprovalPort, Ports } from '../../proxy/pipeline/ports.ts';
import { Upstreams } from '../../proxy/wire/web/upstream.ts';
import { MemoryAudit, memoryPorts } from './memory-ports.ts';

export interface WebGateway extends AsyncDisposable {
  readonly port: number;
  readonly audit: MemoryAudit;
  readonly recorded: string[];
  readonly pipeline: Pipeline;
  readonly calls: { leases: number };
  readonly resources: Map<string, Resource>;
}

export interface WebGatewayOptions {
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca: string } | null;
  readonly approval?: ApprovalPort;
  readonly pinned?: string;
  readonly ports?: Partial<Ports>;
}

const limits = { maxHandshakeBytes: 16_384, maxMessageBytes: 1_048_576, handshakeTimeoutMs: 5_000, highWaterBytes: 262_144 };

export function httpResource(url: string, more: Partial<HttpResource> = {}): HttpResource {
  return {
    id: 'res_orders',
    name: 'orders',
    protocol: 'http',
    account: 'gateway',
    listenPort: null,
    recording: { maxBytesPerOperation: 1_048_576 },
    createdAt: '2026-01-01T00:00:00.000Z',
    url,
    allowLocal: true,
    credential: { type: 'header', header: 'authorization', prefix: 'Bearer' },
    secret: 'sec_orders',
    bodies: { maxBytes: 1_048_576, other: 'refuse' },
    ...more,
  };
}

/** The real pipeline, masking, front and HTTP broker; log, identity, policy and vault in memory. `good` is the token that is good. */
export async function webGateway(resources: readonly Resource[], options: WebGatewayOptions = {}): Promise<WebGateway> {
  const audit = new MemoryAudit();
  const known = new Map(resources.map((resource) => [resource.name, resource]));
  const calls = { leases: 0 };
  const memory = memoryPorts(audit, options.approval);
  const masking = createMasking();
  masking.update([]);
  const ports: Ports = {
    ...memory,
    masking: masking.port,
    resource: (name) => known.get(name) ?? null,
    control: {
      ...memory.control,
      lease: () => {
        calls.leases++;
        return Promise.resolve({ account: 'gateway', password: 'vault-secret-4711', secretVersion: 1 });
      },
    },
    ...options.ports,
  };
  const pipeline = new Pipeline(ports, { gateway: 'gwy_web', limits, clock: { now: () => Date.now() }, digestKey: new Secret(new Uint8Array(32)) });
  const upstreams = new Upstreams();
  const nothing = (): Promise<boolean> => Promise.resolve(false);
  const engine = createWebEngine({ brokers: [createHttpBroker({ upstreams })], oauth: nothing, own: nothing });
  const stopped = new AbortController();
  const names = ['localhost', '127.0.0.1'];
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    const gate = pipeline.gate({ protocols: ['http', 'mcp'], address: '127.0.0.1', pinned: options.pinned ?? null, tls: options.tls ?? null, names });
    void engine.serve(socket, gate, stopped.signal);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    audit,
    recorded: memory.recorded,
    pipeline,
    calls,
    resources: known,
    [Symbol.asyncDispose]: async () => {
      stopped.abort();
      server.close();
      await upstreams.close();
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Sending {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly token?: string | null;
  readonly ca?: string;
}

/** The answer as it begins; its body is the caller's to read. */
export function opened(port: number, path: string, { method = 'GET', headers = {}, body, token = 'good', ca }: Sending = {}): Promise<IncomingMessage> {
  const all = { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers };
  return new Promise((resolve, reject) => {
    const given = { host: '127.0.0.1', port, path, method, headers: all, agent: false as const };
    const request = ca === undefined ? httpRequest(given, resolve) : httpsRequest({ ...given, ca, servername: 'localhost' }, resolve);
    request.once('error', reject);
    request.end(body);
  });
}

export async function send(port: number, path: string, sending: Sending = {}): Promise<Answer> {
  const response = await opened(port, path, sending);
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

/** Bytes as they are, and all that comes back until the connection ends or is silent. */
export function sendRaw(port: number, bytes: string, silentMs = 300): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let got = '';
    let timer = setTimeout(() => socket.destroy(), 3_000);
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(() => socket.destroy(), silentMs);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(got);
    });
    socket.write(bytes, 'latin1');
  });
}

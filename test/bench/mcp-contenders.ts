import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { freePort } from '../../proxy/demo/embedded-postgres.ts';
import type { Part } from '../support/appliance.ts';
import { overHttp, overStdio, startMcpService, type McpService } from '../support/mcp-service.ts';
import type { ThirdParty } from '../support/third-party.ts';
import { BenchUser, type McpAddress } from './mcp-user.ts';

/** One way to the stub. */
export interface McpContender extends McpAddress {
  readonly name: string;
  /** processes whose CPU time counts, by name; the stub's does not */
  pids(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

export const stubFile = fileURLToPath(new URL('./mcp-stub.ts', import.meta.url));
const plainProxy = fileURLToPath(new URL('./http-plain-proxy.ts', import.meta.url));
const policies = 120;
const Pins = z.object({ items: z.array(z.looseObject({ id: z.string(), offered: z.string(), kind: z.string() })) });

/** The stub over HTTP with nothing before it. */
export async function directMcp(): Promise<McpContender> {
  const port = await freePort();
  return started('direct', port, [stubFile, 'http', String(port)]);
}

/** What is between client and stub elsewhere. Each talks to a stub of its own where it starts one. */
export async function otherMcp(kit: ThirdParty, direct: string): Promise<McpContender[]> {
  const [proxy, gateway, plain] = [await freePort(), await freePort(), await freePort()];
  const stub = [process.execPath, stubFile, 'stdio'];
  const proxyArgs = [kit.script('mcp-proxy'), '--host', '127.0.0.1', '--port', String(proxy), '--server', 'stream', '--', ...stub];
  const gatewayArgs = ['--outputTransport', 'streamableHttp', '--stateful', '--port', String(gateway), '--logLevel', 'none'];
  return [
    started('mcp-proxy', proxy, proxyArgs),
    started('supergateway', gateway, [kit.script('supergateway'), '--stdio', stub.join(' '), ...gatewayArgs]),
    started('http-proxy-middleware', plain, [plainProxy, String(plain), new URL(direct).origin]),
  ];
}

function started(name: string, port: number, args: readonly string[]): McpContender {
  const child = spawn(process.execPath, [...args], { stdio: 'ignore', detached: true });
  return {
    name,
    url: `http://127.0.0.1:${port}/mcp`,
    pids: () => (child.pid === undefined ? {} : { [name]: child.pid }),
    stop: () => ended(child),
  };
}

/** With what it started: a group of its own. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  process.kill(-child.pid, 'SIGKILL');
  await exit;
}

/** The service as it is used: more than 100 policies, masking and recording as by default, the stub's tools agreed to. */
export async function posternMcp(direct: string): Promise<McpContender[]> {
  const service = await startMcpService({ policies: benchPolicies() });
  const upstreams = { 'stub-http': overHttp(direct), 'stub-write': overHttp(direct), 'stub-stdio': overStdio(stubFile, ['stdio']) };
  for (const [resource, upstream] of Object.entries(upstreams)) {
    await service.add(resource, upstream);
    await agreeToAll(service, resource, resource !== 'stub-write');
  }
  const contender = (name: string, resource: string): McpContender => ({
    name,
    ...service.place(resource),
    pids: () => partsOf(service.appliance.parts()),
    stop: () => Promise.resolve(),
  });
  return [
    { ...contender('Postern', 'stub-http'), stop: () => service.stop() },
    contender('Postern, may write', 'stub-write'),
    contender('Postern to stdio', 'stub-stdio'),
  ];
}

export function partsOf(parts: readonly Part[]): Readonly<Record<string, number>> {
  return Object.fromEntries(parts.map(({ name, pid }) => [name, pid]));
}

function benchPolicies(): string {
  const fillers = Array.from(
    { length: policies },
    (_, at) =>
      `@id("filler-${at}")\npermit (principal in Group::"team-${at}", action == Action::"mcp:call", resource is Tool) when { resource.name == "tool_${at}" };\n`,
  );
  const connect = '@id("connect")\npermit (principal in Group::"everybody", action == Action::"connect", resource);\n';
  const use = '@id("mcp")\npermit (principal in Group::"everybody", action in Action::"mcp", resource);\n';
  return `${connect}${use}${fillers.join('')}`;
}

/** As an administrator does it, and confirms for each tool whether it only reads. */
export async function agreeToAll(service: McpService, resource: string, readOnly: boolean): Promise<void> {
  for (let found = -1; found !== 0; ) {
    const user = await BenchUser.begin(service.place(resource), 1);
    await user.listTools();
    await user.close();
    // what a gateway saw reaches control a moment later, and what control agreed to the gateway
    await sleep(500);
    const { items } = Pins.parse(await service.api('GET', `/v1/tools?resource=${resource}&state=quarantined&limit=500`));
    for (const { id, offered, kind } of items)
      await service.api('POST', `/v1/tools/${id}/decision`, { decision: 'approve', offered, readOnly: readOnly && kind === 'tool' });
    found = items.length;
  }
  await sleep(500);
}

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../proxy/demo/embedded-postgres.ts';
import type { McpService } from '../support/mcp-service.ts';
import { partsOf } from './mcp-contenders.ts';

/** One way to the target. */
export interface HttpContender {
  readonly name: string;
  /** what stands before the target's own paths */
  readonly url: string;
  readonly token?: string;
  /** processes whose CPU time counts, by name */
  pids(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

/** A target: an nginx that answers from memory, beside a server of event streams. */
export interface HttpTarget {
  readonly direct: HttpContender;
  /** of the event streams */
  readonly events: string;
  stop(): Promise<void>;
}

const script = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
const answerBytes = 943;

export async function httpTarget(nginx: string): Promise<HttpTarget> {
  const [port, eventPort] = [await freePort(), await freePort()];
  const server = await startNginx(
    nginx,
    'direct',
    `http://127.0.0.1:${port}`,
    `server { listen 127.0.0.1:${port}; location = /orders { default_type application/json; return 200 '${orders()}'; } }`,
  );
  const events = `http://127.0.0.1:${eventPort}`;
  const child = spawn(process.execPath, [script('http-events'), String(eventPort)], { stdio: 'ignore' });
  await answers(eventPort, child);
  return { direct: server, events, stop: () => ended(child) };
}

/** JSON as an API gives it: nothing to mask. */
function orders(): string {
  const items = Array.from({ length: 8 }, (_, at) => ({
    id: at + 1,
    status: 'shipped',
    customer: `Customer ${at}`,
    total: 12.5 * (at + 1),
    currency: 'EUR',
    note: 'thanks',
  }));
  const text = (pad: string): string => JSON.stringify({ items, pad });
  return text('x'.repeat(answerBytes - text('').length));
}

/** nginx before the target over kept connections, without and with TLS on the client's side; the certificate is the service's own. */
export async function nginxProxies(nginx: string, target: HttpTarget, tls: { readonly key: string; readonly certificate: string }): Promise<HttpContender[]> {
  const [plain, secure] = [await freePort(), await freePort()];
  const { host } = new URL(target.direct.url);
  const pass = `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;`;
  const server = (listen: string): string =>
    `server { listen ${listen}; location /events { ${pass} proxy_pass ${target.events}; } location / { ${pass} proxy_pass http://target; } }`;
  const upstream = `upstream target { server ${host}; keepalive 64; }`;
  const keys = `ssl_certificate ${tls.certificate}; ssl_certificate_key ${tls.key};`;
  return [
    await startNginx(nginx, 'nginx', `http://127.0.0.1:${plain}`, `${upstream} ${server(`127.0.0.1:${plain}`)}`),
    await startNginx(nginx, 'nginx with TLS', `https://127.0.0.1:${secure}`, `${upstream} ${keys} ${server(`127.0.0.1:${secure} ssl`)}`),
  ];
}

async function startNginx(nginx: string, name: string, url: string, servers: string): Promise<HttpContender> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-nginx-'));
  mkdirSync(join(dir, 'temp'));
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/temp/${kind};`).join(' ');
  const head = `daemon off; master_process off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/error.log; events { worker_connections 1024; }`;
  writeFileSync(join(dir, 'nginx.conf'), `${head}\nhttp { access_log off; keepalive_requests 10000000; ${temps} ${servers} }\n`);
  const child = spawn(nginx, ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')], { stdio: 'ignore' });
  await answers(Number(new URL(url).port), child);
  return {
    name,
    url,
    pids: () => pidsOf(name, child),
    stop: async () => {
      await ended(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export async function plainHttp(target: HttpTarget): Promise<HttpContender> {
  const port = await freePort();
  const child = spawn(process.execPath, [script('http-plain-proxy'), String(port), target.direct.url, target.events], { stdio: 'ignore' });
  await answers(port, child);
  const name = 'http-proxy-middleware';
  return { name, url: `http://127.0.0.1:${port}`, pids: () => pidsOf(name, child), stop: () => ended(child) };
}

/** The service as it is used, masking and recording as by default; the events are a resource of their own. */
export async function posternHttp(service: McpService, target: HttpTarget): Promise<HttpContender> {
  for (const [name, url] of [
    ['orders', target.direct.url],
    ['events', target.events],
  ] as const) {
    const bodies = { maxBytes: 1_048_576, other: 'refuse' };
    await service.api('POST', '/v1/resources', { name, protocol: 'http', account: 'bench', url, allowLocal: true, credential: { type: 'none' }, bodies });
  }
  return {
    name: 'Postern',
    url: `${service.appliance.webUrl}/http/orders`,
    token: service.token,
    pids: () => partsOf(service.appliance.parts()),
    stop: () => service.stop(),
  };
}

function pidsOf(name: string, { pid }: ChildProcess): Readonly<Record<string, number>> {
  return pid === undefined ? {} : { [name]: pid };
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    if (await isOpen(port)) return;
    await sleep(100);
  }
  throw new Error(`nothing answers on port ${port}`);
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { request as plainRequest } from 'node:http';
import { request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stat } from 'node:fs/promises';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { positionOf } from '../store/position.ts';
import { ensureServerTls } from './certificates.ts';
import { Changes } from './changes.ts';
import { readConsole } from './console.ts';
import type { Handlers } from './context.ts';
import type { Dispatching } from './dispatch.ts';
import { maskText } from '../masking/text.ts';
import { Failures } from './failures.ts';
import { createApiServer, createApp } from './http.ts';
import { listenLocally } from './local-socket.ts';

const clock = { now: () => 0 };
let directory = '';
let ca = '';
let server: Server;
let bare: Server;

/** The one handler that is called here; nobody has a token. */
function dispatching(): Dispatching {
  const health = () => ({ state: 'up', version: '1.2.3', api: { oldest: 1, newest: 1 } });
  const log = { record: () => Promise.resolve(positionOf(1)) };
  const state = { check: () => undefined, applyEvent: () => true };
  return {
    handlers: { health } as unknown as Handlers, // the others are out of reach without a token
    changes: new Changes({ log, clock, state, resync: () => Promise.resolve(), changed: () => undefined }),
    clock,
    failures: new Failures(clock),
    mask: maskText,
    log: () => undefined,
    authenticate: () => null,
  };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

function call(path: string, { method = 'GET', from = server }: { method?: string; from?: Server } = {}): Promise<Answer> {
  const { port } = from.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, ca, method, path }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    })
      .once('error', reject)
      .end();
  });
}

/** A request line that no client would write. */
function raw(line: string): Promise<string> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port, ca }, () => socket.write(`${line}\r\nHost: x\r\nConnection: close\r\n\r\n`));
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.once('error', reject);
    socket.once('close', () => {
      resolve(text.split('\r\n')[0] ?? '');
    });
  });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-console-'));
  const built = join(directory, 'out');
  await mkdir(join(built, 'assets', 'deeper'), { recursive: true });
  await writeFile(join(built, 'index.html'), '<meta name="csp-nonce" content="__CSP_NONCE__"><link nonce="__CSP_NONCE__">');
  await writeFile(join(built, 'secret.js'), 'secret');
  await writeFile(join(built, 'assets', 'index-Ab1.js'), 'run()');
  await writeFile(join(built, 'assets', 'inter-Ab1.woff2'), 'font');
  await writeFile(join(built, 'assets', '.hidden.js'), 'hidden');
  await writeFile(join(built, 'assets', 'notes.txt'), 'no type of ours');
  await symlink(join(built, 'secret.js'), join(built, 'assets', 'link.js'));
  const tls = await ensureServerTls(join(directory, 'tls'), ['127.0.0.1']);
  ca = tls.ca;
  server = createApiServer(createApp(dispatching(), await readConsole(built)), tls);
  bare = createApiServer(createApp(dispatching(), await readConsole(join(directory, 'none'))), tls);
  for (const each of [server, bare]) await new Promise<void>((resolve) => each.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  for (const each of [server, bare]) {
    each.closeAllConnections();
    each.close();
  }
  await rm(directory, { recursive: true, force: true });
});

test('the page comes with a nonce of its own each time, in the policy and in the text', async () => {
  const pages = [await call('/'), await call('/index.html'), await call('/?from=mail')];
  const nonces = pages.map(({ status, headers, body }) => {
    const policy = String(headers['content-security-policy']);
    const nonce = /'nonce-([A-Za-z0-9+/]{24})'/.exec(policy)?.[1] ?? 'none';
    expect([status, headers['content-type'], headers['cache-control'], headers['cross-origin-opener-policy'], headers['x-frame-options']]).toEqual([
      200,
      'text/html; charset=utf-8',
      'no-store',
      'same-origin',
      'DENY',
    ]);
    expect(policy).toBe(
      `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(body).toBe(`<meta name="csp-nonce" content="${nonce}"><link nonce="${nonce}">`);
    return nonce;
  });
  expect(new Set(nonces).size).toBe(3);
});

test('assets are what was there at the start, by their exact names, to be kept for good', async () => {
  const script = await call('/assets/index-Ab1.js');
  expect([script.status, script.body, script.headers['content-type'], script.headers['cache-control']]).toEqual([
    200,
    'run()',
    'text/javascript; charset=utf-8',
    'public, max-age=31536000, immutable',
  ]);
  expect([script.headers['x-content-type-options'], script.headers['content-security-policy']]).toEqual([
    'nosniff',
    "default-src 'none'; frame-ancestors 'none'",
  ]);
  expect((await call('/assets/inter-Ab1.woff2')).headers['content-type']).toBe('font/woff2');
  await writeFile(join(directory, 'out', 'assets', 'later.js'), 'later');
  expect((await call('/assets/later.js')).status).toBe(404);
});

test.each([
  '//',
  '/..%2f',
  '/..%2fsecret.js',
  '/%2e%2e/secret.js',
  '/secret.js',
  '/index.html/',
  '/INDEX.html',
  '/index.html%00',
  '/%00',
  '/assets',
  '/assets/',
  '/assets/unknown.js',
  '/assets/../secret.js',
  '/assets/..%2fsecret.js',
  '/assets/..%5csecret.js',
  '/assets/%2e%2e%2fsecret.js',
  '/assets/index-Ab1.js%00',
  '/assets/index-Ab1.js/',
  '/assets//index-Ab1.js',
  '/assets/%69ndex-Ab1.js',
  '/assets/.hidden.js',
  '/assets/deeper',
  '/assets/link.js',
  '/assets/notes.txt',
  '/assets/constructor',
  '/assets/__proto__',
])('%s is nothing', async (path) => {
  const { status, body } = await call(path);
  // what cannot be read as an address is a refused input
  expect([400, 404]).toContain(status);
  expect(body).not.toMatch(/secret|hidden|run\(\)/);
});

test('request lines that no client writes are nothing, either', async () => {
  for (const line of ['GET /../secret.js HTTP/1.1', 'GET /assets/../../secret.js HTTP/1.1', 'GET https://x/assets/../secret.js HTTP/1.1', 'GET * HTTP/1.1'])
    expect([line, await raw(line)]).toEqual([line, expect.stringMatching(/ (400|404) /)]);
  for (const method of ['HEAD', 'OPTIONS', 'POST', 'PUT', 'DELETE', 'PATCH']) expect([method, (await call('/', { method })).status]).toEqual([method, 404]);
});

test('the API is where it was, and a service without a build says so', async () => {
  expect((await call('/v1/tokens')).status).toBe(401);
  expect((await call('/v1/tokens', { from: bare })).status).toBe(401);
  const missing = await call('/', { from: bare });
  expect([missing.status, missing.body, missing.headers['content-type']]).toEqual([503, 'The console is not built.\n', 'text/plain; charset=utf-8']);
  expect((await call('/assets/index-Ab1.js', { from: bare })).status).toBe(404);
});

test('the local socket is its owner’s, and tells of the health alone', async () => {
  const socketPath = join(directory, 'api.sock');
  await writeFile(socketPath, 'left behind');
  const local = await listenLocally(createApp(dispatching()), socketPath);
  const ask = (path: string, method = 'GET'): Promise<[number, string]> =>
    new Promise((resolve, reject) => {
      plainRequest({ socketPath, path, method }, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += String(chunk)));
        response.on('end', () => {
          resolve([response.statusCode ?? 0, body]);
        });
      })
        .once('error', reject)
        .end();
    });
  expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
  const [status, body] = await ask('/v1/health');
  expect([status, JSON.parse(body)]).toEqual([200, { state: 'up', version: '1.2.3', api: { oldest: 1, newest: 1 } }]);
  for (const path of ['/', '/v1/tokens', '/v1/health/', '/v1/health?x=1', '//v1/health', '/v1/sign-in'])
    expect([path, await ask(path)]).toEqual([path, [404, '']]);
  expect(await ask('/v1/sign-in', 'POST')).toEqual([404, '']);
  local.closeAllConnections();
  local.close();
});

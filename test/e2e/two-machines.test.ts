import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { root } from '../../build/step.ts';
import { Machine, stopped, twoMachines, type MachineProcess } from '../support/machines.ts';
import { skipBecause } from '../support/skip.ts';

/** The service on one machine, a person's app on another: from the one-time code to an approved request, and what comes to an impostor. */

const policies = '@id("join") @approve("approvers:1") @risk("low") permit (principal, action == Action::"access:request", resource == Group::"prod-dba");\n';
const port = 8_443;
/** product requirement: enrolled and the first request decided, milliseconds */
const requirementMs = 180_000;

let why: string | undefined;
let service: Machine;
let person: Machine;
let serving: MachineProcess;
let app: MachineProcess;

beforeAll(() => {
  const machines = twoMachines();
  why = machines.why;
  if (machines.found !== undefined) ({ service, person } = machines.found);
});

afterAll(async () => {
  if (why !== undefined) return;
  await person.remove();
  await service.remove();
});

const url = (): string => `https://${service.address}:${String(port)}`;
const dataDir = (): string => join(service.home, 'data');

/** As the service's own user, beside it. */
async function cli(...args: string[]): Promise<unknown> {
  const given = ['--data', dataDir(), '--url', url(), '--ca', join(dataDir(), 'tls', 'ca.crt'), '--json'];
  return JSON.parse(await service.run(['build/postern.js', ...given, ...args])) as unknown;
}

/** A program on the service's machine asks to join the group. */
function asking(token: string): Promise<string> {
  const body = JSON.stringify({ group: 'prod-dba', seconds: 900, reason: 'repair an order' });
  const ask = `const a = await fetch('${url()}/v1/access-requests', { method: 'POST', headers: { authorization: 'Bearer ${token}', 'content-type': 'application/json' }, body: '${body}' });
const { id } = await a.json();
if (!a.ok) process.exit(1);
for (;;) {
  const b = await fetch('${url()}/v1/access-requests/' + id, { headers: { authorization: 'Bearer ${token}' } });
  const { status } = await b.json();
  if (status !== 'pending') { console.log(status); break; }
  await new Promise((resolve) => setTimeout(resolve, 100));
}`;
  return service.run(['--input-type=module', '-e', ask], { NODE_EXTRA_CA_CERTS: join(dataDir(), 'tls', 'ca.crt') });
}

it('takes a person on another machine less than three minutes from the code to an approved request', async (context) => {
  if (why !== undefined) skipBecause(context, why);
  const { address, home } = service;
  const listener = (number: number): object => ({ host: address, port: number });
  writeFileSync(
    join(home, 'config.json'),
    JSON.stringify({ listeners: { control: listener(port), postgres: listener(5_433), web: listener(5_434) }, tlsNames: [address] }),
  );
  serving = service.start([
    'build/postern.js',
    '--data',
    dataDir(),
    'serve',
    '--config',
    join(home, 'config.json'),
    '--admin-token-file',
    join(dataDir(), 'admin.token'),
  ]);
  await serving.saying('Postern is up');
  mkdirSync(join(home, 'policies'));
  writeFileSync(join(home, 'policies', 'all.cedar'), policies);
  chownSync(join(home, 'policies'), 65_534, 65_534);
  await cli('policy', 'put', join(home, 'policies'));
  await cli('service-account', 'create', 'ci', '--owner', 'Test owner', '--purpose', 'Repairs');
  const { token } = (await cli('token', 'create', 'ci')) as { token: string };
  await cli('user', 'add', 'bob', '--human', 'bob@example.com', '--group', 'approvers');
  const { code } = (await cli('user', 'invite', 'bob')) as { code: string };

  const from = Date.now();
  app = person.start([join(root, 'test/support/machine-of-person.ts'), join(person.home, 'app'), code, 'a phrase for these tests']);
  await app.saying('"did":"enrolled"');
  const enrolledMs = Date.now() - from;
  await app.saying('"did":"signed-in"');
  expect(await asking(token)).toMatch(/^(approved|used)\n$/);
  const totalMs = Date.now() - from;
  console.log(`enrolled after ${String(enrolledMs)} ms, approved after ${String(totalMs)} ms`);
  expect(app.said()).toContain('ci asks for approval');
  expect(totalMs).toBeLessThan(requirementMs);
});

it('sends nothing to an impostor at the same address', async (context) => {
  if (why !== undefined) skipBecause(context, why);
  await stopped(serving.child);
  await app.saying('"did":"unreachable"');
  const { home, address } = service;
  const subject = ['-subj', '/CN=Postern', '-addext', `subjectAltName=IP:${address}`];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', 'i.key', '-out', 'i.crt', ...subject],
    {
      cwd: home,
      stdio: 'pipe',
    },
  );
  chownSync(join(home, 'i.key'), 65_534, 65_534);
  const impostor = service.start([
    '--input-type=module',
    '-e',
    `import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';
const server = createServer({ key: readFileSync('${home}/i.key'), cert: readFileSync('${home}/i.crt') }, (request, response) => {
  console.log('REQUEST ' + request.method + ' ' + request.url);
  response.end('{}');
});
server.on('secureConnection', (socket) => socket.on('data', () => console.log('DATA')));
server.on('connection', () => console.log('connected'));
server.listen(${String(port)}, '${address}', () => console.log('listening'));`,
  ]);
  await impostor.saying('listening');
  await impostor.saying('connected');
  const said = await app.saying('"did":"refused"');
  expect(said).toContain('not from the pinned authority');
  expect(impostor.said()).not.toMatch(/REQUEST|DATA/);
});

import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodeClock } from '../adapters/node/clock.ts';
import { InstalledUnit } from './installed-unit.ts';
import { trustOf } from './socket-trust.ts';

let dir: string;
let unit: InstalledUnit;
let server: Server | null = null;

/** Programs in the place of systemd's and polkit's: real processes that answer as those do. */
async function program(name: string, script: string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

async function machine(show: string, more: { pkexec?: string; withBundle?: boolean; uid?: number } = {}): Promise<void> {
  const { pkexec = `echo "$@" >>${join(dir, 'asked')}`, withBundle = true, uid = process.getuid?.() ?? 0 } = more;
  const bundle = join(dir, 'manifest.sha256');
  if (withBundle) await writeFile(bundle, '');
  unit = new InstalledUnit({
    appVersion: '0.1.0',
    clock: nodeClock,
    socket: join(dir, 'api.sock'),
    bundle,
    programs: {
      systemctl: await program('systemctl', `printf '${show}'`),
      journalctl: await program('journalctl', "printf 'started\\nfatal: no key postern-enrol:abcd\\n'"),
      pkexec: await program('pkexec', pkexec),
      id: await program('id', `echo ${uid}`),
      helper: await program('postern-helper', 'exit 1'),
    },
  });
}

const active = 'LoadState=loaded\\nActiveState=active\\nNRestarts=2\\nActiveEnterTimestamp=@1795000000\\n';

async function answering(body: unknown): Promise<void> {
  const made = createServer((_, answer) => answer.end(JSON.stringify(body)));
  await new Promise<void>((listening) => made.listen(join(dir, 'api.sock'), listening));
  server = made;
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'postern-unit-'));
});
afterEach(async () => {
  server?.close();
  server = null;
  await unit.close();
  await rm(dir, { recursive: true, force: true });
});

it('reports a running unit with its version, start and restarts', async () => {
  await machine(active);
  await answering({ state: 'up', version: '0.1.0', api: { oldest: 1, newest: 1 } });
  expect(await unit.status()).toEqual({
    state: 'running',
    detail: '',
    appVersion: '0.1.0',
    serviceVersion: '0.1.0',
    owner: 'installed',
    socket: join(dir, 'api.sock'),
    startedAt: '2026-11-18T11:06:40.000Z',
    restarts: 2,
    lastLines: [],
    logFile: null,
    verbs: ['restart', 'stop', 'repair'],
  });
});

it('shows the last lines of a unit that failed, without one-time codes', async () => {
  await machine('LoadState=loaded\\nActiveState=failed\\nNRestarts=5\\n');
  expect(await unit.status()).toMatchObject({
    state: 'stopped',
    detail: 'It ended with a fault; the last lines say why.',
    lastLines: ['started', 'fatal: no key postern-enrol:[hidden]'],
    verbs: ['start', 'repair'],
  });
});

it('offers to install only what came with the package', async () => {
  await machine('LoadState=not-found\\nActiveState=inactive\\n');
  expect(await unit.status()).toMatchObject({ state: 'not-installed', owner: 'none', verbs: ['install'] });
  await rm(join(dir, 'manifest.sha256'));
  expect(await unit.status()).toMatchObject({ state: 'not-installed', verbs: [] });
  await expect(unit.run('install')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
});

it('says so when the unit runs and nothing answers, or another version does', async () => {
  await machine(active);
  expect(await unit.status()).toMatchObject({ state: 'degraded', detail: 'systemd has started it, but it does not answer on its local socket.' });
  await answering({ state: 'up', version: '0.0.1', api: { oldest: 0, newest: 0 }, more: true });
  expect(await unit.status()).toMatchObject({ state: 'version-mismatch', detail: 'Update the service: version 0.0.1 is too old for this app (0.1.0).' });
});

it('runs a verb through pkexec with the helper and that one word', async () => {
  await machine(active);
  await answering({ state: 'up', version: '0.1.0', api: { oldest: 1, newest: 1 } });
  await unit.run('restart');
  expect(await readFile(join(dir, 'asked'), 'utf8')).toBe(`${join(dir, 'postern-helper')} restart\n`);
});

it('tells a dismissed password from an installer that failed, with its last lines', async () => {
  await machine(active, { pkexec: 'exit 126' });
  await expect(unit.run('restart')).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
  await machine(active, { pkexec: 'echo "postern-helper: the bundled service is damaged" >&2; exit 1' });
  await expect(unit.run('repair')).rejects.toMatchObject({
    code: 'ERR_INTERNAL',
    message: '“repair” did not succeed:\npostern-helper: the bundled service is damaged',
  });
});

it.runIf(process.getuid?.() === 0)('refuses a socket of another user, whatever it answers', async () => {
  await machine(active, { uid: 4_711 });
  await answering({ state: 'up', version: '0.1.0', api: { oldest: 1, newest: 1 } });
  await chown(join(dir, 'api.sock'), 4_242, 4_242);
  expect(await unit.status()).toMatchObject({
    state: 'untrusted-socket',
    serviceVersion: null,
    detail: `${join(dir, 'api.sock')} belongs to user 4242, not to the service.`,
  });
});

it('trusts a socket below root’s sticky directory, none behind somebody else’s, and no plain file', async () => {
  await machine(active);
  await answering({});
  const own = new Set([process.getuid?.() ?? 0]);
  expect(await trustOf(join(dir, 'api.sock'), own)).toEqual({ state: 'trusted' });
  expect(await trustOf(join(dir, 'none.sock'), own)).toEqual({ state: 'absent' });
  expect(await trustOf(join(dir, 'systemctl'), own)).toMatchObject({ state: 'untrusted' });
  await chmod(dir, 0o770);
  expect(await trustOf(join(dir, 'api.sock'), own)).toEqual({ state: 'untrusted', why: `Others can write to ${dir}.` });
});

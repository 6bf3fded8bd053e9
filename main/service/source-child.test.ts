import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile, mkdir, chmod } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodeClock } from '../adapters/node/clock.ts';
import type { LocalService } from '../contract/views.ts';
import { SourceChild } from './source-child.ts';

let dir: string;
const open: SourceChild[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'postern-child-'));
});
afterEach(async () => {
  for (const child of open.splice(0)) await child.close(2_000);
  await rm(dir, { recursive: true, force: true });
});

/** A real process in the place of the service: it says what the service says, and answers on its local socket. */
const upAndRunning = `
  const { createServer } = require('node:http');
  const { mkdirSync, rmSync, writeFileSync } = require('node:fs');
  const dir = process.argv[1];
  mkdirSync(dir + '/run', { recursive: true, mode: 0o700 });
  rmSync(dir + '/run/api.sock', { force: true });
  const health = { state: 'up', version: '0.1.0', api: { oldest: 1, newest: 1 } };
  createServer((_, answer) => answer.end(JSON.stringify(health))).listen(dir + '/run/api.sock', () => {
    writeFileSync(dir + '/status.json', JSON.stringify({ apiSocket: dir + '/run/api.sock', startedAt: new Date().toISOString(), pid: process.pid }));
    console.log('Postern is up.');
    console.log('open https://127.0.0.1/#enrol=postern-enrol:c2VjcmV0 once');
  });
  process.on('SIGTERM', () => process.exit(0));
`;

async function childOf(script: string, more: { readyMs?: number } = {}): Promise<SourceChild> {
  const file = join(dir, 'service.cjs');
  await writeFile(file, script.replaceAll('process.argv[1]', 'process.argv[2]'));
  const child = new SourceChild({
    program: process.execPath,
    args: [file, dir],
    cwd: dir,
    environment: {},
    dataDir: dir,
    appVersion: '0.1.0',
    clock: nodeClock,
    firstPauseMs: 100,
    ...more,
  });
  open.push(child);
  return child;
}

function until(child: SourceChild, wanted: (service: LocalService) => boolean): Promise<LocalService> {
  return new Promise((resolve) => {
    const look = (service: LocalService): void => {
      if (!wanted(service)) return;
      stop();
      resolve(service);
    };
    const stop = child.watch(look);
    void child.status().then(look);
  });
}

async function pidOf(): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  return (JSON.parse(await readFile(join(dir, 'status.json'), 'utf8')) as { pid: number }).pid;
}

it('is running once the service says so, and keeps no one-time code among its lines', async () => {
  const child = await childOf(upAndRunning);
  await child.start();
  const service = await until(child, ({ state, lastLines }) => state === 'running' && lastLines.length > 1);
  expect(service).toMatchObject({ owner: 'child', serviceVersion: '0.1.0', socket: join(dir, 'run', 'api.sock'), restarts: 0, verbs: ['restart', 'stop'] });
  expect(service.lastLines).toContain('open https://127.0.0.1/#enrol=postern-enrol:[hidden] once');
});

it('starts a killed service again and counts it', async () => {
  const child = await childOf(upAndRunning);
  await child.start();
  await until(child, ({ state }) => state === 'running');
  process.kill(await pidOf(), 'SIGKILL');
  const starting = await until(child, ({ state }) => state === 'starting');
  expect(starting.detail).toBe('It ended (signal SIGKILL) and is started again.');
  expect(await until(child, ({ state }) => state === 'running')).toMatchObject({ restarts: 1 });
});

it('gives up what ends thrice before it is up, with its last lines', async () => {
  const child = await childOf(`console.error('disk full: ' + 'x'.repeat(3)); process.exit(7);`);
  await child.start();
  const service = await until(child, ({ state }) => state === 'stopped');
  expect(service).toMatchObject({ restarts: 2, verbs: ['start'], detail: 'It ended 3 times before it was up; the last lines say why.' });
  expect(service.lastLines.filter((line) => line === 'disk full: xxx')).toHaveLength(3);
  expect(service.lastLines.at(-1)).toBe('postern: the service ended (exit 7)');
});

it('ends what does not come up in time, with all it started', async () => {
  const child = await childOf(`setInterval(() => undefined, 1000); process.on('SIGTERM', () => undefined);`, { readyMs: 200 });
  await child.start();
  const service = await until(child, ({ state }) => state === 'stopped');
  expect(service.lastLines).toContain('postern: it did not come up in time');
});

it('stops and starts on demand; a deaf one is killed', async () => {
  const child = await childOf(upAndRunning);
  await child.start();
  await until(child, ({ state }) => state === 'running');
  expect(await child.run('stop')).toMatchObject({ state: 'stopped', detail: 'It was stopped here.', verbs: ['start'] });
  await expect(child.run('stop')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  await expect(child.run('install')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  await child.run('start');
  await until(child, ({ state }) => state === 'running');

  const deaf = await childOf(upAndRunning.replace('process.exit(0)', 'undefined'));
  const began = performance.now();
  await child.close(2_000);
  await deaf.start();
  await until(deaf, ({ state }) => state === 'running');
  await deaf.close(300);
  expect(performance.now() - began).toBeLessThan(8_000);
  expect((await deaf.status()).state).toBe('stopped');
});

it('uses a service that runs on the data directory already, and never starts a second one', async () => {
  const other = join(dir, 'other.cjs');
  await writeFile(other, upAndRunning.replaceAll('process.argv[1]', 'process.argv[2]'));
  const running = spawn(process.execPath, [other, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((said) => running.stdout.once('data', said));
  const child = await childOf(`require('node:fs').writeFileSync(${JSON.stringify(join(dir, 'second'))}, '')`);
  await child.start();
  expect(await child.status()).toMatchObject({ state: 'running', verbs: [], detail: 'It was started outside of this app; stop it where it was started.' });
  await child.close(500);
  expect(running.exitCode).toBeNull();
  running.kill('SIGKILL');
  const { existsSync } = await import('node:fs');
  expect(existsSync(join(dir, 'second'))).toBe(false);
});

it('says who must be updated when there is no common version', async () => {
  const child = await childOf(upAndRunning.replace('{ oldest: 1, newest: 1 }', '{ oldest: 2, newest: 3 }').replace("'0.1.0'", "'9.0.0'"));
  await child.start();
  expect(await until(child, ({ state }) => state === 'version-mismatch')).toMatchObject({
    detail: 'Update this app: the service (9.0.0) no longer speaks to version 0.1.0.',
    serviceVersion: '9.0.0',
  });
});

it('trusts no socket in a directory that others can write to', async () => {
  await mkdir(join(dir, 'run'), { mode: 0o700 });
  await chmod(join(dir, 'run'), 0o777);
  const impostor = createServer((_, answer) => answer.end('{}'));
  await new Promise<void>((listening) => impostor.listen(join(dir, 'run', 'other.sock'), listening));
  const child = await childOf(upAndRunning);
  await child.start();
  expect(await until(child, ({ state }) => state === 'untrusted-socket')).toMatchObject({
    detail: `Others can write to ${join(dir, 'run')}.`,
    serviceVersion: null,
    socket: null,
  });
  impostor.close();
});

it('gives the first administrator’s code while the service keeps one', async () => {
  const child = await childOf(upAndRunning);
  expect(await child.setupCode()).toBeNull();
  await writeFile(join(dir, 'setup.link'), 'https://127.0.0.1:8443/#enrol=postern-enrol:YWJj\n');
  const code = await child.setupCode();
  expect(String(code)).toBe('[secret]');
  expect(code?.reveal()).toBe('postern-enrol:YWJj');
});

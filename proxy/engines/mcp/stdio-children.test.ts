import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Dialogue, launchOf, markedSeconds, processesWith } from '../../../test/support/mcp-children.ts';
import { until } from '../../../test/support/until.ts';
import { StdioChildren, type StdioChildrenOptions, type StdioKey } from './stdio-children.ts';
import type { StdioExit } from './stdio-child.ts';

const pools: StdioChildren[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.stopAll('the test is over')));
  await Promise.all(folders.splice(0).map((path) => rm(path, { recursive: true, force: true })));
});

function poolOf(more: Partial<StdioChildrenOptions> = {}): StdioChildren {
  const pool = new StdioChildren({ maxChildren: 8, maxPerServer: 8, idleMs: 60_000, mask: (line) => line, ...more });
  pools.push(pool);
  return pool;
}

const keyOf = (more: Partial<StdioKey> = {}): StdioKey => ({ server: 'files', principal: 'runner', version: '1', ...more });
const plain = launchOf({ sandbox: 'none' });

describe('the children of a gateway', () => {
  it('are one for each server, principal and version, shared by those who ask at once', async () => {
    const pool = poolOf();
    const [one, two] = await Promise.all([pool.acquire(keyOf(), plain), pool.acquire(keyOf(), plain)]);
    const other = await pool.acquire(keyOf({ principal: 'agent' }), plain);
    expect(one.child).toBe(two.child);
    expect(other.child).not.toBe(one.child);
    expect(pool.size).toBe(2);
  });

  it('replace one with an older credential, which ends with its last use', async () => {
    const pool = poolOf();
    const old = await pool.acquire(keyOf(), plain);
    const current = await pool.acquire(keyOf({ version: '2' }), plain);
    expect(old.child.isUsable).toBe(true);
    old[Symbol.dispose]();
    expect((await old.child.exited).reason).toBe('its credential or its registration was replaced');
    expect(current.child.isUsable).toBe(true);
  });

  it('are stopped when nobody used them for a while, and not while somebody does', async () => {
    const pool = poolOf({ idleMs: 200 });
    const used = await pool.acquire(keyOf(), plain);
    const idle = await pool.acquire(keyOf({ principal: 'agent' }), plain);
    idle[Symbol.dispose]();
    expect(await idle.child.exited).toMatchObject({ isStopped: true, reason: 'it was idle' });
    expect(used.child.isUsable).toBe(true);
  });

  it('of one owner leave room for those of others, however many sessions the owner has', async () => {
    const pool = poolOf({ maxPerServer: 3, maxPerOwner: 2 });
    const own = (session: number): StdioKey => keyOf({ principal: `runner ${session}`, owner: 'runner' });
    await Promise.all([pool.acquire(own(1), plain), pool.acquire(own(2), plain)]);
    await expect(pool.acquire(own(3), plain)).rejects.toMatchObject({ code: 'ERR_TOO_MANY_CONNECTIONS' });
    await pool.acquire(keyOf({ principal: 'agent 1', owner: 'agent' }), plain);
    expect(pool.size).toBe(3);
  });

  it('are never more than the caps: an idle one makes room, a used one does not', async () => {
    const pool = poolOf({ maxPerServer: 1 });
    const first = await pool.acquire(keyOf(), plain);
    await expect(pool.acquire(keyOf({ principal: 'agent' }), plain)).rejects.toMatchObject({ code: 'ERR_TOO_MANY_CONNECTIONS' });
    first[Symbol.dispose]();
    await pool.acquire(keyOf({ principal: 'agent' }), plain);
    expect((await first.child.exited).reason).toBe('its place was needed');
  });

  it('are not started in a loop when they crash', async () => {
    const ends: StdioExit[] = [];
    const pool = poolOf({ firstBackoffMs: 400, ended: (_key, exit) => ends.push(exit) });
    const crashing = launchOf({ sandbox: 'none', command: '/bin/sh', args: ['-c', 'echo "no database" >&2; exit 3'] });
    const { child } = await pool.acquire(keyOf(), crashing);
    expect(await child.exited).toMatchObject({ code: 3, signal: null, isStopped: false, lastLines: ['no database'] });
    await expect(pool.acquire(keyOf(), crashing)).rejects.toMatchObject({
      code: 'ERR_TARGET_UNREACHABLE',
      message: expect.stringContaining('in 1 s') as unknown,
    });
    await sleep(500);
    await (await pool.acquire(keyOf(), crashing)).child.exited;
    // twice as long now
    await sleep(500);
    await expect(pool.acquire(keyOf(), crashing)).rejects.toMatchObject({ message: expect.stringContaining('2 times') as unknown });
    expect(ends).toHaveLength(2);
  });

  it('are not started when a file differs from its registered hash', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-integrity-'));
    folders.push(folder);
    const path = join(folder, 'server.js');
    await writeFile(path, 'process.stdin.resume()');
    const sha256 = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    const launch = launchOf({ sandbox: 'none', args: [path], integrity: [{ path, sha256 }] });
    const pool = poolOf();
    const { child } = await pool.acquire(keyOf(), launch);
    await child.stop('changed');
    await writeFile(path, 'process.stdin.resume();');
    await expect(pool.acquire(keyOf(), launch)).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
    await rm(path);
    await expect(pool.acquire(keyOf(), launch)).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
    expect(pool.size).toBe(0);
  });

  it('end with everything they started when access is revoked, the server is changed, or all are stopped', async () => {
    const pool = poolOf();
    const seconds = [markedSeconds(), markedSeconds(), markedSeconds()];
    for (const [index, mark] of seconds.entries()) {
      const { child } = await pool.acquire(keyOf({ server: `server ${index}`, principal: `principal ${index}` }), plain);
      await new Dialogue(child).ask({ do: 'grandchild', seconds: mark, escape: index > 0 });
      expect(processesWith(mark)).toHaveLength(1);
    }
    await pool.stopPrincipal('principal 0', 'revoked');
    await pool.stopServer('server 1', 'changed');
    expect(pool.size).toBe(1);
    await pool.stopAll('the gateway ends');
    await until('no grandchild is left', () => seconds.every((mark) => processesWith(mark).length === 0), 2_000);
    await expect(pool.acquire(keyOf(), plain)).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' });
  });

  it('are stopped when access is revoked while they start', async () => {
    const pool = poolOf();
    const starting = pool.acquire(keyOf(), plain);
    await Promise.all([pool.stopPrincipal('runner', 'revoked'), expect(starting).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' })]);
    expect(pool.size).toBe(0);
  });
});

describe('a launch that is refused', () => {
  it.each([
    ['a relative command', { command: 'node' }],
    ['a command that is no plain path', { command: '/usr/bin/../bin/node' }],
    ['npx', { command: '/usr/bin/npx', args: ['-y', 'server'] }],
    ['npx by another program', { command: process.execPath, args: ['/usr/lib/node_modules/npm/bin/npx-cli.js', 'server'] }],
    ['uvx by env', { command: '/usr/bin/env', args: ['uvx', 'server'] }],
    ['docker', { command: '/usr/bin/docker', args: ['run', 'server'] }],
    ['a NUL', { args: ['a\0b'] }],
    ['a variable that is none', { environment: { 'A=B': 'c' } }],
    ['the whole machine', { readable: ['/'] }],
    ['the processes of the machine', { writable: ['/proc/1'] }],
    ['a relative folder', { readable: ['etc'] }],
  ] as const)('%s', async (_what, more) => {
    await expect(poolOf().acquire(keyOf(), launchOf({ sandbox: 'none', ...more }))).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
  });

  it('a program that is not there', async () => {
    await expect(poolOf().acquire(keyOf(), launchOf({ sandbox: 'none', command: '/opt/none/server' }))).rejects.toMatchObject({
      code: 'ERR_TARGET_UNREACHABLE',
    });
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { Dialogue, launchOf } from '../../../test/support/mcp-children.ts';
import { skipBecause } from '../../../test/support/skip.ts';
import { Secret } from '../../lib/secret.ts';
import { sandboxAvailable } from './sandbox-trial.ts';
import { StdioChild } from './stdio-child.ts';
import type { StdioLaunch, StdioLimits } from './stdio-launch.ts';
import { spawnStdio } from './stdio-spawn.ts';

const state = await sandboxAvailable();
const started: StdioChild[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.kill('the test is over')));
  await Promise.all(folders.splice(0).map((path) => rm(path, { recursive: true, force: true })));
});

function needs(context: TestContext): void {
  if (!state.available) skipBecause(context, `no sandbox on this machine: ${state.why}`);
}

async function talk(more: Partial<StdioLaunch> = {}, limits: Partial<StdioLimits> = {}): Promise<Dialogue> {
  const launch = launchOf(more, limits);
  const child = new StdioChild(await spawnStdio(launch), launch, {
    mask: (line) => line,
    patience: { closeMs: 300, terminateMs: 300, stalledMs: 5_000 },
  });
  started.push(child);
  return new Dialogue(child);
}

/** A folder that the child's account owns, as an administrator makes it. */
async function folderOf(name: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), `postern-${name}-`));
  folders.push(path);
  if (process.getuid?.() === 0) await chown(path, 65_534, 65_534);
  return path;
}

const allArguments = (): string =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'latin1');
      } catch {
        return '';
      }
    })
    .join('\n');

/** What stands in a folder that is only there because something below it is bound. */
function wayIn(folder: string, bound: readonly string[]): readonly string[] {
  const below = bound.filter((path) => path.startsWith(`${folder}/`));
  return [...new Set(below.map((path) => path.slice(folder.length + 1).split('/')[0] ?? ''))].sort();
}

describe('the sandbox', () => {
  it('is an account without rights', async (context) => {
    needs(context);
    const dialogue = await talk();
    expect(await dialogue.ask({ do: 'identity' })).toEqual({ gives: [65_534, 'CapEff:\t0000000000000000', '/tmp'] });
    // its own processes alone, and none of ours
    const { gives } = await dialogue.ask<{ gives: string[] }>({ do: 'list', path: '/proc' });
    expect(gives.filter((name) => /^\d+$/.test(name)).length).toBeLessThan(6);
  });

  it('holds the system, the granted paths, and nothing else', async (context) => {
    needs(context);
    const [given, written, hidden] = await Promise.all([folderOf('given'), folderOf('written'), folderOf('hidden')]);
    await writeFile(join(given, 'a'), 'given', { mode: 0o644 });
    await writeFile(join(hidden, 'a'), 'hidden', { mode: 0o644 });
    const { readable } = launchOf();
    const dialogue = await talk({ readable: [...readable, given], writable: [written] });
    expect(await dialogue.ask({ do: 'read', path: join(given, 'a') })).toEqual({ gives: 'given' });
    expect(await dialogue.ask({ do: 'write', path: join(given, 'b') })).toEqual({ fails: 'EROFS' });
    expect(await dialogue.ask({ do: 'write', path: join(written, 'b') })).toEqual({});
    expect(await readFile(join(written, 'b'), 'utf8')).toBe('written');
    expect(await dialogue.ask({ do: 'read', path: join(hidden, 'a') })).toEqual({ fails: 'ENOENT' });
    const bound = [process.execPath, ...readable, given, written];
    for (const path of ['/root', '/home', '/etc/passwd', '/etc/shadow', '/run/systemd', '/sys', '/var']) {
      const way = wayIn(path, bound);
      expect(await dialogue.ask({ do: 'list', path })).toEqual(way.length === 0 ? { fails: 'ENOENT' } : { gives: way });
    }
    for (const path of ['/a', '/usr/a', '/etc/a', '/dev/a', '/proc/sys/kernel/core_pattern'])
      expect(await dialogue.ask({ do: 'write', path })).toEqual({ fails: expect.stringMatching(/EROFS|EACCES|EPERM/) as unknown });
    expect(await dialogue.ask({ do: 'write', path: '/tmp/a' })).toEqual({});
    await expect(stat('/tmp/a')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('has no network unless it is granted', async (context) => {
    needs(context);
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      expect(await (await talk()).ask({ do: 'reach', port })).toEqual({ fails: 'ECONNREFUSED' });
      expect(await (await talk({ network: true })).ask({ do: 'reach', port })).toEqual({ gives: 'connected' });
    } finally {
      server.close();
    }
  });

  it('limits memory, processes, and the room for temporary files', async (context) => {
    needs(context);
    const dialogue = await talk({}, { memoryMiB: 192, processes: 24 });
    expect(await dialogue.ask({ do: 'allocate', count: 32 })).toEqual({ gives: 32 * 1024 * 1024 });
    expect(await dialogue.ask({ do: 'allocate', count: 400 })).toMatchObject({ fails: expect.any(String) as unknown });
    const { gives } = await dialogue.ask<{ gives: number }>({ do: 'crowd', count: 40 });
    expect(gives).toBeGreaterThan(0);
    expect(gives).toBeLessThan(24);
  });

  it('refuses what is granted and is not there', async (context) => {
    needs(context);
    await expect(talk({ readable: ['/opt/nothing-is-here'] })).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
  });
});

describe.each(['required', 'none'] as const)('a credential, sandbox %s', (sandbox) => {
  const value = 'line one of a credential\nline two $`"\\ ü\n';

  it.for(['environment', 'file'] as const)('in the %s reaches the server and stands in no argument of any process', async (kind, context) => {
    if (sandbox === 'required') needs(context);
    const dialogue = await talk({ sandbox, secret: { kind, variable: 'CREDENTIAL', value: new Secret(value) } });
    const { gives } = await dialogue.ask<{ gives: Record<string, string> }>({ do: 'environment' });
    const given = gives['CREDENTIAL'] ?? '';
    if (kind === 'environment') expect(given).toBe(value);
    else {
      expect(JSON.stringify(gives)).not.toContain('line one');
      expect(await dialogue.ask({ do: 'read', path: given })).toEqual({ gives: value });
    }
    expect(allArguments()).not.toContain('line one of a credential');
    // the process that stands between us and the server is given nothing either
    const { pid } = started.at(-1) ?? { pid: 0 };
    expect(readFileSync(`/proc/${pid}/environ`, 'latin1')).toBe('');
  });

  it('in a file is for the server alone, and gone with it, also when it is killed', async (context) => {
    if (sandbox === 'required') needs(context);
    for (const end of ['stop', 'kill'] as const) {
      const dialogue = await talk({ sandbox, secret: { kind: 'file', variable: 'CREDENTIAL', value: new Secret(value) } });
      const { gives } = await dialogue.ask<{ gives: Record<string, string> }>({ do: 'environment' });
      const path = gives['CREDENTIAL'] ?? '';
      if (sandbox === 'required') await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
      else {
        expect((await stat(path)).mode & 0o777).toBe(0o600);
        expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700);
      }
      await started.at(-1)?.[end]('rotated');
      await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    }
  });
});

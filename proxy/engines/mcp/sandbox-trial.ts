import { lstat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../../lib/errors.ts';
import { sandboxPrograms } from './sandbox.ts';
import type { StdioLaunch } from './stdio-launch.ts';
import { spawnStdio } from './stdio-spawn.ts';

export interface SandboxState {
  readonly available: boolean;
  /** what it is, or why there is none; one short line */
  readonly why: string;
}

const trial: StdioLaunch = {
  command: '/usr/bin/true',
  args: [],
  environment: {},
  secret: null,
  directory: null,
  integrity: [],
  sandbox: 'required',
  network: false,
  readable: [],
  writable: [],
  limits: { maxMessageBytes: 1, maxStderrLines: 1, memoryMiB: 64, cpuSeconds: 5, processes: 64, openFiles: 64 },
};

const trialDeadlineMs = 5_000;
const maxWhyChars = 200;

let known: Promise<SandboxState> | null = null;

/**
 * Whether MCP servers can be started in a sandbox here: runs an empty program in one, once. While that fails it is tried
 * again at each question. Asked before every start.
 */
export async function sandboxAvailable(): Promise<SandboxState> {
  known ??= trySandbox();
  const state = await known;
  if (!state.available) known = null;
  return state;
}

async function trySandbox(): Promise<SandboxState> {
  if (process.platform !== 'linux') return { available: false, why: 'the sandbox needs Linux' };
  for (const [path, name] of Object.entries(sandboxPrograms))
    if ((await lstat(path).catch(() => null)) === null) return { available: false, why: `${path} is not installed (package ${name})` };
  try {
    const child = await spawnStdio(trial);
    child.stdin.on('error', () => undefined);
    const said = text(child.stderr).catch(() => '');
    const end = await Promise.race([child.ended, sleep(trialDeadlineMs, null, { ref: false })]);
    if (end?.code === 0) return { available: true, why: 'bubblewrap works here' };
    child.kill();
    const [line = ''] = end === null ? ['bubblewrap did not end in time'] : (await said).trim().split('\n');
    return { available: false, why: (line || 'bubblewrap failed').slice(0, maxWhyChars) };
  } catch (error) {
    return { available: false, why: reasonOf(error).slice(0, maxWhyChars) };
  }
}

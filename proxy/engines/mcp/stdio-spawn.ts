// eslint-disable-next-line @typescript-eslint/no-restricted-imports -- the one place of the engines that starts processes: MCP servers over stdio
import { type ChildProcess, spawn } from 'node:child_process';
import { constants, readFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { fail } from '../../contract/errors.ts';
import { reasonOf } from '../../lib/errors.ts';
import { language, limited, sandboxed, searchPath, statusDescriptor } from './sandbox.ts';
import type { GuardOrder, GuardWord } from './stdio-guard.ts';
import type { StdioLaunch } from './stdio-launch.ts';

/** A server that runs, with its three streams. */
export interface Spawned {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** of bubblewrap or of the guard, whose end is the end of all */
  readonly pid: number;
  /** Resolves when the server has ended, and all that it started, and its last words can be read. Never rejects. */
  readonly ended: Promise<StdioEnd>;
  /** Asks the server and its process group to end. */
  terminate(): void;
  /** Ends everything at once. */
  kill(): void;
}

export interface StdioEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

const guardFile = fileURLToPath(new URL('./stdio-guard.ts', import.meta.url));
const guardFlags = ['--disallow-code-generation-from-strings', '--disable-proto=delete', '--max-old-space-size=32'];
const guardDeadlineMs = 10_000;
/** after the end, for what is still in the pipes */
const drainDeadlineMs = 1_000;
const maxStatusChars = 64 * 1024;

/** Starts a checked launch. Rejects with ERR_TARGET_UNREACHABLE when nothing runs; a server that ends at once is told by `ended`. */
export async function spawnStdio(launch: StdioLaunch): Promise<Spawned> {
  await access(launch.command, constants.X_OK).catch((error: unknown) => {
    throw unstartable(reasonOf(error));
  });
  return launch.sandbox === 'required' ? spawnSandboxed(launch) : spawnGuarded(launch);
}

/** The process namespace dies with bubblewrap, and bubblewrap with us: so says the kernel. */
async function spawnSandboxed(launch: StdioLaunch): Promise<Spawned> {
  const { file, args, inputs } = await sandboxed(launch);
  const child = spawn(file, [...args], {
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', ...inputs.map(() => 'pipe' as const)],
  });
  const pid = await pidOf(child);
  const inside = insideOf(child);
  for (const [index, content] of inputs.entries()) {
    const stream = child.stdio[statusDescriptor + 1 + index];
    // it may have ended before it read them: `ended` tells
    stream?.on('error', () => undefined);
    if (stream instanceof Writable) stream.end(content);
  }
  return {
    ...streamsOf(child),
    pid,
    ended: endOf(child),
    terminate: () => {
      for (const server of childrenOf(inside())) send(server, 'SIGTERM');
    },
    kill: () => {
      send(-pid, 'SIGKILL');
    },
  };
}

/** The process id, seen from here, of the sandbox's first process; null until bubblewrap said it. */
function insideOf(child: ChildProcess): () => number | null {
  const stream = child.stdio[statusDescriptor];
  let text = '';
  let inside: number | null = null;
  stream?.on('error', () => undefined);
  stream?.on('data', (chunk: Buffer) => {
    if (inside !== null || text.length > maxStatusChars) return;
    text += chunk.toString('latin1');
    const found = /"child-pid"\s*:\s*(\d+)/.exec(text)?.[1];
    if (found !== undefined) inside = Number(found);
  });
  return () => (child.exitCode === null && child.signalCode === null ? inside : null);
}

function childrenOf(pid: number | null): number[] {
  if (pid === null) return [];
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Without a sandbox a guard of ours stands between: it lives on when we are killed, long enough to end the server. */
async function spawnGuarded(launch: StdioLaunch): Promise<Spawned> {
  if (process.platform === 'win32')
    throw fail('ERR_FEATURE_REFUSED', { message: 'MCP servers over stdio cannot be started on Windows.', hint: 'Use a server that speaks HTTP.' });
  const order = await orderOf(launch);
  const guard = spawn(process.execPath, [...guardFlags, guardFile], { cwd: '/', env: {}, detached: true, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  const pid = await pidOf(guard);
  const control = guard.stdio[3] as unknown as NodeJS.ReadWriteStream;
  const words = new GuardWords(control);
  control.write(`${JSON.stringify(order)}\n`);
  const ended = endOf(guard, words);
  const started = await Promise.race([words.started, ended.then(() => 'the guard ended'), sleep(guardDeadlineMs, 'it did not start in time', { ref: false })]);
  if (typeof started === 'string') {
    send(-pid, 'SIGKILL');
    throw unstartable(started);
  }
  const say = (word: string): void => {
    if (control.writable) control.write(`${word}\n`);
  };
  const kill = (): void => {
    // the guard goes on to find who left the group; we do not rely on it
    say('kill');
    if (words.end === null) send(-started, 'SIGKILL');
  };
  return { ...streamsOf(guard), pid, ended, terminate: () => say('terminate'), kill };
}

async function orderOf(launch: StdioLaunch): Promise<GuardOrder> {
  const { secret } = launch;
  const given = secret?.kind === 'environment' ? { [secret.variable]: secret.value.reveal() } : {};
  return {
    command: await limited(launch, false),
    directory: launch.directory ?? '/',
    environment: { PATH: searchPath, LANG: language, ...launch.environment, ...given },
    secretFile: secret?.kind === 'file' ? { variable: secret.variable, value: secret.value.reveal() } : null,
  };
}

/** What the guard says. */
class GuardWords {
  /** the process group of the server, or why there is none */
  readonly started: Promise<number | string>;
  end: StdioEnd | null = null;
  group: number | null = null;
  #text = '';

  constructor(control: NodeJS.ReadableStream) {
    const { promise, resolve } = Promise.withResolvers<number | string>();
    this.started = promise;
    // a broken pipe is the end of the guard, which is seen there
    control.on('error', () => undefined);
    control.on('data', (chunk: Buffer) => {
      const lines = `${this.#text}${chunk.toString('utf8')}`.split('\n');
      this.#text = (lines.pop() ?? '').slice(0, maxStatusChars);
      for (const line of lines) this.#hear(wordOf(line), resolve);
    });
  }

  #hear(word: GuardWord | null, resolve: (started: number | string) => void): void {
    if (word === null) return;
    if ('started' in word) {
      this.group = word.started;
      resolve(word.started);
    } else if ('failed' in word) resolve(word.failed);
    else this.end = word.exited;
  }
}

/** Null for what no guard says. */
function wordOf(line: string): GuardWord | null {
  try {
    return JSON.parse(line) as GuardWord;
  } catch {
    return null;
  }
}

function endOf(child: ChildProcess, words?: GuardWords): Promise<StdioEnd> {
  const { promise, resolve } = Promise.withResolvers<StdioEnd>();
  const close = once(child, 'close');
  child.once('exit', (code, signal) => {
    // the guard itself was killed: then we end the group
    if (words !== undefined && words.group !== null && words.end === null) send(-words.group, 'SIGKILL');
    void Promise.race([close, sleep(drainDeadlineMs, undefined, { ref: false })]).then(() => {
      for (const stream of child.stdio) stream?.destroy();
      // a guard that was told to kill ends well itself
      resolve(words === undefined ? { code, signal } : (words.end ?? { code: null, signal: 'SIGKILL' }));
    });
  });
  return promise;
}

function once(child: ChildProcess, event: 'close'): Promise<void> {
  return new Promise((resolve) => {
    child.once(event, () => {
      resolve();
    });
  });
}

function streamsOf(child: ChildProcess): Pick<Spawned, 'stdin' | 'stdout' | 'stderr'> {
  const [stdin, stdout, stderr] = child.stdio;
  if (!(stdin instanceof Writable) || !(stdout instanceof Readable) || !(stderr instanceof Readable)) throw unstartable('it has no streams');
  return { stdin, stdout, stderr };
}

function pidOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(unstartable(reasonOf(error)));
    });
    if (child.pid !== undefined) resolve(child.pid);
  });
}

function send(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it is gone
  }
}

function unstartable(detail: string): Error {
  return fail('ERR_TARGET_UNREACHABLE', { message: 'The MCP server could not be started.', detail });
}

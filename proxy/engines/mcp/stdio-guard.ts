// A process of its own: starts one MCP server that has no sandbox, and ends it, with all that it started, when the gateway
// says so or is no more. It reads its order from descriptor 3, so that nothing secret stands in arguments or environment.
// eslint-disable-next-line @typescript-eslint/no-restricted-imports -- this process exists to start one
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The first line from the gateway; later lines are `terminate` and `kill`. */
export interface GuardOrder {
  readonly command: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** written to a file of which `variable` holds the path, removed at the end */
  readonly secretFile: { readonly variable: string; readonly value: string } | null;
}

/** The lines to the gateway. */
export type GuardWord =
  | { readonly started: number }
  | { readonly failed: string }
  | { readonly exited: { readonly code: number | null; readonly signal: string | null } };

/** by it whoever left the process group is found */
const mark = 'POSTERN_CHILD';
const maxSweeps = 5;

const id = randomUUID();
const control = new Socket({ fd: 3, readable: true, writable: true });
let child: ChildProcess | null = null;
let folder: string | null = null;
let text = '';

control.setEncoding('utf8');
control.on('data', (chunk: string) => {
  const lines = `${text}${chunk}`.split('\n');
  text = lines.pop() ?? '';
  for (const line of lines) obey(line);
});
control.on('error', finish);
control.on('end', finish);
control.on('close', finish);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, finish);

function obey(line: string): void {
  if (line === 'terminate') signalGroup('SIGTERM');
  else if (line === 'kill') finish();
  else if (child === null) start(JSON.parse(line) as GuardOrder);
}

function start({ command: [program = '', ...args], directory, environment, secretFile }: GuardOrder): void {
  const env = { ...environment, [mark]: id };
  try {
    if (secretFile !== null) Object.assign(env, { [secretFile.variable]: writeSecret(secretFile.value) });
    child = spawn(program, args, { cwd: directory, env, stdio: ['inherit', 'inherit', 'inherit'], detached: true });
  } catch (error) {
    say({ failed: String(error) });
    finish();
    return;
  }
  child.once('error', (error) => {
    say({ failed: error.message });
    finish();
  });
  child.once('exit', (code, signal) => {
    cleanUp();
    say({ exited: { code, signal } });
    control.end(() => process.exit(0));
  });
  if (child.pid !== undefined) say({ started: child.pid });
}

/** In memory where the machine has a folder for that; 0600 in a folder of 0700 either way. */
function writeSecret(value: string): string {
  folder = mkdtempSync(join(isWritable('/dev/shm') ? '/dev/shm' : tmpdir(), 'postern-mcp-'));
  const path = join(folder, 'credential');
  writeFileSync(path, value, { mode: 0o600, flag: 'wx' });
  return path;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function say(word: GuardWord): void {
  if (!control.destroyed) control.write(`${JSON.stringify(word)}\n`);
}

function finish(): void {
  cleanUp();
  process.exit(0);
}

function cleanUp(): void {
  signalGroup('SIGKILL');
  for (let sweep = 0; sweep < maxSweeps && killMarked() > 0; sweep++);
  if (folder !== null) rmSync(folder, { recursive: true, force: true });
}

function signalGroup(signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // nobody is left in it
  }
}

/** Who made a session of its own is in no group of ours, but has our mark. Tells how many there were. */
function killMarked(): number {
  if (process.platform !== 'linux') return 0;
  let found = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${name}/environ`, 'latin1').includes(`${mark}=${id}`)) continue;
      process.kill(Number(name), 'SIGKILL');
      found++;
    } catch {
      // of another account, or gone meanwhile
    }
  }
  return found;
}

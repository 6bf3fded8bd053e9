import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../../build/step.ts';
import type { Found } from './debian-packages.ts';
import { programAt } from './desktop-session.ts';

/** Two machines on one: network namespaces with a cable between them, each with an unprivileged user of its own. */

const endDeadlineMs = 10_000;

export interface MachineProcess {
  readonly child: ChildProcess;
  /** what it has said so far, standard output and error */
  said(): string;
  /** Resolves with all it said when that holds `text`. */
  saying(text: string, deadlineMs?: number): Promise<string>;
}

export class Machine {
  readonly address: string;
  /** writable by its user */
  readonly home: string;
  readonly #name: string;
  readonly #uid: number;
  readonly #running: ChildProcess[] = [];

  constructor(name: string, address: string, uid: number) {
    this.#name = name;
    this.address = address;
    this.#uid = uid;
    this.home = mkdtempSync(join(tmpdir(), `${name}-`));
    chownSync(this.home, uid, uid);
  }

  /** `args` for the Node that runs this test. */
  start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): MachineProcess {
    const user = [`--reuid=${String(this.#uid)}`, `--regid=${String(this.#uid)}`, '--clear-groups', '--no-new-privs'];
    const child = spawn('ip', ['netns', 'exec', this.#name, 'setpriv', ...user, process.execPath, '--disable-warning=ExperimentalWarning', ...args], {
      cwd: root,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: this.home, TMPDIR: this.home, LC_ALL: 'C.UTF-8', ...environment },
    });
    this.#running.push(child);
    let all = '';
    child.stdin.on('error', () => undefined);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (all += chunk.toString()));
    return {
      child,
      said: () => all,
      saying: async (text, deadlineMs = 60_000) => {
        for (const from = Date.now(); !all.includes(text); ) {
          if (child.exitCode !== null || Date.now() - from > deadlineMs) throw new Error(`it did not say "${text}": ${all}`);
          await sleep(20);
        }
        return all;
      },
    };
  }

  /** Runs to the end; throws unless it succeeds. Gives its standard output. */
  async run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> {
    const running = this.start(args, environment);
    const { child } = running;
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stdin?.end();
    await once(child, 'close');
    if (child.exitCode !== 0) throw new Error(`${args.join(' ')}: ${running.said()}`);
    return out;
  }

  async remove(): Promise<void> {
    await Promise.all(this.#running.map((child) => stopped(child)));
    // what is left in there, whoever started it
    for (const pid of execFileSync('ip', ['netns', 'pids', this.#name], { encoding: 'utf8' }).split('\n').filter(Boolean)) process.kill(Number(pid), 'SIGKILL');
    execFileSync('ip', ['netns', 'delete', this.#name]);
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}

export async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const isLate = await Promise.race([exited.then(() => false), sleep(endDeadlineMs, true, { ref: false })]);
  if (isLate) child.kill('SIGKILL');
}

/** nobody, and daemon: users that every Linux has */
const [nobody, daemon] = [65_534, 1];

/** One for the service and one for a person; `why`: it cannot be had here. */
export function twoMachines(): Found<{ service: Machine; person: Machine }> {
  if (process.getuid?.() !== 0) return { why: 'network namespaces need root' };
  for (const program of [programAt('/usr/sbin/ip', '/sbin/ip'), programAt('/usr/bin/setpriv')]) if (program.why !== undefined) return { why: program.why };
  const names = { service: `postern-s${String(process.pid)}`, person: `postern-p${String(process.pid)}` };
  const addresses = { service: '10.77.3.1', person: '10.77.3.2' };
  const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'pipe' });
  try {
    for (const name of Object.values(names)) ip('netns', 'add', name);
    ip('link', 'add', 'ps0', 'netns', names.service, 'type', 'veth', 'peer', 'name', 'pp0', 'netns', names.person);
    for (const [side, device] of [
      ['service', 'ps0'],
      ['person', 'pp0'],
    ] as const) {
      ip('-n', names[side], 'address', 'add', `${addresses[side]}/24`, 'dev', device);
      for (const each of ['lo', device]) ip('-n', names[side], 'link', 'set', each, 'up');
    }
  } catch (error) {
    for (const name of Object.values(names)) {
      try {
        ip('netns', 'delete', name);
      } catch {
        // it was not made
      }
    }
    return { why: `network namespaces cannot be made here: ${String(error).split('\n')[0] ?? ''}` };
  }
  const machines = { service: new Machine(names.service, addresses.service, nobody), person: new Machine(names.person, addresses.person, daemon) };
  return { found: machines };
}

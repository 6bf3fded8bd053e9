import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { postern } from './command-line.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A process of the service as status.json shows it. */
export interface Part {
  readonly name: 'audit' | 'control' | 'gateway';
  readonly pid: number;
  readonly up: boolean;
  readonly restarts: number;
}

/** A running service in a directory of its own, administered through its command line like anybody's. */
export interface Appliance {
  readonly dir: string;
  readonly caFile: string;
  /** shared PostgreSQL port */
  readonly port: number;
  /** where MCP servers and HTTP APIs are reached */
  readonly webUrl: string;
  readonly controlUrl: string;
  /** Runs `postern …` against it. Never throws for an exit code. */
  cli(args: readonly string[], stdin?: string): Promise<Ran>;
  /** Parses the JSON answer; throws with the output when the exit code is not 0. */
  json(args: readonly string[], stdin?: string): Promise<unknown>;
  parts(): readonly Part[];
  /** kill -9 of one process; gives when a new one is up */
  kill(name: Part['name']): Promise<void>;
  /** orderly; the directory stays */
  stop(): Promise<void>;
  /** kill -9 of everything, supervisor first */
  crash(): Promise<void>;
  /** after stop or crash: on the same directory and ports */
  start(): Promise<void>;
  remove(): Promise<void>;
}

export interface ApplianceOptions {
  readonly dir?: string;
  /** further environment of the service, for fault injection (LD_PRELOAD …) */
  readonly environment?: Readonly<Record<string, string>>;
}

interface Status {
  readonly controlUrl: string;
  /** of the supervisor */
  readonly pid: number;
  readonly ports: Readonly<Record<string, number>>;
  readonly processes: readonly Part[];
}

const upDeadlineMs = 60_000;

export async function startAppliance(options: ApplianceOptions = {}): Promise<Appliance> {
  const base = options.dir === undefined ? mkdtempSync(join(tmpdir(), 'postern-test-')) : options.dir;
  const appliance = new RunningAppliance(join(base, 'data'), base, options.environment ?? {});
  await appliance.start();
  return appliance;
}

class RunningAppliance implements Appliance {
  readonly dir: string;
  readonly #base: string;
  readonly #environment: Readonly<Record<string, string>>;
  #process: ChildProcess | null = null;
  #output = '';
  #ports = { postgres: 0, control: 0, web: 0 };

  constructor(dir: string, base: string, environment: Readonly<Record<string, string>>) {
    this.dir = dir;
    this.#base = base;
    this.#environment = environment;
  }

  get caFile(): string {
    return join(this.dir, 'tls', 'ca.crt');
  }

  get port(): number {
    return this.#ports.postgres;
  }

  /** where MCP servers and HTTP APIs are reached */
  get webUrl(): string {
    return `https://127.0.0.1:${String(this.#ports.web)}`;
  }

  get controlUrl(): string {
    return `https://127.0.0.1:${String(this.#ports.control)}`;
  }

  async start(): Promise<void> {
    const config = join(this.#base, 'config.json');
    const { postgres, control, web } = this.#ports;
    const host = '127.0.0.1';
    writeFileSync(config, JSON.stringify({ listeners: { postgres: { host, port: postgres }, control: { host, port: control }, web: { host, port: web } } }));
    const child = spawn(process.execPath, [...postern, '--data', this.dir, 'serve', '--config', config, '--admin-token-file', join(this.dir, 'admin.token')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#environment },
    });
    this.#process = child;
    this.#output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    const deadline = Date.now() + upDeadlineMs;
    while (!this.#output.includes('Postern is up')) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the service did not start: ${this.#output}`);
      await sleep(50);
    }
    const status = this.#status();
    this.#ports = { postgres: status.ports['postgres'] ?? 0, web: status.ports['web'] ?? 0, control: Number(new URL(status.controlUrl).port) };
  }

  cli(args: readonly string[], stdin = ''): Promise<Ran> {
    return run([...postern, '--data', this.dir, ...args], stdin);
  }

  async json(args: readonly string[], stdin = ''): Promise<unknown> {
    const { code, out, err } = await this.cli(['--json', ...args], stdin);
    if (code !== 0) throw new Error(`postern ${args.join(' ')} ended with ${String(code)}: ${err}${out}`);
    return JSON.parse(out) as unknown;
  }

  parts(): readonly Part[] {
    return this.#status().processes;
  }

  async kill(name: Part['name']): Promise<void> {
    const before = this.#part(name);
    process.kill(before.pid, 'SIGKILL');
    const deadline = Date.now() + upDeadlineMs;
    for (;;) {
      const now = this.#part(name);
      if (now.up && now.pid !== before.pid) return;
      if (Date.now() > deadline) throw new Error(`${name} did not come back: ${this.#output}`);
      await sleep(20);
    }
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async crash(): Promise<void> {
    const { pid: supervisor, processes } = this.#status();
    for (const pid of [supervisor, ...processes.map((part) => part.pid)]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone already: it notices the end of its supervisor
      }
    }
    await this.#end('SIGKILL');
    await sleep(200);
  }

  async remove(): Promise<void> {
    if (this.#process?.exitCode === null && this.#process.signalCode === null) await this.stop();
    rmSync(this.#base, { recursive: true, force: true });
  }

  #part(name: Part['name']): Part {
    const part = this.parts().find((each) => each.name === name);
    if (part === undefined) throw new Error(`no process ${name}`);
    return part;
  }

  #status(): Status {
    // written by the service; a test fails on any other form
    return JSON.parse(readFileSync(join(this.dir, 'status.json'), 'utf8')) as Status;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    const ended = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else
        child.once('exit', () => {
          resolve();
        });
    });
    child.kill(signal);
    await ended;
    this.#process = null;
  }
}

function run(args: readonly string[], stdin: string): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code: code ?? 1, out, err });
    });
    child.stdin.end(stdin);
  });
}

/** Policies that permit everything, for tests of what no rule applies to. */
export const permitAll = '@id("permit-all")\npermit (principal, action, resource);\n';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** A service account in `groups` with a token, a resource on `target`, and policies: the usual beginning. Gives the token. */
export async function configure(
  appliance: Pick<Appliance, 'json'>,
  given: { principal: string; groups?: readonly string[]; resource: string; target: Target; policies?: string },
): Promise<string> {
  const { principal, groups = ['everybody'], resource, target } = given;
  await appliance.json([
    'service-account',
    'create',
    principal,
    '--owner',
    'Test owner',
    '--purpose',
    'Tests of the service',
    ...groups.flatMap((group) => ['--group', group]),
  ]);
  const added = [
    'resource',
    'add',
    resource,
    '--host',
    target.host,
    '--port',
    String(target.port),
    '--database',
    target.database,
    '--account',
    target.user,
    '--tls',
    'disable',
  ];
  await appliance.json(added, `${target.password}\n`);
  if (given.policies !== undefined) await putPolicies(appliance, given.policies);
  return tokenFor(appliance, principal);
}

export async function tokenFor(appliance: Pick<Appliance, 'json'>, principal: string, more: readonly string[] = []): Promise<string> {
  const created = (await appliance.json(['token', 'create', principal, ...more])) as { token: string };
  return created.token;
}

export async function putPolicies(appliance: Pick<Appliance, 'json'>, text: string): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-policies-'));
  writeFileSync(join(dir, 'all.cedar'), text);
  await appliance.json(['policy', 'put', dir]);
  rmSync(dir, { recursive: true });
}

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync, chmodSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { debianTool } from '../support/debian-packages.ts';
import type { Appliance } from '../support/appliance.ts';

/** One way to the database. */
export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** processes whose CPU time counts */
  pids(): readonly number[];
  stop(): void;
}

export interface BenchTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export function direct(target: BenchTarget): Contender {
  return { name: 'direct', ...target, pids: () => [], stop: () => undefined };
}

export async function pipe(target: BenchTarget, port: number): Promise<Contender> {
  const script = fileURLToPath(new URL('./pipe.ts', import.meta.url));
  const child = spawn(process.execPath, [script, String(port), target.host, String(target.port)], { stdio: 'ignore' });
  return ready('Node pipe', child, { ...target, port });
}

export async function pgBouncer(target: BenchTarget, port: number): Promise<Contender | string> {
  const tool = await debianTool('pgbouncer');
  if (tool.found === undefined) return tool.why;
  const dir = mkdtempSync(join(tmpdir(), 'postern-pgbouncer-'));
  const users = join(dir, 'users.txt');
  writeFileSync(users, `"${target.user}" "${target.password}"\n`);
  const config = join(dir, 'pgbouncer.ini');
  writeFileSync(
    config,
    `[databases]\n${target.database} = host=${target.host} port=${String(target.port)}\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=${String(port)}\nunix_socket_dir=\n` +
      `auth_type=scram-sha-256\nauth_file=${users}\npool_mode=session\nmax_client_conn=200\ndefault_pool_size=100\nserver_login_retry=1\nignore_startup_parameters=extra_float_digits\n`,
  );
  for (const path of [dir, users, config]) chmodSync(path, 0o755);
  // PgBouncer refuses root
  const asRoot = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  return ready('PgBouncer', spawn(tool.found, [config], { stdio: 'ignore', ...asRoot }), { ...target, port });
}

export async function haproxy(target: BenchTarget, port: number): Promise<Contender | string> {
  const tool = await debianTool('haproxy');
  if (tool.found === undefined) return tool.why;
  const config = join(mkdtempSync(join(tmpdir(), 'postern-haproxy-')), 'haproxy.cfg');
  writeFileSync(
    config,
    `global\n  maxconn 500\n  nbthread 1\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 600s\n  timeout server 600s\nlisten pg\n  bind 127.0.0.1:${String(port)}\n  server pg ${target.host}:${String(target.port)}\n`,
  );
  return ready('HAProxy', spawn(tool.found, ['-f', config, '-db'], { stdio: 'ignore' }), { ...target, port });
}

export function postern(appliance: Appliance, caller: { user: string; password: string; database: string }): Contender {
  return { name: 'Postern', port: appliance.port, ...caller, pids: () => appliance.parts().map((part) => part.pid), stop: () => undefined };
}

async function ready(name: string, child: ChildProcess, target: BenchTarget): Promise<Contender> {
  for (let tries = 0; tries < 100; tries++) {
    await sleep(50);
    if (await answers(target.port)) break;
    if (child.exitCode !== null) throw new Error(`${name} ended with ${String(child.exitCode)}`);
  }
  const pids = child.pid === undefined ? [] : [child.pid];
  return { name, ...target, pids: () => pids, stop: () => child.kill('SIGKILL') };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}

const ticksPerSecond = 100;

/** CPU seconds used so far by these processes (proc(5): utime and stime in ticks). */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / ticksPerSecond;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from '../contract/errors.ts';
import type { Secret } from '../lib/secret.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import { isReachable, ownTemporaryFolder, type RunAs, unprivileged } from './reachable.ts';

export interface PostgresOptions {
  /** folder of the cluster: `data/` and `server.log`; made when missing, kept on stop */
  readonly dir: string;
  /** default: a free one below 32768 */
  readonly port?: number;
  /** of the superuser `postgres`; the same on every start of the same cluster */
  readonly password: Secret<string>;
  /** PEM; TLS is offered, not demanded */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** more lines of postgresql.conf, e.g. `{ password_encryption: 'md5' }` */
  readonly settings?: Readonly<Record<string, string>>;
  /** lines of pg_hba.conf instead of SCRAM for everybody */
  readonly hba?: readonly string[];
  /** false: no fsync, for tests; default true */
  readonly durable?: boolean;
  readonly progress?: (line: string) => void;
  /** for initdb and for the start, each; default 60 s */
  readonly deadlineMs?: number;
}

export interface EmbeddedPostgres {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly superuser: 'postgres';
  readonly password: Secret<string>;
  /** of the postmaster */
  readonly pid: number;
  readonly logFile: string;
  /** settles when the server has gone, for whatever reason */
  readonly exited: Promise<void>;
  /** fast shutdown: sessions end, data is kept */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Cluster {
  readonly bin: string;
  readonly home: string;
  readonly data: string;
  readonly logFile: string;
  readonly account: RunAs | undefined;
  readonly deadlineMs: number;
}

// C locale and UTC: the demo prints the same everywhere; nothing is inherited
const environment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Starts the real PostgreSQL 18; the first start of a folder makes the cluster. Rejects with the end of the server's log. */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const progress = options.progress ?? (() => undefined);
  const account = unprivileged();
  const home = clusterFolder(options.dir);
  if (home !== resolve(options.dir)) progress(`keeping the demo database in ${home}: PostgreSQL refuses root, and nobody else may enter ${options.dir}`);
  const cluster: Cluster = {
    bin: join(postgresBinaries(account, progress), 'bin'),
    home,
    data: join(home, 'data'),
    logFile: join(home, 'server.log'),
    account,
    deadlineMs: options.deadlineMs ?? 60_000,
  };
  if (!existsSync(join(cluster.data, 'PG_VERSION'))) {
    progress('creating a PostgreSQL 18 cluster');
    await initialise(cluster, options);
  }
  await stopLeftover(cluster);
  return start(cluster, options);
}

/** Where the cluster of `dir` really lies: elsewhere when root may not be used and nobody may enter `dir`. */
export function clusterFolder(dir: string): string {
  const path = resolve(dir);
  const account = unprivileged();
  // whatever the umask says, the server's account must pass here
  if (mkdirSync(path, { recursive: true }) !== undefined) chmodSync(path, 0o711);
  return isReachable(path, account) ? path : ownTemporaryFolder(`cluster ${path}`);
}

/** Removes a stopped cluster with everything in it. */
export function removeCluster(dir: string): void {
  const home = clusterFolder(dir);
  rmSync(home, { recursive: true, force: true });
  rmSync(dir, { recursive: true, force: true });
}

async function initialise(cluster: Cluster, options: PostgresOptions): Promise<void> {
  const passwordFile = join(cluster.home, 'initial-password');
  rmSync(cluster.data, { recursive: true, force: true });
  mkdirSync(cluster.data, { mode: 0o700 });
  give(cluster, cluster.data);
  writePrivate(cluster, passwordFile, `${options.password.reveal()}\n`);
  const args = ['-D', cluster.data, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8', '--locale=C'];
  const log = openSync(cluster.logFile, 'a', 0o600);
  try {
    const child = spawn(join(cluster.bin, 'initdb'), options.durable === false ? [...args, '--no-sync'] : args, {
      stdio: ['ignore', log, log],
      env: environment,
      cwd: '/',
      ...cluster.account,
    });
    const code = await within(cluster.deadlineMs, exitOf(child), () => child.kill('SIGKILL'));
    if (code !== 0) throw notStarted(cluster, `initdb ended with ${code ?? 'nothing in time'}`);
  } catch (error) {
    // a half-made cluster would look complete to the next start
    rmSync(cluster.data, { recursive: true, force: true });
    throw error;
  } finally {
    closeSync(log);
    rmSync(passwordFile, { force: true });
  }
}

async function start(cluster: Cluster, options: PostgresOptions): Promise<EmbeddedPostgres> {
  const port = options.port ?? (await freePort());
  writeConfiguration(cluster, options, port);
  const log = openSync(cluster.logFile, 'a', 0o600);
  // the shell's `read` ends when we do, even by SIGKILL, and takes the server along: no orphan keeps the port
  const guard = 'exec 3<&0; "$@" </dev/null 3<&- & p=$!; (read -r _ <&3; kill -INT $p) & w=$!; exec 3<&-; wait $p; rc=$?; kill $w 2>/dev/null; exit $rc';
  const child = spawn('/bin/sh', ['-c', guard, 'postgres', join(cluster.bin, 'postgres'), '-D', cluster.data], {
    stdio: ['pipe', log, log],
    env: environment,
    cwd: '/',
    // its own process group: Ctrl-C is for us, and we say when the database stops
    detached: true,
    ...cluster.account,
  });
  closeSync(log);
  child.stdin?.on('error', () => undefined);
  const exited = exitOf(child).then(() => undefined);
  const gone = { yet: false };
  void exited.then(() => (gone.yet = true));
  const stop = async (): Promise<void> => {
    child.stdin?.end();
    if (
      (await within(
        15_000,
        exited.then(() => true),
      )) === undefined
    ) {
      signal(readPidFile(cluster)?.pid, 'SIGQUIT');
      await exited;
    }
  };
  const pid = await becomeReady(cluster, gone);
  if (pid === undefined) {
    await stop();
    throw notStarted(cluster, gone.yet ? 'the server ended at once' : 'the server did not get ready in time');
  }
  return {
    host: '127.0.0.1',
    port,
    superuser: 'postgres',
    password: options.password,
    pid,
    logFile: cluster.logFile,
    exited,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** pg_ctl's own criterion: line 8 of postmaster.pid says `ready`. */
async function becomeReady(cluster: Cluster, gone: { readonly yet: boolean }): Promise<number | undefined> {
  for (let waited = 0; waited < cluster.deadlineMs && !gone.yet; waited += 25) {
    const found = readPidFile(cluster);
    if (found?.status === 'ready') return found.pid;
    await sleep(25);
  }
  return undefined;
}

/** A server left by a killed run would hold the data; postmaster.pid names it, and only our own one is stopped. */
async function stopLeftover(cluster: Cluster): Promise<void> {
  const left = readPidFile(cluster);
  if (left === undefined) return;
  const isOurs = () => commandLine(left.pid).includes(cluster.data);
  if (isOurs()) signal(left.pid, 'SIGINT');
  for (let waited = 0; isOurs(); waited += 50) {
    if (waited > cluster.deadlineMs) throw notStarted(cluster, `process ${left.pid} still uses this cluster`);
    await sleep(50);
  }
  rmSync(join(cluster.data, 'postmaster.pid'), { force: true });
}

function readPidFile(cluster: Cluster): { pid: number; status: string } | undefined {
  try {
    const lines = readFileSync(join(cluster.data, 'postmaster.pid'), 'latin1').split('\n');
    const pid = Number(lines[0]);
    return Number.isSafeInteger(pid) && pid > 1 ? { pid, status: lines[7]?.trim() ?? '' } : undefined;
  } catch {
    return undefined;
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch {
    // it has gone meanwhile, which is what we want
  }
}

function writeConfiguration(cluster: Cluster, options: PostgresOptions, port: number): void {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '200',
    password_encryption: 'scram-sha-256',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // statements may hold card numbers
    log_min_error_statement: 'panic',
    ...(options.durable === false && { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    ...options.settings,
  };
  if (options.tls !== undefined) {
    writePrivate(cluster, join(cluster.data, 'server.crt'), options.tls.cert);
    writePrivate(cluster, join(cluster.data, 'server.key'), options.tls.key);
    settings['ssl'] = 'on';
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`);
  // read after postgresql.conf, and replaced on every start
  writePrivate(cluster, join(cluster.data, 'postgresql.auto.conf'), `${lines.join('\n')}\n`);
  const hba = options.hba ?? ['host all all 127.0.0.1/32 scram-sha-256'];
  writePrivate(cluster, join(cluster.data, 'pg_hba.conf'), `${hba.join('\n')}\n`);
}

function writePrivate(cluster: Cluster, path: string, text: string): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
  give(cluster, path);
}

function give(cluster: Cluster, path: string): void {
  if (cluster.account === undefined) return;
  chownSync(path, cluster.account.uid, cluster.account.gid);
  chmodSync(path, statSync(path).isDirectory() ? 0o700 : 0o600);
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((settle, reject) => {
    child.once('error', (error) =>
      reject(fail('ERR_TARGET_UNREACHABLE', { message: `The demo database could not be started: ${error.message}`, cause: error })),
    );
    child.once('exit', (code) => settle(code));
  });
}

async function within<T>(ms: number, work: Promise<T>, late: () => void = () => undefined): Promise<T | undefined> {
  const timer = new AbortController();
  const deadline = sleep(ms, undefined, { signal: timer.signal }).then(
    () => late(),
    () => undefined,
  );
  try {
    return await Promise.race([work, deadline.then(() => undefined)]);
  } finally {
    timer.abort();
  }
}

function notStarted(cluster: Cluster, why: string): Error {
  return fail('ERR_TARGET_UNREACHABLE', { message: `The demo database did not start (${why}). ${cluster.logFile} ends with:\n${endOf(cluster.logFile)}` });
}

function endOf(path: string): string {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return '(nothing)';
  const end = Buffer.alloc(Math.min(size, 2000));
  const file = openSync(path, 'r');
  try {
    readSync(file, end, 0, end.length, size - end.length);
  } finally {
    closeSync(file);
  }
  return end.toString('utf8').trim();
}

/** A free port below the ephemeral range, where nobody's outgoing connection can take it first. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < 50; tried += 1) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port)) return port;
  }
  throw fail('ERR_CONFLICT', { message: 'No free port between 20000 and 32000 was found.' });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const server = createServer();
    server.once('error', () => settle(false));
    server.listen(port, '127.0.0.1', () => server.close(() => settle(true)));
  });
}

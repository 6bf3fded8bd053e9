import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from '../../proxy/demo/embedded-postgres.ts';
import { configure, startAppliance, type Appliance } from '../support/appliance.ts';
import { debianTool } from '../support/debian-packages.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { cpuSeconds, direct, haproxy, pgBouncer, pipe, postern, type BenchTarget, type Contender } from './contenders.ts';

export interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly only: string | undefined;
  /** folder for the JSON */
  readonly out: string;
}

interface Workload {
  readonly name: string;
  readonly args: readonly string[];
}

interface Sample {
  readonly workload: string;
  readonly contender: string;
  readonly tps: number;
  readonly latencyMs: number;
  /** of the proxy's processes, per query */
  readonly cpuMicros: number;
}

const run = promisify(execFile);
const policies = 120;

export async function benchPostgres(options: BenchOptions): Promise<void> {
  const pgbench = await debianTool('pgbench');
  if (pgbench.found === undefined) throw new Error(`no pgbench: ${pgbench.why}`);
  const server = await startPostgres({ settings: ['max_connections=200', 'shared_buffers=256MB'] });
  const target: BenchTarget = { host: server.host, port: server.port, user: server.user, password: server.password, database: 'postgres' };
  const appliance = await startAppliance();
  const contenders: Contender[] = [direct(target)];
  try {
    const wide = await seed(pgbench.found, target);
    contenders.push(await pipe(target, await freePort()));
    for (const start of [pgBouncer, haproxy]) {
      const contender = await start(target, await freePort());
      if (typeof contender === 'string') process.stdout.write(`left out: ${contender}\n`);
      else contenders.push(contender);
    }
    contenders.push(postern(appliance, { user: 'bench', password: await prepare(appliance, target), database: 'bench' }));
    const samples = await measure(pgbench.found, {
      contenders,
      workloads: workloads(wide).filter(({ name }) => options.only === undefined || name.includes(options.only)),
      options,
    });
    report(samples, contenders, options);
  } finally {
    for (const contender of contenders) contender.stop();
    await appliance.remove();
    await server.stop();
  }
}

/** Accounts for the point reads, and 1,000 rows of 8 text columns, one of them a card number. Gives the script for the wide reads. */
async function seed(pgbench: string, target: BenchTarget): Promise<string> {
  await run(pgbench, ['-i', '-I', 'dtGvp', '-q', '-s', '1', ...addressOf(target)], { env: environment(target) });
  const client = new pg.Client(target);
  await client.connect();
  const columns = [2, 3, 4, 5, 6, 7, 8].map((each) => `md5((i * ${String(each)})::text) as c${String(each)}`).join(', ');
  await client.query(`create table wide as select '411111' || lpad((i * 7919)::text, 9, '0') || '1' as c1, ${columns} from generate_series(1, 1000) i`);
  await client.query('analyze');
  await client.end();
  const script = join(mkdtempSync(join(tmpdir(), 'postern-bench-')), 'wide.sql');
  writeFileSync(script, 'select c1, c2, c3, c4, c5, c6, c7, c8 from wide;\n');
  return script;
}

/** The service with more than 100 policies, a tagged card column, and recording as by default. Gives the caller's token. */
async function prepare(appliance: Appliance, target: BenchTarget): Promise<string> {
  const fillers = Array.from({ length: policies }, (_, index) => {
    const name = String(index);
    return `@id("filler-${name}")\npermit (principal in Group::"team-${name}", action == Action::"sql:select", resource is Table) when { resource.name == "table_${name}" };\n`;
  });
  const permits = `@id("connect")\npermit (principal in Group::"bench", action == Action::"connect", resource);\n@id("read")\npermit (principal in Group::"bench", action == Action::"sql:select", resource is Table) when { resource.schema == "public" };\n`;
  const token = await configure(appliance, { principal: 'bench', groups: ['bench'], resource: 'bench', target, policies: `${permits}${fillers.join('')}` });
  await appliance.json(['masking', 'add', 'bench', 'public.wide.c1', '--tag', 'pan']);
  return token;
}

function workloads(wide: string): readonly Workload[] {
  const points = (['simple', 'extended', 'prepared'] as const).flatMap((mode) =>
    [1, 8, 32].map((clients) => ({ name: `${mode} c=${String(clients)}`, args: ['-S', '-M', mode, ...concurrency(clients)] })),
  );
  return [...points, ...[1, 8].map((clients) => ({ name: `wide c=${String(clients)}`, args: ['-f', wide, ...concurrency(clients)] }))];
}

function concurrency(clients: number): string[] {
  return ['-c', String(clients), '-j', String(Math.min(clients, 2))];
}

/** Interleaved: every round runs every contender once, in turn, so that a noisy moment meets all of them. */
async function measure(
  pgbench: string,
  { contenders, workloads: loads, options }: { contenders: readonly Contender[]; workloads: readonly Workload[]; options: BenchOptions },
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const workload of loads) {
      for (const contender of contenders) samples.push(await once(pgbench, { contender, workload, seconds: options.seconds }));
      process.stderr.write(`round ${String(round)}: ${workload.name}\n`);
    }
  }
  return samples;
}

async function once(pgbench: string, { contender, workload, seconds }: { contender: Contender; workload: Workload; seconds: number }): Promise<Sample> {
  const before = cpuSeconds(contender.pids());
  const { stdout } = await run(pgbench, ['-n', '-T', String(seconds), ...workload.args, ...addressOf(contender)], { env: environment(contender) });
  const cpu = cpuSeconds(contender.pids()) - before;
  const tps = Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
  const count = Number(/transactions actually processed: (\d+)/.exec(stdout)?.[1]);
  const latencyMs = Number(/latency average = ([\d.]+)/.exec(stdout)?.[1]);
  if (!(tps > 0)) throw new Error(`${contender.name}: no result: ${stdout}`);
  return { workload: workload.name, contender: contender.name, tps, latencyMs, cpuMicros: (cpu * 1e6) / count };
}

function addressOf({ port, user, database }: { port: number; user: string; database: string }): string[] {
  return ['-h', '127.0.0.1', '-p', String(port), '-U', user, database];
}

function environment({ password }: { password: string }): Record<string, string> {
  return { PGPASSWORD: password, PGSSLMODE: 'disable', PATH: process.env['PATH'] ?? '' };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

function report(samples: readonly Sample[], contenders: readonly Contender[], options: BenchOptions): void {
  const of = (workload: string, contender: string, what: 'tps' | 'cpuMicros' | 'latencyMs'): number =>
    median(samples.filter((sample) => sample.workload === workload && sample.contender === contender).map((sample) => sample[what]));
  const names = [...new Set(samples.map((sample) => sample.workload))];
  const header = ['workload', ...contenders.map(({ name }) => name), 'of pipe', 'of PgBouncer', 'of direct'];
  const rows = names.map((workload) => {
    const ours = of(workload, 'Postern', 'tps');
    const cells = contenders.map(({ name }) => `${of(workload, name, 'tps').toFixed(0)} (${of(workload, name, 'cpuMicros').toFixed(0)})`);
    const ratios = ['Node pipe', 'PgBouncer', 'direct'].map((other) => (ours / of(workload, other, 'tps')).toFixed(2));
    return [workload, ...cells, ...ratios];
  });
  process.stdout.write(
    `\nTransactions a second, medians of ${String(options.rounds)} interleaved rounds of ${String(options.seconds)} s (in brackets: µs of the proxy's CPU per query); ${String(cpus().length)} cores\n\n`,
  );
  for (const row of [header, header.map(() => '---'), ...rows]) process.stdout.write(`| ${row.join(' | ')} |\n`);
  mkdirSync(options.out, { recursive: true });
  const file = join(options.out, `postgres-${new Date().toISOString().replaceAll(':', '-')}.json`);
  writeFileSync(file, `${JSON.stringify({ options, cores: cpus().length, policies, samples }, null, 2)}\n`);
  process.stdout.write(`\n${file}\n`);
}

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Agent, request } from 'undici';
import { debianTool } from '../support/debian-packages.ts';
import { startMcpService } from '../support/mcp-service.ts';
import { cpuSeconds } from './contenders.ts';
import { httpTarget, nginxProxies, plainHttp, posternHttp, type HttpContender, type HttpTarget } from './http-contenders.ts';
import { median } from './mcp-report.ts';

export interface HttpBenchOptions {
  readonly rounds: number;
  /** of each run */
  readonly seconds: number;
  /** of the names of workloads */
  readonly only: string | undefined;
  /** folder for the JSON */
  readonly out: string;
}

interface HttpSample {
  readonly workload: string;
  readonly contender: string;
  /** ms; of events: from sending to arrival */
  readonly p50: number;
  readonly p99: number;
  /** requests a second; events: how many arrived */
  readonly rate: number;
  /** µs a request, by process */
  readonly cpuMicros: Readonly<Record<string, number>>;
}

const run = promisify(execFile);
const warmUpSeconds = 3;
const policies = '@id("all")\npermit (principal in Group::"everybody", action, resource);\n';

export async function benchHttp(options: HttpBenchOptions): Promise<void> {
  const [nginx, wrk] = [await debianTool('nginx'), await debianTool('wrk')];
  if (nginx.found === undefined || wrk.found === undefined) throw new Error(nginx.why ?? wrk.why);
  const target = await httpTarget(nginx.found);
  const contenders: HttpContender[] = [target.direct];
  try {
    const service = await startMcpService({ policies });
    const tls = join(service.appliance.dir, 'tls');
    contenders.push(await posternHttp(service, target), await plainHttp(target));
    contenders.push(...(await nginxProxies(nginx.found, target, { key: join(tls, 'server.key'), certificate: join(tls, 'server.crt') })));
    const ca = readFileSync(service.appliance.caFile, 'utf8');
    report(await measure({ wrk: wrk.found, contenders, target, ca }, options), contenders, options);
  } finally {
    for (const contender of contenders) await contender.stop();
    await target.stop();
  }
}

interface Field {
  readonly wrk: string;
  readonly contenders: readonly HttpContender[];
  readonly target: HttpTarget;
  readonly ca: string;
}

/** Interleaved: every round runs every contender once, in turn, so that a noisy moment meets all of them. */
async function measure(field: Field, options: HttpBenchOptions): Promise<HttpSample[]> {
  const samples: HttpSample[] = [];
  // programs that compile while they run are measured warm
  for (const contender of field.contenders) await load(field.wrk, contender, { clients: 8, seconds: warmUpSeconds });
  const isWanted = (name: string): boolean => options.only === undefined || name.includes(options.only);
  for (let round = 1; round <= options.rounds; round++) {
    for (const clients of [1, 8, 32].filter((each) => isWanted(`GET c=${each}`)))
      for (const contender of field.contenders) samples.push(await load(field.wrk, contender, { clients, seconds: options.seconds }));
    if (isWanted('events')) for (const contender of field.contenders) samples.push(await follow(contender, field, options.seconds));
    process.stderr.write(`round ${round} done\n`);
  }
  return samples;
}

async function load(wrk: string, contender: HttpContender, { clients, seconds }: { clients: number; seconds: number }): Promise<HttpSample> {
  const header = contender.token === undefined ? [] : ['-H', `Authorization: Bearer ${contender.token}`];
  const pids = contender.pids();
  const before = cpuOf(pids);
  const { stdout } = await run(wrk, ['-t1', `-c${clients}`, `-d${seconds}s`, '--latency', ...header, `${contender.url}/orders`]);
  const after = cpuOf(pids);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  const count = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  if (!(rate > 0) || /Non-2xx|Socket errors/.test(stdout)) throw new Error(`${contender.name}: ${stdout}`);
  const cpuMicros = Object.fromEntries(Object.keys(pids).map((name) => [name, (((after[name] ?? 0) - (before[name] ?? 0)) * 1e6) / count]));
  return { workload: `GET c=${clients}`, contender: contender.name, p50: millis(stdout, 50), p99: millis(stdout, 99), rate, cpuMicros };
}

/** A line of wrk's: `50%  812.00us`. */
function millis(output: string, percent: number): number {
  const [, value, unit] = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s)$`, 'm').exec(output) ?? [];
  return Number(value) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1);
}

/** How long an event of a stream is on its way. */
async function follow(contender: HttpContender, { target, ca }: Field, seconds: number): Promise<HttpSample> {
  const dispatcher = new Agent({ connect: { ca } });
  const isDirect = contender.name === 'direct';
  const url = isDirect
    ? `${target.events}/events`
    : contender.token === undefined
      ? `${contender.url}/events`
      : contender.url.replace(/orders$/, 'events/events');
  const headers = contender.token === undefined ? {} : { authorization: `Bearer ${contender.token}` };
  const { statusCode, body } = await request(url, { dispatcher, headers });
  if (statusCode !== 200) throw new Error(`${contender.name}: status ${statusCode}: ${await body.text()}`);
  const delays: number[] = [];
  const until = performance.now() + seconds * 1000;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    const arrived = performance.timeOrigin + performance.now();
    for (const [, sent] of chunk.toString().matchAll(/"sent":([\d.]+)/g)) delays.push(arrived - Number(sent));
    if (performance.now() > until) break;
  }
  await dispatcher.destroy();
  delays.sort((a, b) => a - b);
  const at = (part: number): number => delays[Math.floor(delays.length * part)] ?? NaN;
  return { workload: 'events', contender: contender.name, p50: at(0.5), p99: at(0.99), rate: delays.length / seconds, cpuMicros: {} };
}

function cpuOf(pids: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds([pid])]));
}

function report(samples: readonly HttpSample[], contenders: readonly HttpContender[], options: HttpBenchOptions): void {
  const [averageLoad = 0] = loadavg();
  process.stdout.write(
    `\nGET of 943 B of JSON, and one stream of 100 events a second; medians of ${options.rounds} interleaved rounds of ${options.seconds} s; ` +
      `${cpus().length} cores, load ${averageLoad.toFixed(1)}. Times in ms; CPU of what is between, µs a request\n\n`,
  );
  const rows = [...new Set(samples.map(({ workload }) => workload))].flatMap((workload) => contenders.map(({ name }) => rowOf(samples, workload, name)));
  const header = ['workload', 'path', 'p50', 'p99', 'a second', 'of direct', 'of nginx with TLS', 'CPU'];
  for (const row of [header, header.map(() => '---'), ...rows]) process.stdout.write(`| ${row.join(' | ')} |\n`);
  mkdirSync(options.out, { recursive: true });
  const file = join(options.out, `http-${new Date().toISOString().replaceAll(':', '-')}.json`);
  writeFileSync(file, `${JSON.stringify({ options, cores: cpus().length, load: averageLoad, samples }, null, 2)}\n`);
  process.stdout.write(`\n${file}\n`);
}

function rowOf(samples: readonly HttpSample[], workload: string, contender: string): readonly string[] {
  const of = (name: string): readonly HttpSample[] => samples.filter((sample) => sample.workload === workload && sample.contender === name);
  const figure = (name: string, what: 'p50' | 'p99' | 'rate'): number => median(of(name).map((sample) => sample[what]));
  const rate = figure(contender, 'rate');
  const cpuNames = Object.keys(of(contender)[0]?.cpuMicros ?? {});
  const cpu = cpuNames.map((name) => `${name} ${median(of(contender).map(({ cpuMicros }) => cpuMicros[name] ?? NaN)).toFixed(0)}`);
  const ratios = ['direct', 'nginx with TLS'].map((other) => (rate / figure(other, 'rate')).toFixed(2));
  return [workload, contender, figure(contender, 'p50').toFixed(2), figure(contender, 'p99').toFixed(2), rate.toFixed(0), ...ratios, cpu.join(', ')];
}

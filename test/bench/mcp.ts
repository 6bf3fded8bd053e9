import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { thirdParty } from '../support/third-party.ts';
import { cpuSeconds } from './contenders.ts';
import { barOf, ratiosOf, tableOf, type McpSample, type McpWorkload } from './mcp-report.ts';
import { directMcp, otherMcp, posternMcp, type McpContender } from './mcp-contenders.ts';
import { BenchUser } from './mcp-user.ts';

export interface McpBenchOptions {
  readonly rounds: number;
  /** calls of each contender in each round */
  readonly requests: number;
  /** of the names of workloads */
  readonly only: string | undefined;
  /** folder for the JSON */
  readonly out: string;
}

const workloads: readonly McpWorkload[] = [
  { name: 'echo c=1', tool: 'echo', clients: 1, share: 1 },
  { name: 'echo c=16', tool: 'echo', clients: 16, share: 1 },
  { name: '60 KB c=1', tool: 'statement', clients: 1, share: 0.1 },
  { name: '60 KB c=16', tool: 'statement', clients: 16, share: 0.1 },
];
/** calls of each contender before the first round of a workload with `share` 1: as many as compilers take to settle */
const warmUpCalls = 4_000;

export async function benchMcp(options: McpBenchOptions): Promise<void> {
  const direct = await directMcp();
  const contenders: McpContender[] = [direct];
  const users = new Map<string, BenchUser>();
  try {
    const kit = await thirdParty('mcp');
    if (kit.found === undefined) process.stdout.write(`left out: ${kit.why}\n`);
    else contenders.push(...(await otherMcp(kit.found, direct.url)));
    contenders.push(...(await posternMcp(direct.url)));
    for (const contender of contenders) users.set(contender.name, await BenchUser.begin(contender, Math.max(...workloads.map(({ clients }) => clients))));
    const loads = workloads.filter(({ name }) => options.only === undefined || name.includes(options.only));
    const samples = await measure(loads, { contenders, users, options });
    report(samples, options);
  } finally {
    for (const user of users.values()) await user.close().catch(() => undefined);
    for (const contender of contenders) await contender.stop();
  }
}

/** Interleaved: every round runs every contender once, in turn, so that a noisy moment meets all of them. */
async function measure(
  loads: readonly McpWorkload[],
  { contenders, users, options }: { contenders: readonly McpContender[]; users: ReadonlyMap<string, BenchUser>; options: McpBenchOptions },
): Promise<McpSample[]> {
  const samples: McpSample[] = [];
  for (const workload of loads) {
    const count = Math.max(workload.clients, Math.round(options.requests * workload.share));
    for (let round = 0; round <= options.rounds; round++) {
      for (const contender of contenders) {
        const user = users.get(contender.name);
        if (user === undefined) throw new Error(`nobody uses ${contender.name}`);
        // the first round warms up
        const sample = await once(contender, user, { workload, count: round === 0 ? Math.ceil(warmUpCalls * workload.share) : count });
        if (round > 0) samples.push({ ...sample, round });
      }
    }
    process.stderr.write(`${workload.name} done\n`);
  }
  return samples;
}

async function once(
  contender: McpContender,
  user: BenchUser,
  { workload, count }: { workload: McpWorkload; count: number },
): Promise<Omit<McpSample, 'round'>> {
  const { tool, clients } = workload;
  const pids = contender.pids();
  const before = cpuOf(pids);
  const times: number[] = [];
  let [begun, bytes] = [0, 0];
  const startedAt = performance.now();
  const worker = async (): Promise<void> => {
    while (begun < count) {
      const message = `hello ${++begun}`;
      const from = performance.now();
      const [answer = ''] = await user.call({ tool, message });
      times.push(performance.now() - from);
      bytes += answer.length;
      if (tool === 'echo' && !answer.includes(message)) throw new Error(`${contender.name}: the answer to something else: ${answer.slice(0, 200)}`);
    }
  };
  await Promise.all(Array.from({ length: clients }, worker));
  const seconds = (performance.now() - startedAt) / 1000;
  const after = cpuOf(pids);
  times.sort((a, b) => a - b);
  return {
    workload: workload.name,
    contender: contender.name,
    p50: times[Math.floor(count * 0.5)] ?? NaN,
    p99: times[Math.floor(count * 0.99)] ?? NaN,
    rps: count / seconds,
    bytes: bytes / count,
    cpuMicros: Object.fromEntries(Object.keys(pids).map((name) => [name, (((after[name] ?? 0) - (before[name] ?? 0)) * 1e6) / count])),
  };
}

function cpuOf(pids: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds([pid])]));
}

function report(samples: readonly McpSample[], options: McpBenchOptions): void {
  const [load = 0] = loadavg();
  process.stdout.write(
    `\ntools/call, medians of ${options.rounds} interleaved rounds of ${options.requests} calls; ${cpus().length} cores, load ${load.toFixed(1)}. ` +
      `Times in ms; × is the ratio to direct in the same round; CPU of what is between, µs a call\n\n`,
  );
  const ratios = ratiosOf(samples);
  for (const row of tableOf(ratios)) process.stdout.write(`| ${row.join(' | ')} |\n`);
  const verdicts = barOf(ratios);
  process.stdout.write('\n');
  for (const { cell, wanted, measured, isMet } of verdicts) process.stdout.write(`${isMet ? 'met    ' : 'NOT MET'}  ${cell}: ${measured} (bar ${wanted})\n`);
  mkdirSync(options.out, { recursive: true });
  const file = join(options.out, `mcp-${new Date().toISOString().replaceAll(':', '-')}.json`);
  writeFileSync(file, `${JSON.stringify({ options, cores: cpus().length, load, samples, verdicts }, null, 2)}\n`);
  process.stdout.write(`\n${file}\n`);
}

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { startAppliance, type Appliance } from '../support/appliance.ts';
import { ControlApi } from '../support/approval-client.ts';
import { lengthen, type Written } from '../support/long-log.ts';

export interface HistoryBenchOptions {
  readonly events: number;
  readonly sessions: number;
  /** how often each question is asked */
  readonly rounds: number;
  /** folder for the JSON */
  readonly out: string;
}

interface Times {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly worst: number;
}

interface CaughtUp {
  /** from the start of the service until its history says that it follows the log */
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** of /v1/health every 20 ms meanwhile, in milliseconds */
  readonly health: Times;
}

const healthMs = 20;
const lookMs = 100;
const catchUpMs = 600_000;

/** What a log of a million events costs whoever looks at it: until the lists are there, and each first page. */
export async function benchHistory(options: HistoryBenchOptions): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), 'postern-history-'));
  let appliance: Appliance | undefined;
  try {
    appliance = await startAppliance({ dir: base });
    await appliance.stop();
    const written = await lengthen(appliance.dir, options);
    say(`${String(options.events)} events of ${String(options.sessions)} sessions, written at ${written.perSecond.toFixed(0)}/s; load ${load()}`);
    const caughtUp = await caughtUpIn(appliance, options.events);
    say(
      `history complete after ${caughtUp.seconds.toFixed(1)} s: ${caughtUp.eventsPerSecond.toFixed(0)} events/s; /v1/health meanwhile ${shown(caughtUp.health)}`,
    );
    say(`history.db ${megabytes(statSync(join(appliance.dir, 'state', 'history.db')).size)}; control ${megabytes(residentBytes(appliance))}; load ${load()}`);
    const answers = await askAll(appliance, written, options.rounds);
    say(`control afterwards ${megabytes(residentBytes(appliance))}; load ${load()}`);
    const again = await restarted(appliance);
    say(`started again in ${again.toFixed(1)} s`);
    mkdirSync(options.out, { recursive: true });
    const result = { ...options, cores: cpus().length, load: loadavg(), caughtUp, answers: Object.fromEntries(answers), restartSeconds: again };
    writeFileSync(join(options.out, 'history.json'), `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await appliance?.stop();
    rmSync(base, { recursive: true, force: true });
  }
}

const Parts = z.object({ parts: z.array(z.object({ name: z.string(), state: z.string(), detail: z.string() })) });

async function caughtUpIn(appliance: Appliance, events: number): Promise<CaughtUp> {
  const from = performance.now();
  await appliance.start();
  const api = new ControlApi(appliance);
  const over = new AbortController();
  try {
    const health = healthWhile(api, over.signal);
    let first: { at: number; percent: number } | null = null;
    for (;;) {
      const { state, detail } = await historyPart(api);
      const at = performance.now();
      first ??= { at, percent: Number(/(\d+) %/.exec(detail)?.[1] ?? 0) };
      if (state === 'up') {
        over.abort();
        const read = events * (1 - first.percent / 100);
        return { seconds: (at - from) / 1000, eventsPerSecond: (read * 1000) / (at - first.at), health: timesOf(await health) };
      }
      if (at - from > catchUpMs) throw new Error(`the history is not there: ${detail}`);
      await sleep(lookMs);
    }
  } finally {
    api.close();
  }
}

async function historyPart(api: ControlApi): Promise<{ state: string; detail: string }> {
  const { parts } = Parts.parse(await api.ask('GET', '/v1/status'));
  return parts.find(({ name }) => name === 'history') ?? { state: 'missing', detail: '' };
}

/** How long /v1/health took, asked every 20 ms whether or not the last one was answered. */
async function healthWhile(api: ControlApi, signal: AbortSignal): Promise<number[]> {
  const took: number[] = [];
  const asked: Promise<void>[] = [];
  while (!signal.aborted) {
    const from = performance.now();
    asked.push(
      api.call('GET', '/v1/health').then(() => {
        took.push(performance.now() - from);
      }),
    );
    await sleep(healthMs);
  }
  await Promise.all(asked);
  return took;
}

async function askAll(appliance: Appliance, written: Written, rounds: number): Promise<[string, Times][]> {
  const api = new ControlApi(appliance);
  const page50 = await cursorOf(api, '/v1/sessions?limit=100', 50);
  const found: [string, Times][] = [];
  say(`\n${'question'.padEnd(44)}     p50     p95   worst  ms`);
  for (const [name, path] of questions(written, page50)) {
    const took: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const from = performance.now();
      await api.ask('GET', path);
      took.push(performance.now() - from);
    }
    const times = timesOf(took);
    found.push([name, times]);
    say(`${name.padEnd(44)}${[times.p50, times.p95, times.worst].map((time) => time.toFixed(1).padStart(8)).join('')}`);
  }
  api.close();
  return found;
}

function questions({ sessions, principals, firstAt, lastAt }: Written, page50: string): [string, string][] {
  const [middle, principal] = [sessions[sessions.length >> 1] ?? '', principals[7] ?? ''];
  const at = (part: number): string => new Date(firstAt + (lastAt - firstAt) * part).toISOString();
  const search = '/v1/audit/events?limit=100';
  return [
    ['search: everything', search],
    ['search: refusals', `${search}&code=operation.refused`],
    ['search: a code that is rare', `${search}&code=policy.updated`],
    ['search: principal and a day', `${search}&principal=${principal}&from=${at(0.5)}&to=${at(0.53)}`],
    ['search: principal, code and outcome', `${search}&principal=${principal}&code=operation.settled&outcome=success`],
    ['search: nothing matches', `${search}&principal=${principal}&code=operation.settled&outcome=failure`],
    ['search: a session', `${search}&session=${middle}`],
    ['search: an operation', `${search}&operation=opr_${middle.slice(4)}_1`],
    ['search: text of the newest statements', `${search}&text=customer`],
    ['search: text that is nowhere (one page)', `${search}&text=nowhere`],
    ['sessions: first page', '/v1/sessions?limit=100'],
    ['sessions: page 50', `/v1/sessions?limit=100&cursor=${page50}`],
    ['sessions: of one principal', `/v1/sessions?limit=100&principal=${principal}`],
    ['session: one', `/v1/sessions/${middle}`],
    ['overview', '/v1/overview'],
    ['masking ledger, 30 days', '/v1/masking-rules/ledger?days=30'],
  ];
}

async function cursorOf(api: ControlApi, path: string, pages: number): Promise<string> {
  let cursor = '';
  for (let page = 1; page < pages; page++) {
    const { next } = await api.ask<{ next: string | null }>('GET', `${path}${cursor === '' ? '' : `&cursor=${cursor}`}`);
    if (next === null) break;
    cursor = encodeURIComponent(next);
  }
  return cursor;
}

/** Seconds from the start until its history follows the log, when nothing has to be read. */
async function restarted(appliance: Appliance): Promise<number> {
  await appliance.stop();
  const from = performance.now();
  await appliance.start();
  const api = new ControlApi(appliance);
  while ((await historyPart(api)).state !== 'up') await sleep(lookMs);
  api.close();
  return (performance.now() - from) / 1000;
}

function timesOf(took: readonly number[]): Times {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), worst: sorted.at(-1) ?? 0 };
}

function residentBytes(appliance: Appliance): number {
  const pid = appliance.parts().find(({ name }) => name === 'control')?.pid ?? 0;
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
const load = (): string => loadavg()[0]?.toFixed(1) ?? '';
const shown = ({ p50, p99, worst }: Times): string => `p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, worst ${worst.toFixed(1)} ms`;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

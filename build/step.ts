import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { toolCache } from '../proxy/demo/debian-package.ts';
import { readReport, type Tally } from './tally.ts';

export const root = dirname(import.meta.dirname);
export const cache = toolCache(root, homedir());

export interface Step {
  readonly name: string;
  /** program and arguments; the program is a script for the pinned Node */
  readonly script: readonly [string, ...string[]];
  /** a vitest project: its tests are counted one by one */
  readonly isSuite?: boolean;
  readonly deadlineMs: number;
  /** a command that mends it */
  readonly remedy?: string;
}

/** A vitest run whose tests are counted one by one. */
export function suite(name: string, deadlineMs: number, args: readonly string[]): Step {
  return {
    name,
    script: ['node_modules/vitest/vitest.mjs', 'run', ...args, '--reporter=dot', '--reporter=json', `--outputFile.json=${reportOf(name)}`],
    isSuite: true,
    deadlineMs,
  };
}

function reportOf(name: string): string {
  return join(cache, `vitest-${name.replaceAll(/[^a-z]+/g, '-')}.json`);
}

/** What runs in this process, and prints its own line. */
export type OwnStep = () => Promise<Tally>;

/** Runs at most `width` steps at a time, prints each when it ends (its output only when it failed), and counts. */
export async function runSteps(steps: readonly (Step | OwnStep)[], width: number): Promise<Tally[]> {
  const waiting = [...steps];
  const done: Tally[] = [];
  const worker = async (): Promise<void> => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) done.push(await (typeof step === 'function' ? step() : runStep(step)));
  };
  await Promise.all(Array.from({ length: width }, worker));
  return done;
}

async function runStep(step: Step): Promise<Tally> {
  const started = performance.now();
  mkdirSync(cache, { recursive: true });
  rmSync(reportOf(step.name), { force: true });
  const ran = await run(step);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const tally = tallyOf(step, ran);
  const counts = step.isSuite === true ? `  ${tally.passed} passed, ${tally.failures.length} failed, ${tally.skips.length} skipped` : '';
  console.log(`${tally.failures.length === 0 ? 'ok  ' : 'FAIL'} ${step.name.padEnd(12)} ${seconds.padStart(6)} s${counts}`);
  if (tally.failures.length > 0) console.log(`${ran.output.trimEnd()}${step.remedy === undefined ? '' : `\nmended by: ${step.remedy}`}`);
  return tally;
}

function tallyOf(step: Step, ran: Ran): Tally {
  const failed = {
    passed: 0,
    failures: [{ name: step.name, message: ran.late ? `not finished within ${step.deadlineMs / 1000} s` : `exit ${ran.code ?? 'by a signal'}` }],
    skips: [],
  };
  if (step.isSuite !== true) return ran.code === 0 ? { passed: 1, failures: [], skips: [] } : failed;
  if (!existsSync(reportOf(step.name))) return failed;
  const tally = readReport(reportOf(step.name), root);
  // unhandled errors fail a run without failing a test
  return ran.code !== 0 && tally.failures.length === 0 ? { ...tally, failures: failed.failures } : tally;
}

interface Ran {
  readonly code: number | null;
  readonly output: string;
  readonly late: boolean;
}

function run(step: Step): Promise<Ran> {
  return new Promise((settle) => {
    const child = spawn(process.execPath, step.script, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, NO_COLOR: '1' },
    });
    const running = { late: false };
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-200_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const kill = (): void => {
      try {
        // the whole group: tests start servers
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // it has gone
      }
    };
    const timer = setTimeout(() => {
      running.late = true;
      kill();
    }, step.deadlineMs);
    const onSignal = (): void => {
      kill();
      process.exit(130);
    };
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
    child.once('error', (error) => (output += error.message));
    child.once('close', (code) => {
      clearTimeout(timer);
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      settle({ code, output, late: running.late });
    });
  });
}

import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Edit, Mutant } from './mutant.ts';

const folders = ['proxy', 'main', 'renderer', 'test', 'build', 'resources', 'docs'];
const runMs = 240_000;

export interface TestRun {
  readonly passed: number;
  /** full names of tests that failed */
  readonly failed: readonly string[];
  /** why there is no result: the file does not load, or the run did not end */
  readonly broken: string | null;
}

/** What was fetched for the tests once is not fetched again. */
function linkTools(root: string, directory: string): void {
  const tools = join(root, '.cache', 'debian');
  if (!existsSync(tools)) return;
  mkdirSync(join(directory, '.cache'));
  symlinkSync(tools, join(directory, '.cache', 'debian'));
}

/** A copy of the sources to be broken; the working tree is never touched. */
export interface Workspace extends Disposable {
  test(target: Mutant['killedBy']): Promise<TestRun>;
  /** Gives the function that puts the original back, or why an edit cannot be made. */
  plant(mutant: Mutant): (() => void) | string;
}

export function createWorkspace(root: string): Workspace {
  const directory = mkdtempSync(join(tmpdir(), 'postern-mutants-'));
  for (const folder of folders) if (existsSync(join(root, folder))) cpSync(join(root, folder), join(directory, folder), { recursive: true });
  for (const entry of readdirSync(root, { withFileTypes: true }))
    if (entry.isFile() && /[.](?:json|ts|js|cjs|md)$/.test(entry.name)) cpSync(join(root, entry.name), join(directory, entry.name));
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'), 'junction');
  linkTools(root, directory);
  return {
    test: (target) => runTests(directory, target),
    plant: ({ file, find, replace, also = [] }) => {
      const path = join(directory, file);
      if (!existsSync(path)) return `there is no ${file}`;
      const original = readFileSync(path, 'utf8');
      let text = original;
      for (const edit of [{ find, replace }, ...also]) {
        const edited = apply(text, edit);
        if (typeof edited === 'number') return `the text to replace occurs ${edited} times in ${file}, not once: ${edit.find}`;
        text = edited;
      }
      writeFileSync(path, text);
      return () => {
        writeFileSync(path, original);
      };
    },
    [Symbol.dispose]: () => {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** How often the text occurs, when that is not once. */
function apply(text: string, { find, replace }: Edit): string | number {
  const [before, after, ...more] = text.split(find);
  return before === undefined || after === undefined || more.length > 0 ? text.split(find).length - 1 : before + replace + after;
}

const Report = z.object({
  testResults: z.array(z.object({ message: z.string(), assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })) })),
});

async function runTests(directory: string, { file, test }: Mutant['killedBy']): Promise<TestRun> {
  const report = join(directory, 'report.json');
  rmSync(report, { force: true });
  const pattern = test === undefined ? [] : ['-t', test.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')];
  const late = await runNode(directory, ['node_modules/vitest/vitest.mjs', 'run', file, ...pattern, '--reporter=json', `--outputFile=${report}`]);
  if (!existsSync(report)) return { passed: 0, failed: [], broken: late ? `not finished within ${runMs / 1000} s` : 'no report was written' };
  const results = Report.parse(JSON.parse(readFileSync(report, 'utf8'))).testResults;
  const named = (status: string): string[] =>
    results.flatMap(({ assertionResults }) => assertionResults.filter((one) => one.status === status).map(({ fullName }) => fullName));
  const failed = named('failed');
  const passed = named('passed').length;
  const message = results.map((result) => result.message).find((text) => text !== '') ?? '';
  return { passed, failed, broken: passed + failed.length > 0 ? null : `no test ran. ${message}`.trim() };
}

/** True when the deadline passed and the run, with all it started, was stopped. */
function runNode(cwd: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, stdio: 'ignore', detached: true });
    let late = false;
    const stop = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // it has gone
      }
    };
    const timer = setTimeout(() => {
      late = true;
      stop();
    }, runMs);
    process.once('exit', stop);
    const done = (): void => {
      clearTimeout(timer);
      process.off('exit', stop);
      resolve(late);
    };
    child.once('error', done).once('close', done);
  });
}

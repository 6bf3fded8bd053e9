import { type ChildProcess, fork } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Edit, Mutant } from './mutant.ts';

const folders = ['proxy', 'main', 'renderer', 'test', 'build', 'resources', 'docs'];
const runMs = 240_000;

export interface TestRun {
  /** full names of tests */
  readonly passed: readonly string[];
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
  /** `tests`: parts of titles; none: all tests of the file */
  test(file: string, tests: readonly string[]): Promise<TestRun>;
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
  const host = new Host(directory);
  return {
    test: (file, tests) => host.run(file, tests),
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
      const write = (content: string): void => {
        writeFileSync(path, content);
        host.changed(file);
      };
      write(text);
      return () => {
        write(original);
      };
    },
    [Symbol.dispose]: () => {
      host.dispose();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** How often the text occurs, when that is not once. */
function apply(text: string, { find, replace }: Edit): string | number {
  const [before, after, ...more] = text.split(find);
  return before === undefined || after === undefined || more.length > 0 ? text.split(find).length - 1 : before + replace + after;
}

const Answer = z.object({ passed: z.array(z.string()), failed: z.array(z.string()), message: z.string() });

/** The process that runs the tests of a copy (host.ts); started anew when a run did not end. */
class Host {
  readonly #directory: string;
  #child: ChildProcess | null = null;
  /** written since it last ran */
  readonly #changed = new Set<string>();
  readonly #stop = (): void => {
    this.stop();
  };

  constructor(directory: string) {
    this.#directory = directory;
    process.once('exit', this.#stop);
  }

  /** The host reads this file anew. */
  changed(file: string): void {
    this.#changed.add(file);
  }

  async run(file: string, tests: readonly string[]): Promise<TestRun> {
    const broken = (why: string): TestRun => ({ passed: [], failed: [], broken: why });
    const child = (this.#child ??= this.#start());
    const asked = { file, tests, changed: [...this.#changed] };
    this.#changed.clear();
    const answer = await new Promise<unknown>((resolve) => {
      const timer = setTimeout(() => {
        resolve(`not finished within ${runMs / 1000} s`);
      }, runMs);
      const done = (said: unknown): void => {
        clearTimeout(timer);
        resolve(said);
      };
      child.once('message', done).once('exit', () => {
        done('the run ended without a result');
      });
      child.send(asked, (error) => {
        if (error !== null) done('the run could not be started');
      });
    });
    child.removeAllListeners('message').removeAllListeners('exit');
    if (typeof answer === 'string') {
      this.stop();
      return broken(answer);
    }
    const { passed, failed, message } = Answer.parse(answer);
    return { passed, failed, broken: passed.length + failed.length > 0 ? null : `no test ran. ${message}`.trim() };
  }

  #start(): ChildProcess {
    const env = { ...process.env, NODE_COMPILE_CACHE: join(this.#directory, '.cache', 'compiled') };
    const child = fork(join(this.#directory, 'test/mutants/host.ts'), {
      cwd: this.#directory,
      env,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      detached: true,
    });
    // its end says it
    child.on('error', () => undefined);
    return child;
  }

  /** With all that the tests started and left behind. */
  stop(): void {
    try {
      if (this.#child?.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // it has gone
    }
    this.#child = null;
  }

  dispose(): void {
    this.stop();
    process.off('exit', this.#stop);
  }
}

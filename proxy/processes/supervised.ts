import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from '../contract/errors.ts';
import type { LogFile } from './log-file.ts';

export interface SupervisedOptions {
  readonly name: string;
  /** entry file */
  readonly entry: string;
  readonly log: LogFile;
  /** made anew for every start; leaves on standard input only */
  parameters(): Promise<Record<string, unknown>>;
  /** what the process said when it was ready */
  ready(said: Readonly<Record<string, unknown>>): void;
  /** what it says later: one JSON object a line; false: it is a line for the log */
  says?(said: Readonly<Record<string, unknown>>): boolean;
  changed(): void;
}

const readyDeadlineMs = 30_000;
const firstBackoffMs = 100;
const lastBackoffMs = 10_000;
/** a process that lived this long starts again at once */
const healthyMs = 30_000;
const stopDeadlineMs = 8_000;
const maxFaultChars = 300;

/** One process of the service: started again when it ends, stopped in order. */
export class Supervised {
  readonly #options: SupervisedOptions;
  readonly #stopping = new AbortController();
  #child: ChildProcess | null = null;
  #run: Promise<void> = Promise.resolve();
  #up = false;
  #restarts = -1;
  #since = new Date();

  constructor(options: SupervisedOptions) {
    this.#options = options;
  }

  get state(): { name: string; pid: number | null; up: boolean; restarts: number; since: string } {
    return { name: this.#options.name, pid: this.#child?.pid ?? null, up: this.#up, restarts: Math.max(0, this.#restarts), since: this.#since.toISOString() };
  }

  /** Resolves when it is ready for the first time; rejects when its first start fails. From then on it is kept running. */
  async start(): Promise<void> {
    const first = await this.#launch();
    this.#run = this.#keep(first);
  }

  /** Ends it in order; it is started anew as after any end. Nothing happens while it is not up. */
  async restart(): Promise<void> {
    if (this.#child !== null && this.#up && !this.#isStopping()) await end(this.#child);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#child !== null) await end(this.#child);
    await this.#run;
    this.#options.log.close();
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #keep(first: ChildProcess): Promise<void> {
    let child: ChildProcess | null = first;
    let backoffMs = firstBackoffMs;
    while (!this.#isStopping()) {
      if (child) {
        const startedAt = Date.now();
        await ended(child);
        if (Date.now() - startedAt > healthyMs) backoffMs = firstBackoffMs;
      }
      if (this.#isStopping()) return;
      await sleep(backoffMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#isStopping()) return;
      backoffMs = Math.min(backoffMs * 2, lastBackoffMs);
      child = await this.#launch().catch((error: unknown) => {
        this.#options.log.line(`start failed: ${String(error)}`);
        return null;
      });
    }
  }

  async #launch(): Promise<ChildProcess> {
    const { entry, log, name } = this.#options;
    const parameters = JSON.stringify(await this.#options.parameters());
    // its own session: Ctrl-C reaches the supervisor alone, which stops the others in order
    const child = spawn(process.execPath, ['--disallow-code-generation-from-strings', '--disable-proto=delete', entry], {
      env: compiledCode(),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    this.#restarts++;
    this.#since = new Date();
    child.stdin.on('error', () => undefined);
    child.stdin.write(`${parameters}\n`);
    let fault = '';
    createInterface({ input: child.stderr }).on('line', (line) => {
      log.line(line);
      // what an error says, without where it was thrown
      if (/^\w*Error\b/.test(line)) fault = ` (${line.slice(0, maxFaultChars)})`;
    });
    child.once('exit', (code, signal) => {
      this.#up = false;
      log.line(`${name} ended: ${signal ?? `code ${String(code)}`}`);
      this.#options.changed();
    });
    try {
      const later = (line: string): void => {
        if (this.#options.says?.(parse(line) ?? {}) !== true) log.line(line);
      };
      const said = await readyLine(child, later, () => fault);
      this.#up = true;
      this.#options.ready(said);
      this.#options.changed();
      return child;
    } catch (error) {
      child.kill('SIGKILL');
      await ended(child);
      throw error;
    }
  }
}

/** Nothing of our environment but the folder of compiled code that this process was itself started with. */
function compiledCode(): Readonly<Record<string, string>> {
  const folder = process.env['NODE_COMPILE_CACHE'];
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}

/** The first line of its standard output is `{"ready": true, …}`; `fault`: what it last said was wrong. */
function readyLine(child: ChildProcess, later: (line: string) => void, fault: () => string): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    const refuse = (detail: string): void => {
      clearTimeout(deadline);
      reject(fail('ERR_INTERNAL', { message: `A process of the service did not start: ${detail}.`, hint: 'See the logs directory.' }));
    };
    const deadline = setTimeout(() => {
      refuse('it was not ready in time');
    }, readyDeadlineMs);
    child.once('error', (error) => {
      refuse(error.message);
    });
    // close, not exit: its last words have been read then
    child.once('close', (code, signal) => {
      refuse(`it ended with ${signal ?? `code ${String(code)}`}${fault()}`);
    });
    if (!child.stdout) {
      refuse('it has no output');
      return;
    }
    let first = true;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!first) {
        later(line);
        return;
      }
      first = false;
      const said = parse(line);
      if (said?.['ready'] !== true) refuse('it said something else than that it is ready');
      clearTimeout(deadline);
      resolve(said ?? {});
    });
  });
}

function parse(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : null;
  } catch {
    return null;
  }
}

/** Closes its standard input, waits, then insists. */
async function end(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  const insist = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
  await ended(child);
  clearTimeout(insist);
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) resolve();
    else
      child.once('exit', () => {
        resolve();
      });
  });
}

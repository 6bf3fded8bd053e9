import { setTimeout as sleep } from 'node:timers/promises';
import { asAppError, fail, type ErrorCode } from '../../contract/errors.ts';
import type { AppError } from '../../lib/errors.ts';
import type { StdioLaunch } from './stdio-launch.ts';
import { LineReader, LineTail, oneLine } from './stdio-lines.ts';
import type { Spawned, StdioEnd } from './stdio-spawn.ts';

export interface StdioExit extends StdioEnd {
  /** what it last wrote to its standard error, masked; oldest first */
  readonly lastLines: readonly string[];
  /** true: we ended it, for `reason` */
  readonly isStopped: boolean;
  readonly reason: string;
  /** what it did that made us stop it: a line that is too long, input it never read */
  readonly fault: AppError<ErrorCode> | null;
}

/** Takes one message: bytes without a line end, that nobody checked. A promise pauses the server until it resolves. */
export type Receiver = (line: Uint8Array) => true | Promise<void>;

/** How long it is waited in `stop`, and for a server that doesn't read. */
export interface StdioPatience {
  /** after its standard input was closed */
  readonly closeMs: number;
  /** after SIGTERM */
  readonly terminateMs: number;
  /** with a full standard input */
  readonly stalledMs: number;
}

export const patience: StdioPatience = { closeMs: 2_000, terminateMs: 3_000, stalledMs: 30_000 };
/** after SIGKILL; only a process stuck in the kernel takes longer */
const killMs = 2_000;
const minSecretChars = 6;

/** One running MCP server over stdio: messages in order, both ways, with back-pressure; it never outlives the gateway. */
export class StdioChild {
  /** Resolves at its end, however that came; never rejects. */
  readonly exited: Promise<StdioExit>;
  readonly #spawned: Spawned;
  readonly #maxMessageBytes: number;
  readonly #patience: StdioPatience;
  readonly #reader: LineReader;
  readonly #tail: LineTail;
  #receiver: Receiver | null = null;
  #drained: Promise<void> | null = null;
  #hasEnded = false;
  #stopped: { readonly reason: string; readonly fault: AppError<ErrorCode> | null } | null = null;
  #stopping: Promise<void> | null = null;
  #lastUse = performance.now();

  /** `mask` is put on each line of the server's standard error, after its own secret was taken out. */
  constructor(spawned: Spawned, launch: StdioLaunch, more: { mask(line: string): string; patience: StdioPatience }) {
    this.#spawned = spawned;
    this.#maxMessageBytes = launch.limits.maxMessageBytes;
    this.#patience = more.patience;
    this.#reader = new LineReader(launch.limits.maxMessageBytes);
    const withoutSecret = redactor(launch);
    this.#tail = new LineTail(launch.limits.maxStderrLines, (line) => more.mask(withoutSecret(line)));
    spawned.stdin.on('error', () => undefined);
    spawned.stdout.on('error', () => undefined);
    spawned.stderr.on('error', () => undefined);
    spawned.stderr.on('data', (chunk: Buffer) => {
      this.#tail.push(chunk);
    });
    this.exited = this.#watch();
  }

  get pid(): number {
    return this.#spawned.pid;
  }

  /** False as soon as it ended, or is told to. */
  get isUsable(): boolean {
    return !this.#hasEnded && this.#stopped === null;
  }

  /** milliseconds since a message last went either way */
  get idleMs(): number {
    return performance.now() - this.#lastUse;
  }

  /** Who gets the messages, from the first; until there is one the server's output waits. Called once. */
  receive(receiver: Receiver): void {
    if (this.#receiver !== null) throw fail('ERR_INTERNAL', { detail: 'a stdio server has two receivers' });
    this.#receiver = receiver;
    this.#spawned.stdout.on('data', (chunk: Buffer) => {
      void this.#take(chunk);
    });
  }

  /**
   * Sends one JSON text; line breaks between its tokens become spaces. `true`: go on; a promise: wait, the server is slow.
   * Throws ERR_STATEMENT_TOO_LARGE, or ERR_TARGET_UNREACHABLE when it has ended; the promise rejects when it ends meanwhile.
   */
  send(message: Uint8Array): true | Promise<void> {
    if (message.length > this.#maxMessageBytes) throw fail('ERR_STATEMENT_TOO_LARGE');
    const { stdin } = this.#spawned;
    // who doesn't wait for the promise may fill no memory
    if (!this.isUsable || !stdin.writable || stdin.writableLength > 2 * this.#maxMessageBytes + stdin.writableHighWaterMark) throw this.#unreachable();
    this.#lastUse = performance.now();
    stdin.cork();
    stdin.write(oneLine(message));
    const goOn = stdin.write('\n');
    stdin.uncork();
    if (goOn || !stdin.writableNeedDrain) return true;
    if (this.#drained === null) {
      this.#drained = this.#drain();
      // who doesn't wait learns it from `exited`
      this.#drained.catch(() => undefined);
    }
    return this.#drained;
  }

  /** Closes its standard input, waits, sends SIGTERM to its group, waits, and kills what is left. Resolves when it has ended. */
  stop(reason: string): Promise<void> {
    this.#stopped ??= { reason, fault: null };
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  /** Ends it at once. */
  kill(reason: string): Promise<void> {
    this.#stopped ??= { reason, fault: null };
    this.#spawned.kill();
    return this.stop(reason);
  }

  async #end(): Promise<void> {
    const { closeMs, terminateMs } = this.#patience;
    // output that nobody takes would keep it from ending
    if (this.#receiver === null) this.#spawned.stdout.resume();
    this.#spawned.stdin.end();
    if (await this.#endsWithin(closeMs)) return;
    this.#spawned.terminate();
    if (await this.#endsWithin(terminateMs)) return;
    this.#spawned.kill();
    await this.#endsWithin(killMs);
  }

  async #endsWithin(ms: number): Promise<boolean> {
    const stop = new AbortController();
    const late = sleep(ms, false, { signal: stop.signal }).catch(() => false);
    const ended = await Promise.race([this.exited.then(() => true), late]);
    stop.abort();
    return ended;
  }

  async #watch(): Promise<StdioExit> {
    const end = await this.#spawned.ended;
    this.#hasEnded = true;
    const { reason, fault } = this.#stopped ?? { reason: 'ended by itself', fault: null };
    return { ...end, lastLines: this.#tail.lines(), isStopped: this.#stopped !== null, reason, fault };
  }

  async #take(chunk: Uint8Array): Promise<void> {
    const { stdout } = this.#spawned;
    try {
      for (const line of this.#reader.push(chunk)) {
        this.#lastUse = performance.now();
        const taken = this.#receiver?.(line) ?? true;
        if (taken === true) continue;
        // before anything is awaited: so no chunk overtakes this one
        stdout.pause();
        await taken;
      }
      stdout.resume();
    } catch (error) {
      this.#fault(asAppError(error));
    }
  }

  /** What it sends from now on is taken by nobody. */
  #fault(error: AppError<ErrorCode>): void {
    this.#stopped ??= { reason: error.message, fault: error };
    this.#spawned.stdout.removeAllListeners('data');
    this.#spawned.stdout.resume();
    this.#spawned.kill();
  }

  async #drain(): Promise<void> {
    const { stdin } = this.#spawned;
    const drained = new Promise<'drained'>((resolve) => {
      stdin.once('drain', () => {
        resolve('drained');
      });
    });
    let what: unknown = 'late';
    // while our own receiver holds it up, the server is not to blame
    do {
      const stop = new AbortController();
      const late = sleep(this.#patience.stalledMs, 'late', { signal: stop.signal }).catch(() => 'late');
      what = await Promise.race([drained, late, this.exited]);
      stop.abort();
    } while (what === 'late' && this.#spawned.stdout.isPaused());
    this.#drained = null;
    if (what === 'drained') return;
    if (what === 'late') this.#fault(fail('ERR_TIMEOUT', { message: 'The MCP server did not read its input in time, so it was stopped.' }));
    throw this.#unreachable();
  }

  #unreachable(): AppError<ErrorCode> {
    return this.#stopped?.fault ?? fail('ERR_TARGET_UNREACHABLE', { message: 'The MCP server has ended, or does not read what it is sent.' });
  }
}

/** A server may print what it was given: each line of it is taken out by value. */
function redactor({ secret }: StdioLaunch): (line: string) => string {
  const values = (secret?.value.reveal() ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.length >= minSecretChars);
  return (line) => values.reduce((text, value) => text.replaceAll(value, '[secret]'), line);
}

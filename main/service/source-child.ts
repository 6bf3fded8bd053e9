import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fail } from '../../proxy/contract/errors.ts';
import { reasonOf } from '../../proxy/lib/errors.ts';
import { Secret } from '../../proxy/lib/secret.ts';
import type { Unsubscribe } from '../contract/bridge.ts';
import type { LocalService, ServiceVerb } from '../contract/views.ts';
import type { ClockPort } from '../ports.ts';
import { askHealth, versionFault, type Health } from './health.ts';
import { LogLines } from './log-lines.ts';
import { trustOf } from './socket-trust.ts';
import { Told, type LocalSupervision } from './supervision.ts';

export interface SourceOptions {
  /** the pinned Node */
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly dataDir: string;
  readonly appVersion: string;
  readonly clock: ClockPort;
  /** how long it may take until it says that it is up */
  readonly readyMs?: number;
  readonly firstPauseMs?: number;
}

const StatusFile = z.object({ apiSocket: z.string().max(200).optional(), startedAt: z.iso.datetime() });

const usualReadyMs = 60_000;
const usualPauseMs = 1_000;
const maxPauseMs = 30_000;
const calmMs = 60_000;
const stopMs = 10_000;
const lookMs = 5_000;
const maxFailedStarts = 3;

/** How it is: `adopted` was started by somebody else on the same data directory, and is only watched. */
type Phase = 'stopped' | 'starting' | 'up' | 'adopted' | 'stopping';

/** The service out of a checkout, as a child of this app: restarted ever more slowly, and given up when it never comes up. */
export class SourceChild implements LocalSupervision {
  readonly #options: SourceOptions;
  readonly #told = new Told();
  readonly #lines = new LogLines();
  #phase: Phase = 'stopped';
  #child: ChildProcess | null = null;
  #why = 'It has not been started.';
  #health: Health | null = null;
  #socketFault: string | null = null;
  #socket: string | null = null;
  #startedAt: string | null = null;
  #restarts = 0;
  #failedStarts = 0;
  #pauseMs: number;
  #callOff: (() => void) | null = null;
  #stopLooking: (() => void) | null = null;
  #isClosed = false;

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#pauseMs = options.firstPauseMs ?? usualPauseMs;
  }

  /** Uses what runs already on the data directory, else starts it. */
  async start(): Promise<void> {
    if (this.#phase !== 'stopped' || this.#isClosed) return;
    this.#enter('starting', '');
    if (await this.#look()) this.#enter('adopted', 'It was started outside of this app; stop it where it was started.');
    else this.#spawn();
    this.#keepLooking();
  }

  status(): Promise<LocalService> {
    return Promise.resolve(this.#view());
  }

  watch(listener: (service: LocalService) => void): Unsubscribe {
    return this.#told.watch(listener);
  }

  async run(verb: ServiceVerb): Promise<LocalService> {
    if (!this.#verbs().includes(verb)) throw fail('ERR_CONFLICT', { message: `The service cannot do “${verb}” now.`, hint: this.#why });
    if (verb === 'stop' || verb === 'restart') await this.#stop(stopMs, 'It was stopped here.');
    if (verb === 'start' || verb === 'restart') {
      this.#failedStarts = 0;
      this.#pauseMs = this.#options.firstPauseMs ?? usualPauseMs;
      await this.start();
    }
    return this.#view();
  }

  async setupCode(): Promise<Secret<string> | null> {
    try {
      const text = await readFile(join(this.#options.dataDir, 'setup.link'), 'utf8');
      const [, code] = /#enrol=(postern-enrol:[A-Za-z0-9_-]{1,4000})/.exec(text.slice(0, 8_192)) ?? [];
      return code === undefined ? null : new Secret(code);
    } catch {
      return null;
    }
  }

  async close(milliseconds: number): Promise<void> {
    this.#isClosed = true;
    this.#stopLooking?.();
    await this.#stop(milliseconds, 'The app was closed.');
  }

  #spawn(): void {
    const { program, args, cwd, environment } = this.#options;
    // a group of its own: what it started can be ended with it
    const child = spawn(program, [...args], { cwd, env: { ...environment }, stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' });
    this.#child = child;
    const callOffReady = this.#options.clock.after(this.#options.readyMs ?? usualReadyMs, () => {
      this.#lines.note('postern: it did not come up in time');
      kill(child);
    });
    const upAt = { value: null as number | null };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      const isUp = this.#lines.add(chunk).some((line) => line.startsWith('Postern is up'));
      if (!isUp || this.#child !== child || this.#phase !== 'starting') return;
      callOffReady();
      upAt.value = this.#options.clock.now();
      void this.#cameUp();
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#lines.add(chunk);
    });
    child.once('error', (error) => {
      this.#lines.note(`postern: it could not be started: ${reasonOf(error)}`);
      if (child.pid === undefined) this.#ended(child, { callOffReady, upAt: null, how: 'it could not be started' });
    });
    // close, not exit: its last words have been read then
    child.once('close', (code, signal) => {
      this.#ended(child, { callOffReady, upAt: upAt.value, how: signal === null ? `exit ${String(code)}` : `signal ${signal}` });
    });
  }

  async #cameUp(): Promise<void> {
    this.#failedStarts = 0;
    await this.#look();
    // the phase may have changed while it was looked at
    if (this.#phase === 'starting') this.#enter('up', '');
  }

  #ended(child: ChildProcess, { callOffReady, upAt, how }: { callOffReady: () => void; upAt: number | null; how: string }): void {
    callOffReady();
    if (this.#child !== child) return;
    this.#child = null;
    this.#health = null;
    this.#startedAt = null;
    if (this.#phase === 'stopping' || this.#isClosed) return;
    this.#lines.note(`postern: the service ended (${how})`);
    const { clock, firstPauseMs = usualPauseMs } = this.#options;
    if (upAt === null) this.#failedStarts += 1;
    else if (clock.now() - upAt >= calmMs) this.#pauseMs = firstPauseMs;
    if (this.#failedStarts >= maxFailedStarts) {
      this.#enter('stopped', `It ended ${maxFailedStarts} times before it was up; the last lines say why.`);
      return;
    }
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs * 2, maxPauseMs);
    this.#enter('starting', `It ended (${how}) and is started again.`);
    this.#callOff = clock.after(pauseMs, () => {
      this.#callOff = null;
      this.#restarts += 1;
      this.#spawn();
      this.#tell();
    });
  }

  async #stop(milliseconds: number, why: string): Promise<void> {
    this.#callOff?.();
    this.#callOff = null;
    const child = this.#child;
    if (this.#phase === 'adopted') return;
    if (child !== null) {
      this.#enter('stopping', '');
      await ended(child, milliseconds);
      this.#child = null;
    }
    this.#health = null;
    this.#startedAt = null;
    this.#enter('stopped', why);
  }

  /** While nothing runs here somebody may start one elsewhere; while one runs its health may change. */
  #keepLooking(): void {
    this.#stopLooking?.();
    this.#stopLooking = this.#options.clock.after(lookMs, () => {
      void this.#lookAgain().finally(() => {
        if (!this.#isClosed) this.#keepLooking();
      });
    });
  }

  async #lookAgain(): Promise<void> {
    if (this.#phase === 'starting' || this.#phase === 'stopping') return;
    const answers = await this.#look();
    if (this.#phase === 'adopted' && !answers) this.#enter('stopped', 'It was stopped outside of this app.');
    else if (this.#phase === 'stopped' && answers) this.#enter('adopted', 'It was started outside of this app; stop it where it was started.');
    else this.#tell();
  }

  /** Whether a service of ours answers on the local socket of the data directory. */
  async #look(): Promise<boolean> {
    const found = await this.#statusFile();
    const socket = found?.apiSocket ?? join(this.#options.dataDir, 'run', 'api.sock');
    const trust = await trustOf(socket, new Set([process.getuid?.() ?? 0]));
    this.#socketFault = trust.state === 'untrusted' ? trust.why : null;
    this.#socket = trust.state === 'trusted' ? socket : null;
    this.#startedAt = found?.startedAt ?? null;
    try {
      this.#health = trust.state === 'trusted' ? await askHealth(socket) : null;
    } catch {
      this.#health = null;
    }
    return this.#health !== null;
  }

  async #statusFile(): Promise<z.infer<typeof StatusFile> | null> {
    try {
      return StatusFile.parse(JSON.parse(await readFile(join(this.#options.dataDir, 'status.json'), 'utf8')));
    } catch {
      return null;
    }
  }

  #enter(phase: Phase, why: string): void {
    this.#phase = phase;
    this.#why = why;
    this.#tell();
  }

  #tell(): void {
    this.#told.tell(this.#view());
  }

  #verbs(): ServiceVerb[] {
    switch (this.#phase) {
      case 'up':
        return ['restart', 'stop'];
      case 'stopped':
        return ['start'];
      case 'starting':
        return ['stop'];
      case 'adopted':
      case 'stopping':
        return [];
    }
  }

  #view(): LocalService {
    const { state, detail } = this.#state();
    return {
      state,
      detail: detail.slice(0, 1_000),
      appVersion: this.#options.appVersion,
      serviceVersion: this.#health?.version ?? null,
      owner: 'child',
      socket: this.#socket,
      startedAt: this.#startedAt,
      restarts: this.#restarts,
      lastLines: [...this.#lines.lines],
      logFile: join(this.#options.dataDir, 'logs'),
      verbs: this.#verbs(),
    };
  }

  #state(): Pick<LocalService, 'state' | 'detail'> {
    if (this.#phase === 'starting' || this.#phase === 'stopped') return { state: this.#phase, detail: this.#why };
    if (this.#phase === 'stopping') return { state: 'running', detail: 'It is being stopped.' };
    if (this.#socketFault !== null) return { state: 'untrusted-socket', detail: this.#socketFault };
    if (this.#health === null) return { state: 'degraded', detail: 'It runs but does not answer on its local socket.' };
    const mismatch = versionFault(this.#health, this.#options.appVersion);
    if (mismatch !== null) return { state: 'version-mismatch', detail: mismatch };
    return this.#health.state === 'up' ? { state: 'running', detail: this.#why } : { state: 'degraded', detail: 'A part of it is down; Health shows which.' };
  }
}

/** Asks it to end and waits; what is left after the deadline is killed with all it started. */
function ended(child: ChildProcess, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      resolve();
      return;
    }
    const late = setTimeout(() => {
      kill(child);
    }, milliseconds);
    // a grandchild may hold the pipes open after it
    child.once('exit', () => {
      clearTimeout(late);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

function kill(child: ChildProcess): void {
  try {
    if (child.pid !== undefined && process.platform !== 'win32') process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    // it has gone
  }
}

import { existsSync } from 'node:fs';
import { fail } from '../../proxy/contract/errors.ts';
import type { Unsubscribe } from '../contract/bridge.ts';
import type { LocalService, ServiceVerb } from '../contract/views.ts';
import type { ClockPort } from '../ports.ts';
import { askHealth, versionFault, type Health } from './health.ts';
import { shown } from './log-lines.ts';
import { run } from './program.ts';
import { trustOf } from './socket-trust.ts';
import { Told, type LocalSupervision } from './supervision.ts';

export interface InstalledOptions {
  readonly appVersion: string;
  readonly clock: ClockPort;
  /** the local socket of the service */
  readonly socket: string;
  /** the bundled service with its list of hashes; without it nothing can be installed from here */
  readonly bundle: string;
  /** programs, absolute; parameters for the tests only */
  readonly programs: { readonly systemctl: string; readonly journalctl: string; readonly pkexec: string; readonly id: string; readonly helper: string };
}

export const debianPrograms: InstalledOptions['programs'] = {
  systemctl: '/usr/bin/systemctl',
  journalctl: '/usr/bin/journalctl',
  pkexec: '/usr/bin/pkexec',
  id: '/usr/bin/id',
  helper: '/usr/lib/postern/postern-helper',
};

interface Unit {
  readonly load: string;
  readonly active: string;
  readonly restarts: number;
  readonly since: string | null;
}

interface Seen {
  readonly unit: Unit;
  readonly health: Health | null;
  /** the socket is there but not for this user to use */
  readonly isClosed: boolean;
  readonly socketFault: string | null;
  readonly lines: readonly string[];
}

const unitName = 'postern.service';
const lookMs = 5_000;
const queryMs = 5_000;
// a person types a password meanwhile
const verbMs = 300_000;

/** The service that the operating system runs: the app connects, reports and asks; it never starts one of its own. */
export class InstalledUnit implements LocalSupervision {
  readonly #options: InstalledOptions;
  readonly #told = new Told();
  #stopLooking: (() => void) | null = null;
  #isClosed = false;
  #isBusy = false;

  constructor(options: InstalledOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.status();
    this.#keepLooking();
  }

  async status(): Promise<LocalService> {
    const view = this.#view(await this.#see());
    this.#told.tell(view);
    return view;
  }

  watch(listener: (service: LocalService) => void): Unsubscribe {
    return this.#told.watch(listener);
  }

  async run(verb: ServiceVerb): Promise<LocalService> {
    const { verbs } = await this.status();
    if (this.#isBusy) throw fail('ERR_CONFLICT', { message: 'Another change of the service is under way.' });
    if (!verbs.includes(verb)) throw fail('ERR_CONFLICT', { message: `The service cannot do “${verb}” now.` });
    this.#isBusy = true;
    try {
      await this.#elevated(verb);
    } finally {
      this.#isBusy = false;
    }
    return this.status();
  }

  /** The first administrator's link of an installed service is for who may read its data directory. */
  setupCode(): Promise<null> {
    return Promise.resolve(null);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#stopLooking?.();
    return Promise.resolve();
  }

  async #elevated(verb: ServiceVerb): Promise<void> {
    const { pkexec, helper } = this.#options.programs;
    const { code, output, fault } = await run(pkexec, [helper, verb], verbMs);
    if (code === 0) return;
    if (fault === 'ENOENT') throw fail('ERR_NOT_FOUND', { message: 'pkexec is not installed.', hint: `Run as root: ${helper} ${verb}` });
    if (fault === 'ETIMEDOUT') throw fail('ERR_TIMEOUT', { message: 'Nothing happened within five minutes.' });
    // pkexec(1): 126 dismissed, 127 not authorized
    if (code === 126 || (code === 127 && !output.includes('postern-helper:')))
      throw fail('ERR_FORBIDDEN', { message: 'An administrator’s password is needed, and none was given.', hint: `Or run as root: ${helper} ${verb}` });
    const said = output.trim().split('\n').slice(-25).map(shown).join('\n');
    throw fail('ERR_INTERNAL', { message: `“${verb}” did not succeed:\n${said.slice(-4_000)}`, hint: 'The lines above come from the installer.' });
  }

  #keepLooking(): void {
    this.#stopLooking?.();
    this.#stopLooking = this.#options.clock.after(lookMs, () => {
      void this.status()
        .catch(() => undefined)
        .finally(() => {
          if (!this.#isClosed) this.#keepLooking();
        });
    });
  }

  async #see(): Promise<Seen> {
    const unit = await this.#unit();
    const trust = unit.load === 'loaded' ? await trustOf(this.#options.socket, await this.#owners()) : { state: 'absent' as const };
    const socketFault = trust.state === 'untrusted' ? trust.why : null;
    const { health, isClosed } = trust.state === 'trusted' ? await this.#health() : { health: null, isClosed: false };
    const isWell = unit.load !== 'loaded' || (unit.active === 'active' && (health !== null || isClosed));
    return { unit, health, isClosed, socketFault, lines: isWell ? [] : await this.#journal() };
  }

  async #unit(): Promise<Unit> {
    const asked = ['show', unitName, '--no-pager', '--property=LoadState,ActiveState,NRestarts,ActiveEnterTimestamp', '--timestamp=unix'];
    const { code, output } = await run(this.#options.programs.systemctl, asked, queryMs);
    const found = new Map(
      code === 0 ? output.split('\n').map((line): [string, string] => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]) : [],
    );
    const seconds = Number(/^@(\d{1,12})$/.exec(found.get('ActiveEnterTimestamp') ?? '')?.[1] ?? Number.NaN);
    return {
      load: found.get('LoadState') ?? 'unknown',
      active: found.get('ActiveState') ?? 'unknown',
      restarts: Number(/^\d{1,9}$/.exec(found.get('NRestarts') ?? '')?.[0] ?? 0),
      since: Number.isNaN(seconds) ? null : new Date(seconds * 1_000).toISOString(),
    };
  }

  /** root, and the user the service runs as */
  async #owners(): Promise<ReadonlySet<number>> {
    const { code, output } = await run(this.#options.programs.id, ['-u', 'postern'], queryMs);
    const uid = code === 0 && /^\d{1,10}\n?$/.test(output) ? [Number(output)] : [];
    return new Set([0, ...uid]);
  }

  async #health(): Promise<{ health: Health | null; isClosed: boolean }> {
    try {
      return { health: await askHealth(this.#options.socket), isClosed: false };
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      return { health: null, isClosed: cause instanceof Error && 'code' in cause && cause.code === 'EACCES' };
    }
  }

  async #journal(): Promise<readonly string[]> {
    const { code, output } = await run(
      this.#options.programs.journalctl,
      ['--unit', unitName, '--lines', '25', '--no-pager', '--output', 'cat', '--quiet'],
      queryMs,
    );
    return code === 0
      ? output
          .split('\n')
          .filter((line) => line !== '')
          .slice(-25)
          .map(shown)
      : [];
  }

  #view(seen: Seen): LocalService {
    const { unit, health, lines } = seen;
    const { state, detail } = stateOf(seen, this.#options.appVersion);
    return {
      state,
      detail: detail.slice(0, 1_000),
      appVersion: this.#options.appVersion,
      serviceVersion: health?.version ?? null,
      owner: unit.load === 'loaded' ? 'installed' : 'none',
      socket: health === null ? null : this.#options.socket,
      startedAt: unit.active === 'active' ? unit.since : null,
      restarts: unit.restarts,
      lastLines: [...lines],
      logFile: null,
      verbs: this.#verbs(unit),
    };
  }

  #verbs({ load, active }: Unit): ServiceVerb[] {
    const hasBundle = existsSync(this.#options.bundle) && existsSync(this.#options.programs.helper);
    if (load !== 'loaded') return hasBundle && load === 'not-found' ? ['install'] : [];
    const running: ServiceVerb[] = active === 'active' || active === 'activating' ? ['restart', 'stop'] : ['start'];
    return hasBundle ? [...running, 'repair'] : running;
  }
}

type State = Pick<LocalService, 'state' | 'detail'>;

function stateOf(seen: Seen, appVersion: string): State {
  const { unit } = seen;
  if (unit.load === 'unknown') return { state: 'not-installed', detail: 'systemd does not answer here, so no service can be managed from this app.' };
  if (unit.load !== 'loaded') return { state: 'not-installed', detail: unit.load === 'not-found' ? '' : `systemd could not load ${unitName} (${unit.load}).` };
  if (unit.active === 'activating') return { state: 'starting', detail: '' };
  if (unit.active !== 'active') return { state: 'stopped', detail: unit.active === 'failed' ? 'It ended with a fault; the last lines say why.' : '' };
  return answeredState(seen, appVersion);
}

function answeredState({ health, isClosed, socketFault }: Seen, appVersion: string): State {
  if (socketFault !== null) return { state: 'untrusted-socket', detail: socketFault };
  if (health === null && isClosed) return { state: 'running', detail: 'systemd says so; its local socket is closed to this user.' };
  if (health === null) return { state: 'degraded', detail: 'systemd has started it, but it does not answer on its local socket.' };
  const mismatch = versionFault(health, appVersion);
  if (mismatch !== null) return { state: 'version-mismatch', detail: mismatch };
  return health.state === 'up' ? { state: 'running', detail: '' } : { state: 'degraded', detail: 'A part of it is down; Health shows which.' };
}

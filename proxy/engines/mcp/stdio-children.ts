import { asAppError, fail } from '../../contract/errors.ts';
import { sandboxAvailable } from './sandbox-trial.ts';
import { patience, StdioChild, type StdioExit, type StdioPatience } from './stdio-child.ts';
import { checkIntegrity, checkLaunch, type StdioLaunch } from './stdio-launch.ts';
import { spawnStdio } from './stdio-spawn.ts';

/** One child for each: no principal ever talks to the child of another, nor to one with an older credential. */
export interface StdioKey {
  readonly server: string;
  readonly principal: string;
  /** who has it, however many sessions they have; absent: `principal` */
  readonly owner?: string;
  /** of the credential and the registration: another one starts another child */
  readonly version: string;
}

export interface StdioChildrenOptions {
  readonly maxChildren: number;
  readonly maxPerServer: number;
  /** of one server, for one owner: nobody takes all places. Default: `maxPerServer` */
  readonly maxPerOwner?: number;
  /** without a message, while nobody uses it */
  readonly idleMs: number;
  /** Masks a line of a server's standard error. */
  mask(line: string): string;
  /** told once for each child that ended, stopped or not */
  ended?(key: StdioKey, exit: StdioExit): void;
  readonly patience?: StdioPatience;
  /** after the first crash; doubled by each further one, up to `lastBackoffMs` */
  readonly firstBackoffMs?: number;
  readonly lastBackoffMs?: number;
}

/** The right to use a child; while anybody has one, the child isn't stopped for being idle. */
export interface StdioUse extends Disposable {
  readonly child: StdioChild;
}

interface Entry {
  readonly key: StdioKey;
  readonly starting: Promise<StdioChild>;
  child: StdioChild | null;
  uses: number;
  /** a newer version is in use: it ends with its last use */
  isRetired: boolean;
}

interface Crashes {
  readonly count: number;
  /** on the clock of `performance.now` */
  readonly notBefore: number;
}

const defaultFirstBackoffMs = 500;
const defaultLastBackoffMs = 60_000;
/** a child that lived this long did not crash in a loop */
const healthyMs = 30_000;
const maxRemembered = 10_000;

/** All MCP servers over stdio of one gateway: started on demand, shared by the sessions of one principal, stopped when idle. */
export class StdioChildren {
  readonly #options: StdioChildrenOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #crashes = new Map<string, Crashes>();
  readonly #running = new Set<StdioChild>();
  readonly #sweep: NodeJS.Timeout;
  #isStopped = false;

  constructor(options: StdioChildrenOptions) {
    this.#options = options;
    this.#sweep = setInterval(
      () => {
        this.#stopIdle();
      },
      Math.max(50, options.idleMs / 4),
    ).unref();
  }

  /** children that run, those that are being stopped among them */
  get size(): number {
    return this.#running.size;
  }

  /**
   * The child for `key`, started with `launch` when there is none; a launch that changed needs another version. Throws ERR_INVALID_INPUT, ERR_VERIFICATION_FAILED (integrity),
   * ERR_FEATURE_REFUSED (no sandbox here), ERR_TOO_MANY_CONNECTIONS, or ERR_TARGET_UNREACHABLE, also while it waits after crashes.
   */
  async acquire(key: StdioKey, launch: StdioLaunch): Promise<StdioUse> {
    if (this.#isStopped) throw fail('ERR_SESSION_ENDED');
    const name = nameOf(key);
    let entry = this.#entries.get(name);
    if (entry === undefined || entry.isRetired || entry.child?.isUsable === false) entry = this.#begin(key, launch);
    entry.uses++;
    try {
      const child = await entry.starting;
      return this.#use(entry, child);
    } catch (error) {
      entry.uses--;
      throw error;
    }
  }

  /** Ends every child of a server: it was changed, or taken away. */
  async stopServer(server: string, reason: string): Promise<void> {
    await this.#stopWhere((entry) => entry.key.server === server, reason);
  }

  /** Ends every child of a principal: their access was revoked. */
  async stopPrincipal(principal: string, reason: string): Promise<void> {
    await this.#stopWhere((entry) => entry.key.principal === principal, reason);
  }

  /** Ends all, and starts none any more. Resolves when no child is left. */
  async stopAll(reason: string): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#sweep);
    await this.#stopWhere(() => true, reason);
    await Promise.all([...this.#running].map((child) => child.stop(reason)));
  }

  async #stopWhere(chosen: (entry: Entry) => boolean, reason: string): Promise<void> {
    const entries = [...this.#entries.values()].filter(chosen);
    await Promise.all(
      entries.map(async (entry) => {
        this.#forget(entry);
        const child = await entry.starting.catch(() => null);
        await child?.stop(reason);
      }),
    );
  }

  #use(entry: Entry, child: StdioChild): StdioUse {
    let isOver = false;
    return {
      child,
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        entry.uses--;
        if (entry.isRetired && entry.uses === 0) void child.stop('its credential or its registration was replaced');
      },
    };
  }

  /** Reserves the place before anything is awaited, so that two callers get one child, and the caps hold. */
  #begin(key: StdioKey, launch: StdioLaunch): Entry {
    const name = nameOf(key);
    this.#refuseWhileBackingOff(name);
    this.#retireOlder(key);
    this.#makeRoom(key);
    const { promise, resolve, reject } = Promise.withResolvers<StdioChild>();
    const entry: Entry = { key, starting: promise, child: null, uses: 0, isRetired: false };
    this.#entries.set(name, entry);
    this.#start(entry, launch).then(resolve, (error: unknown) => {
      this.#forget(entry);
      reject(asAppError(error));
    });
    return entry;
  }

  async #start(entry: Entry, launch: StdioLaunch): Promise<StdioChild> {
    await checkLaunch(launch);
    await refuseWithoutSandbox(launch);
    await checkIntegrity(launch);
    if (!this.#isCurrent(entry)) throw fail('ERR_SESSION_ENDED');
    const child = new StdioChild(await this.#spawn(entry, launch), launch, {
      mask: (line) => this.#options.mask(line),
      patience: this.#options.patience ?? patience,
    });
    entry.child = child;
    this.#running.add(child);
    const startedAt = performance.now();
    void child.exited.then((exit) => {
      this.#running.delete(child);
      this.#forget(entry);
      if (!exit.isStopped || exit.fault !== null) this.#crashed(nameOf(entry.key), performance.now() - startedAt);
      this.#options.ended?.(entry.key, exit);
    });
    if (this.#isCurrent(entry)) return child;
    // it was revoked, or all were stopped, while it started
    await child.stop('it was no longer wanted');
    throw fail('ERR_SESSION_ENDED');
  }

  async #spawn(entry: Entry, launch: StdioLaunch): ReturnType<typeof spawnStdio> {
    try {
      return await spawnStdio(launch);
    } catch (error) {
      this.#crashed(nameOf(entry.key), 0);
      throw error;
    }
  }

  #isCurrent(entry: Entry): boolean {
    return !this.#isStopped && this.#entries.get(nameOf(entry.key)) === entry;
  }

  #forget(entry: Entry): void {
    const name = nameOf(entry.key);
    if (this.#entries.get(name) === entry) this.#entries.delete(name);
  }

  #refuseWhileBackingOff(name: string): void {
    const crashes = this.#crashes.get(name);
    const waitMs = (crashes?.notBefore ?? 0) - performance.now();
    if (crashes === undefined || waitMs <= 0) return;
    throw fail('ERR_TARGET_UNREACHABLE', {
      message: `The MCP server ended ${crashes.count === 1 ? 'unexpectedly' : `unexpectedly ${crashes.count} times`}; it can be started again in ${Math.ceil(waitMs / 1000)} s.`,
      hint: 'Ask the administrator to look at its last lines in the service log.',
    });
  }

  #crashed(name: string, livedMs: number): void {
    const { firstBackoffMs = defaultFirstBackoffMs, lastBackoffMs = defaultLastBackoffMs } = this.#options;
    const count = livedMs > healthyMs ? 1 : (this.#crashes.get(name)?.count ?? 0) + 1;
    this.#crashes.delete(name);
    const [oldest] = this.#crashes.keys();
    if (oldest !== undefined && this.#crashes.size >= maxRemembered) this.#crashes.delete(oldest);
    this.#crashes.set(name, { count, notBefore: performance.now() + Math.min(firstBackoffMs * 2 ** Math.min(count - 1, 30), lastBackoffMs) });
  }

  #retireOlder(key: StdioKey): void {
    for (const entry of this.#entries.values()) {
      if (entry.key.server !== key.server || entry.key.principal !== key.principal || entry.isRetired) continue;
      if (entry.key.version === key.version && entry.child?.isUsable !== false) continue;
      entry.isRetired = true;
      if (entry.uses === 0) void entry.child?.stop('its credential or its registration was replaced');
    }
  }

  /** Stops the child that is idle for longest when a cap is reached. */
  #makeRoom(key: StdioKey): void {
    const { maxChildren } = this.#options;
    // those that are ending hold memory, too
    if (this.#running.size >= 2 * maxChildren) throw crowdedOut();
    const entries = [...this.#entries.values()];
    const crowded = this.#crowded(entries, key) ?? (entries.length >= maxChildren ? entries : null);
    if (crowded === null) return;
    const idle = crowded
      .filter((entry) => entry.uses === 0 && entry.child !== null && !entry.isRetired)
      .toSorted((one, other) => (other.child?.idleMs ?? 0) - (one.child?.idleMs ?? 0))
      .at(0);
    if (idle?.child === undefined || idle.child === null) throw crowdedOut();
    this.#forget(idle);
    void idle.child.stop('its place was needed');
  }

  /** Those of which there are too many already for one more of this owner at this server. */
  #crowded(entries: readonly Entry[], key: StdioKey): readonly Entry[] | null {
    const { maxPerServer, maxPerOwner = maxPerServer } = this.#options;
    const sameServer = entries.filter((entry) => entry.key.server === key.server);
    const own = sameServer.filter((entry) => ownerOf(entry.key) === ownerOf(key));
    if (own.length >= maxPerOwner) return own;
    return sameServer.length >= maxPerServer ? sameServer : null;
  }

  #stopIdle(): void {
    for (const entry of this.#entries.values()) {
      const { child } = entry;
      if (child === null || entry.uses > 0 || child.idleMs < this.#options.idleMs) continue;
      this.#forget(entry);
      void child.stop('it was idle');
    }
  }
}

async function refuseWithoutSandbox({ sandbox }: StdioLaunch): Promise<void> {
  if (sandbox === 'none') return;
  const { available, why } = await sandboxAvailable();
  if (available) return;
  throw fail('ERR_FEATURE_REFUSED', {
    message: 'The MCP server may run in a sandbox only, and this machine has none.',
    detail: why,
    hint: 'Ask the administrator to install bubblewrap and to allow user namespaces.',
  });
}

function crowdedOut(): ReturnType<typeof fail> {
  return fail('ERR_TOO_MANY_CONNECTIONS', { message: 'Too many MCP servers are running.', hint: 'Try again when one of them is idle.' });
}

function ownerOf({ owner, principal }: StdioKey): string {
  return owner ?? principal;
}

function nameOf({ server, principal, version }: StdioKey): string {
  return JSON.stringify([server, principal, version]);
}

import type { CallName, StreamListener, Unsubscribe } from '../contract/bridge.ts';
import { ApplianceView } from '../contract/views.ts';
import type { Topic } from '../../proxy/contract/api-console.ts';
import type { Input, Output, StreamName } from '../../proxy/contract/api.ts';
import type { ApprovalRequest } from '../../proxy/contract/approval-request.ts';
import { fail } from '../../proxy/contract/errors.ts';
import type { User } from '../../proxy/contract/user.ts';
import { reasonOf } from '../../proxy/lib/errors.ts';
import { Secret } from '../../proxy/lib/secret.ts';
import type { ClockPort, KeychainPort, LogPort } from '../ports.ts';
import type { ApplianceRecord } from './appliance-record.ts';
import { passes, RefusedCertificate } from './connection-fault.ts';
import { ControlClient } from './control-client.ts';
import { isUnauthenticated, KeyHolder, notSignedIn } from './key-holder.ts';
import { follow } from './subscription.ts';
import { whoIsOutdated } from './version-range.ts';

/** What an appliance tells of itself. */
export interface ApplianceListener {
  /** the view is another one */
  changed(): void;
  signedIn(): void;
  /** every request that waits, after a time in which changes may have been missed */
  waiting(requests: readonly ApprovalRequest[]): Promise<void>;
  /** resolves when it was read */
  request(request: ApprovalRequest): Promise<void>;
  topics(topics: readonly Topic[]): void;
  /** nobody is signed in any more */
  left(): void;
}

export interface AppliancePorts {
  readonly clock: ClockPort;
  readonly keychain: KeychainPort;
  readonly log: LogPort;
}

type Standing = Pick<ApplianceView, 'state' | 'detail' | 'roles' | 'version'>;

const firstPauseMs = 1_000;
const maxPauseMs = 30_000;
const outdatedPauseMs = 60_000;
const pageSize = 1_000;
const signOutTimeoutMs = 5_000;
const probeTimeoutMs = 15_000;
/** requests that are being read at once: a flood waits at the service */
const maxReading = 32;

/** One service this machine is enrolled at: keeps the connection, signs in when it can, and follows what waits for people. */
export class EnrolledAppliance {
  readonly record: ApplianceRecord;
  readonly keys: KeyHolder;
  readonly #client: ControlClient;
  readonly #ports: AppliancePorts;
  readonly #listener: ApplianceListener;
  readonly #ended = new AbortController();
  #standing: Standing = { state: 'enrolled', detail: '', roles: [], version: null };
  /** id of the newest change of a request that was seen */
  #seen: number | undefined;
  /** a person signed out, or must give a passphrase */
  #waitsForPerson = false;
  #wake: () => void = () => undefined;
  #endWatch: () => void = () => undefined;

  constructor(record: ApplianceRecord, ports: AppliancePorts, listener: ApplianceListener) {
    this.record = record;
    this.#ports = ports;
    this.#listener = listener;
    this.#client = new ControlClient(record);
    this.keys = new KeyHolder(record, { client: this.#client, keychain: ports.keychain, clock: ports.clock, signedIn: (user) => this.#enter(user) });
  }

  get view(): ApplianceView {
    const { id, url, service, user, key } = this.record;
    return { id, name: new URL(url).host, url, service, user, keyProtection: key.type === 'keychain' ? 'keychain' : 'passphrase', ...this.#standing };
  }

  /** Keeps going until `close`. */
  start(): void {
    void this.#run().catch((error: unknown) => this.#ports.log.line(`${this.record.url}: ${reasonOf(error)}`));
  }

  async signIn(passphrase: string | null): Promise<void> {
    await this.#judged(async () => {
      await this.#probe();
      await this.keys.signIn(passphrase === null ? null : new Secret(passphrase));
    });
    this.#wake();
  }

  /** The token ends at the service as well, where that can be told. */
  async signOut(): Promise<void> {
    const { token } = this.keys;
    this.#waitsForPerson = true;
    this.keys.lock();
    this.#stand({ state: 'enrolled', detail: '', roles: [] });
    this.#listener.left();
    this.#endWatch();
    if (token === null) return;
    await this.#client.call('signOut', {}, { token, timeoutMs: signOutTimeoutMs }).catch((error: unknown) => {
      this.#ports.log.line(`${this.record.url}: the sign-in could not be ended there: ${reasonOf(error)}`);
    });
  }

  call<K extends CallName>(name: K, input: Input<K>): Promise<Output<K>> {
    return this.#judged(() => this.keys.withToken((token) => this.#client.call(name, input, { token })));
  }

  subscribe<K extends StreamName>(name: K, input: Input<K>, listener: StreamListener<K>): Unsubscribe {
    return follow(name, input, { client: this.#client, keys: this.keys, clock: this.#ports.clock, listener, ended: this.#ended.signal });
  }

  /** Streams end, keys leave the memory. */
  close(): void {
    this.#ended.abort();
    this.keys.lock();
    this.#endWatch();
    this.#wake();
    this.#client.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    let pauseMs = firstPauseMs;
    while (!signal.aborted) {
      const from = this.#ports.clock.now();
      try {
        await this.#probe();
        await this.#ensureSignedIn();
        await this.#watch();
      } catch (error) {
        this.#judge(error);
      }
      if (this.#isEnded()) return;
      if (this.#waitsForPerson) await this.#pause(null);
      else await this.#pause(this.#standing.state === 'outdated' ? outdatedPauseMs : pauseMs * (0.5 + Math.random() / 2));
      pauseMs = this.#ports.clock.now() - from > maxPauseMs ? firstPauseMs : Math.min(pauseMs * 2, maxPauseMs);
    }
  }

  #isEnded(): boolean {
    return this.#ended.signal.aborted;
  }

  /** Whether it is there, is the one that was pinned, and speaks our version; nothing of ours is sent before that. */
  async #probe(): Promise<void> {
    const health = await this.#client.call('health', {}, { token: null, signal: this.#ended.signal, timeoutMs: probeTimeoutMs });
    const { version: said } = health as Partial<Output<'health'>>;
    const version = typeof said === 'string' ? said.slice(0, 100) : null;
    const outdated = whoIsOutdated(health);
    if (outdated !== null) {
      this.#stand({ version, state: 'outdated', detail: outdated });
      throw fail('ERR_CONFLICT', { message: outdated });
    }
    this.#stand({ version, ...(this.#standing.state === 'outdated' && { state: 'enrolled', detail: '' }) });
  }

  async #ensureSignedIn(): Promise<void> {
    if (this.keys.token !== null) {
      this.#stand({ state: 'signed-in', detail: '' });
      return;
    }
    if (this.#waitsForPerson || !this.keys.opensAlone) throw notSignedIn();
    await this.keys.signIn(null);
  }

  #enter(user: User): void {
    this.#waitsForPerson = false;
    // an older service has no roles of people
    const { roles } = user as { roles?: User['roles'] };
    this.#stand({ state: 'signed-in', detail: '', roles: ['approver', ...knownRoles(roles)] });
    this.#listener.signedIn();
  }

  /** Follows the requests until the connection breaks; throws why. */
  async #watch(): Promise<void> {
    const until = new AbortController();
    this.#endWatch = () => until.abort();
    if (this.#isEnded()) until.abort();
    const unfollow = this.#followChanges();
    const reading = new Set<Promise<void>>();
    try {
      await this.keys.withToken(async (token) => {
        const after = this.#seen;
        let opening: Promise<void> = Promise.resolve();
        const opened = (): void => {
          opening = this.#listWaiting(after).catch((error: unknown) => {
            this.#ports.log.line(`${this.record.url}: ${reasonOf(error)}`);
            until.abort();
          });
        };
        for await (const { id, request } of this.#client.stream('watchRequests', {}, { token, signal: until.signal, after, opened })) {
          await opening;
          if (this.#seen !== undefined && id <= this.#seen) continue;
          this.#seen = id;
          const read = this.#listener
            .request(request)
            .catch((error: unknown) => this.#ports.log.line(`${this.record.url}: ${reasonOf(error)}`))
            .finally(() => reading.delete(read));
          reading.add(read);
          if (reading.size >= maxReading) await Promise.race(reading);
        }
      });
    } finally {
      unfollow();
    }
    throw fail('ERR_CONTROL_UNAVAILABLE', { message: `${this.record.url} ended the connection.` });
  }

  /** A stream that resumes tells all by itself. */
  async #listWaiting(after: number | undefined): Promise<void> {
    if (after !== undefined) return;
    const { items } = await this.call('listRequests', { status: 'pending', limit: pageSize });
    if (!Array.isArray(items)) throw fail('ERR_INTERNAL', { message: `${this.record.url} answered with something that is no list.` });
    void this.#listener.waiting(items.slice(0, pageSize)).catch((error: unknown) => this.#ports.log.line(`${this.record.url}: ${reasonOf(error)}`));
  }

  /** A service that is older than this route is asked at sign-in only. */
  #followChanges(): Unsubscribe {
    return this.subscribe(
      'watchChanges',
      {},
      {
        item: ({ topics }) => {
          this.#listener.topics(topics);
          if (topics.includes('users')) void this.#readRoles();
        },
      },
    );
  }

  async #readRoles(): Promise<void> {
    const me = await this.call('whoAmI', {}).catch(() => null);
    if (me !== null && this.keys.token !== null) this.#stand({ roles: knownRoles(me.roles) });
  }

  async #judged<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof RefusedCertificate || isUnauthenticated(error)) this.#judge(error);
      throw error;
    }
  }

  #judge(error: unknown): void {
    if (this.#isEnded() || this.#standing.state === 'outdated') return;
    if (error instanceof RefusedCertificate) this.#stand({ state: 'refused', detail: error.message });
    else if (passes(error) || (this.keys.token !== null && !isUnauthenticated(error))) this.#stand({ state: 'unreachable', detail: reasonOf(error) });
    else if (this.keys.token === null) this.#wait(error);
  }

  /** Only a person can go on: a passphrase, another key, a disabled user. */
  #wait(error: unknown): void {
    const left = this.#standing.roles.length > 0;
    this.#waitsForPerson = true;
    this.#stand({ state: 'enrolled', detail: isUnauthenticated(error) && !this.keys.opensAlone ? '' : reasonOf(error), roles: [] });
    if (left) this.#listener.left();
  }

  #stand(change: Partial<Standing>): void {
    const before = JSON.stringify(this.#standing);
    this.#standing = { ...this.#standing, ...change, ...(change.detail !== undefined && { detail: change.detail.slice(0, 1_000) }) };
    if (JSON.stringify(this.#standing) !== before) this.#listener.changed();
  }

  /** Until the time is over, or somebody wakes it; null: only the latter. */
  #pause(milliseconds: number | null): Promise<void> {
    return new Promise((resolve) => {
      const cancel = milliseconds === null ? () => undefined : this.#ports.clock.after(milliseconds, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
      if (this.#isEnded()) this.#wake();
    });
  }
}

/** Of what a service says; a newer one may know more, and none makes the screens draw anything else. */
function knownRoles(said: unknown): ApplianceView['roles'] {
  return Array.isArray(said) ? ApplianceView.shape.roles.element.options.filter((role) => said.includes(role)) : [];
}

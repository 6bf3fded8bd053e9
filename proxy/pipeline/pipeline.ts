import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { asAppError, fail, type ErrorCode } from '../contract/errors.ts';
import type { Caller } from '../contract/principal.ts';
import { databaseOf, rootType, targetOf, type Protocol, type Resource } from '../contract/resource.ts';
import type { LiveSession as Listed, RecordingKey } from '../contract/snapshot.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import type { Secret } from '../lib/secret.ts';
import type { EngineLimits, Gate, ScramExchange, SharedWants, Sink, Wants } from './engine.ts';
import { actorOf, header, timestamp, type SessionIdentity } from './headers.ts';
import { Outbox, Watermark } from './outbox.ts';
import type { Decision, Ports } from './ports.ts';
import { LiveSession } from './session.ts';

export interface PipelineOptions {
  /** this gateway's id, for the session list */
  readonly gateway: string;
  readonly limits: EngineLimits;
  readonly clock: Clock;
  /** keys the digests of text that was refused unparsed */
  readonly digestKey: Secret<Uint8Array>;
}

export interface Entry {
  /** what the listener speaks: resources of other protocols do not exist there */
  readonly protocols: readonly Protocol[];
  /** the client's address, without port */
  readonly address: string;
  readonly pinned: string | null;
  readonly tls: Gate['tls'];
  readonly names: readonly string[];
}

/** A live session that several connections use. */
interface SharedSession {
  readonly opening: Promise<LiveSession>;
  lastUsed: number;
  idleMs: number;
}

const maxShared = 20_000;
const settleMs = 2_000;
const settlePollMs = 20;

interface Resolved {
  readonly resource: Resource | null;
  readonly database: string;
}

/**
 * identify → authorize → (per operation, in session.ts: decide → intent → forward → mask → record → release → settle).
 * Written once for every protocol; engines reach it through the Gate alone.
 */
export class Pipeline {
  readonly #ports: Ports;
  readonly #options: PipelineOptions;
  readonly #watermark: Watermark;
  readonly #live = new Map<string, LiveSession>();
  readonly #cancellations = new Map<string, () => void>();
  readonly #shared = new Map<string, SharedSession>();
  readonly #closing = new Set<Promise<void>>();

  constructor(ports: Ports, options: PipelineOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#watermark = new Watermark(ports.audit);
  }

  gate(entry: Entry): Gate {
    return {
      pinned: entry.pinned,
      tls: entry.tls,
      limits: this.#options.limits,
      names: entry.names,
      identify: {
        scram: (user) => this.#identify(user, entry.address),
        bearer: (token, audience) => this.#bearer(token, audience, entry.address),
      },
      open: (caller, wants, sink) =>
        this.#open(caller, this.#resolve(wants, entry), { wants: entry.pinned ?? wants.database, applicationName: wants.applicationName, sink }, entry),
      share: (caller, wants) => this.#share(caller, wants, entry),
      resource: (name) => this.#known(name, entry),
      turnedAway: (code, wanted, caller) => this.#turnedAway(code, wanted, { address: entry.address, caller }),
      cancel: (key) => this.#cancellations.get(keyName(key))?.(),
    };
  }

  /** Ends a live session; false when it is not here. */
  kill(session: string, reason: string): boolean {
    const live = this.#live.get(session);
    live?.end(fail('ERR_SESSION_ENDED', { message: reason }));
    return live !== undefined;
  }

  /** Ends every session, and gives each time to say so in the log. */
  async stop(reason: string): Promise<void> {
    for (const id of [...this.#live.keys()]) this.kill(id, reason);
    for (let waited = 0; this.#live.size > 0 && waited < settleMs + settlePollMs; waited += settlePollMs) await sleep(settlePollMs);
    await Promise.all(this.#closing);
  }

  /** Opened like any other, kept for the next request of the same caller; what its opening was refused for is asked anew each time. */
  #share(caller: Caller, wants: SharedWants, entry: Entry): Promise<LiveSession> {
    const id = JSON.stringify([caller.credential, caller.groups, wants.resource, entry.address, wants.key]);
    const now = this.#options.clock.now();
    const known = this.#shared.get(id);
    if (known !== undefined) {
      known.lastUsed = now;
      return known.opening;
    }
    if (this.#shared.size >= maxShared) return Promise.reject(fail('ERR_TOO_MANY_CONNECTIONS'));
    const resource = this.#known(wants.resource, entry);
    const resolved = { resource, database: resource === null ? '' : databaseOf(resource) };
    const opening = this.#open(caller, resolved, { wants: wants.resource, applicationName: wants.applicationName, sink: null }, entry);
    this.#shared.set(id, { opening, lastUsed: now, idleMs: wants.idleMs });
    const forget = (): void => {
      this.#shared.delete(id);
    };
    opening.then((live) => {
      const ended = (): void => {
        forget();
        const closing = closeWhenQuiet(live).finally(() => this.#closing.delete(closing));
        this.#closing.add(closing);
      };
      live.ended.addEventListener('abort', ended, { once: true });
      if (live.ended.aborted) ended();
    }, forget);
    return opening;
  }

  /** Shared sessions end when nothing ran on them for long enough. */
  async #endIdle(): Promise<void> {
    const now = this.#options.clock.now();
    for (const shared of [...this.#shared.values()]) {
      if (now - shared.lastUsed < shared.idleMs) continue;
      const live = await shared.opening.catch(() => null);
      if (live === null) continue;
      if (live.isBusy) shared.lastUsed = now;
      else if (now - shared.lastUsed >= shared.idleMs) await live.close('idle');
    }
  }

  /** After every change of principals, tokens, resources or policies, and each second for what expires. */
  recheck(): void {
    this.#ports.approval.recheck(this.#ports.policy.version);
    void this.#endIdle();
    for (const live of this.#live.values()) {
      const reason = this.#ports.identity.revoked(live.caller) ?? this.#resourceChange(live) ?? this.#connectLost(live);
      if (reason !== null) this.kill(live.id, reason);
    }
  }

  get sessions(): readonly LiveSession[] {
    return [...this.#live.values()];
  }

  #identify(user: string, address: string): ScramExchange {
    const exchange = this.#ports.identity.scram(user, address);
    return {
      salt: exchange.salt,
      iterations: exchange.iterations,
      verify: async (authMessage, clientProof) => {
        const verified = exchange.verify(authMessage, clientProof);
        const claimed = this.#shown(user, 128);
        await this.#record(verified === null ? 'authentication.failed' : 'authentication.succeeded', {
          actor: verified === null ? { issuer: 'postern', subject: 'unknown', name: claimed, kind: 'unknown', credential: 'none' } : actorOf(verified.caller),
          origin: address,
          outcome: verified === null ? 'failure' : 'success',
          affected: 'gateway',
        });
        return verified;
      },
    };
  }

  /** A success is recorded with the session it opens. */
  async #bearer(token: string, audience: readonly string[], address: string): Promise<Caller | null> {
    const caller = await this.#ports.identity.bearer(token, address, audience);
    if ('refused' in caller) {
      await this.#record('authentication.failed', {
        reason: caller.refused,
        actor: { issuer: 'postern', subject: 'unknown', name: 'unknown', kind: 'unknown', credential: 'none' },
        origin: address,
        outcome: 'failure',
        affected: 'gateway',
      });
      return null;
    }
    return caller.run === undefined ? caller : { ...caller, run: this.#maskedRun(caller.run) };
  }

  /** Claims are the words of whoever runs the job. */
  #maskedRun(run: NonNullable<Caller['run']>): NonNullable<Caller['run']> {
    return Object.fromEntries(Object.entries(run).map(([claim, value]) => [claim, this.#shown(value, 300)]));
  }

  async #open(
    caller: Caller,
    { resource, database }: Resolved,
    given: { wants: string; applicationName: string; sink: Sink | null },
    entry: Entry,
  ): Promise<LiveSession> {
    const decision = resource === null ? null : this.#connect(caller, resource, database, entry.address);
    if (resource === null || decision?.permitted !== true) return this.#deny(caller, given.wants, entry, decision);
    const id = newId('ses');
    // the caller's own word: what is written down of it is masked
    const named = this.#shown(database, 128);
    const identity: SessionIdentity = {
      actor: actorOf(caller),
      origin: entry.address,
      affected: resource.name,
      session: id,
      account: resource.account,
      database: named,
    };
    const { gateway } = this.#options;
    const { account } = resource;
    const startedAt = timestamp(this.#options.clock.now());
    const listed = { id, gateway, principal: caller.name, resource: resource.name, database: named, account, address: entry.address, startedAt };
    const key = await this.#ports.control.open({ ...listed, operations: 0 });
    const live = this.#start(identity, { caller, resource, database, sink: given.sink, key, listed });
    const application = this.#shown(given.applicationName, 64);
    if (caller.method !== 'scram-sha-256') this.#proved(identity);
    await this.#record(
      'session.started',
      {
        ...identity,
        outcome: 'success',
        policies: decision.policies,
        policyVersion: decision.policyVersion,
        ...(application === '' ? {} : { reason: application }),
      },
      id,
    ).catch(async (error: unknown) => {
      await live.close('the audit log cannot be written');
      throw error;
    });
    return live;
  }

  #start(
    identity: SessionIdentity,
    given: { caller: Caller; resource: Resource; database: string; sink: Sink | null; key: RecordingKey; listed: Omit<Listed, 'operations'> },
  ): LiveSession {
    const { caller, resource } = given;
    const id = identity.session as LiveSession['id'];
    const recorder = this.#ports.recorder.open(
      {
        id,
        resource,
        header: { principal: caller.name, resource: resource.name, database: identity.database, account: identity.account, origin: identity.origin },
      },
      given.key,
    );
    const { highWaterBytes } = this.#options.limits;
    const lost = (): void => {
      this.kill(id, 'The audit log cannot be written.');
    };
    const outbox = given.sink === null ? null : new Outbox(given.sink, this.#watermark, highWaterBytes, lost);
    const keys: string[] = [];
    const live = new LiveSession(this.#ports, {
      id,
      caller,
      resource,
      database: given.database,
      origin: identity.origin,
      identity,
      recorder,
      outbox,
      watermark: this.#watermark,
      highWaterBytes,
      digestKey: this.#options.digestKey,
      clock: this.#options.clock,
      listed: given.listed,
      cancellation: (cancel) => {
        const key = randomBytes(8);
        // the first half is a positive process id to PostgreSQL clients
        key.writeUInt8(key.readUInt8(0) & 0x7f, 0);
        keys.push(keyName(key));
        this.#cancellations.set(keyName(key), cancel);
        return key;
      },
      onClosed: () => {
        for (const key of keys) this.#cancellations.delete(key);
        this.#live.delete(id);
      },
    });
    this.#live.set(id, live);
    return live;
  }

  #resolve(wants: Wants, entry: Entry): Resolved {
    const { pinned } = entry;
    const slash = wants.database.indexOf('/');
    const name = pinned ?? (slash < 0 ? wants.database : wants.database.slice(0, slash));
    const named = pinned === null ? (slash < 0 ? '' : wants.database.slice(slash + 1)) : wants.database;
    const resource = this.#known(name, entry);
    return { resource, database: named === '' && resource !== null ? databaseOf(resource) : named };
  }

  #known(name: string, { protocols }: Entry): Resource | null {
    const resource = this.#ports.resource(name);
    return resource !== null && protocols.includes(resource.protocol) ? resource : null;
  }

  #connect(caller: Caller, resource: Resource, database: string, origin: string): Decision {
    const scope = this.#ports.policy.scope({ caller, resource, database, account: resource.account, origin });
    const decision = scope.permits('connect', { type: rootType[resource.protocol], path: [] });
    const inScope = caller.resources.length === 0 || caller.resources.includes(resource.name);
    // nobody can be asked while a session is opened
    if (decision.approve !== undefined) return { ...decision, permitted: false, message: 'Connecting cannot wait for approval.' };
    return inScope ? decision : { ...decision, permitted: false, policies: [], message: 'The token is not valid for this resource.' };
  }

  /** The caller learns nothing about which resources exist; the log does. */
  async #deny(caller: Caller, wants: string, entry: Entry, decision: Decision | null): Promise<never> {
    const wanted = this.#shown(wants, 128);
    await this.#record('access.denied', {
      actor: actorOf(caller),
      origin: entry.address,
      outcome: 'failure',
      affected: wanted === '' ? '(none)' : wanted,
      error: decision === null ? 'ERR_RESOURCE_UNKNOWN' : 'ERR_ACCESS_DENIED',
      policies: decision?.policies ?? [],
    });
    throw fail('ERR_RESOURCE_UNKNOWN', { message: `There is no resource "${wanted}", or you may not use it.` });
  }

  #turnedAway(code: ErrorCode, wanted: string, { address, caller }: { address: string; caller: Caller | undefined }): Promise<void> {
    const shown = this.#shown(wanted, 128);
    return this.#record('access.denied', {
      actor: caller === undefined ? { issuer: 'postern', subject: 'unknown', name: 'unknown', kind: 'unknown', credential: 'none' } : actorOf(caller),
      origin: address,
      outcome: 'failure',
      affected: shown === '' ? '(none)' : shown,
      error: code,
      policies: [],
    });
  }

  /** Masked before it is cut: half a card number would not be known as one. */
  #shown(text: string, chars: number): string {
    return this.#ports.masking.text(text).slice(0, chars).toWellFormed();
  }

  /** In the log before the session, and durable with it. */
  #proved({ actor, origin }: SessionIdentity): void {
    const event = header('authentication.succeeded', { at: timestamp(this.#options.clock.now()), actor, origin, outcome: 'success', affected: 'gateway' });
    this.#ports.audit.append(event, { kind: 'plain' });
  }

  #record(code: Parameters<typeof header>[0], fields: Omit<Parameters<typeof header>[1], 'at'>, session?: string): Promise<void> {
    const { audit } = this.#ports;
    const event = header(code, { at: timestamp(this.#options.clock.now()), ...fields });
    const ticket = audit.append(event, session === undefined ? { kind: 'plain' } : { kind: 'open', scope: 'session', id: session, session });
    return audit.whenDurable(ticket);
  }

  #resourceChange(live: LiveSession): string | null {
    const now = this.#ports.resource(live.resource.name);
    if (now === null) return 'The resource was removed.';
    if (now === live.resource) return null;
    return isDeepStrictEqual(targetOf(now), targetOf(live.resource)) ? null : 'The resource was changed.';
  }

  #connectLost(live: LiveSession): string | null {
    return this.#connect(live.caller, live.resource, live.database, live.origin).permitted ? null : 'No policy permits the connection any longer.';
  }
}

function keyName(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('base64');
}

/** No connection closes a shared session: when it was ended, whatever ran on it is given time to say how that came out. */
async function closeWhenQuiet(live: LiveSession): Promise<void> {
  const { message } = asAppError(live.ended.reason);
  for (let waited = 0; live.isBusy && waited < settleMs; waited += settlePollMs) await sleep(settlePollMs);
  await live.close(message);
}

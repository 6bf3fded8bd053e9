import { randomBytes } from 'node:crypto';
import { fail } from '../contract/errors.ts';
import type { Caller } from '../contract/principal.ts';
import type { Resource } from '../contract/resource.ts';
import type { LiveSession as Listed, RecordingKey } from '../contract/snapshot.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import type { Secret } from '../lib/secret.ts';
import type { EngineLimits, Gate, ScramExchange, Session, Sink, Wants } from './engine.ts';
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
  /** the client's address, without port */
  readonly address: string;
  readonly pinned: string | null;
  readonly tls: Gate['tls'];
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
      identify: { scram: (user) => this.#identify(user, entry.address) },
      open: (caller, wants, sink) => this.#open(caller, wants, sink, entry),
      cancel: (key) => this.#cancellations.get(keyName(key))?.(),
    };
  }

  /** Ends a live session; false when it is not here. */
  kill(session: string, reason: string): boolean {
    const live = this.#live.get(session);
    live?.end(fail('ERR_SESSION_ENDED', { message: reason }));
    return live !== undefined;
  }

  killAll(reason: string): void {
    for (const id of [...this.#live.keys()]) this.kill(id, reason);
  }

  /** After every change of principals, tokens, resources or policies, and each second for what expires. */
  recheck(): void {
    this.#ports.approval.recheck(this.#ports.policy.version);
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

  async #open(caller: Caller, wants: Wants, sink: Sink, entry: Entry): Promise<Session> {
    const { resource, database } = this.#resolve(wants, entry.pinned);
    const decision = resource === null ? null : this.#connect(caller, resource, database, entry.address);
    if (resource === null || decision?.permitted !== true) return this.#deny(caller, wants, entry, decision);
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
    const live = this.#start(identity, { caller, resource, database, sink, key, listed });
    const application = this.#shown(wants.applicationName, 64);
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
    given: { caller: Caller; resource: Resource; database: string; sink: Sink; key: RecordingKey; listed: Omit<Listed, 'operations'> },
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
    const outbox = new Outbox(given.sink, this.#watermark, this.#options.limits.highWaterBytes, () => this.kill(id, 'The audit log cannot be written.'));
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

  #resolve(wants: Wants, pinned: string | null): { resource: Resource | null; database: string } {
    const slash = wants.database.indexOf('/');
    const name = pinned ?? (slash < 0 ? wants.database : wants.database.slice(0, slash));
    const named = pinned === null ? (slash < 0 ? '' : wants.database.slice(slash + 1)) : wants.database;
    const resource = this.#ports.resource(name);
    return { resource, database: named === '' ? (resource?.database ?? '') : named };
  }

  #connect(caller: Caller, resource: Resource, database: string, origin: string): Decision {
    const scope = this.#ports.policy.scope({ caller, resource, database, account: resource.account, origin });
    const decision = scope.permits('connect', { type: 'Database', path: [] });
    const inScope = caller.resources.length === 0 || caller.resources.includes(resource.name);
    // nobody can be asked while a session is opened
    if (decision.approve !== undefined) return { ...decision, permitted: false, message: 'Connecting cannot wait for approval.' };
    return inScope ? decision : { ...decision, permitted: false, policies: [], message: 'The token is not valid for this resource.' };
  }

  /** The caller learns nothing about which resources exist; the log does. */
  async #deny(caller: Caller, wants: Wants, entry: Entry, decision: Decision | null): Promise<never> {
    const wanted = this.#shown(entry.pinned ?? wants.database, 128);
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

  /** Masked before it is cut: half a card number would not be known as one. */
  #shown(text: string, chars: number): string {
    return this.#ports.masking.text(text).slice(0, chars).toWellFormed();
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
    const same = now.id === live.resource.id && now.host === live.resource.host && now.port === live.resource.port && now.account === live.resource.account;
    return same ? null : 'The resource was changed.';
  }

  #connectLost(live: LiveSession): string | null {
    return this.#connect(live.caller, live.resource, live.database, live.origin).permitted ? null : 'No policy permits the connection any longer.';
  }
}

function keyName(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('base64');
}

import { z } from 'zod';
import type { Output } from '../contract/api.ts';
import { FactsView } from '../contract/api-views.ts';
import { fail } from '../contract/errors.ts';
import type { Resource } from '../contract/resource.ts';
import type { LeasedCredential, LiveSession, RecordingKey, Snapshot } from '../contract/snapshot.ts';
import { serveRpc, type RpcPeer, type RpcServer } from '../ipc/rpc.ts';

/**
 * Control's side of the gateways' socket.
 *
 *   gateway → control   call  open      LiveSession → RecordingKey
 *                       call  lease     {session, resource} → LeasedCredential
 *                       call  resume    {sessions: LiveSession[]}: what was live before control restarted
 *                       note  ended     {session}
 *                       note  progress  {sessions: {id: operations}}
 *   control → gateway   note  snapshot  Snapshot, on connection and after every change
 *                       call  kill      {session, reason} → boolean
 *                       call  probe     {resource, credential} → null
 *                       call  classify  {resource, credential, database, statement} → facts
 */
export interface GatewayPorts {
  snapshot(): Snapshot;
  recordingKey(session: LiveSession): Promise<RecordingKey>;
  lease(session: LiveSession, resource: string): Promise<LeasedCredential>;
  ended(session: LiveSession): void;
  /** a gateway came or went */
  changed(what: { gateway: string; connected: boolean; sessions: number }): void;
}

const maxSessions = 100_000;
const killDeadlineMs = 3_000;
const targetDeadlineMs = 15_000;

const SessionId = z.string().regex(/^ses_[A-Za-z]{1,64}$/);
const Word = z.string().max(300);
const Opened = z.strictObject({
  id: SessionId,
  gateway: Word,
  principal: Word,
  resource: Word,
  database: Word,
  account: Word,
  address: Word,
  startedAt: z.iso.datetime(),
  operations: z.int(),
});
const Resumed = z.strictObject({ sessions: z.array(Opened).max(maxSessions) });
const Leasing = z.strictObject({ session: SessionId, resource: Word });
const Ended = z.strictObject({ session: SessionId });
const Progress = z.strictObject({ sessions: z.record(SessionId, z.int()) });

interface Live {
  readonly session: LiveSession;
  readonly peer: RpcPeer;
  operations: number;
}

/** The connected gateways and their live sessions. */
export class Gateways {
  readonly #ports: GatewayPorts;
  readonly #live = new Map<string, Live>();
  #server: RpcServer | null = null;

  constructor(ports: GatewayPorts) {
    this.#ports = ports;
  }

  async serve(path: string, secret: string): Promise<void> {
    const handlers = {
      open: (params: unknown, peer: RpcPeer) => this.#open(Opened.parse(params), peer),
      lease: (params: unknown, peer: RpcPeer) => this.#lease(Leasing.parse(params), peer),
      resume: (params: unknown, peer: RpcPeer) => {
        for (const session of Resumed.parse(params).sessions)
          if (!this.#live.has(session.id)) this.#live.set(session.id, { session, peer, operations: session.operations });
      },
      ended: (params: unknown, peer: RpcPeer) => {
        this.#drop(Ended.parse(params).session, peer);
      },
      progress: (params: unknown, peer: RpcPeer) => {
        for (const [id, operations] of Object.entries(Progress.parse(params).sessions)) {
          const live = this.#live.get(id);
          if (live?.peer === peer) live.operations = operations;
        }
      },
    };
    this.#server = await serveRpc(path, secret, handlers, (peer) => {
      peer.notify('snapshot', this.#ports.snapshot());
      this.#ports.changed({ gateway: peer.name, connected: true, sessions: 0 });
      peer.closed.addEventListener('abort', () => {
        const lost = [...this.#live.values()].filter((live) => live.peer === peer);
        for (const { session } of lost) this.#drop(session.id, peer);
        this.#ports.changed({ gateway: peer.name, connected: false, sessions: lost.length });
      });
    });
  }

  /** Tells every gateway the whole new state. */
  push(): void {
    const snapshot = this.#ports.snapshot();
    for (const peer of this.#server?.peers ?? []) peer.notify('snapshot', snapshot);
  }

  get connected(): readonly string[] {
    return [...(this.#server?.peers ?? [])].map(({ name }) => name);
  }

  list(): readonly LiveSession[] {
    return [...this.#live.values()].map(({ session, operations }) => ({ ...session, operations }));
  }

  async kill(session: string, reason: string): Promise<boolean> {
    const live = this.#live.get(session);
    if (!live) return false;
    return (await live.peer.call('kill', { session, reason }, killDeadlineMs)) === true;
  }

  async probe(resource: Resource, credential: LeasedCredential): Promise<void> {
    await this.#any().call('probe', { resource, credential }, targetDeadlineMs);
  }

  async classify(resource: Resource, credential: LeasedCredential, command: { database: string; statement: string }): Promise<Output<'classifyStatement'>> {
    return FactsView.parse(await this.#any().call('classify', { resource, credential, ...command }, targetDeadlineMs));
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  #any(): RpcPeer {
    const [peer] = this.#server?.peers ?? [];
    if (!peer) throw fail('ERR_CONTROL_UNAVAILABLE', { message: 'No gateway is connected.', hint: 'See `postern status`.' });
    return peer;
  }

  async #open(session: LiveSession, peer: RpcPeer): Promise<RecordingKey> {
    if (this.#live.has(session.id)) throw fail('ERR_CONFLICT');
    if (this.#live.size >= maxSessions) throw fail('ERR_TOO_MANY_CONNECTIONS');
    this.#live.set(session.id, { session, peer, operations: session.operations });
    try {
      return await this.#ports.recordingKey(session);
    } catch (error) {
      this.#live.delete(session.id);
      throw error;
    }
  }

  #lease({ session, resource }: z.infer<typeof Leasing>, peer: RpcPeer): Promise<LeasedCredential> {
    const live = this.#live.get(session);
    // a gateway gets credentials for its own live sessions only, and only for the resource they are on
    if (live?.peer !== peer || live.session.resource !== resource) throw fail('ERR_NOT_FOUND', { detail: 'no such live session of this gateway' });
    return this.#ports.lease(live.session, resource);
  }

  #drop(id: string, peer: RpcPeer): void {
    const live = this.#live.get(id);
    if (live?.peer !== peer) return;
    this.#live.delete(id);
    this.#ports.ended(live.session);
  }
}

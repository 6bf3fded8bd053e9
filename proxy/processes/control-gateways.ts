import { z } from 'zod';
import type { Output } from '../contract/api.ts';
import { AskedRequest, RequestId, type ApprovalRequest, type RequestDraft, type CanonicalRequest } from '../contract/approval-request.ts';
import { FactsView, Status } from '../contract/api-views.ts';
import { fail } from '../contract/errors.ts';
import type { Resource } from '../contract/resource.ts';
import { OfferedTool } from '../contract/tool-pin.ts';
import { ExchangeWanted } from '../control/token-exchange.ts';
import type { LeasedCredential, LiveSession, RecordingKey, Snapshot } from '../contract/snapshot.ts';
import { reasonOf } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import { serveRpc, type RpcPeer, type RpcServer } from '../ipc/rpc.ts';

/**
 * Control's side of the gateways' socket.
 *
 *   gateway → control   call  open      LiveSession → RecordingKey
 *                       call  lease     {session, resource} → LeasedCredential
 *                       call  resume    {sessions: LiveSession[]}: what was live before control restarted
 *                       call  request   AskedRequest → CanonicalRequest: people are asked
 *                       call  use       {request} → null: from then on the approval is used up
 *                       call  withdraw  {request, reason} → null
 *                       call  exchange  a workload's proven run → a token of ours for it
 *                       note  offered   {resource, tools}: what an MCP server offers and nobody agreed to
 *                       note  listening {listeners}: where callers connect
 *                       note  ended     {session}
 *                       note  progress  {sessions: {id: operations}}
 *   control → gateway   note  snapshot  Snapshot, on connection and after every change
 *                       note  decided   ApprovalRequest: one of this gateway's was approved, denied, withdrawn or has expired
 *                       call  kill      {session, reason} → boolean
 *                       call  probe     {resource, credential} → a sentence on what was there, or null: logged in
 *                       call  classify  {resource, credential, database, statement} → facts
 */
export interface GatewayPorts {
  snapshot(): Snapshot;
  recordingKey(session: LiveSession): Promise<RecordingKey>;
  lease(session: LiveSession, resource: string): Promise<LeasedCredential>;
  ended(session: LiveSession): void;
  /** a session began or ended, or went on */
  sessionsChanged(): void;
  /** where callers connect */
  listenersChanged(): void;
  readonly requests: HeldRequests;
  /** a token of ours for a workload whose own token a gateway checked */
  exchange(wanted: ExchangeWanted): Promise<{ token: Secret<string>; expiresIn: number }>;
  /** what an MCP server offers, as a gateway saw it */
  offered(resource: string, tools: readonly OfferedTool[]): void;
  /** a gateway came or went */
  changed(what: { gateway: string; connected: boolean; sessions: number }): void;
  /** a line for the operator */
  log(line: string): void;
}

/** Approval requests that a gateway holds a session or a command for. */
export interface HeldRequests {
  create(asked: AskedRequest, gateway: string): Promise<CanonicalRequest>;
  use(request: string, gateway: string): Promise<void>;
  withdraw(request: string, reason: string): Promise<void>;
}

const maxSessions = 100_000;
const killDeadlineMs = 3_000;
const targetDeadlineMs = 15_000;
const maxReachedChars = 1_000;

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
const Listening = z.strictObject({ listeners: Status.shape.listeners });
const Offered = z.strictObject({ resource: Word, tools: z.array(OfferedTool).max(1_024) });
const Ended = z.strictObject({ session: SessionId });
/** the target's own words are in it: masked by the gateway, cut here */
const Reached = z
  .string()
  .transform((text) => text.slice(0, maxReachedChars))
  .nullable();
const Using = z.strictObject({ request: RequestId });
const Withdrawing = z.strictObject({ request: RequestId, reason: z.string().max(500) });
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
  readonly #listeners = new Map<RpcPeer, Status['listeners']>();
  /** who holds what waits for people */
  readonly #held = new Map<string, RpcPeer>();
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
      request: (params: unknown, peer: RpcPeer) => this.#request(AskedRequest.parse(params), peer),
      use: async (params: unknown, peer: RpcPeer) => {
        const { request } = Using.parse(params);
        this.#assertHeld(request, peer);
        await this.#ports.requests.use(request, peer.name);
        this.#held.delete(request);
      },
      withdraw: async (params: unknown, peer: RpcPeer) => {
        const { request, reason } = Withdrawing.parse(params);
        this.#assertHeld(request, peer);
        await this.#ports.requests.withdraw(request, reason);
      },
      exchange: async (params: unknown) => {
        const { token, expiresIn } = await this.#ports.exchange(ExchangeWanted.parse(params));
        return { token: token.reveal(), expiresIn };
      },
      offered: (params: unknown) => {
        const { resource, tools } = Offered.parse(params);
        this.#ports.offered(resource, tools);
      },
      listening: (params: unknown, peer: RpcPeer) => {
        if (peer.closed.aborted) return;
        this.#listeners.set(peer, Listening.parse(params).listeners);
        this.#ports.listenersChanged();
      },
      ended: (params: unknown, peer: RpcPeer) => {
        this.#drop(Ended.parse(params).session, peer);
      },
      progress: (params: unknown, peer: RpcPeer) => {
        for (const [id, operations] of Object.entries(Progress.parse(params).sessions)) {
          const live = this.#live.get(id);
          if (live?.peer !== peer || live.operations === operations) continue;
          live.operations = operations;
          this.#ports.sessionsChanged();
        }
      },
    };
    this.#server = await serveRpc(path, secret, handlers, (peer) => {
      peer.notify('snapshot', this.#ports.snapshot());
      this.#ports.changed({ gateway: peer.name, connected: true, sessions: 0 });
      peer.closed.addEventListener('abort', () => {
        const lost = [...this.#live.values()].filter((live) => live.peer === peer);
        for (const { session } of lost) this.#drop(session.id, peer);
        this.#listeners.delete(peer);
        for (const [request, holder] of this.#held) if (holder === peer) this.#abandon(request);
        this.#ports.changed({ gateway: peer.name, connected: false, sessions: lost.length });
      });
    });
  }

  /** Tells every gateway the whole new state. */
  push(): void {
    const snapshot = this.#ports.snapshot();
    for (const peer of this.#server?.peers ?? []) peer.notify('snapshot', snapshot);
  }

  /** Tells the gateway that holds it what became of a request. */
  decided(request: ApprovalRequest): void {
    const peer = this.#held.get(request.id);
    if (peer === undefined || request.status === 'pending' || request.status === 'used') return;
    if (request.status !== 'approved') this.#held.delete(request.id);
    peer.notify('decided', request);
  }

  get connected(): readonly string[] {
    return [...(this.#server?.peers ?? [])].map(({ name }) => name);
  }

  get listeners(): Status['listeners'] {
    return [...this.#listeners.values()].flat();
  }

  list(): readonly LiveSession[] {
    return [...this.#live.values()].map(({ session, operations }) => ({ ...session, operations }));
  }

  async kill(session: string, reason: string): Promise<boolean> {
    const live = this.#live.get(session);
    if (!live) return false;
    return (await live.peer.call('kill', { session, reason }, killDeadlineMs)) === true;
  }

  async probe(resource: Resource, credential: LeasedCredential): Promise<string> {
    return Reached.parse(await this.#any().call('probe', { resource, credential }, targetDeadlineMs)) ?? `Logged in as ${resource.account}.`;
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
    this.#ports.sessionsChanged();
    try {
      return await this.#ports.recordingKey(session);
    } catch (error) {
      this.#live.delete(session.id);
      throw error;
    }
  }

  #lease({ session, resource }: z.infer<typeof Leasing>, peer: RpcPeer): Promise<LeasedCredential> {
    const live = this.#live.get(session);
    // a gateway gets credentials for its own live sessions only, and only for what they are on
    if (live?.peer !== peer || !this.#isOn(live.session, resource)) throw fail('ERR_NOT_FOUND', { detail: 'no such live session of this gateway' });
    return this.#ports.lease(live.session, resource);
  }

  /** Its own resource, or one whose catalogue says what the arguments of its tools mean. */
  #isOn(session: LiveSession, name: string): boolean {
    if (session.resource === name) return true;
    const resource = this.#ports.snapshot().resources.find((one) => one.name === session.resource);
    return resource?.protocol === 'mcp' && resource.analysers.some(({ reads }) => reads.as === 'sql' && reads.resource === name);
  }

  async #request(asked: AskedRequest, peer: RpcPeer): Promise<CanonicalRequest> {
    const { draft } = asked;
    this.#assertOwn(draft, peer);
    if (this.#held.has(draft.id)) throw fail('ERR_CONFLICT');
    // before it is made: it may be decided, or the gateway gone, before we hear that it was
    this.#held.set(draft.id, peer);
    try {
      const canonical = await this.#ports.requests.create(asked, peer.name);
      if (peer.closed.aborted) this.#abandon(draft.id);
      return canonical;
    } catch (error) {
      this.#held.delete(draft.id);
      throw error;
    }
  }

  /** A gateway asks for its own live sessions only, in the name of who is on them and for what they are on. */
  #assertOwn({ subject, principal }: RequestDraft, peer: RpcPeer): void {
    const live = subject.kind === 'operation' ? this.#live.get(subject.session) : undefined;
    const account = this.#ports.snapshot().serviceAccounts.find(({ id }) => id === principal.subject);
    const fits =
      subject.kind === 'operation' &&
      live?.peer === peer &&
      live.session.principal === principal.name &&
      account?.name === principal.name &&
      live.session.resource === subject.resource &&
      live.session.database === subject.database &&
      live.session.account === subject.account;
    if (!fits) throw fail('ERR_NOT_FOUND', { detail: 'no such live session of this gateway' });
  }

  #assertHeld(request: string, peer: RpcPeer): void {
    if (this.#held.get(request) !== peer) throw fail('ERR_NOT_FOUND', { detail: 'this gateway holds no such request' });
  }

  /** Its gateway is gone, and with it what was held: nothing could use an approval any more. */
  #abandon(request: string): void {
    this.#held.delete(request);
    void this.#ports.requests.withdraw(request, 'The gateway that held it is gone.').catch((error: unknown) => {
      this.#ports.log(`${request} could not be withdrawn: ${reasonOf(error)}`);
    });
  }

  #drop(id: string, peer: RpcPeer): void {
    const live = this.#live.get(id);
    if (live?.peer !== peer) return;
    this.#live.delete(id);
    this.#ports.sessionsChanged();
    this.#ports.ended(live.session);
  }
}

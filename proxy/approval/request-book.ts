import { randomBytes } from 'node:crypto';
import type { ApprovalRequest, CanonicalRequest, Grant, RequestDraft, ShadowNote, SignedDecision } from '../contract/approval-request.ts';
import { fail } from '../contract/errors.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import { reasonOf } from '../lib/errors.ts';
import type { ReadableState } from '../store/repositories.ts';
import { requestChange, type Acting, type Commit, type RequestCode, type Told } from './committing.ts';
import { accessSeconds, decide, expire, isOver, use, withdraw } from './machine.ts';
import { approvalFault, isSigned } from './quorum.ts';

export interface RequestBookOptions {
  readonly clock: Clock;
  readonly state: Pick<ReadableState, 'requests' | 'grants'>;
  readonly snapshot: () => Pick<Snapshot, 'approvers' | 'serviceAccounts'>;
  /** origin, size and root hash of the newest checkpoint; empty: there is none */
  readonly checkpoint: () => Promise<string>;
  /** control itself, for what nobody in particular does */
  readonly itself: Acting<RequestCode | 'grant.created'> & { readonly commit: Commit<RequestCode | 'grant.created'> };
  /** after every change; must not throw */
  readonly changed: (told: Told) => void;
  /** a line for the operator */
  readonly log: (line: string) => void;
}

/** Where a request comes from, besides what is signed. */
export interface RequestOrigin {
  /** the gateway that holds it; for accesses `control` */
  readonly gateway: string;
  readonly reason: string;
  readonly ticket: string;
  readonly rowEstimate?: number | undefined;
}

type Asked = RequestOrigin & { readonly shadow?: ShadowNote | undefined };

const maxOpen = 10_000;
const maxOpenPerPrincipal = 100;
const freshSignInMs = 120_000;
const maxTimerMs = 60_000;
const retryMs = 2_000;
const batch = 100;

/** Every approval request: made, decided, used up, taken back and expired here, each step durable before it counts. */
export class RequestBook {
  readonly #options: RequestBookOptions;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: RequestBookOptions) {
    this.#options = options;
  }

  /**
   * Before anything else: operations are void, because the gateways that held them are asked anew; accesses go on. Rejects when
   * the log cannot be written.
   */
  async start(): Promise<void> {
    const { state, itself } = this.#options;
    await itself.exclusive(async (commit) => {
      for (let open = state.requests.openOperations(batch); open.length > 0; open = state.requests.openOperations(batch))
        for (const request of open) await this.#end(request, 'The service was restarted.', commit);
    });
    await this.expireDue();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Asks. Gives what people will sign. Rejects with ERR_CONFLICT, ERR_TOO_MANY_CONNECTIONS, ERR_AUDIT_UNAVAILABLE. */
  async create(draft: RequestDraft, { shadow, ...origin }: Asked, by: Acting<'approval-request.created'>): Promise<ApprovalRequest> {
    const checkpoint = await this.#options.checkpoint();
    const made = await by.exclusive(async (commit) => {
      const request = this.#draw(draft, origin, checkpoint);
      await this.#announce('approval-request.created', request, commit, shadow);
      return request;
    });
    this.#schedule();
    return made;
  }

  /** One signed decision, checked against the key that its approver has now. `signedInAt`: milliseconds since the epoch. */
  async decide(
    decision: SignedDecision,
    { exclusive, signedInAt }: Acting<'approval-request.decided' | 'approval-request.approved' | 'approval-request.denied'> & { readonly signedInAt: number },
  ): Promise<ApprovalRequest> {
    const { clock, snapshot } = this.#options;
    return exclusive(async (commit) => {
      const request = this.#need(decision.request);
      const now = clock.now();
      const approver = snapshot().approvers.find(({ id }) => id === decision.approver) ?? null;
      const decided = decide(request, decision, { now, approver });
      if (approver === null || !(await isSigned(request, decision, approver)))
        throw fail('ERR_VERIFICATION_FAILED', { message: 'The signature does not hold.' });
      if (request.canonical.terms.risk === 'high' && !(now - signedInAt < freshSignInMs)) {
        throw fail('ERR_FORBIDDEN', { message: 'This request needs a fresh sign-in.', hint: 'Sign in again, then decide within two minutes.' });
      }
      const fault = decided.status === 'approved' ? await this.#quorumFault(decided) : null;
      if (fault !== null) throw fail('ERR_CONFLICT', { message: `An earlier decision no longer counts: ${fault}`, hint: 'It must be asked for again.' });
      await this.#announce(decidedCode(decided), decided, commit);
      if (decided.status === 'pending' || decided.status === 'denied') return decided;
      return this.#begin(decided).catch((error: unknown) => {
        // it is approved all the same, and begins later
        this.#failed(error);
        return decided;
      });
    });
  }

  /** Uses it up, once and for the gateway that holds it: durable when this resolves. Rejects with ERR_NOT_FOUND, ERR_CONFLICT. */
  async use(id: string, gateway: string): Promise<void> {
    await this.#options.itself.exclusive(async (commit) => {
      const request = this.#need(id);
      if (request.gateway !== gateway || request.canonical.subject.kind !== 'operation') throw fail('ERR_NOT_FOUND');
      await this.#announce('approval-request.used', use(request, this.#options.clock.now()), commit);
    });
  }

  /** Takes it back. Rejects with ERR_NOT_FOUND, ERR_CONFLICT. */
  async withdraw(id: string, reason: string, by: Acting<'approval-request.withdrawn'> = this.#options.itself): Promise<ApprovalRequest> {
    return by.exclusive(async (commit) => {
      const withdrawn = withdraw(this.#need(id), { now: this.#options.clock.now(), reason });
      await this.#announce('approval-request.withdrawn', withdrawn, commit);
      return withdrawn;
    });
  }

  /** What was asked under other policies is asked in vain; gateways withdraw what they hold by themselves. */
  async policiesChanged(version: string): Promise<void> {
    await this.#options.itself.exclusive(async (commit) => {
      const { requests } = this.#options.state;
      for (const request of [...requests.accesses('pending', maxOpen), ...requests.accesses('approved', maxOpen)]) {
        if (request.canonical.policyVersion !== version) await this.#end(request, 'The policies were changed.', commit);
      }
    });
  }

  /** Ends what is over, and begins accesses that are owed since a step of theirs failed. Called by its own timer. */
  async expireDue(): Promise<void> {
    const { clock, state, itself } = this.#options;
    await itself.exclusive(async (commit) => {
      for (const request of state.requests.due(clock.now(), batch)) {
        await this.#announce('approval-request.expired', expire(request, clock.now()), commit);
      }
      for (const request of state.requests.accesses('approved', batch)) await this.#begin(request);
      for (const request of state.requests.accesses('used', batch)) await this.#grant(request);
    });
    this.#schedule();
  }

  #need(id: string): ApprovalRequest {
    const request = this.#options.state.requests.find(id);
    if (request === null) throw fail('ERR_NOT_FOUND', { message: `There is no approval request ${id}.` });
    return request;
  }

  #draw(draft: RequestDraft, origin: RequestOrigin, checkpoint: string): ApprovalRequest {
    const { clock, state, snapshot } = this.#options;
    const owner = snapshot().serviceAccounts.find(({ id }) => id === draft.principal.subject)?.owner;
    if (owner === undefined) throw fail('ERR_NOT_FOUND', { detail: 'the principal is no service account' });
    if (state.requests.countOpen() >= maxOpen || state.requests.countOpen(draft.principal.subject) >= maxOpenPerPrincipal) {
      throw fail('ERR_TOO_MANY_CONNECTIONS', { message: 'Too many approval requests are waiting.' });
    }
    const now = clock.now();
    const times = { createdAt: new Date(now).toISOString(), expiresAt: new Date(now + draft.terms.expiresInSeconds * 1_000).toISOString() };
    const canonical: CanonicalRequest = { v: 1, ...draft, ...times, nonce: randomBytes(32).toString('base64url'), checkpoint };
    const barred = draft.terms.ownerDecides ? [] : [owner];
    return { id: draft.id, status: 'pending', canonical, ...origin, barred, decisions: [], closedAt: null, closedReason: null };
  }

  async #announce<C extends RequestCode>(code: C, request: ApprovalRequest, commit: Commit<C>, shadow?: ShadowNote): Promise<void> {
    await commit(code, { ...requestChange(request), ...(shadow && { shadow: shadow.would, shadowVersion: shadow.version }) });
    this.#options.changed({ code, request });
  }

  /** Whether everybody who approved may still do so, with the key they have now; null: they may. */
  #quorumFault(request: ApprovalRequest): Promise<string | null> {
    const { clock, snapshot } = this.#options;
    const barred = [...request.barred, request.canonical.principal.name];
    return approvalFault(request, { approvers: snapshot().approvers, barred, now: clock.now() });
  }

  /** An approved access begins at once; anything else waits for its gateway. Inside `exclusive`. */
  async #begin(request: ApprovalRequest): Promise<ApprovalRequest> {
    const { clock, itself, snapshot } = this.#options;
    if (request.canonical.subject.kind !== 'access' || isOver(request, clock.now())) return request;
    const account = snapshot().serviceAccounts.find(({ id }) => id === request.canonical.principal.subject);
    if (account === undefined || account.disabled) return this.#end(request, 'The service account is disabled or gone.', itself.commit);
    const fault = await this.#quorumFault(request);
    if (fault !== null) return this.#end(request, fault, itself.commit);
    const used = use(request, clock.now());
    await this.#announce('approval-request.used', used, itself.commit);
    await this.#grant(used);
    return used;
  }

  /** The grant that a used access request gives; its times follow from the request, so that it is the same whenever it is made. */
  async #grant({ id, canonical, closedAt, reason, decisions }: ApprovalRequest): Promise<void> {
    const { clock, state, itself, changed } = this.#options;
    const { subject, principal } = canonical;
    if (subject.kind !== 'access' || closedAt === null || state.grants.ofRequest(id) !== null) return;
    const expires = Date.parse(closedAt) + accessSeconds(subject.seconds, decisions) * 1_000;
    if (expires <= clock.now()) return;
    const grant: Grant = {
      id: newId('gra'),
      principal: principal.subject,
      principalName: principal.name,
      group: subject.joins,
      request: id,
      reason,
      createdAt: closedAt,
      expiresAt: new Date(expires).toISOString(),
      revokedAt: null,
      review: null,
    };
    await itself.commit('grant.created', { affected: `grant:${grant.id}`, value: grant, request: id });
    changed({ code: 'grant.created', grant });
  }

  async #end(request: ApprovalRequest, reason: string, commit: Commit<RequestCode>): Promise<ApprovalRequest> {
    const now = this.#options.clock.now();
    const ended = isOver(request, now) ? expire(request, now) : withdraw(request, { now, reason });
    await this.#announce(`approval-request.${ended.status === 'expired' ? 'expired' : 'withdrawn'}`, ended, commit);
    return ended;
  }

  #schedule(): void {
    const next = this.#closed ? null : this.#options.state.requests.nextExpiry();
    if (next !== null) this.#wake(Math.min(Math.max(next - this.#options.clock.now(), 0), maxTimerMs));
  }

  #wake(afterMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.expireDue().catch((error: unknown) => {
        this.#failed(error);
      });
    }, afterMs).unref();
  }

  #failed(error: unknown): void {
    this.#options.log(`an approval request could not be brought on: ${reasonOf(error)}`);
    if (!this.#closed) this.#wake(retryMs);
  }
}

function decidedCode({ status }: ApprovalRequest): 'approval-request.decided' | 'approval-request.approved' | 'approval-request.denied' {
  if (status === 'pending') return 'approval-request.decided';
  return status === 'approved' ? 'approval-request.approved' : 'approval-request.denied';
}

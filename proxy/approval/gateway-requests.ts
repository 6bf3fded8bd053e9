import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApprovalRequest, CanonicalRequest, type AskedRequest, type ApprovalTerms, type HiddenValue, type RequestDraft } from '../contract/approval-request.ts';
import { fail } from '../contract/errors.ts';
import type { Approver } from '../contract/user.ts';
import type { Clock } from '../lib/clock.ts';
import { reasonOf } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { ApprovalOutcome, ApprovalPort, ApprovalWanted } from '../pipeline/ports.ts';
import { canonicalJson } from '../proof/canonical.ts';
import { approvalFault } from './quorum.ts';
import { requesterWords } from './requester-words.ts';

export interface GatewayRequestsOptions {
  readonly clock: Clock;
  readonly control: {
    /** Gives the request that people will sign. */
    request(asked: AskedRequest): Promise<unknown>;
    /** Rejects unless the request is approved and was not used: from then on it is. */
    use(request: string): Promise<void>;
    withdraw(request: string, reason: string): Promise<void>;
  };
  /** whose signatures count now */
  readonly approvers: () => readonly Approver[];
  /** the owner of a service account; null: there is no such account */
  readonly owner: (subject: string) => string | null;
}

/** pending: with control or with people; approved: only what is claimed stays so; using: being used up */
type State = 'pending' | 'approved' | 'using';

interface Entry {
  readonly id: string;
  readonly wanted: ApprovalWanted;
  readonly draft: RequestDraft;
  /** of everything but the bytes: commands are long, and each retry is compared with all that wait */
  readonly surroundings: string;
  /** destroyed with the entry */
  readonly key: Buffer;
  readonly outcome: PromiseWithResolvers<ApprovalOutcome>;
  /** approved, or over */
  readonly settled: PromiseWithResolvers<void>;
  /** used by whoever comes back with the same command, not by itself */
  readonly isClaimed: boolean;
  /** taken back by the caller, who need not be told */
  isTakenBack: boolean;
  state: State;
  canonical: CanonicalRequest | null;
  approved: ApprovalRequest | null;
  timer: NodeJS.Timeout | null;
}

/** How a request ended that its caller has not come back for. */
interface Untold {
  readonly id: string;
  readonly why: string;
  readonly key: Buffer;
  readonly digest: string;
  readonly surroundings: string;
}

const maxUntold = 1_000;
const untoldMs = 300_000;
const maxEntries = 10_000;
const maxPerPrincipal = 100;
const maxTimerMs = 86_400_000;
const estimateDeadlineMs = 1_500;

/** The requests of one gateway: what they are bound to is here and nowhere else, so they end with the process. */
export class GatewayRequests implements ApprovalPort {
  readonly #options: GatewayRequestsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #untold = new Set<Untold>();
  /** makes equal hidden values recognisable while this process lives */
  readonly #markKey = randomBytes(32);

  constructor(options: GatewayRequestsOptions) {
    this.#options = options;
  }

  hold(wanted: ApprovalWanted): { request: string; decided: Promise<ApprovalOutcome>; withdraw(reason: string): void } {
    const entry = this.#enter(wanted);
    void this.#ask(entry).catch((error: unknown) => {
      this.#end(entry, { approved: false, why: reasonOf(error) });
    });
    return {
      request: entry.id,
      decided: entry.outcome.promise,
      withdraw: (reason) => {
        this.#withdraw(entry, reason);
      },
    };
  }

  async claim(wanted: ApprovalWanted): Promise<{ request: string; approved: boolean; denied?: string }> {
    const untold = this.#tellOnce(wanted);
    if (untold !== null) return { request: untold.id, approved: false, denied: untold.why };
    const known = this.#find(wanted);
    if (known === null) {
      const entry = this.#enter(wanted);
      try {
        await this.#ask(entry);
      } catch (error) {
        this.#end(entry, { approved: false, why: reasonOf(error) });
        throw error;
      }
      return { request: entry.id, approved: false };
    }
    if (known.approved === null) return { request: known.id, approved: false };
    const outcome = await this.#use(known, known.approved);
    if (!outcome.approved) throw fail('ERR_NOT_APPROVED', { message: outcome.why });
    return { request: known.id, approved: true };
  }

  whenDecided(request: string): Promise<void> {
    return this.#entries.get(request)?.settled.promise ?? Promise.resolve();
  }

  withdraw(request: string, reason: string): void {
    const entry = this.#entries.get(request);
    if (entry === undefined || entry.state === 'using') return;
    entry.isTakenBack = true;
    this.#withdraw(entry, reason);
  }

  recheck(policyVersion: string): void {
    for (const entry of [...this.#entries.values()]) if (entry.wanted.policyVersion !== policyVersion) this.#withdraw(entry, 'The policies were changed.');
  }

  /** Control was lost: what it knew of our requests is void. */
  lost(): void {
    for (const entry of [...this.#entries.values()]) this.#end(entry, { approved: false, why: 'The service was restarted; the request is void.' });
  }

  /** What control says became of a request. */
  async decided(said: unknown): Promise<void> {
    const request = ApprovalRequest.parse(said);
    const entry = this.#entries.get(request.id);
    if (entry?.state !== 'pending') return;
    if (request.status !== 'approved') {
      this.#end(entry, { approved: false, why: whyNot(request) });
      return;
    }
    // looks again itself: control's word alone forwards nothing
    const fault = await this.#fault(entry, request);
    if (this.#entries.get(entry.id) !== entry) return;
    if (fault !== null) {
      this.#withdraw(entry, fault);
      return;
    }
    if (!entry.isClaimed) await this.#use(entry, request);
    else {
      entry.state = 'approved';
      entry.approved = request;
      entry.settled.resolve();
    }
  }

  #enter(wanted: ApprovalWanted): Entry {
    const mine = [...this.#entries.values()].filter((entry) => entry.wanted.caller.subject === wanted.caller.subject).length;
    if (this.#entries.size >= maxEntries || mine >= maxPerPrincipal) throw fail('ERR_CONFLICT', { message: 'Too many approval requests are waiting.' });
    const id = newId('req');
    const key = randomBytes(32);
    const draft = this.#draftOf(id, wanted, digestOf(key, wanted.exact));
    const entry: Entry = {
      id,
      wanted,
      draft,
      surroundings: surroundings(wanted),
      key,
      outcome: Promise.withResolvers(),
      settled: Promise.withResolvers(),
      isClaimed: wanted.terms.mode === 'retry' || wanted.returns === true,
      isTakenBack: false,
      state: 'pending',
      canonical: null,
      approved: null,
      timer: null,
    };
    this.#entries.set(id, entry);
    return entry;
  }

  #draftOf(id: string, wanted: ApprovalWanted, digest: string): RequestDraft {
    const { caller } = wanted;
    return {
      id,
      principal: { issuer: caller.issuer, subject: caller.subject, name: caller.name, credential: caller.credential },
      subject: {
        kind: 'operation',
        resource: wanted.resource,
        account: wanted.account,
        database: wanted.database,
        searchPath: wanted.searchPath,
        origin: wanted.origin,
        session: wanted.session,
        command: wanted.command,
        hidden: this.#marked(wanted),
        digest,
        acts: [...wanted.acts],
      },
      terms: wanted.terms,
      policies: [...wanted.policies],
      policyVersion: wanted.policyVersion,
    };
  }

  /**
   * A mark is about all hidden values of the command together and about nobody else's commands: so each try at a value
   * costs a whole request in the guesser's own name, and finds out about their own requests only.
   */
  #marked({ hidden, caller }: ApprovalWanted): HiddenValue[] {
    const all = createHmac('sha256', this.#markKey)
      .update(JSON.stringify([caller.issuer, caller.subject, hidden]))
      .digest();
    return hidden.map(({ position, type }) => ({
      position,
      type,
      mark: createHmac('sha256', this.#markKey).update(all).update(String(position)).digest('base64url').slice(0, 8),
    }));
  }

  async #ask(entry: Entry): Promise<void> {
    const canonical = CanonicalRequest.parse(await this.#options.control.request(await askedOf(entry)));
    if (!isOf(canonical, entry.draft)) throw fail('ERR_INTERNAL', { detail: 'control changed a request' });
    if (this.#entries.get(entry.id) !== entry) {
      // withdrawn while control was making it
      await this.#options.control.withdraw(entry.id, 'Withdrawn by the caller.').catch(() => undefined);
      return;
    }
    entry.canonical = canonical;
    const left = Date.parse(canonical.expiresAt) - this.#options.clock.now();
    entry.timer = setTimeout(
      () => {
        // being used up: control has the last word
        if (entry.state !== 'using') this.#end(entry, { approved: false, why: 'Nobody decided in time.' });
      },
      Math.min(Math.max(left, 0), maxTimerMs),
    ).unref();
  }

  /** The same command of the same principal in the same surroundings: bytes and binds are compared under the request's own key. */
  #find(wanted: ApprovalWanted): Entry | null {
    const around = surroundings(wanted);
    for (const entry of this.#entries.values()) {
      if (entry.state === 'using' || !entry.isClaimed || entry.surroundings !== around) continue;
      if (entry.draft.subject.kind === 'operation' && digestOf(entry.key, wanted.exact) === entry.draft.subject.digest) return entry;
    }
    return null;
  }

  /** For the caller who comes back; the key that recognises their command lives on for that long. */
  #remember(entry: Entry, why: string): void {
    const [oldest] = this.#untold;
    if (this.#untold.size >= maxUntold && oldest !== undefined) this.#untold.delete(oldest);
    const key = Buffer.from(entry.key);
    const untold: Untold = { id: entry.id, why, key, digest: digestOf(key, entry.wanted.exact), surroundings: entry.surroundings };
    this.#untold.add(untold);
    setTimeout(() => {
      this.#untold.delete(untold);
      key.fill(0);
    }, untoldMs).unref();
  }

  #tellOnce(wanted: ApprovalWanted): Untold | null {
    if (wanted.returns !== true) return null;
    const around = surroundings(wanted);
    for (const untold of this.#untold) {
      if (untold.surroundings !== around || digestOf(untold.key, wanted.exact) !== untold.digest) continue;
      this.#untold.delete(untold);
      return untold;
    }
    return null;
  }

  async #fault(entry: Entry, request: ApprovalRequest): Promise<string | null> {
    if (entry.canonical === null || canonicalJson(request.canonical) !== canonicalJson(entry.canonical))
      return 'The approved request is not the one that was made.';
    const { terms, caller } = entry.wanted;
    const owner = this.#options.owner(caller.subject);
    if (owner === null) return 'The service account is gone.';
    const barred = terms.ownerDecides ? [caller.name] : [caller.name, owner];
    return approvalFault(request, { approvers: this.#options.approvers(), barred, now: this.#options.clock.now() });
  }

  /** Once: control records the use before anything runs. */
  async #use(entry: Entry, request: ApprovalRequest): Promise<ApprovalOutcome> {
    entry.state = 'using';
    const outcome = await this.#used(entry, request).catch((error: unknown): ApprovalOutcome => ({ approved: false, why: reasonOf(error) }));
    // withdrawn meanwhile: the outcome was given already
    const stands = this.#entries.get(entry.id) === entry;
    this.#end(entry, outcome);
    return stands ? outcome : { approved: false, why: 'Withdrawn.' };
  }

  async #used(entry: Entry, request: ApprovalRequest): Promise<ApprovalOutcome> {
    const fault = await this.#fault(entry, request);
    if (fault !== null) return { approved: false, why: fault };
    const { subject } = entry.draft;
    // what is about to run is what was shown
    if (subject.kind !== 'operation' || !same(digestOf(entry.key, entry.wanted.exact), subject.digest))
      return { approved: false, why: 'The command was changed.' };
    await this.#options.control.use(entry.id);
    return { approved: true };
  }

  #withdraw(entry: Entry, reason: string): void {
    if (this.#entries.get(entry.id) !== entry) return;
    const known = entry.canonical !== null;
    this.#end(entry, { approved: false, why: reason });
    // control withdraws by itself what it cannot hear of: the connection to this gateway is gone then
    if (known) void this.#options.control.withdraw(entry.id, reason).catch(() => undefined);
  }

  #end(entry: Entry, outcome: ApprovalOutcome): void {
    if (entry.timer !== null) clearTimeout(entry.timer);
    if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
    if (!outcome.approved && entry.wanted.returns === true && entry.canonical !== null && !entry.isTakenBack) this.#remember(entry, outcome.why);
    entry.key.fill(0);
    entry.outcome.resolve(outcome);
    entry.settled.resolve();
  }
}

/** People wait for the request, so it waits for the estimate only briefly. */
async function estimateOf({ estimate }: ApprovalWanted): Promise<Pick<AskedRequest, 'rowEstimate'>> {
  const late = new AbortController();
  const deadline = sleep(estimateDeadlineMs, null, { signal: late.signal, ref: false }).catch(() => null);
  const rows = await Promise.race([estimate().catch(() => null), deadline]);
  late.abort();
  return rows === null ? {} : { rowEstimate: rows };
}

async function askedOf({ draft, wanted }: Entry): Promise<AskedRequest> {
  const rows = await estimateOf(wanted);
  return { draft, ...requesterWords(wanted.command), ...rows, ...(wanted.shadow && { shadow: wanted.shadow }) };
}

function whyNot({ status, decisions, closedReason }: ApprovalRequest): string {
  if (status === 'denied') {
    const denial = decisions.find(({ verdict }) => verdict === 'deny');
    return `Denied by ${denial?.human ?? 'an approver'}: ${denial?.reason ?? ''}`;
  }
  if (status === 'expired') return 'Nobody decided in time.';
  return closedReason ?? `The request is ${status}.`;
}

/** SHA-256 of everything but the bytes themselves; all of it is masked already. */
function surroundings(wanted: ApprovalWanted): string {
  const { caller, terms, resource, account, database, searchPath, command, acts, policyVersion } = wanted;
  return hash('sha256', JSON.stringify([caller.issuer, caller.subject, terms, resource, account, database, searchPath, command, acts, policyVersion]));
}

/** Control adds times, nonce and checkpoint, and changes nothing. */
function isOf(canonical: CanonicalRequest, draft: RequestDraft): boolean {
  const { createdAt, expiresAt, nonce, checkpoint } = canonical;
  const expected = { ...draft, v: 1 as const, createdAt, expiresAt, nonce, checkpoint };
  return canonicalJson(canonical) === canonicalJson(expected) && expiresAt > createdAt && withinTerms(canonical, draft.terms);
}

function withinTerms({ createdAt, expiresAt }: CanonicalRequest, { expiresInSeconds }: ApprovalTerms): boolean {
  return Date.parse(expiresAt) - Date.parse(createdAt) <= expiresInSeconds * 1_000;
}

/** Length-prefixed, so that no two lists of parts have the same bytes. */
function digestOf(key: Uint8Array, parts: readonly Uint8Array[]): string {
  const hmac = createHmac('sha256', key);
  for (const part of parts) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(part.length));
    hmac.update(length).update(part);
  }
  return hmac.digest('base64url');
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

import type { ApprovalRequest, Grant } from '../contract/approval-request.ts';
import { asAppError } from '../contract/errors.ts';
import type { Webhook } from '../contract/webhook.ts';
import type { Clock } from '../lib/clock.ts';
import { reasonOf } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { Secret } from '../lib/secret.ts';
import { bodyOf } from './webhook-body.ts';
import { aboutGrant, aboutRequest, type GrantEvent, type Notice, type NoticeEvent, type RequestEvent } from './webhook-notice.ts';
import { post, type Outcome } from './webhook-post.ts';
import { signedHeaders } from './webhook-signature.ts';

/** Runs `run` once, `ms` from now; gives what cancels it. */
export type After = (ms: number, run: () => void) => () => void;

export interface WebhooksOptions {
  readonly clock: Clock;
  /** as stored now */
  readonly receivers: () => readonly Webhook[];
  /** From the vault. When it rejects, nothing is sent. */
  readonly key: (webhook: Webhook) => Promise<Secret<string>>;
  /** the detector: card numbers to first 6 + last 4 */
  readonly mask: (text: string) => string;
  /** records `webhook.given-up` */
  readonly givenUp: (lost: { webhook: Webhook; event: NoticeEvent; delivery: string; error: string }) => void;
  /** a line for the operator */
  readonly log: (line: string) => void;
  readonly after?: After;
  /** 0 to 1 */
  readonly random?: () => number;
  /** of one attempt */
  readonly timeoutMs?: number;
}

export interface DeadLetter {
  /** RFC 3339 */
  readonly at: string;
  readonly event: NoticeEvent;
  readonly error: string;
}

/** Since the service started. */
export interface Deliveries {
  readonly delivered: number;
  readonly waiting: number;
  /** newest last */
  readonly dead: readonly DeadLetter[];
}

interface Delivery {
  readonly id: string;
  readonly event: NoticeEvent;
  readonly body: string;
}

/** One receiver's deliveries: one at a time, in order. */
interface Lane {
  readonly webhook: Webhook;
  readonly waiting: Delivery[];
  readonly dead: DeadLetter[];
  delivered: number;
  /** of the first one waiting */
  tries: number;
  phase: 'idle' | 'ready' | 'sending' | 'resting';
  /** the timer before the next try */
  cancelRest: () => void;
  readonly stop: AbortController;
}

const second = 1_000;
const minute = 60 * second;
const retryMs = [5 * second, 30 * second, 2 * minute, 10 * minute, 60 * minute];
const jitter = 0.2;
const maxInFlight = 4;
const maxWaiting = 1_000;
const maxDead = 100;
const defaultTimeoutMs = 10 * second;

const systemAfter: After = (ms, run) => {
  const timer = setTimeout(run, ms);
  timer.unref();
  return () => {
    clearTimeout(timer);
  };
};

/** Tells every receiver of requests and grants. Nothing here can hold up or undo a decision: telling never throws and never waits. */
export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #lanes = new Map<string, Lane>();
  /** lanes that may send, oldest first */
  #ready: Lane[] = [];
  readonly #sending = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  tell(event: RequestEvent, about: ApprovalRequest): void;
  tell(event: GrantEvent, about: Grant): void;
  tell(event: RequestEvent | GrantEvent, about: ApprovalRequest | Grant): void {
    if (this.#stop.signal.aborted) return;
    const { mask, receivers, log } = this.#options;
    try {
      const notice = this.#noticeOf(event, 'canonical' in about ? aboutRequest(about, mask) : aboutGrant(about, mask));
      const all = receivers();
      this.#forgetOthers(all);
      for (const webhook of all) this.#queue(webhook, notice);
    } catch (error) {
      log(`webhooks: ${event} is not told: ${reasonOf(error)}`);
    }
  }

  all(): readonly Webhook[] {
    return this.#options.receivers();
  }

  deliveries(id: string): Deliveries {
    const lane = this.#lanes.get(id);
    return { delivered: lane?.delivered ?? 0, waiting: lane?.waiting.length ?? 0, dead: [...(lane?.dead ?? [])] };
  }

  /** Sends a test message now, past the queue. Rejects with ERR_VAULT_LOCKED, ERR_VAULT_DAMAGED. */
  test(webhook: Webhook): Promise<Outcome> {
    const notice = this.#noticeOf('webhook.tested', { test: true });
    return this.#send(webhook, this.#deliveryOf(webhook, notice), this.#stop.signal);
  }

  /** Drops what waits for a receiver that was removed, and breaks off what is under way. */
  forget(id: string): void {
    const lane = this.#lanes.get(id);
    if (lane === undefined) return;
    this.#lanes.delete(id);
    this.#ready = this.#ready.filter((other) => other !== lane);
    lane.cancelRest();
    lane.stop.abort();
  }

  /** What still waits is lost. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const id of [...this.#lanes.keys()]) this.forget(id);
    await Promise.allSettled(this.#sending);
  }

  #noticeOf(event: NoticeEvent, about: Notice['about']): Notice {
    return { event, at: this.#now(), about };
  }

  #deliveryOf(webhook: Webhook, notice: Notice): Delivery {
    // letters only, as every identifier
    const id = newId('hook').replace('hook_', 'msg_');
    return { id, event: notice.event, body: bodyOf(notice, id, { format: webhook.format, mask: this.#options.mask }) };
  }

  #forgetOthers(receivers: readonly Webhook[]): void {
    const known = new Set(receivers.map(({ id }) => id));
    for (const id of [...this.#lanes.keys()]) if (!known.has(id)) this.forget(id);
  }

  #queue(webhook: Webhook, notice: Notice): void {
    const delivery = this.#deliveryOf(webhook, notice);
    const lane = this.#laneOf(webhook);
    lane.waiting.push(delivery);
    if (lane.waiting.length > maxWaiting) this.#overflow(lane);
    if (lane.phase === 'idle') this.#makeReady(lane);
  }

  #laneOf(webhook: Webhook): Lane {
    const known = this.#lanes.get(webhook.id);
    if (known !== undefined) return known;
    const lane: Lane = { webhook, waiting: [], dead: [], delivered: 0, tries: 0, phase: 'idle', cancelRest: () => undefined, stop: new AbortController() };
    this.#lanes.set(webhook.id, lane);
    return lane;
  }

  /** The oldest goes, but not the one under way. A rest goes on: a receiver that is down is not asked more often because much happens. */
  #overflow(lane: Lane): void {
    const at = lane.phase === 'sending' ? 1 : 0;
    if (at === 0) lane.tries = 0;
    for (const lost of lane.waiting.splice(at, 1)) this.#giveUp(lane, lost, 'Too many deliveries wait.');
  }

  #makeReady(lane: Lane): void {
    lane.phase = 'ready';
    this.#ready.push(lane);
    this.#pump();
  }

  #pump(): void {
    while (this.#sending.size < maxInFlight) {
      const lane = this.#ready.shift();
      if (lane === undefined) return;
      const sending = this.#sendNext(lane).finally(() => {
        this.#sending.delete(sending);
        this.#pump();
      });
      this.#sending.add(sending);
    }
  }

  /** Never rejects. */
  async #sendNext(lane: Lane): Promise<void> {
    const [delivery] = lane.waiting;
    if (delivery === undefined) return;
    lane.phase = 'sending';
    lane.tries++;
    const outcome = await this.#send(lane.webhook, delivery, lane.stop.signal).catch((error: unknown) => ({
      delivered: false,
      gone: false,
      detail: asAppError(error).message,
    }));
    if (lane.stop.signal.aborted) return;
    const rest = retryMs[lane.tries - 1];
    if (!outcome.delivered && !outcome.gone && rest !== undefined) {
      this.#rest(lane, rest);
      return;
    }
    lane.waiting.shift();
    lane.tries = 0;
    if (outcome.delivered) lane.delivered++;
    else this.#giveUp(lane, delivery, outcome.detail);
    if (lane.waiting.length > 0) this.#makeReady(lane);
    else lane.phase = 'idle';
  }

  #rest(lane: Lane, ms: number): void {
    const { after = systemAfter, random = Math.random } = this.#options;
    lane.phase = 'resting';
    lane.cancelRest = after(Math.round(ms * (1 + jitter * random())), () => {
      this.#makeReady(lane);
    });
  }

  async #send(webhook: Webhook, delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const { key, clock, timeoutMs = defaultTimeoutMs } = this.#options;
    const headers = signedHeaders(await key(webhook), { ...delivery, at: clock.now() });
    return post({ url: webhook.url, headers, body: delivery.body }, { timeoutMs, signal });
  }

  #giveUp(lane: Lane, { id, event }: Delivery, error: string): void {
    lane.dead.push({ at: this.#now(), event, error });
    if (lane.dead.length > maxDead) lane.dead.shift();
    try {
      this.#options.givenUp({ webhook: lane.webhook, event, delivery: id, error });
    } catch (fault) {
      this.#options.log(`webhooks: ${id} was given up, and that could not be recorded: ${reasonOf(fault)}`);
    }
  }

  #now(): string {
    return new Date(this.#options.clock.now()).toISOString();
  }
}

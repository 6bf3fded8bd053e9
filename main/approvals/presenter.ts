import type { RequestDetails } from '../../proxy/contract/api-approvals.ts';
import type { ApprovalRequest } from '../../proxy/contract/approval-request.ts';
import type { DecisionInput } from '../contract/bridge.ts';
import type { AppSettings, Attention } from '../contract/views.ts';
import type { Toast } from '../ports.ts';
import { digestOfShown } from './shown-request.ts';
import { Storms } from './storms.ts';
import { isApprovableAtOnce, noticeToast, requestToast, summaryToast } from './toast-text.ts';

/** What the shell is to do. */
export type Command =
  | { readonly kind: 'show'; readonly toast: Toast }
  | { readonly kind: 'withdraw'; readonly id: string }
  | { readonly kind: 'count'; readonly waiting: number }
  | { readonly kind: 'attend'; readonly wanted: Attention }
  | { readonly kind: 'decide'; readonly decision: DecisionInput };

export interface Announced {
  readonly appliance: { readonly id: string; readonly name: string };
  readonly details: RequestDetails;
}

interface Item extends Announced {
  readonly requester: string;
  readonly expiresAt: number;
  /** names what came first under this id: a request never changes, and a click is on what the toast said */
  readonly shown: string;
  announced: boolean;
  /** on the screen by itself or in the summary */
  toast: 'single' | 'summary' | null;
}

const maxSingles = 2;
/** of one service: no service takes the room of others */
const maxItems = 1_000;
const maxClosed = 200;
const summaryId = 'requests';
const denial = 'denied from the notification';

const endings: Readonly<Record<ApprovalRequest['status'], string>> = {
  pending: 'is no longer yours to decide',
  approved: 'was already approved',
  denied: 'was already denied',
  expired: 'has expired',
  withdrawn: 'is no longer open',
  used: 'was already approved and used',
};

/** Toast of one request. */
export function toastId(appliance: string, request: string): string {
  return `req:${appliance}:${request}`;
}

/**
 * Decides which toasts are on the screen and what a click on one does. It does nothing itself: every method gives the commands
 * that bring the screen to where it should be. Times are milliseconds since the epoch.
 */
export class Presenter {
  /** what waits for this person, by toast id, oldest first */
  readonly #items = new Map<string, Item>();
  /** how requests ended whose toast may still be clicked */
  readonly #closed = new Map<string, ApprovalRequest['status']>();
  readonly #storms = new Storms();
  #notifications: AppSettings['notifications'] = 'all';
  #visible: string | null = null;
  #told = 0;
  /** count that the summary on the screen says; 0: there is none */
  #summarised = 0;

  /** Requests that wait, new or changed; those that this person may not decide are neither announced nor counted. */
  pending(announced: readonly Announced[], now: number): Command[] {
    const commands: Command[] = [];
    for (const each of announced) {
      const { canonical } = each.details.request;
      const id = toastId(each.appliance.id, canonical.id);
      if (!each.details.may.decide) commands.push(...this.#remove(id, each.details.request.status, true));
      else this.#take(id, each);
    }
    return [...commands, ...this.#settle(now)];
  }

  /** It waits no more. */
  closed(appliance: string, { id, status }: Pick<ApprovalRequest, 'id' | 'status'>, now: number): Command[] {
    return [...this.#remove(toastId(appliance, id), status, false), ...this.#settle(now)];
  }

  /** Of this service these wait and no others: what became of those is not known. */
  only(appliance: string, requests: ReadonlySet<string>, now: number): Command[] {
    const ended = [...this.#items].filter(([, { appliance: at, details }]) => at.id === appliance && !requests.has(details.request.canonical.id));
    return [...ended.flatMap(([id]) => this.#remove(id, 'withdrawn', false)), ...this.#settle(now)];
  }

  /** Nobody is signed in there any more. */
  left(appliance: string, now: number): Command[] {
    const own = [...this.#items].filter(([, item]) => item.appliance.id === appliance);
    return [...own.flatMap(([id]) => this.#remove(id, 'pending', false)), ...this.#settle(now)];
  }

  /** What the focused window shows; null: it has no focus, or no request on it. */
  looking(visible: { readonly appliance: string; readonly request: string } | null, now: number): Command[] {
    this.#visible = visible === null ? null : toastId(visible.appliance, visible.request);
    return this.#settle(now);
  }

  setting(notifications: AppSettings['notifications'], now: number): Command[] {
    this.#notifications = notifications;
    return this.#settle(now);
  }

  /** A toast or one of its buttons was clicked, or it is gone (`closed`). */
  acted(id: string, action: string, now: number): Command[] {
    if (id === summaryId) return this.#actedOnSummary(action);
    const item = this.#items.get(id);
    if (item === undefined) return action === 'closed' ? [] : this.#late(id);
    item.toast = null;
    if (action === 'closed') return [];
    this.#storms.answered(item.requester, id);
    return [{ kind: 'withdraw', id }, ...this.#answer(item, action), ...this.#settle(now)];
  }

  /** A decision from a toast did not come about. */
  failed({ appliance, request }: Pick<DecisionInput, 'appliance' | 'request'>, why: string): Command[] {
    return [{ kind: 'show', toast: noticeToast(`late:${appliance}:${request}`, 'Nothing was decided', why) }];
  }

  /** Time has passed. */
  tick(now: number): Command[] {
    return this.#settle(now);
  }

  /** When `tick` has something to do; null: never. */
  wakeAt(now: number): number | null {
    const times = [...this.#items.values()].map(({ expiresAt }) => expiresAt);
    const quiet = this.#storms.quietUntil(now);
    const next = Math.min(...times, quiet ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(next) ? next : null;
  }

  #take(id: string, announced: Announced): void {
    const known = this.#items.get(id);
    if (known === undefined && [...this.#items.values()].filter(({ appliance }) => appliance.id === announced.appliance.id).length >= maxItems) return;
    const { canonical } = announced.details.request;
    const requester = `${announced.appliance.id}:${canonical.principal.subject}`;
    const standing = { announced: known?.announced ?? false, toast: known?.toast ?? null, shown: known?.shown ?? digestOfShown(canonical) };
    this.#items.set(id, { ...announced, requester, expiresAt: Date.parse(canonical.expiresAt), ...standing });
  }

  #remove(id: string, status: ApprovalRequest['status'], own: boolean): Command[] {
    const item = this.#items.get(id);
    if (item === undefined) return [];
    this.#items.delete(id);
    this.#closed.set(id, status);
    for (const oldest of [...this.#closed.keys()].slice(0, Math.max(0, this.#closed.size - maxClosed))) this.#closed.delete(oldest);
    // decided by this person elsewhere: that is an answer
    if (own) this.#storms.answered(item.requester, id);
    return item.toast === 'single' ? [{ kind: 'withdraw', id }] : [];
  }

  #answer({ appliance, details, shown }: Item, action: string): Command[] {
    const { canonical } = details.request;
    const place = { appliance: appliance.id, request: canonical.id };
    if (action === 'deny') return [{ kind: 'decide', decision: { ...place, shown, verdict: 'deny', reason: denial } }];
    // a server may give back a button that was never shown
    if (action === 'approve' && isApprovableAtOnce(canonical)) return [{ kind: 'decide', decision: { ...place, shown, verdict: 'approve', reason: '' } }];
    return [{ kind: 'attend', wanted: { kind: 'request', ...place } }];
  }

  #actedOnSummary(action: string): Command[] {
    for (const [id, item] of this.#items) {
      if (item.toast !== 'summary') continue;
      item.toast = null;
      if (action !== 'closed') this.#storms.answered(item.requester, id);
    }
    this.#summarised = 0;
    return action === 'closed'
      ? []
      : [
          { kind: 'withdraw', id: summaryId },
          { kind: 'attend', wanted: { kind: 'inbox' } },
        ];
  }

  #late(id: string): Command[] {
    const status = this.#closed.get(id);
    const [, appliance = '', request = ''] = id.split(':');
    // not one of ours
    if (status === undefined) return [];
    return this.failed({ appliance, request }, `The request ${endings[status]}.`);
  }

  #settle(now: number): Command[] {
    const commands: Command[] = [];
    for (const [id, item] of this.#items) if (item.expiresAt <= now) commands.push(...this.#remove(id, 'expired', false));
    commands.push(...this.#look());
    if (this.#notifications === 'off') commands.push(...this.#silence());
    else commands.push(...this.#announce(this.#fresh(now), now));
    commands.push(...this.#summary());
    if (this.#items.size !== this.#told) commands.push({ kind: 'count', waiting: this.#items.size });
    this.#told = this.#items.size;
    return commands;
  }

  /** What is before the person's eyes needs no toast. */
  #look(): Command[] {
    const id = this.#visible;
    const item = id === null ? undefined : this.#items.get(id);
    if (item === undefined || id === null) return [];
    const { toast } = item;
    item.announced = true;
    item.toast = null;
    this.#storms.answered(item.requester, id);
    return toast === 'single' ? [{ kind: 'withdraw', id }] : [];
  }

  #silence(): Command[] {
    const commands: Command[] = [];
    for (const [id, item] of this.#items) {
      if (item.toast === 'single') commands.push({ kind: 'withdraw', id });
      item.toast = null;
    }
    return commands;
  }

  /** Not announced yet, and of nobody who floods. Those that come together are one announcement. */
  #fresh(now: number): [string, Item][] {
    const candidates = [...this.#items].filter(([, { announced }]) => !announced);
    const loud = new Map<string, boolean>();
    for (const [, { requester }] of candidates) if (!loud.has(requester)) loud.set(requester, this.#storms.mayAnnounce(requester, now));
    return candidates.filter(([, { requester }]) => loud.get(requester) === true);
  }

  #announce(fresh: readonly [string, Item][], now: number): Command[] {
    if (fresh.length === 0) return [];
    for (const [id, item] of fresh) {
      item.announced = true;
      this.#storms.announced(item.requester, id, now);
    }
    const live = [...this.#items].filter(([, { toast }]) => toast !== null);
    const singly = this.#notifications === 'all' && this.#summarised === 0 && live.length + fresh.length <= maxSingles;
    if (!singly) return this.#collapse([...live, ...fresh]);
    return fresh.map(([id, item]) => {
      item.toast = 'single';
      return { kind: 'show', toast: requestToast(id, item.details, item.appliance.name) };
    });
  }

  #collapse(all: readonly [string, Item][]): Command[] {
    const singles = all.filter(([, { toast }]) => toast === 'single');
    for (const [, item] of all) item.toast = 'summary';
    return singles.map(([id]) => ({ kind: 'withdraw', id }));
  }

  /** The summary says how many of its requests still wait. */
  #summary(): Command[] {
    const within = [...this.#items.values()].filter(({ toast }) => toast === 'summary');
    if (within.length === this.#summarised) return [];
    this.#summarised = within.length;
    if (within.length === 0) return [{ kind: 'withdraw', id: summaryId }];
    const services = [...new Set(within.map(({ appliance }) => appliance.name))];
    return [{ kind: 'show', toast: summaryToast(summaryId, { count: within.length, services, quiet: this.#notifications === 'quiet' }) }];
  }
}

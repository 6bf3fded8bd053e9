import { setTimeout as sleep } from 'node:timers/promises';
import type { Role } from '../contract/api-route.ts';
import { Topic } from '../contract/api-console.ts';
import type { EventCode } from '../contract/audit-event.ts';
import type { Clock } from '../lib/clock.ts';

/** Which lists an event changes, besides the log itself. A new event without a row does not compile. */
const topicsOf: Readonly<Record<EventCode, readonly Topic[]>> = {
  'log.started': ['status'],
  'log.recovered': ['status'],
  'log.stopped': ['status'],
  'log.write-failed': ['status'],
  'service.started': ['status'],
  'service.stopped': ['status'],
  'authentication.succeeded': [],
  'authentication.failed': [],
  'access.denied': [],
  'session.started': ['sessions'],
  'session.ended': ['sessions'],
  'session.killed': ['sessions'],
  'operation.intended': [],
  'operation.refused': [],
  'operation.settled': [],
  'recording.committed': [],
  'recording.viewed': [],
  'audit.read': [],
  'service-account.created': ['service-accounts'],
  'service-account.updated': ['service-accounts'],
  'service-account.deleted': ['service-accounts'],
  'token.created': ['service-accounts'],
  'token.revoked': ['service-accounts'],
  'resource.created': ['resources'],
  'resource.updated': ['resources'],
  'resource.deleted': ['resources', 'masking-rules', 'tools'],
  'appliance.updated': ['status'],
  'policy.updated': ['policies'],
  'masking-rule.updated': ['masking-rules'],
  'secret.stored': ['resources', 'status'],
  'secret.deleted': ['resources', 'status'],
  'vault.rotated': ['status'],
  'credential.leased': [],
  'approval-request.created': ['requests'],
  'approval-request.decided': ['requests'],
  'approval-request.approved': ['requests'],
  'approval-request.denied': ['requests'],
  'approval-request.expired': ['requests'],
  'approval-request.withdrawn': ['requests'],
  'approval-request.used': ['requests'],
  'grant.created': ['grants', 'requests'],
  'grant.revoked': ['grants'],
  'access.broke-glass': ['grants', 'status'],
  'break-glass.reviewed': ['grants', 'status'],
  'user.created': ['users'],
  'user.updated': ['users'],
  'user.deleted': ['users'],
  'invitation.created': ['users'],
  'invitation.confirmed': ['users'],
  'approver-key.enrolled': ['users'],
  'webhook.created': ['webhooks'],
  'webhook.deleted': ['webhooks'],
  'webhook.tested': ['webhooks'],
  'webhook.given-up': ['webhooks'],
  'authentication.ended': [],
  'service.restart-requested': ['status'],
  'tool.offered': ['tools'],
  'tool.approved': ['tools'],
  'tool.rejected': ['tools'],
  'trust-rule.created': ['trust-rules'],
  'trust-rule.updated': ['trust-rules'],
  'trust-rule.deleted': ['trust-rules'],
  'shadow-policy.updated': ['policies'],
  'witness.registered': ['witnesses', 'status'],
  'witness.removed': ['witnesses', 'status'],
  'checkpoint.cosigned': ['witnesses', 'status'],
  'control.denied': [],
};
const topicsByCode: Readonly<Record<string, readonly Topic[] | undefined>> = topicsOf;

/** What approvers may see; administrators and auditors see every list. */
const approversSee: ReadonlySet<Topic> = new Set(['requests', 'grants', 'users', 'witnesses']);

/** a watcher hears of changes at most twice a second */
const restMs = 500;

export interface Changed {
  readonly id: number;
  readonly topics: Topic[];
}

/** Reading the log is an event of the log: a watcher who reads it again must not be woken by that. */
const readings: ReadonlySet<string> = new Set<EventCode>(['audit.read', 'recording.viewed']);

/** whose clock ran ahead goes on; an id beyond this is nobody's, and would put all later ones out of the reach of who resumes */
const maxAheadMs = 366 * 86_400_000;

/** Says to whoever watches which lists changed. Ids are milliseconds since the epoch or later ones, so they go on growing over restarts. */
export class Live {
  readonly #clock: Clock;
  readonly #first: number;
  #id: number;
  /** the id of each topic's newest change */
  readonly #changed = new Map<Topic, number>();
  readonly #watchers = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#id = clock.now();
    this.#first = this.#id;
  }

  /** Codes of new events of the log. */
  heard(codes: readonly string[]): void {
    const topics = codes.flatMap((code) => topicsByCode[code] ?? []);
    this.tell(codes.some((code) => !readings.has(code)) ? ['audit', ...topics] : topics);
  }

  /** A change that control itself made. */
  committed(code: EventCode): void {
    this.tell(topicsOf[code]);
  }

  tell(topics: readonly Topic[]): void {
    if (topics.length === 0) return;
    this.#id = Math.max(this.#id + 1, this.#clock.now());
    for (const topic of topics) this.#changed.set(topic, this.#id);
    for (const wake of this.#watchers) wake();
  }

  /** whether somebody would hear of a change */
  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  /** What changed after the id `after`, then what changes; every list at first when that cannot be known. */
  async *watch({ after, roles }: { after: number | undefined; roles: readonly Role[] }, signal: AbortSignal): AsyncGenerator<Changed> {
    const visible = Topic.options.filter((topic) => seesAll(roles) || approversSee.has(topic));
    let seen = after ?? -1;
    if (seen < this.#first || seen > this.#id) {
      // whoever resumes takes only what has a greater id
      this.#id = Math.max(this.#id, seen <= this.#clock.now() + maxAheadMs ? seen : 0) + 1;
      seen = this.#id;
      yield { id: seen, topics: visible };
    }
    while (!signal.aborted) {
      const topics = visible.filter((topic) => (this.#changed.get(topic) ?? -1) > seen);
      seen = this.#id;
      if (topics.length === 0) {
        await this.#next(seen, signal);
      } else {
        yield { id: seen, topics };
        await sleep(restMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Until something changed after `seen`. */
  #next(seen: number, signal: AbortSignal): Promise<void> {
    if (this.#id > seen) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#watchers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#watchers.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }
}

function seesAll(roles: readonly Role[]): boolean {
  return roles.includes('administrator') || roles.includes('auditor');
}

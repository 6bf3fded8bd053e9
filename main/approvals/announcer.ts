import type { RequestDetails } from '../../proxy/contract/api-approvals.ts';
import type { ApprovalRequest } from '../../proxy/contract/approval-request.ts';
import { fail } from '../../proxy/contract/errors.ts';
import { reasonOf } from '../../proxy/lib/errors.ts';
import type { DecisionInput } from '../contract/bridge.ts';
import type { CorePorts } from '../ports.ts';
import { Presenter, type Announced, type Command } from './presenter.ts';
import { isDrawable, isNamed } from './request-shape.ts';

type Shell = Pick<CorePorts, 'clock' | 'notifier' | 'view' | 'badge' | 'settings' | 'log'>;

export interface AnnouncerPorts extends Shell {
  /** name of the service for people; null: it is no longer known */
  readonly nameOf: (appliance: string) => string | null;
  readonly details: (appliance: string, request: string) => Promise<RequestDetails>;
  readonly decide: (decision: DecisionInput) => Promise<unknown>;
}

/** reads that run at once, of one service */
const width = 4;
const alarmPrefix = 'alarm:';

/** Brings the presenter's commands to the notifier, the badge and the window, and what people do with them back. */
export class Announcer {
  readonly #ports: AnnouncerPorts;
  readonly #presenter = new Presenter();
  /** newest request that was read or is being read, by service and id: a slow answer does not undo a newer one */
  readonly #reads = new Map<string, number>();
  #turn = 0;
  #cancelTick: () => void = () => undefined;
  #isClosed = false;

  constructor(ports: AnnouncerPorts) {
    this.#ports = ports;
    ports.notifier.listen((id, action) => {
      if (!id.startsWith(alarmPrefix)) this.#do(this.#presenter.acted(id, action, ports.clock.now()));
      else if (action !== 'closed') this.#do([{ kind: 'attend', wanted: { kind: 'inbox' } }]);
    });
    ports.view.changed(() => this.#do(this.#presenter.looking(ports.view.visible(), ports.clock.now())));
    ports.settings.changed(({ notifications }) => this.#do(this.#presenter.setting(notifications, ports.clock.now())));
    this.#do(this.#presenter.setting(ports.settings.current().notifications, ports.clock.now()));
  }

  /** All that wait at a service: those that came while nobody looked are one announcement. */
  async waiting(appliance: string, requests: readonly ApprovalRequest[]): Promise<void> {
    const ids = requests.filter(isNamed).map(({ id }) => id);
    this.#do(this.#presenter.only(appliance, new Set(ids), this.#ports.clock.now()));
    const read: Announced[] = [];
    for (let from = 0; from < ids.length; from += width) {
      const some = await Promise.all(ids.slice(from, from + width).map((id) => this.#read(appliance, id)));
      for (const each of some) if (each !== null) read.push(each);
    }
    this.#do(this.#presenter.pending(read, this.#ports.clock.now()));
  }

  async request(appliance: string, request: ApprovalRequest): Promise<void> {
    if (!isNamed(request)) return;
    const { id, status } = request;
    if (status !== 'pending') {
      this.#reads.set(`${appliance}:${id}`, ++this.#turn);
      this.#do(this.#presenter.closed(appliance, { id, status }, this.#ports.clock.now()));
      this.#reads.delete(`${appliance}:${id}`);
      return;
    }
    const read = await this.#read(appliance, id);
    if (read !== null) this.#do(this.#presenter.pending([read], this.#ports.clock.now()));
  }

  left(appliance: string): void {
    for (const key of this.#reads.keys()) if (key.startsWith(`${appliance}:`)) this.#reads.delete(key);
    this.#do(this.#presenter.left(appliance, this.#ports.clock.now()));
  }

  /** Loud, and not to be silenced by a setting: the log of a service was rolled back or forked. */
  alarm(appliance: string, why: string): void {
    const title = `The log of ${this.#ports.nameOf(appliance) ?? 'a service'} was changed`;
    const toast = {
      id: `${alarmPrefix}${appliance}`,
      title,
      body: `${why} Tell the auditor; nothing is decided there any more.`,
      urgency: 'critical' as const,
      actions: [],
    };
    this.#tried(this.#ports.notifier.show(toast));
  }

  /** The alarm's service was forgotten. */
  calm(appliance: string): void {
    this.#tried(this.#ports.notifier.withdraw(`${alarmPrefix}${appliance}`));
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTick();
  }

  /** Null: it could not be read, is closed by now, or was overtaken by a newer look. */
  async #read(appliance: string, id: string): Promise<Announced | null> {
    const name = this.#ports.nameOf(appliance);
    if (name === null) return null;
    const key = `${appliance}:${id}`;
    const turn = ++this.#turn;
    this.#reads.set(key, turn);
    try {
      const details = await this.#ports.details(appliance, id);
      if (!isDrawable(details, id)) throw fail('ERR_INTERNAL', { message: `${name} answered with something that is no request.` });
      const isNewest = this.#reads.get(key) === turn;
      return isNewest && details.request.status === 'pending' ? { appliance: { id: appliance, name }, details } : null;
    } catch (error) {
      this.#ports.log.line(`A request could not be read: ${reasonOf(error)}`);
      return null;
    } finally {
      if (this.#reads.get(key) === turn) this.#reads.delete(key);
    }
  }

  #do(commands: readonly Command[]): void {
    if (this.#isClosed) return;
    for (const command of commands) this.#carryOut(command);
    this.#cancelTick();
    const { clock } = this.#ports;
    const wakeAt = this.#presenter.wakeAt(clock.now());
    if (wakeAt === null) return;
    // timers of a day at most: a later one looks again
    const waitMs = Math.min(Math.max(wakeAt - clock.now(), 0) + 1, 86_400_000);
    this.#cancelTick = clock.after(waitMs, () => this.#do(this.#presenter.tick(clock.now())));
  }

  #carryOut(command: Command): void {
    const { notifier, badge, view } = this.#ports;
    switch (command.kind) {
      case 'show':
        this.#tried(notifier.show(command.toast));
        break;
      case 'withdraw':
        this.#tried(notifier.withdraw(command.id));
        break;
      case 'count':
        badge.waiting(command.waiting);
        break;
      case 'attend':
        view.attend(command.wanted);
        break;
      case 'decide':
        void this.#decide(command.decision);
    }
  }

  async #decide(decision: DecisionInput): Promise<void> {
    try {
      await this.#ports.decide(decision);
    } catch (error) {
      this.#do(this.#presenter.failed(decision, reasonOf(error)));
    }
  }

  #tried(work: Promise<void>): void {
    work.catch((error: unknown) => this.#ports.log.line(`A notification failed: ${reasonOf(error)}`));
  }
}

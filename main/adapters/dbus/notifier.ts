import { Variant } from '@jellybrick/dbus-next';
import { reasonOf } from '../../../proxy/lib/errors.ts';
import type { LogPort, NotifierPort, Toast, ToastListener } from '../../ports.ts';
import { busName, SessionBus, type BusSignal } from './session-bus.ts';

export interface DbusNotifierOptions {
  /** `DBUS_SESSION_BUS_ADDRESS`; undefined: there is no session bus */
  readonly address: string | undefined;
  /** name of the desktop entry without `.desktop`; also the icon's */
  readonly desktopEntry: string;
  readonly log: LogPort;
}

interface Shown {
  readonly toast: Toast;
  /** of the server; null: it is not on the screen */
  serverId: number | null;
  /** something was clicked: its closing is no news */
  acted: boolean;
}

const name = 'org.freedesktop.Notifications';
const path = '/org/freedesktop/Notifications';
const urgencies = { low: 0, normal: 1, critical: 2 } as const;
/** of the server: it stays until it is withdrawn, or goes when the server thinks so */
const stays = 0;
const goes = -1;
const maxShown = 100;
const reopenMs = 10_000;

/** Opens the bus; without one the notifier says so and shows nothing. */
export async function openDbusNotifier(options: DbusNotifierOptions): Promise<NotifierPort> {
  const notifier = new DbusNotifier(options);
  await notifier.open();
  return notifier;
}

/**
 * Desktop notifications with buttons (Desktop Notifications Specification 1.2 over D-Bus). A click counts only when it comes from
 * the connection that owns the server's name, and for a notification that it gave us: other programs of the session can send the
 * same signals.
 */
class DbusNotifier implements NotifierPort {
  readonly #options: DbusNotifierOptions;
  #bus: SessionBus | null = null;
  /** unique name of the server; empty: none runs */
  #owner = '';
  /** whose notifications ours are */
  #served = '';
  #capabilities = new Set<unknown>();
  readonly #shown = new Map<string, Shown>();
  #listener: ToastListener = () => undefined;
  #queue: Promise<void> = Promise.resolve();
  #fault = '';
  #openedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(options: DbusNotifierOptions) {
    this.#options = options;
  }

  get kind(): 'dbus' | 'none' {
    return this.#owner === '' ? 'none' : 'dbus';
  }

  get hasActions(): boolean {
    return this.#capabilities.has('actions');
  }

  get note(): string {
    if (this.#fault !== '') return this.#fault;
    if (this.#owner === '') return 'No notification server runs in this desktop session: requests are shown in the window and the tray only.';
    return this.hasActions ? '' : 'The notification server of this desktop shows no buttons: click a notification to decide in the window.';
  }

  /** Once more at the earliest after ten seconds. */
  async open(): Promise<void> {
    if (performance.now() - this.#openedAt < reopenMs) return;
    this.#openedAt = performance.now();
    const { address, log } = this.#options;
    this.#bus?.close();
    this.#bus = null;
    this.#owner = '';
    this.#served = '';
    try {
      if (address === undefined) {
        this.#fault = 'There is no desktop session here: requests are shown in the window and the tray only.';
        return;
      }
      const bus = await SessionBus.open(address);
      this.#bus = bus;
      bus.onSignal((signal) => this.#take(signal));
      await bus.ask('AddMatch', [`type='signal',sender='${busName}',interface='${busName}',member='NameOwnerChanged',arg0='${name}'`]);
      await bus.ask('AddMatch', [`type='signal',sender='${name}',interface='${name}',path='${path}'`]);
      // the call starts a server that the session starts on demand
      await this.#request('GetCapabilities').catch(() => []);
      const [owner] = await bus.ask('GetNameOwner', [name]).catch(() => ['']);
      this.#fault = '';
      await this.#serveWith(typeof owner === 'string' ? owner : '');
    } catch (error) {
      this.#fault = reasonOf(error);
      log.line(this.#fault);
    }
  }

  show(toast: Toast): Promise<void> {
    return this.#inTurn(async () => {
      const known = this.#shown.get(toast.id);
      const shown: Shown = { toast, serverId: known?.serverId ?? null, acted: false };
      this.#shown.delete(toast.id);
      this.#shown.set(toast.id, shown);
      for (const oldest of [...this.#shown.keys()].slice(0, Math.max(0, this.#shown.size - maxShown))) this.#shown.delete(oldest);
      if (this.#bus === null || this.#bus.fault !== null) await this.open();
      await this.#notify(shown);
    });
  }

  withdraw(id: string): Promise<void> {
    return this.#inTurn(async () => {
      const shown = this.#shown.get(id);
      this.#shown.delete(id);
      if (shown?.serverId === null || shown === undefined || this.#owner === '') return;
      // a server may answer that it has gone
      await this.#request('CloseNotification', 'u', [shown.serverId]).catch(() => []);
    });
  }

  listen(listener: ToastListener): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    const ids = [...this.#shown.keys()];
    await Promise.race([Promise.all(ids.map((id) => this.withdraw(id))), new Promise((resolve) => setTimeout(resolve, 500).unref())]);
    this.#isClosed = true;
    this.#bus?.close();
    this.#bus = null;
    this.#owner = '';
  }

  /** One after the other, so that what is shown and withdrawn at once is gone in the end. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(() => (this.#isClosed ? undefined : work()));
    this.#queue = done.catch(() => undefined);
    return done;
  }

  #take(signal: BusSignal): void {
    const { sender, path: at, interface: of, member, body } = signal;
    if (isOwnerChange(signal)) return void this.#changed(typeof body[2] === 'string' ? body[2] : '');
    if (this.#owner === '' || sender !== this.#owner || of !== name || at !== path) return;
    const found = [...this.#shown].find(([, { serverId }]) => serverId !== null && serverId === body[0]);
    if (found === undefined) return;
    if (member === 'ActionInvoked') this.#invoked(...found, body[1]);
    if (member === 'NotificationClosed') this.#gone(...found);
  }

  async #changed(owner: string): Promise<void> {
    // at once: a signal of the former owner must not count any more
    this.#owner = '';
    await this.#inTurn(() => this.#serveWith(owner)).catch((error: unknown) => this.#options.log.line(reasonOf(error)));
  }

  #invoked(id: string, shown: Shown, key: unknown): void {
    const isOffered = key === 'default' || shown.toast.actions.some((action) => action.key === key);
    if (typeof key !== 'string' || !isOffered || shown.acted) return;
    shown.acted = true;
    this.#listener(id, key);
  }

  #gone(id: string, shown: Shown): void {
    this.#shown.delete(id);
    if (!shown.acted) this.#listener(id, 'closed');
  }

  /** A server came, went, or took the place of another: what is still of interest is shown again. */
  async #serveWith(owner: string): Promise<void> {
    this.#owner = owner;
    // told twice: by the bus, and by our own question
    if (owner === this.#served) return;
    this.#served = owner;
    this.#capabilities = new Set();
    for (const shown of this.#shown.values()) shown.serverId = null;
    if (owner === '') return;
    const [capabilities] = await this.#request('GetCapabilities').catch(() => [[]]);
    this.#capabilities = new Set(Array.isArray(capabilities) ? capabilities : []);
    for (const shown of this.#shown.values()) if (!shown.acted) await this.#notify(shown);
  }

  async #notify(shown: Shown): Promise<void> {
    const owner = this.#owner;
    if (owner === '') return;
    const { toast } = shown;
    const hints = {
      urgency: new Variant('y', urgencies[toast.urgency]),
      category: new Variant('s', 'x-postern.approval'),
      'desktop-entry': new Variant('s', this.#options.desktopEntry),
    };
    const actions = this.hasActions ? ['default', 'Open', ...toast.actions.flatMap(({ key, label }) => [key, label])] : [];
    const timeout = toast.urgency === 'low' ? goes : stays;
    const body = [
      'Postern',
      shown.serverId ?? 0,
      this.#options.desktopEntry,
      oneLine(toast.title),
      this.#capabilities.has('body-markup') ? escaped(toast.body) : toast.body,
      actions,
      hints,
      timeout,
    ];
    const [serverId] = await this.#request('Notify', 'susssasa{sv}i', body);
    // meanwhile another server may have come: this number means nothing to it
    if (owner === this.#owner && typeof serverId === 'number') shown.serverId = serverId;
  }

  /** To the server itself, whose answers the bus does not mix up with those of others. */
  async #request(member: string, signature = '', body: readonly unknown[] = []): Promise<readonly unknown[]> {
    const bus = this.#bus;
    if (bus === null) return [];
    return bus.call({ destination: this.#owner === '' ? name : this.#owner, path, interface: name, member, signature, body });
  }
}

function isOwnerChange({ sender, interface: of, member, body }: BusSignal): boolean {
  return sender === busName && of === busName && member === 'NameOwnerChanged' && body[0] === name;
}

/** Servers with `body-markup` read a subset of HTML. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ');
}

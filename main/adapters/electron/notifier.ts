import { Notification } from 'electron';
import type { NotifierPort, Toast, ToastListener } from '../../ports.ts';

/** Whether this desktop shows notifications at all. */
export function isNotifying(): boolean {
  return Notification.isSupported();
}

/** Toasts by way of Electron: buttons on Windows and macOS, and on Linux from Electron 44. */
export class ElectronNotifier implements NotifierPort {
  readonly kind = 'electron';
  readonly hasActions: boolean;
  readonly note: string;
  // a notification that is not referenced loses its events
  readonly #shown = new Map<string, Notification>();
  #listener: ToastListener = () => undefined;

  constructor(platform: string, electronMajor: number) {
    this.hasActions = platform !== 'linux' || electronMajor >= 44;
    this.note = this.hasActions ? '' : 'Notifications have no buttons here: click one to open its request.';
  }

  show(toast: Toast): Promise<void> {
    this.#take(toast.id)?.close();
    const notification = new Notification({
      title: toast.title,
      body: toast.body,
      urgency: toast.urgency,
      timeoutType: toast.urgency === 'critical' ? 'never' : 'default',
      ...(this.hasActions && { actions: toast.actions.map(({ label }) => ({ type: 'button' as const, text: label })) }),
    });
    notification.on('click', () => {
      this.#listener(toast.id, 'default');
    });
    const acted = (details: unknown, index: unknown): void => {
      // the index was an argument of its own before Electron 44
      const chosen = typeof details === 'object' && details !== null && 'actionIndex' in details ? details.actionIndex : index;
      const action = typeof chosen === 'number' ? toast.actions[chosen] : undefined;
      if (action !== undefined) this.#listener(toast.id, action.key);
    };
    (notification as NodeJS.EventEmitter).on('action', acted);
    notification.on('close', () => {
      // one that was replaced is no news
      if (this.#shown.get(toast.id) !== notification) return;
      this.#shown.delete(toast.id);
      this.#listener(toast.id, 'closed');
    });
    this.#shown.set(toast.id, notification);
    notification.show();
    return Promise.resolve();
  }

  withdraw(id: string): Promise<void> {
    this.#take(id)?.close();
    return Promise.resolve();
  }

  listen(listener: ToastListener): void {
    this.#listener = listener;
  }

  close(): Promise<void> {
    for (const id of [...this.#shown.keys()]) this.#take(id)?.close();
    return Promise.resolve();
  }

  #take(id: string): Notification | undefined {
    const notification = this.#shown.get(id);
    this.#shown.delete(id);
    return notification;
  }
}

/** Where no notification can be shown: the tray and the inbox remain. */
export const noNotifier: NotifierPort = {
  kind: 'none',
  hasActions: false,
  note: 'This desktop shows no notifications: the tray and the inbox still count what waits.',
  show: () => Promise.resolve(),
  withdraw: () => Promise.resolve(),
  listen: () => undefined,
  close: () => Promise.resolve(),
};

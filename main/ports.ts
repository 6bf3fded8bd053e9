import type { Bridge } from './contract/bridge.ts';
import type { AppSettings, Attention } from './contract/views.ts';

/**
 * What the app needs of the machine it runs on. Everything outside of `adapters/` and `index.ts` sees these only, so that it is tested
 * in plain Node.
 */

/** Time, and being called later. */
export interface ClockPort {
  /** milliseconds since the Unix epoch */
  now(): number;
  /** Returns how to call it off. */
  after(milliseconds: number, run: () => void): () => void;
}

/** The small documents of this person's app; each path is absolute, below the app's own directory. */
export interface FilesPort {
  /** null: there is none. Longer than `maxBytes`: ERR_INVALID_INPUT */
  read(path: string, maxBytes: number): Promise<string | null>;
  /** Replaces it whole or not at all; readable by this user only. */
  write(path: string, text: string): Promise<void>;
  remove(path: string): Promise<void>;
}

/** The operating system's own protection of a few bytes. */
export interface KeychainPort {
  /** false: whoever can read the file can read the key (`basic_text`, none) */
  isProtected(): Promise<boolean>;
  /** its name, for people */
  readonly backend: string;
  wrap(bytes: Uint8Array): Promise<Uint8Array>;
  /** Throws what wrapped with another key, or changed, gives. */
  unwrap(bytes: Uint8Array): Promise<Uint8Array>;
}

export interface Toast {
  /** ours: letters, digits, `:` `_` `-`; showing an id again replaces it in place */
  readonly id: string;
  readonly title: string;
  /** plain text; an adapter escapes or strips as its server says */
  readonly body: string;
  readonly urgency: 'low' | 'normal' | 'critical';
  readonly actions: readonly { readonly key: string; readonly label: string }[];
}

/** `default`: the toast itself was clicked; `closed`: the person put it away or it went by itself; else the key of an action */
export type ToastListener = (id: string, action: string) => void;

export interface NotifierPort {
  readonly kind: 'dbus' | 'electron' | 'none';
  /** false: buttons are not shown, only a click on the toast comes back */
  readonly hasActions: boolean;
  /** one sentence for the settings screen when something is missing; else empty */
  readonly note: string;
  show(toast: Toast): Promise<void>;
  /** Nothing happens when it has gone. */
  withdraw(id: string): Promise<void>;
  listen(listener: ToastListener): void;
  close(): Promise<void>;
}

/** What the person has before their eyes. */
export interface ViewPort {
  /** the request on the screen of the focused window */
  visible(): { readonly appliance: string; readonly request: string } | null;
  /** told whenever `visible` may have changed */
  changed(listener: () => void): void;
  /** Brings the window to the front and shows it. */
  attend(wanted: Attention): void;
}

/** Number of requests that wait for this person, over all services; 0: none. */
export interface BadgePort {
  waiting(count: number): void;
}

/** Live settings: told of each change. */
export interface SettingsPort {
  current(): AppSettings;
  changed(listener: (settings: AppSettings) => void): void;
}

/** Whatever is worth knowing when something goes wrong: one line, never a secret. */
export interface LogPort {
  line(text: string): void;
}

/** What the part behind the shell (`appliances/core.ts`) is made of. */
export interface CorePorts {
  /** the app's own directory, 0700 */
  readonly dir: string;
  readonly appVersion: string;
  readonly clock: ClockPort;
  readonly files: FilesPort;
  readonly keychain: KeychainPort;
  readonly notifier: NotifierPort;
  readonly view: ViewPort;
  readonly badge: BadgePort;
  readonly settings: SettingsPort;
  readonly log: LogPort;
}

/** All that the bridge answers from the services; `openCore(ports): Promise<Core>` of `appliances/core.ts` makes it. */
export interface Core extends Pick<Bridge, 'appliances' | 'call' | 'subscribe' | 'decide' | 'witness'> {
  /** Ends streams and timers, within a second. */
  close(): Promise<void>;
}

/** Shows what is on the machine: files chosen by a person, never by a screen. */
export interface DialogPort {
  /** null: cancelled */
  saveFile(proposal: string): Promise<string | null>;
  /** index of the button; the last one is what Escape means */
  ask(question: { readonly message: string; readonly detail: string; readonly buttons: readonly string[] }): Promise<number>;
  fault(title: string, text: string): void;
}

export interface ClipboardPort {
  write(text: string): void | Promise<void>;
}

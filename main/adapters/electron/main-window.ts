import { BrowserWindow, nativeTheme, screen, type Session, type WebContents } from 'electron';
import { versionArgument, channelPrefix, type NotifyName } from '../../contract/channels.ts';
import type { NotifyValue } from '../../contract/ipc.ts';
import type { ClockPort, LogPort } from '../../ports.ts';
import { CrashPolicy } from '../../shell/crash-policy.ts';
import { appOrigin } from '../../shell/screens.ts';
import { visibleRequest } from '../../shell/visible-request.ts';
import { minimum, placeOn, type WindowStateFile } from '../../shell/window-state.ts';

interface WindowParts {
  readonly session: Session;
  readonly preload: string;
  readonly appVersion: string;
  readonly hasTools: boolean;
  readonly stateFile: WindowStateFile;
  readonly clock: ClockPort;
  readonly log: LogPort;
}

export interface WindowEvents {
  /** the page has gone: what it asked for ends */
  left(): void;
  /** focus, or what is on the screen */
  changed(): void;
  /** the person closes it: true lets it go */
  closing(): boolean;
  /** the screens crashed twice */
  broken(reason: string): void;
}

const saveDelayMs = 500;

/** The app's one window. */
export class MainWindow {
  readonly #parts: WindowParts;
  readonly #events: WindowEvents;
  readonly #crashes: CrashPolicy;
  #window: BrowserWindow | null = null;
  #callOffSaving: (() => void) | null = null;

  constructor(parts: WindowParts, events: WindowEvents) {
    this.#parts = parts;
    this.#events = events;
    this.#crashes = new CrashPolicy(parts.clock);
  }

  get contents(): WebContents | null {
    return this.#window?.webContents ?? null;
  }

  /** The request before the person's eyes. */
  visible(): ReturnType<typeof visibleRequest> {
    const window = this.#window;
    return window?.isFocused() === true && !window.isMinimized() ? visibleRequest(window.webContents.getURL()) : null;
  }

  send<K extends NotifyName>(name: K, value: NotifyValue<K>): void {
    const contents = this.contents;
    if (contents !== null && !contents.isDestroyed()) contents.send(channelPrefix + name, value);
  }

  async open(): Promise<void> {
    if (this.#window !== null) {
      this.focus();
      return;
    }
    const state = placeOn(
      await this.#parts.stateFile.read(),
      screen.getAllDisplays().map(({ workArea }) => workArea),
    );
    const window = new BrowserWindow({
      ...state.bounds,
      minWidth: minimum.width,
      minHeight: minimum.height,
      title: 'Postern',
      show: false,
      backgroundColor: groundColour(),
      webPreferences: {
        session: this.#parts.session,
        preload: this.#parts.preload,
        additionalArguments: [`${versionArgument}${this.#parts.appVersion}`],
        contextIsolation: true,
        sandbox: true,
        nodeIntegration: false,
        nodeIntegrationInWorker: false,
        nodeIntegrationInSubFrames: false,
        webSecurity: true,
        allowRunningInsecureContent: false,
        experimentalFeatures: false,
        webviewTag: false,
        navigateOnDragDrop: false,
        spellcheck: false,
        devTools: this.#parts.hasTools,
      },
    });
    this.#window = window;
    if (state.isMaximized) window.maximize();
    this.#listen(window);
    window.once('ready-to-show', () => {
      window.show();
    });
    await window.loadURL(`${appOrigin}/`);
  }

  focus(): void {
    const window = this.#window;
    if (window === null) return;
    if (window.isMinimized()) window.restore();
    window.show();
    window.focus();
  }

  hide(): void {
    this.#window?.hide();
  }

  /** The theme has changed: what shows before the first paint, and while resizing. */
  recolour(): void {
    this.#window?.setBackgroundColor(groundColour());
  }

  badge(hasWaiting: boolean): void {
    // attention without stealing the focus; cleared by the person's look
    if (hasWaiting && this.#window?.isFocused() === false) this.#window.flashFrame(true);
  }

  #listen(window: BrowserWindow): void {
    const { contents, events } = { contents: window.webContents, events: this.#events };
    window.on('close', (event) => {
      this.#save(window);
      if (!events.closing()) event.preventDefault();
    });
    window.once('closed', () => {
      this.#callOffSaving?.();
      this.#window = null;
      events.left();
    });
    const saveSoon = (): void => {
      this.#callOffSaving?.();
      this.#callOffSaving = this.#parts.clock.after(saveDelayMs, () => {
        this.#save(window);
      });
    };
    window.on('resize', saveSoon).on('move', saveSoon).on('maximize', saveSoon).on('unmaximize', saveSoon);
    for (const name of ['focus', 'blur', 'show', 'hide', 'minimize', 'restore'] as const) (window as NodeJS.EventEmitter).on(name, () => events.changed());
    contents.on('did-navigate-in-page', () => events.changed());
    contents.on('did-navigate', (_event, url) => {
      // an empty page needs no permission to be gone to: back to the screens
      if (!url.startsWith(`${appOrigin}/`)) void contents.loadURL(`${appOrigin}/`);
    });
    contents.on('did-start-navigation', (details) => {
      if (details.isMainFrame && !details.isSameDocument) events.left();
    });
    contents.on('render-process-gone', (_event, { reason }) => {
      events.left();
      if (reason === 'clean-exit') return;
      this.#parts.log.line(`the screens ended: ${reason}`);
      if (this.#crashes.crashed() === 'reload') contents.reload();
      else events.broken(reason);
    });
    contents.on('preload-error', (_event, _path, error) => {
      this.#parts.log.line(`the preload script failed: ${error.message}`);
    });
  }

  #save(window: BrowserWindow): void {
    if (window.isDestroyed()) return;
    void this.#parts.stateFile.write({ bounds: window.getNormalBounds(), isMaximized: window.isMaximized() }).catch(() => undefined);
  }
}

/** The ground of the screens in either theme: no flash before the first paint. */
function groundColour(): string {
  return nativeTheme.shouldUseDarkColors ? '#15181b' : '#f7f8f9';
}

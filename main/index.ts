import { chmod, mkdir } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { app, clipboard, Menu, nativeTheme, session as sessions, type Session } from 'electron';
import { asAppError } from '../proxy/contract/errors.ts';
import { openDbusNotifier } from './adapters/dbus/notifier.ts';
import { electronDialogs } from './adapters/electron/dialogs.ts';
import { guardPages, guardSession } from './adapters/electron/guards.ts';
import { answerScreens } from './adapters/electron/ipc.ts';
import { electronKeychain } from './adapters/electron/keychain.ts';
import { MainWindow } from './adapters/electron/main-window.ts';
import { ElectronNotifier, isNotifying, noNotifier } from './adapters/electron/notifier.ts';
import { declareScheme, serveScreens } from './adapters/electron/scheme.ts';
import { TrayIcon } from './adapters/electron/tray.ts';
import { nodeClock } from './adapters/node/clock.ts';
import { nodeFiles } from './adapters/node/files.ts';
import { openCore } from './appliances/core.ts';
import type { AppSettings, Attention } from './contract/views.ts';
import { answerTo } from './ipc/answer.ts';
import { AttentionQueue, ipcHandlers, type Notify } from './ipc/handlers.ts';
import { Subscriptions } from './ipc/subscriptions.ts';
import type { Core, LogPort, NotifierPort } from './ports.ts';
import { debianPrograms, InstalledUnit } from './service/installed-unit.ts';
import { SourceChild } from './service/source-child.ts';
import { serviceEnvironment, sourceCommand } from './service/source-command.ts';
import { AppLog } from './shell/app-log.ts';
import { Autostart } from './shell/autostart.ts';
import { closingMeans } from './shell/closing.ts';
import { enrolmentCodeIn, isHiddenStart, refusedSwitch } from './shell/command-line.ts';
import { appMenu } from './shell/menu.ts';
import { Screens } from './shell/screens.ts';
import { Settings } from './shell/settings.ts';
import { WindowStateFile } from './shell/window-state.ts';

/** The composition root: the only place that knows both Electron and what the app is made of. */

// baked into a build for tests: it lets a debugger in
const isTestBuild = app.isPackaged && existsSync(join(process.resourcesPath, 'test-build.json'));
const isOpen = !app.isPackaged || isTestBuild;
const appVersion = app.getVersion();
const built = join(import.meta.dirname, '..');
const quitMs = 5_000;

/** Until the app is ready everything happens at once: Electron waits for the end of this module before it is. */
function run(): void {
  const refused = refusedSwitch((name) => app.commandLine.hasSwitch(name), { isPackaged: app.isPackaged, isTestBuild });
  if (refused !== null) {
    process.stderr.write(`Postern does not start with --${refused}: it would hand the app to whoever can reach it.\n`);
    app.exit(2);
    return;
  }
  app.setName('Postern');
  const { POSTERN_APP_DIR } = process.env;
  if (isOpen && POSTERN_APP_DIR !== undefined) app.setPath('userData', POSTERN_APP_DIR);
  if (!app.requestSingleInstanceLock()) {
    app.exit(0);
    return;
  }
  // root on a test machine has no sandbox at all; wherever people use it there is no way around it
  if (!(isOpen && app.commandLine.hasSwitch('no-sandbox'))) app.enableSandbox();
  declareScheme();
  guardPages();
  const log = new AppLog(join(app.getPath('userData'), 'logs', 'app.log'), nodeClock);
  app
    .whenReady()
    .then(() => start(log))
    .catch(giveUp);
}

function giveUp(error: unknown): void {
  const { message, hint, detail } = asAppError(error);
  process.stderr.write(`Postern could not start: ${message}\n${detail ?? ''}\n`);
  if (app.isReady()) electronDialogs.fault('Postern could not start', `${message}\n${hint ?? ''}`);
  app.exit(1);
}

async function start(log: LogPort): Promise<void> {
  const dir = app.getPath('userData');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const settings = await Settings.open(dir, nodeFiles);
  nativeTheme.themeSource = settings.current().theme;
  const session = sessions.fromPartition('postern');
  guardSession(session, !app.isPackaged);
  serveScreens(session, await Screens.load(join(built, 'renderer')));
  const shell = new Shell({ dir, settings, log, session });
  await shell.open(await notifierFor(log));
}

interface ShellParts {
  readonly dir: string;
  readonly settings: Settings;
  readonly log: LogPort;
  readonly session: Session;
}

/** Window, tray and what lies behind them, from the first frame to the last. */
class Shell {
  readonly #parts: ShellParts;
  readonly #window: MainWindow;
  readonly #tray: TrayIcon;
  readonly #attention: AttentionQueue;
  readonly #viewListeners = new Set<() => void>();
  #subscriptions: Subscriptions | null = null;
  #isAsking = false;
  #isQuitting = false;

  constructor(parts: ShellParts) {
    this.#parts = parts;
    this.#attention = new AttentionQueue((wanted) => {
      this.#window.send('attention', wanted);
    });
    this.#window = new MainWindow(
      {
        session: parts.session,
        preload: join(built, 'main', 'preload.cjs'),
        appVersion,
        hasTools: !app.isPackaged,
        stateFile: new WindowStateFile(parts.dir, nodeFiles),
        clock: nodeClock,
        log: parts.log,
      },
      {
        left: () => {
          this.#subscriptions?.removeAll();
          this.#attention.lost();
        },
        changed: () => {
          for (const listener of this.#viewListeners) listener();
        },
        closing: () => this.#closing(),
        broken: (reason) => {
          electronDialogs.fault('The screens of Postern ended twice', `Reason: ${reason}. Close and start the app again; sessions are enforced meanwhile.`);
        },
      },
    );
    this.#tray = new TrayIcon({
      open: () => void this.#show(),
      inbox: () => this.#attend({ kind: 'inbox' }),
      quit: () => app.quit(),
    });
  }

  async open(notifier: NotifierPort): Promise<void> {
    const { dir, settings, log } = this.#parts;
    const core = await openCore({
      dir,
      appVersion,
      clock: nodeClock,
      files: nodeFiles,
      keychain: electronKeychain,
      notifier,
      view: {
        visible: () => this.#window.visible(),
        changed: (listener) => void this.#viewListeners.add(listener),
        attend: (wanted) => this.#attend(wanted),
      },
      badge: {
        waiting: (count) => {
          this.#tray.waiting(count);
          this.#window.badge(count > 0);
        },
      },
      settings,
      log,
    });
    const service = await localService(log);
    this.#answer(core, service);
    this.#follow(core, service);
    this.#listen(core, service, notifier);
    const code = enrolmentCodeIn(process.argv);
    if (code !== null) this.#attention.push({ kind: 'enrol', code });
    if (!isHiddenStart(process.argv)) await this.#window.open();
    await service.start();
  }

  #answer(core: Core, service: InstalledUnit | SourceChild): void {
    const { settings, log } = this.#parts;
    const notify: Notify = (name, value) => {
      this.#window.send(name, value);
    };
    const subscriptions = new Subscriptions({
      subscribe: (appliance, name, input, listener) => core.subscribe(appliance, name, input, listener),
      send: (message) => {
        notify('stream', message);
      },
      clock: nodeClock,
      log,
    });
    this.#subscriptions = subscriptions;
    const handlers = ipcHandlers({
      core,
      service,
      settings,
      subscriptions,
      attention: this.#attention,
      dialog: electronDialogs,
      clipboard: { write: (text) => clipboard.writeText(text) },
      writeChosen: (path, text) => nodeFiles.write(path, text),
      notify,
    });
    answerScreens((asked) => answerTo(asked, handlers, log));
  }

  #follow(core: Core, service: InstalledUnit | SourceChild): void {
    core.appliances.watch((appliances) => {
      this.#window.send('appliances', appliances);
    });
    core.witness.watch((states) => {
      this.#window.send('witness', states);
    });
    let wasOffered = false;
    service.watch((state) => {
      this.#window.send('service', state);
      if (wasOffered || state.state !== 'running') return;
      wasOffered = true;
      void this.#offerSetup(core, service);
    });
    this.#parts.settings.changed((now) => {
      void this.#settingsChanged(now);
    });
  }

  /** A fresh service of this machine has a one-time code for its first administrator: nobody has to copy it. */
  async #offerSetup(core: Core, service: InstalledUnit | SourceChild): Promise<void> {
    if ((await core.appliances.list()).length > 0) return;
    const code = await service.setupCode();
    if (code !== null) this.#attention.push({ kind: 'enrol', code: code.reveal() });
  }

  #listen(core: Core, service: InstalledUnit | SourceChild, notifier: NotifierPort): void {
    const attend = (wanted: Attention): void => this.#attend(wanted);
    Menu.setApplicationMenu(Menu.buildFromTemplate(appMenu({ attend, quit: () => app.quit() }, { platform: process.platform, hasTools: !app.isPackaged })));
    nativeTheme.on('updated', () => {
      this.#window.recolour();
    });
    app.on('second-instance', (_event, argv) => {
      const code = enrolmentCodeIn(argv);
      if (code === null) void this.#show();
      else this.#attend({ kind: 'enrol', code });
    });
    // macOS hands a link over this way
    app.on('open-url', (event, url) => {
      event.preventDefault();
      const code = enrolmentCodeIn([url]);
      if (code !== null) this.#attend({ kind: 'enrol', code });
    });
    app.on('activate', () => void this.#show());
    app.on('window-all-closed', () => {
      // the tray keeps it running; quitting is said, never implied
    });
    app.on('before-quit', (event) => {
      if (this.#isQuitting) return;
      event.preventDefault();
      this.#isQuitting = true;
      void this.#end(core, service, notifier).finally(() => {
        app.quit();
      });
    });
  }

  async #end(core: Core, service: InstalledUnit | SourceChild, notifier: NotifierPort): Promise<void> {
    const late = new Promise<void>((resolve) => nodeClock.after(quitMs + 1_000, resolve));
    this.#subscriptions?.removeAll();
    const ends = [service.close(quitMs), core.close(), notifier.close()];
    await Promise.race([Promise.allSettled(ends), late]);
    this.#tray.close();
  }

  #closing(): boolean {
    if (this.#isQuitting) return true;
    if (!this.#isAsking) void this.#askAboutClosing();
    return false;
  }

  async #askAboutClosing(): Promise<void> {
    this.#isAsking = true;
    try {
      const meant = await closingMeans(this.#parts.settings, electronDialogs);
      if (meant === 'hide') this.#window.hide();
      else if (meant === 'quit') app.quit();
    } catch (error) {
      this.#parts.log.line(`closing: ${asAppError(error).message}`);
    } finally {
      this.#isAsking = false;
    }
  }

  #attend(wanted: Attention): void {
    this.#attention.push(wanted);
    void this.#show();
  }

  async #show(): Promise<void> {
    await this.#window.open();
    this.#window.focus();
  }

  async #settingsChanged({ theme, launchAtLogin }: AppSettings): Promise<void> {
    nativeTheme.themeSource = theme;
    try {
      await launchAtLoginIs(launchAtLogin);
    } catch (error) {
      this.#parts.log.line(`launch at login: ${asAppError(error).detail ?? ''}`);
    }
  }
}

async function launchAtLoginIs(isWanted: boolean): Promise<void> {
  if (process.platform !== 'linux') {
    app.setLoginItemSettings({ openAtLogin: isWanted, args: ['--hidden'] });
    return;
  }
  const command = app.isPackaged ? [process.execPath] : [process.execPath, app.getAppPath()];
  const { XDG_CONFIG_HOME = join(homedir(), '.config') } = process.env;
  await new Autostart(XDG_CONFIG_HOME, command, nodeFiles).set(isWanted);
}

/** Linux speaks D-Bus itself, so that buttons work whatever Electron's version. */
async function notifierFor(log: LogPort): Promise<NotifierPort> {
  if (process.platform === 'linux') {
    const { DBUS_SESSION_BUS_ADDRESS } = process.env;
    return openDbusNotifier({ address: DBUS_SESSION_BUS_ADDRESS, desktopEntry: 'postern', log });
  }
  return isNotifying() ? new ElectronNotifier(process.platform, Number(process.versions.electron.split('.', 1)[0])) : noNotifier;
}

/** Installed: the operating system's service. From source: a child on `$POSTERN_DATA`, unless $POSTERN_SERVICE_SOURCE is `none`. */
async function localService(log: LogPort): Promise<InstalledUnit | SourceChild> {
  const { POSTERN_SERVICE_SOURCE, POSTERN_SERVICE_CONFIG, POSTERN_DATA } = process.env;
  const checkout = isOpen ? (POSTERN_SERVICE_SOURCE ?? (app.isPackaged ? 'none' : app.getAppPath())) : 'none';
  const installed = (): InstalledUnit =>
    new InstalledUnit({
      appVersion,
      clock: nodeClock,
      socket: '/run/postern/api.sock',
      bundle: join(process.resourcesPath, 'service', 'manifest.sha256'),
      programs: debianPrograms,
    });
  if (checkout === 'none') return installed();
  const dataDir = POSTERN_DATA ?? join(checkout, 'postern-data');
  try {
    const { program, args } = await sourceCommand(checkout, dataDir, POSTERN_SERVICE_CONFIG);
    return new SourceChild({ program, args, cwd: checkout, environment: serviceEnvironment(process.env), dataDir, appVersion, clock: nodeClock });
  } catch (error) {
    log.line(`no service from source: ${asAppError(error).message}`);
    return installed();
  }
}

run();

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { _electron, type ElectronApplication, type Page } from 'playwright';
import { root } from '../../build/step.ts';
import { screenshotFolder, themes } from './browser.ts';
import type { Found } from './debian-packages.ts';
import type { Display } from './desktop-session.ts';
import { run, type Finished } from './program.ts';
import { until } from './until.ts';

/** The control app in a real Electron, as `npm run app` starts it. */

const axeSource = readFileSync(createRequire(createRequire(import.meta.url).resolve('@axe-core/playwright')).resolve('axe-core/axe.min.js'), 'utf8');
const buildDeadlineMs = 120_000;
const closeDeadlineMs = 20_000;
// root has no sandbox of Chromium's; everybody else keeps it
const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];

/** The runtime's program: of $ELECTRON_OVERRIDE_DIST_PATH, or one that the npm package has fetched. Pass `why` to `skipBecause`. */
export function electronProgram(): Found<string> {
  if (process.platform !== 'linux') return { why: 'the tests of the app bring an X server of their own, which needs Linux' };
  const { ELECTRON_OVERRIDE_DIST_PATH = join(root, 'node_modules', 'electron', 'dist') } = process.env;
  const program = join(ELECTRON_OVERRIDE_DIST_PATH, 'electron');
  return existsSync(program) ? { found: program } : { why: 'no Electron runtime on this machine (ELECTRON_OVERRIDE_DIST_PATH)' };
}

/** out/main and out/renderer as the sources are now. */
export async function buildApp(): Promise<void> {
  const { code, out, err } = await runStage(['build/app.ts', '--build-only'], {}, buildDeadlineMs);
  if (code !== 0) throw new Error(`the app could not be built: ${out}${err}`);
}

/** Runs one of our scripts by way of the first stage. */
export function runStage(args: readonly string[], environment: Readonly<Record<string, string>>, deadlineMs: number, stdin = ''): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'build', 'stage.js'), ...args], {
      cwd: root,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
      timeout: deadlineMs,
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
    child.stdin.end(stdin);
  });
}

export interface AppOptions {
  readonly program: string;
  readonly display: Display;
  /** directory of the person: a second start with it is the same app */
  readonly home: string;
  /** `none`: the app looks for an installed service and starts none */
  readonly service: 'none' | { readonly dataDir: string; readonly config: string };
  /** $DBUS_SESSION_BUS_ADDRESS; without it there is no session bus */
  readonly bus?: string;
}

export function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'postern-person-'));
  mkdirSync(join(home, 'app'), { mode: 0o700 });
  return home;
}

function environmentOf({ display, home, service, bus }: AppOptions): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    LC_ALL: 'C.UTF-8',
    HOME: home,
    DISPLAY: display.name,
    DBUS_SESSION_BUS_ADDRESS: bus ?? 'disabled:',
    POSTERN_APP_DIR: join(home, 'app'),
    NO_AT_BRIDGE: '1',
    ...(service === 'none' ? { POSTERN_SERVICE_SOURCE: 'none' } : { POSTERN_DATA: service.dataDir, POSTERN_SERVICE_CONFIG: service.config }),
  };
}

/** A running app with its window, and what its page complains of. */
export class DesktopApp {
  readonly app: ElectronApplication;
  readonly page: Page;
  readonly options: AppOptions;
  /** errors of the page, and what its policy forbade */
  readonly faults: string[] = [];
  #hasQuit = false;

  private constructor(app: ElectronApplication, page: Page, options: AppOptions) {
    this.app = app;
    this.page = page;
    this.options = options;
    page.on('pageerror', (error) => this.faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.faults.push(message.text());
    });
  }

  static async start(options: AppOptions): Promise<DesktopApp> {
    const app = await _electron.launch({ executablePath: options.program, args: [...asRoot, root], env: environmentOf(options) });
    return new DesktopApp(app, await app.firstWindow(), options);
  }

  /** Starts it once more, as a person or a link does; the first one goes on. */
  startAgain(...args: readonly string[]): Promise<Finished> {
    return run(this.options.program, [...asRoot, root, ...args], environmentOf(this.options));
  }

  /** Enrols with the code that stands in the form or is given, the way a machine without a keychain does. */
  async enrol(code: string | null): Promise<void> {
    const { page } = this;
    if (code !== null) await page.getByLabel('Enrolment code').fill(code);
    await page.getByLabel('Passphrase for the key').fill(passphrase);
    await page.getByRole('button', { name: 'Make a key and sign in' }).click();
    await page.getByRole('link', { name: /^Requests/ }).waitFor({ timeout: 30_000 });
  }

  /** Once more is nothing. */
  async quit(): Promise<void> {
    if (this.#hasQuit) return;
    this.#hasQuit = true;
    const child = this.app.process();
    const isLate = await Promise.race([this.app.close().then(() => false), sleep(closeDeadlineMs, true, { ref: false })]);
    if (isLate) child.kill('SIGKILL');
  }
}

/** What is asked of the main process may be lost to its garbage collector, an old trouble of Playwright with Electron: asked again. */
export async function asked<T>(ask: () => Promise<T>): Promise<T> {
  for (let left = 3; ; left -= 1) {
    try {
      return await ask();
    } catch (error) {
      if (left === 0 || !String(error).includes('garbage collected')) throw error;
    }
  }
}

export const passphrase = 'a phrase for these tests';

/** Both themes; axe and the screenshot of each. Gives what breaks WCAG 2.2 A and AA, in one line each. */
export async function photographApp({ page }: DesktopApp, name: string): Promise<string[]> {
  const folder = join(screenshotFolder, 'electron');
  mkdirSync(folder, { recursive: true });
  const found: string[] = [];
  for (const theme of themes) {
    // Playwright keeps a scheme of its own, whatever the app's setting is
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    await until('the page has the theme', () => page.evaluate<boolean>(`matchMedia('(prefers-color-scheme: ${theme})').matches`));
    // colours change gently
    await sleep(400);
    await page.screenshot({ path: join(folder, `${name}-${theme}.png`), animations: 'disabled' });
    found.push(...(await accessibilityFaults(page)).map((fault) => `${theme} ${fault}`));
  }
  return found;
}

/** what axe documents */
interface AxeResult {
  readonly violations: readonly { readonly id: string; readonly help: string; readonly nodes: readonly { readonly target: readonly string[] }[] }[];
}

/** axe in the page itself: its Playwright binding opens a second page, which the app does not have. */
async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const options = {
    runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] },
    resultTypes: ['violations'],
    iframes: false,
    preload: false,
  };
  const { violations } = await page.evaluate<AxeResult>(`axe.run(document, ${JSON.stringify(options)})`);
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id}: ${help} at ${target.join(' ')}`));
}

/** A port that nobody listens on at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

export function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5 });
}

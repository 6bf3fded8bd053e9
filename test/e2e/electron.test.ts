import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Locator } from 'playwright';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { root } from '../../build/step.ts';
import { configure, type Appliance } from '../support/appliance.ts';
import { startDisplay, type Display } from '../support/desktop-session.ts';
import { asked, buildApp, DesktopApp, electronProgram, freePort, newHome, photographApp, remove, runStage } from '../support/electron.ts';
import { fields, query, RawClient, rows, type Frame, type Login } from '../support/postgres-client.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { skipBecause } from '../support/skip.ts';
import { until } from '../support/until.ts';

/** The control app as people have it: a real Electron, its own service out of the checkout, a real database behind it. */

const policies = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("read") permit (principal, action == Action::"sql:select", resource);
@id("delete") @approve("approvers:1") permit (principal, action == Action::"sql:delete", resource);
@id("other") permit (principal, action in [Action::"sql:utility", Action::"sql:execute"], resource);
`;

let why: string | undefined;
let program: string;
let display: Display;
let server: PostgresServer;
let desktop: DesktopApp;
let through: Login;
const home = newHome();
const dataDir = join(home, 'data');

/** The service that the app started, administered as anybody does. */
const service: Pick<Appliance, 'json'> = {
  async json(args, stdin = '') {
    const { code, out, err } = await cli(args, stdin);
    if (code !== 0) throw new Error(`postern ${args.join(' ')} ended with ${String(code)}: ${err}`);
    return JSON.parse(out) as unknown;
  },
};

async function cli(args: readonly string[], stdin: string): ReturnType<typeof runStage> {
  return runStage(['proxy/cli/index.ts', '--data', dataDir, '--json', ...args], {}, 30_000, stdin);
}

function statusOf(dir: string): { pid: number; restarts: number } {
  return JSON.parse(readFileSync(join(dir, 'status.json'), 'utf8')) as { pid: number; restarts: number };
}

async function configFile(name: string, ports: { postgres: number; control: number }): Promise<string> {
  const path = join(home, name);
  const listener = (port: number): object => ({ host: '127.0.0.1', port });
  writeFileSync(path, JSON.stringify({ listeners: { postgres: listener(ports.postgres), control: listener(ports.control), web: listener(0) } }));
  return path;
}

beforeAll(async () => {
  const found = electronProgram();
  const screen = found.found === undefined ? found : await startDisplay();
  why = found.why ?? screen.why;
  if (found.found === undefined || screen.found === undefined) return;
  program = found.found;
  display = screen.found;
  const ports = { postgres: await freePort(), control: await freePort() };
  const config = await configFile('config.json', ports);
  [server] = await Promise.all([startPostgres(), buildApp()]);
  desktop = await DesktopApp.start({ program, display, home, service: { dataDir, config } });
  through = { host: '127.0.0.1', port: ports.postgres, user: 'ci', password: '', database: 'bank' };
}, 240_000);

afterAll(async () => {
  if (why === undefined) {
    await desktop.quit();
    await Promise.all([server.stop(), display.stop()]);
  }
  remove(home);
});

beforeEach((context) => {
  if (why !== undefined) skipBecause(context, why);
});

const local = () => desktop.page.getByRole('region', { name: 'Service on this machine' });

describe('the first start', () => {
  it('starts the service and enrols its first administrator without a code being copied', async () => {
    const { page } = desktop;
    await local().waitFor();
    await local().getByText('Running', { exact: true }).waitFor({ timeout: 60_000 });
    await page.getByRole('heading', { name: 'Enrol this machine as administrator' }).waitFor({ timeout: 10_000 });
    expect(await photographApp(desktop, 'enrol')).toEqual([]);
    // no keychain protects anything on this machine
    await page.getByRole('button', { name: 'Make a key and sign in' }).click();
    await page.getByText('would not protect the key, so it needs a passphrase', { exact: false }).waitFor();
    await desktop.enrol(null);
    await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
    expect(await photographApp(desktop, 'overview')).toEqual([]);
  });

  it('is the only one: a second start ends, shows the first, and hands its code over', async () => {
    const { host, port, user, password } = server;
    const token = await configure(service, { principal: 'ci', resource: 'bank', target: { host, port, user, password, database: 'postgres' }, policies });
    through = { ...through, password: token };
    await service.json(['user', 'add', 'bob', '--human', 'bob@example.com', '--group', 'approvers']);
    const { code } = (await service.json(['user', 'invite', 'bob'])) as { code: string };
    await asked(() => desktop.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.minimize()));
    expect(await desktop.startAgain(code)).toMatchObject({ code: 0 });
    await desktop.page.getByRole('heading', { name: 'Enrol this machine as bob' }).waitFor();
    const windows = await asked(() =>
      desktop.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().map((window) => window.isVisible() && !window.isMinimized())),
    );
    expect(windows).toEqual([true]);
    await desktop.enrol(null);
  });
});

/** from a request being made at the service to its being on the screen, milliseconds */
const delays: number[] = [];

/** A statement that waits for people, as a program sends it, and its row on the screen. */
async function held(sql: string): Promise<{ client: RawClient; answer: Promise<Frame[]>; row: Locator }> {
  const client = await RawClient.login(through);
  const row = desktop.page.getByRole('row', { name: sql });
  const answer = client.ask(query(sql));
  await row.waitFor();
  const shownAt = Date.now();
  const [request] = (await service.json(['requests', 'list', '--status', 'pending'])) as { canonical: { createdAt: string } }[];
  delays.push(shownAt - Date.parse(request?.canonical.createdAt ?? ''));
  return { client, answer, row };
}

async function direct(sql: string): Promise<(string | null)[][]> {
  const client = await RawClient.login({ ...server, database: 'postgres' });
  const found = rows(await client.ask(query(sql)));
  client.end();
  return found;
}

describe('a request', () => {
  beforeAll(async () => {
    if (why !== undefined) return;
    await direct('create table orders(id int primary key)');
    await direct('insert into orders select generate_series(1, 100)');
  });

  it('is there without a reload, shows the whole command, and runs when it is approved', async () => {
    const { page } = desktop;
    await page.getByRole('link', { name: /^Requests/ }).click();
    await page.getByRole('tab', { name: /^Waiting for me/ }).waitFor();
    await page.getByText('Nothing waits for you', { exact: false }).waitFor();
    await page.evaluate('window.loadedOnce = true; null');
    const { client, answer, row } = await held('delete from orders where id between 1 and 7');
    expect(await page.evaluate('window.loadedOnce')).toBe(true);
    await row.click();
    await page.getByRole('region', { name: 'Command', exact: true }).getByText('between').waitFor();
    expect(await page.getByRole('region', { name: 'Command', exact: true }).innerText()).toContain('delete from orders where id between 1 and 7');
    const approve = page.getByRole('button', { name: 'Approve' });
    await approve.waitFor();
    const shownAt = Date.now();
    expect(await approve.isDisabled()).toBe(true);
    await until('Approve can be pressed', async () => await approve.isEnabled());
    expect(Date.now() - shownAt).toBeGreaterThan(1_000);
    expect(await photographApp(desktop, 'request')).toEqual([]);
    await until('Approve can be pressed', async () => await approve.isEnabled());
    await approve.click();
    await page.getByText('Your approval is signed', { exact: false }).waitFor();
    expect((await answer).some(({ type, payload }) => type === 'C' && payload.toString().startsWith('DELETE 7'))).toBe(true);
    expect(await direct('select count(*) from orders')).toEqual([['93']]);
    client.end();
  });

  it('is denied with a reason that the requester reads', async () => {
    const { page } = desktop;
    const { client, answer, row } = await held('delete from orders where id > 0');
    await row.click();
    await page.getByRole('button', { name: 'Deny' }).click();
    await page.getByText('Say why, in at least 3 characters', { exact: false }).waitFor();
    await page.getByLabel('Reason').fill('not on a Saturday');
    await page.getByRole('button', { name: 'Deny' }).click();
    const frames = await answer;
    const refusal = fields(frames.find(({ type }) => type === 'E'));
    expect(JSON.stringify(refusal)).toContain('not on a Saturday');
    expect(await direct('select count(*) from orders')).toEqual([['93']]);
    expect(await page.evaluate('window.loadedOnce')).toBe(true);
    client.end();
  });

  it('was there within a second; the machine may be busy once', () => {
    console.log(`on the screen after ${delays.map((each) => each.toFixed(0)).join(', ')} ms`);
    expect(Math.min(...delays)).toBeLessThan(1_000);
  });

  it('broke no rule of the page', () => {
    expect(desktop.faults).toEqual([]);
  });
});

describe('the service of this machine', () => {
  it('is started again when it is killed, and the screen tells', async () => {
    const { page } = desktop;
    const before = statusOf(dataDir).pid;
    process.kill(before, 'SIGKILL');
    await page.getByText('Starting', { exact: true }).first().waitFor();
    await page.getByText('Running', { exact: true }).first().waitFor({ timeout: 60_000 });
    expect(statusOf(dataDir).pid).not.toBe(before);
  });
});

/** What of these places a script in the page gets anything from. As text: this project has no types of a page. */
const reachOut = (to: string): string => `(async () => {
  new Image().src = '${to}';
  navigator.sendBeacon('${to}', 'out');
  const frame = document.createElement('iframe');
  frame.src = '${to}';
  document.body.append(frame);
  const tried = ['${to}', 'file:///etc/passwd', 'app://postern/index.html', 'app://postern/..%2f..%2fetc/passwd'];
  const answers = await Promise.all(tried.map((each) => fetch(each).then(() => each, () => null)));
  frame.remove();
  return answers.filter((each) => each !== null);
})()`;

/** What a script in the page may have beyond the page. */
const takeAll = `(async () => {
  const script = document.createElement('script');
  script.textContent = 'window.planted = 1';
  document.body.append(script);
  document.body.insertAdjacentHTML('beforeend', '<img src="x" onerror="window.planted = 2" hidden>');
  await new Promise((resolve) => setTimeout(resolve, 200));
  const refused = (asking) => asking.then(() => false, () => true);
  return {
    planted: 'planted' in window,
    node: ['require', 'process', 'module', 'Buffer', 'global', 'electron'].filter((name) => name in window),
    notification: await Notification.requestPermission(),
    geolocation: (await navigator.permissions.query({ name: 'geolocation' })).state,
    camera: await refused(navigator.mediaDevices.getUserMedia({ video: true })),
    screen: await refused(navigator.mediaDevices.getDisplayMedia()),
    clipboard: await refused(navigator.clipboard.readText()),
  };
})()`;

describe('a hostile page', () => {
  let listening: Server;
  let reached = 0;
  let url = '';

  beforeAll(async () => {
    listening = createServer((_request, response) => {
      reached += 1;
      response.end('here');
    });
    const port = await freePort();
    await new Promise<void>((resolve) => listening.listen(port, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${String(port)}/`;
  });

  afterAll(() => {
    listening.close();
  });

  it('opens no window and goes nowhere', async () => {
    const { page, app } = desktop;
    expect(await page.evaluate(`['${url}', 'about:blank', 'file:///etc/passwd'].map((each) => window.open(each))`)).toEqual([null, null, null]);
    for (const to of [url, 'https://example.com/', 'file:///etc/passwd', 'data:text/html,gone', 'app://elsewhere/']) {
      await page.evaluate(`window.location.href = '${to}'; null`).catch(() => undefined);
      await sleep(100);
      expect(page.url()).toMatch(/^app:\/\/postern\/(#|$)/);
    }
    expect(await asked(() => app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length))).toBe(1);
  });

  it('reaches no network and no file', async () => {
    const { page, app } = desktop;
    expect(await page.evaluate(reachOut(url))).toEqual([]);
    // what the scheme itself gives, whoever asks
    const served = await asked(() =>
      app.evaluate(async ({ session }) => {
        const paths = ['', 'index.html', '..%2f..%2fetc/passwd', '%2e%2e/%2e%2e/etc/passwd', '../package.json', 'assets/', 'assets/..%2findex.html'];
        return Promise.all(
          paths.map(async (path) => {
            const { status } = await session.fromPartition('postern').fetch(`app://postern/${path}`);
            return `${path} ${String(status)}`;
          }),
        );
      }),
    );
    expect(served.filter((each) => each.endsWith(' 200'))).toEqual([' 200', 'index.html 200']);
    await sleep(200);
    expect(reached).toBe(0);
  });

  it('gets no permission, no Node, and no script of its own', async () => {
    const { page } = desktop;
    const got = await page.evaluate(takeAll);
    expect(got).toEqual({ planted: false, node: [], notification: 'denied', geolocation: 'denied', camera: true, screen: true, clipboard: true });
  });

  it('asks the shell only what the table has, in the form it has', async () => {
    const { page } = desktop;
    const ask = (name: string, input: unknown): Promise<unknown> =>
      page.evaluate(`window.postern.invoke(${JSON.stringify(name)}, ${JSON.stringify(input)}).then((answer) => (answer.ok ? 'answered' : answer.error.code))`);
    expect(await ask('settings.get', {})).toBe('answered');
    expect(await ask('shell.exec', { command: 'id' })).toBe('ERR_NOT_FOUND');
    expect(await ask('__proto__', {})).toBe('ERR_NOT_FOUND');
    const wrong: readonly (readonly [string, unknown])[] = [
      ['settings.get', { more: 1 }],
      ['settings.set', { theme: 'pink' }],
      ['settings.set', { theme: 'dark', sudo: true }],
      ['appliances.enrol', { code: 1 }],
      ['appliances.enrol', { code: 'postern-enrol:'.padEnd(100_000, 'a') }],
      ['call', { appliance: 'x', name: '../admin', input: {} }],
      ['service.run', { verb: 'rm -rf /' }],
      ['save-text', { name: 'x', text: 'x', path: '/etc/passwd' }],
      ['decide', null],
    ];
    for (const [name, input] of wrong) expect([name, input, await ask(name, input)]).toEqual([name, input, 'ERR_INVALID_INPUT']);
  });

  it('that came another way is answered nothing', async () => {
    const preload = join(root, 'out', 'main', 'preload.cjs');
    const answers = await asked(() =>
      desktop.app.evaluate(async ({ BrowserWindow }, path) => {
        const question = `window.postern.invoke('appliances.list', {}).then((answer) => answer.ok ? 'answered' : answer.error.code)`;
        const ask = async (url: string, script: string, webPreferences: Electron.WebPreferences): Promise<unknown> => {
          const window = new BrowserWindow({ show: false, webPreferences: { preload: path, sandbox: true, contextIsolation: true, ...webPreferences } });
          try {
            await window.loadURL(url);
            return (await window.webContents.executeJavaScript(script)) as unknown;
          } finally {
            window.destroy();
          }
        };
        const inFrame = `new Promise((resolve) => {
        const frame = document.createElement('iframe');
        document.body.append(frame);
        setTimeout(() => {
          const { postern } = frame.contentWindow;
          if (postern === undefined) resolve('no bridge');
          else resolve(postern.invoke('appliances.list', {}).then((answer) => answer.ok ? 'answered' : answer.error.code));
        }, 500);
      })`;
        return {
          blank: await ask('about:blank', question, {}),
          data: await ask('data:text/html,<p>here', question, {}),
          frame: await ask('app://postern/', inFrame, { partition: 'postern', nodeIntegrationInSubFrames: true }),
          own: await ask('app://postern/', question, { partition: 'postern' }),
        };
      }, preload),
    );
    expect(answers).toEqual({ blank: 'ERR_FORBIDDEN', data: 'ERR_FORBIDDEN', frame: 'no bridge', own: 'answered' });
  });
});

describe('another service', () => {
  it('that cannot start is shown as stopped, with its last lines', async () => {
    const taken = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
    const other = newHome();
    const config = await configFile('taken.json', { postgres: await freePort(), control: port });
    const app = await DesktopApp.start({ program, display, home: other, service: { dataDir: join(other, 'data'), config } });
    try {
      const panel = app.page.getByRole('region', { name: 'Service on this machine' });
      await panel.getByText('Stopped', { exact: true }).waitFor({ timeout: 90_000 });
      expect(await panel.getByRole('region', { name: 'Last lines of the service' }).innerText()).toContain(`address already in use 127.0.0.1:${String(port)}`);
      await panel.getByText('It ended 3 times before it was up', { exact: false }).waitFor();
      expect(await photographApp(app, 'stopped')).toEqual([]);
      // the way out: what was in the way is gone
      await new Promise((resolve) => taken.close(resolve));
      await panel.getByRole('button', { name: 'Start' }).click();
      await panel.getByText('Running', { exact: true }).waitFor({ timeout: 60_000 });
    } finally {
      taken.close();
      await app.quit();
      remove(other);
    }
  });
});

describe('quitting', () => {
  it('ends the service that the app started', async () => {
    const { pid } = statusOf(dataDir);
    await desktop.quit();
    await until('the service has ended', () => !isRunning(pid));
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

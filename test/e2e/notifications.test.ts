import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  clickSignal,
  joinBus,
  NotificationServer,
  programAt,
  startBus,
  startDisplay,
  startOnDesktop,
  type Bus,
  type Display,
  type Notified,
} from '../support/desktop-session.ts';
import { buildApp, DesktopApp, electronProgram, newHome, remove } from '../support/electron.ts';
import { fields, query, RawClient, type Frame } from '../support/postgres-client.ts';
import { startService, type Service } from '../support/service.ts';
import { skipBecause } from '../support/skip.ts';
import { until } from '../support/until.ts';

/** Notifications of the real app on a real session bus: what they say, what a click does, and whose clicks count. */

const policies = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("read") permit (principal, action == Action::"sql:select", resource);
@id("delete") @approve("approvers:1") @risk("low") permit (principal, action == Action::"sql:delete", resource);
@id("insert") @approve("approvers:1") permit (principal, action == Action::"sql:insert", resource);
@id("other") permit (principal, action in [Action::"sql:utility", Action::"sql:execute"], resource);
`;
const card = '4012888888881881';

let why: string | undefined;
let display: Display;
let bus: Bus;
let service: Service;
let desktop: DesktopApp;
let server: NotificationServer;
const home = newHome();

beforeAll(async () => {
  const program = electronProgram();
  why = program.why ?? programAt('/usr/bin/Xvfb').why ?? programAt('/usr/bin/dbus-daemon').why;
  if (program.found === undefined || why !== undefined) return;
  const [screen, session] = [await startDisplay(), await startBus()];
  [display, bus] = [screen.found as Display, session.found as Bus];
  server = await NotificationServer.open(bus.address);
  [service] = await Promise.all([startService({ policies }), buildApp()]);
  const direct = await RawClient.login(service.direct());
  await direct.ask(query('create table payments(id int primary key, card text); insert into payments select generate_series(1, 100)'));
  direct.end();
  desktop = await DesktopApp.start({ program: program.found, display, home, service: 'none', bus: bus.address });
  await service.appliance.json(['user', 'add', 'bob', '--human', 'bob@example.com', '--group', 'approvers']);
  const { code } = (await service.appliance.json(['user', 'invite', 'bob'])) as { code: string };
  await desktop.enrol(code);
}, 240_000);

afterAll(async () => {
  if (why === undefined) {
    server.stop();
    await desktop.quit();
    await service.stop();
    await bus.stop();
    await display.stop();
  }
  remove(home);
});

beforeEach((context) => {
  if (why !== undefined) skipBecause(context, why);
});

interface Held {
  readonly client: RawClient;
  readonly answer: Promise<Frame[]>;
}

async function held(sql: string): Promise<Held> {
  const client = await RawClient.login(service.through);
  return { client, answer: client.ask(query(sql)) };
}

async function told(sql: string): Promise<Held & { toast: Notified }> {
  const before = server.notified.length;
  const waiting = await held(sql);
  const toast = await until('a notification', () => server.notified[before]);
  // nobody clicks before they have seen it
  await sleep(300);
  return { ...waiting, toast };
}

/** How the statement ended, for a person. */
async function endOf({ client, answer }: Held): Promise<string> {
  const frames = await answer;
  client.end();
  return JSON.stringify(fields(frames.find(({ type }) => type === 'E')));
}

async function pending(): Promise<{ id: string }[]> {
  return (await service.appliance.json(['requests', 'list', '--status', 'pending'])) as { id: string }[];
}

it('a low risk has Approve and Deny, and Deny denies at the service', async () => {
  const waiting = await told('delete from payments where id = 7');
  const { title, body, actions, id } = waiting.toast;
  expect(actions).toEqual(['default', 'Open', 'approve', 'Approve', 'deny', 'Deny']);
  expect(`${title} ${body}`).toContain('ci asks for approval');
  expect(`${title} ${body}`).toContain('a delete on bank');
  expect(`${title} ${body}`).not.toMatch(/payments|where|= 7/);
  server.click(id, 'deny');
  expect(await endOf(waiting)).toContain('denied from the notification');
});

it('anything else is reviewed in the window, and neither the command nor a card number is in the notification', async () => {
  const waiting = await told(`insert into payments values (1000, '${card}')`);
  const { title, body, actions, id } = waiting.toast;
  expect(actions).toEqual(['default', 'Open', 'review', 'Review…', 'deny', 'Deny']);
  expect(`${title} ${body}`).not.toMatch(/insert into|payments|\d{6}/);
  server.click(id, 'review');
  await desktop.page.getByRole('button', { name: 'Deny' }).waitFor();
  expect(desktop.page.url()).toContain('/requests/');
  expect(await desktop.page.locator('body').innerText()).not.toContain(card);
  await desktop.page.getByLabel('Reason').fill('not this one');
  await desktop.page.getByRole('button', { name: 'Deny' }).click();
  expect(await endOf(waiting)).toContain('not this one');
});

it('a click that another program pretends does nothing', async () => {
  const waiting = await told('delete from payments where id = 8');
  const forger = await joinBus(bus.address);
  for (const action of ['approve', 'deny', 'default']) forger.send(clickSignal(waiting.toast.id, action));
  await sleep(1_500);
  expect(await pending()).toHaveLength(1);
  forger.disconnect();
  server.click(waiting.toast.id, 'approve');
  expect(await endOf(waiting)).toBe('{}');
});

it('goes when it is decided elsewhere', async () => {
  const waiting = await told('delete from payments where id = 9');
  const [request] = await pending();
  await service.appliance.json(['requests', 'revoke', request?.id ?? '', '--reason', 'no longer needed']);
  await until('the notification is withdrawn', () => server.closed.includes(waiting.toast.id));
  expect(await endOf(waiting)).not.toBe('{}');
});

it('is a real one on the screen: a press on its Deny button with the mouse denies', async (context) => {
  const notifyd = programAt('/usr/lib/x86_64-linux-gnu/xfce4/notifyd/xfce4-notifyd', '/usr/lib/aarch64-linux-gnu/xfce4/notifyd/xfce4-notifyd');
  const xdotool = programAt('/usr/bin/xdotool');
  if (notifyd.found === undefined || xdotool.found === undefined) skipBecause(context, notifyd.why ?? xdotool.why ?? '');
  const point = (...args: string[]): string => execFileSync(xdotool.found, args, { encoding: 'utf8', env: { DISPLAY: display.name } });
  server.stop();
  const shown = startOnDesktop(notifyd.found, [], { display, bus, home });
  try {
    // the app finds the new server by itself
    await sleep(2_000);
    const waiting = await held('delete from payments where id = 10');
    const window = await until('the notification is on the screen', () => windowOf(point));
    await sleep(500);
    // the buttons stand in a row at its lower edge, Deny at the right end
    point('mousemove', String(window.x + window.width - 50), String(window.y + window.height - 30), 'click', '1');
    expect(await endOf(waiting)).toContain('denied from the notification');
  } finally {
    await shown.stop();
  }
});

interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where the server drew its notification; null: it has none yet. */
function windowOf(point: (...args: string[]) => string): Place | null {
  try {
    const ids = point('search', '--onlyvisible', '--class', 'xfce4-notifyd').trim().split('\n');
    const text = point('getwindowgeometry', '--shell', ids.at(-1) ?? '');
    const number = (name: string): number => Number(new RegExp(`^${name}=(\\d+)$`, 'm').exec(text)?.[1] ?? '0');
    const place = { x: number('X'), y: number('Y'), width: number('WIDTH'), height: number('HEIGHT') };
    return place.height > 20 ? place : null;
  } catch {
    // xdotool ends with 1 when it finds nothing
    return null;
  }
}

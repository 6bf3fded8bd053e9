import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCore } from '../../main/appliances/core.ts';
import { digestOfShown } from '../../main/approvals/shown-request.ts';
import type { ApplianceView, Attention, WitnessState } from '../../main/contract/views.ts';
import type { Core, CorePorts, FilesPort, KeychainPort, Toast, ToastListener } from '../../main/ports.ts';
import { startAppliance, type Appliance } from '../support/appliance.ts';
import { query, RawClient } from '../support/postgres-client.ts';
import { startService, type Service } from '../support/service.ts';

/** The desktop app's own part against real services; only the shell around it (window, keychain, toasts) is this file's. */

const policies = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("read") permit (principal, action == Action::"sql:select", resource);
@id("delete") @approve("approvers:1") @risk("low") permit (principal, action == Action::"sql:delete", resource);
@id("insert") @approve("approvers:1") @risk("high") permit (principal, action == Action::"sql:insert", resource);
@id("other") permit (principal, action in [Action::"sql:utility", Action::"sql:execute"], resource);
`;

const files: FilesPort = {
  read: (path) => readFile(path, 'utf8').catch(() => null),
  async write(path, text) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  },
  remove: (path) => rm(path, { force: true }),
};

/** Protects by turning every bit: enough to see that the file holds no key as such. */
const turned = (bytes: Uint8Array): Promise<Uint8Array> => Promise.resolve(Uint8Array.from(bytes, (byte) => byte ^ 0xff));
const keychain: KeychainPort = { backend: 'test', isProtected: async () => true, wrap: turned, unwrap: turned };

class Desktop {
  readonly dir = mkdtempSync(join(tmpdir(), 'postern-desktop-'));
  readonly toasts = new Map<string, Toast>();
  readonly attended: Attention[] = [];
  /** when each toast came, milliseconds since the epoch */
  readonly shownAt = new Map<string, number>();
  waiting = 0;
  act: ToastListener = () => {};
  core!: Core;

  static async open(given: Partial<CorePorts> = {}): Promise<Desktop> {
    const desktop = new Desktop();
    await desktop.start(given);
    return desktop;
  }

  async start(given: Partial<CorePorts> = {}): Promise<void> {
    this.core = await openCore({
      dir: this.dir,
      appVersion: '0.1.0',
      clock: {
        now: () => Date.now(),
        after: (milliseconds, run) => {
          const timer = setTimeout(run, milliseconds);
          return () => clearTimeout(timer);
        },
      },
      files,
      keychain,
      notifier: {
        kind: 'dbus',
        hasActions: true,
        note: '',
        show: async (toast) => {
          this.toasts.set(toast.id, toast);
          this.shownAt.set(toast.id, Date.now());
        },
        withdraw: async (id) => void this.toasts.delete(id),
        listen: (listener) => (this.act = listener),
        close: async () => {},
      },
      view: { visible: () => null, changed: () => {}, attend: (wanted) => this.attended.push(wanted) },
      badge: { waiting: (count) => (this.waiting = count) },
      settings: { current: () => ({ theme: 'system', closeToTray: null, launchAtLogin: false, notifications: 'all' }), changed: () => {} },
      log: { line: () => {} },
      ...given,
    });
  }

  async view(id: string): Promise<ApplianceView> {
    const found = (await this.core.appliances.list()).find((each) => each.id === id);
    if (found === undefined) throw new Error(`no appliance ${id}`);
    return found;
  }

  async witness(id: string): Promise<WitnessState> {
    const found = (await this.core.witness.states()).find(({ appliance }) => appliance === id);
    if (found === undefined) throw new Error(`no witness of ${id}`);
    return found;
  }

  async remove(): Promise<void> {
    await this.core.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

async function until<T>(ask: () => Promise<T | undefined | false | null> | T | undefined | false | null, deadlineMs = 10_000): Promise<T> {
  for (const from = Date.now(); ; ) {
    const found = await ask();
    if (found !== undefined && found !== false && found !== null) return found;
    if (Date.now() - from > deadlineMs) throw new Error('it did not happen');
    await sleep(20);
  }
}

async function invite(appliance: Appliance, name: string, human: string): Promise<string> {
  await appliance.json(['user', 'add', name, '--human', human, '--group', 'approvers']);
  return ((await appliance.json(['user', 'invite', name])) as { code: string }).code;
}

/** The same code with other members. */
function altered(code: string, change: Readonly<Record<string, string>>): string {
  const members = JSON.parse(Buffer.from(code.replace('postern-enrol:', ''), 'base64url').toString()) as Record<string, string>;
  return `postern-enrol:${Buffer.from(JSON.stringify({ ...members, ...change })).toString('base64url')}`;
}

let service: Service;
let other: Appliance;
let desktop: Desktop;
let bank: ApplianceView;

beforeAll(async () => {
  [service, other] = await Promise.all([startService({ policies }), startAppliance()]);
  desktop = await Desktop.open();
  const direct = await RawClient.login(service.direct());
  await direct.ask(query('create table orders(id int primary key); insert into orders select generate_series(1, 100)'));
  direct.end();
}, 180_000);

afterAll(async () => {
  await desktop.remove();
  await Promise.all([service.stop(), other.remove()]);
});

describe('enrolment', () => {
  it('refuses a service whose CA is not the pinned one, and the code stays good', async () => {
    const code = await invite(service.appliance, 'alice', 'alice@example.com');
    await expect(desktop.core.appliances.enrol({ code: altered(code, { ca: '0'.repeat(64) }) })).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
    // another installation's service behind the same code
    await expect(desktop.core.appliances.enrol({ code: altered(code, { url: other.controlUrl }) })).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
    bank = await desktop.core.appliances.enrol({ code });
    expect(bank).toMatchObject({ state: 'signed-in', user: 'alice', keyProtection: 'keychain', roles: ['approver'] });
  });

  it('leaves no key as such on the disk', () => {
    const stored = readFileSync(join(desktop.dir, 'appliances.json'), 'utf8');
    expect(stored).toContain('"type": "keychain"');
    expect(stored).not.toContain('"seed"');
  });

  it('asks for a passphrase where no keychain protects, and for it again after a restart', async () => {
    const open = { keychain: { ...keychain, backend: 'basic_text', isProtected: async () => false } };
    const bare = await Desktop.open(open);
    const code = await invite(service.appliance, 'paul', 'paul@example.com');
    await expect(bare.core.appliances.enrol({ code })).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
    const passphrase = 'a long enough phrase';
    const { id } = await bare.core.appliances.enrol({ code, passphrase });
    await bare.core.close();
    await bare.start(open);
    await until(async () => (await bare.view(id)).state === 'enrolled');
    await expect(bare.core.appliances.signIn(id, 'not the right one')).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
    expect(await bare.core.appliances.signIn(id, passphrase)).toMatchObject({ state: 'signed-in', keyProtection: 'passphrase' });
    await bare.remove();
  });
});

/** from the making of a request to its toast, milliseconds */
const delays: number[] = [];

/** A statement that waits, and the toast that tells of it. */
async function held(sql: string): Promise<{ client: RawClient; answer: Promise<unknown>; toast: Toast; request: string }> {
  const client = await RawClient.login(service.through);
  const before = new Set(desktop.toasts.keys());
  const answer = client.ask(query(sql));
  const toast = await until(() => [...desktop.toasts.values()].find(({ id }) => id.startsWith('req:') && !before.has(id)));
  const request = toast.id.split(':')[2] ?? '';
  const { createdAt } = (await desktop.core.call(bank.id, 'showRequest', { id: request })).request.canonical;
  delays.push((desktop.shownAt.get(toast.id) ?? 0) - Date.parse(createdAt));
  return { client, answer, toast, request };
}

describe('a request', () => {
  it('is announced without its command, and Deny in the toast denies it', async () => {
    const { client, answer, toast } = await held('delete from orders where id = 1');
    expect(toast.actions.map(({ key }) => key)).toEqual(['approve', 'deny']);
    expect(`${toast.title} ${toast.body}`).toContain('a delete on bank');
    expect(`${toast.title} ${toast.body}`).not.toContain('orders');
    expect(desktop.waiting).toBe(1);
    desktop.act(toast.id, 'deny');
    expect(JSON.stringify(await answer)).toBeDefined();
    await until(() => desktop.waiting === 0);
    expect(desktop.toasts.has(toast.id)).toBe(false);
    client.end();
  });

  it('runs after the decision; what was not on the screen is not signed', async () => {
    const { client, answer, request } = await held('delete from orders where id = 2');
    const place = { appliance: bank.id, request, reason: 'looked at it' };
    const { canonical } = (await desktop.core.call(bank.id, 'showRequest', { id: request })).request;
    const wrong = desktop.core.decide({ ...place, verdict: 'approve', shown: digestOfShown({ ...canonical, policyVersion: 'another' }) });
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_CONFLICT', message: 'The request is not the one on the screen.' });
    const shown = digestOfShown(canonical);
    await expect(desktop.core.decide({ ...place, verdict: 'deny', shown, reason: ' ' })).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
    expect(await desktop.core.decide({ ...place, verdict: 'approve', shown })).toMatchObject({ decisions: [{ verdict: 'approve' }] });
    await answer;
    client.end();
  });

  it('of high risk is reviewed, and approved by a fresh sign-in', async () => {
    const { client, answer, request, toast } = await held('insert into orders values (1000)');
    expect(toast.actions.map(({ key }) => key)).toEqual(['review', 'deny']);
    desktop.act(toast.id, 'review');
    expect(desktop.attended.at(-1)).toEqual({ kind: 'request', appliance: bank.id, request });
    const { canonical } = (await desktop.core.call(bank.id, 'showRequest', { id: request })).request;
    await desktop.core.decide({ appliance: bank.id, request, verdict: 'approve', reason: '', shown: digestOfShown(canonical) });
    await answer;
    client.end();
  });
});

describe('announcements', () => {
  it('come within a second; the machine may be busy once', () => {
    const [, second = Number.POSITIVE_INFINITY] = delays.toSorted((a, b) => a - b);
    expect(second).toBeLessThan(1_000);
  });
});

describe('several services', () => {
  it('do not take the place of each other, whatever a code says it is', async () => {
    const code = await invite(other, 'mallory', 'mallory@example.com');
    const before = readFileSync(join(desktop.dir, 'appliances.json'), 'utf8');
    const claiming = desktop.core.appliances.enrol({ code: altered(code, { service: bank.service, user: 'alice' }) });
    await expect(claiming).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    expect(readFileSync(join(desktop.dir, 'appliances.json'), 'utf8')).toBe(before);
    expect((await desktop.view(bank.id)).state).toBe('signed-in');
  });

  it('are one inbox, and each is named', async () => {
    const code = await invite(other, 'alice', 'alice@example.com');
    const second = await desktop.core.appliances.enrol({ code });
    expect((await desktop.core.appliances.list()).map(({ name }) => name)).toEqual([bank.name, second.name]);
    const { client, answer, toast } = await held('delete from orders where id = 3');
    expect(toast.body).toContain(bank.name);
    desktop.act(toast.id, 'deny');
    await answer;
    client.end();
    await desktop.core.appliances.forget(second.id);
    expect(await desktop.core.appliances.list()).toHaveLength(1);
    await expect(desktop.core.call(second.id, 'whoAmI', {})).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
});

describe('the connection', () => {
  it('comes back by itself after a restart of the service, signed in anew', async () => {
    await service.appliance.stop();
    await until(async () => (await desktop.view(bank.id)).state === 'unreachable');
    await service.appliance.start();
    await until(async () => (await desktop.view(bank.id)).state === 'signed-in', 40_000);
    const { client, answer, toast } = await held('delete from orders where id = 4');
    desktop.act(toast.id, 'deny');
    await answer;
    client.end();
  });

  it('is refused when another installation answers at the address', async () => {
    const code = await invite(other, 'carol', 'carol@example.com');
    const moved = await Desktop.open();
    const { id } = await moved.core.appliances.enrol({ code });
    await moved.core.close();
    // the first service's address under the second's pin: what a hijacked name or port gives
    const stored = JSON.parse(readFileSync(join(moved.dir, 'appliances.json'), 'utf8')) as { appliances: { url: string }[] };
    for (const each of stored.appliances) each.url = service.appliance.controlUrl;
    await writeFile(join(moved.dir, 'appliances.json'), JSON.stringify(stored), { mode: 0o600 });
    await moved.start();
    const view = await until(async () => {
      const found = await moved.view(id);
      return found.state === 'refused' && found;
    });
    expect(view.detail).toContain('not from the pinned authority');
    await moved.remove();
  });
});

describe('the witness', () => {
  it('keeps and cosigns the newest checkpoint', async () => {
    const state = await until(async () => {
      const found = await desktop.witness(bank.id);
      return found.state === 'consistent' && found;
    });
    expect(state.size).toBeGreaterThan(0);
    expect(Buffer.from(state.root ?? '', 'base64')).toHaveLength(32);
    await until(async () => (await desktop.witness(bank.id)).cosignedAt);
    const { items } = await desktop.core.call(bank.id, 'listWitnesses', {});
    expect(items[0]).toMatchObject({ user: 'alice' });
    expect(items[0]?.last?.size).toBeGreaterThan(0);
  });

  it('raises an alarm that stays when the log is rolled back, and nothing is decided there any more', async () => {
    const copy = mkdtempSync(join(tmpdir(), 'postern-earlier-'));
    await service.appliance.stop();
    cpSync(service.appliance.dir, copy, { recursive: true, preserveTimestamps: true });
    await service.appliance.start();
    await until(async () => (await desktop.view(bank.id)).state === 'signed-in', 40_000);
    for (let turn = 0; turn < 5; turn++)
      await service.appliance.json(['service-account', 'create', `late-${'abcde'.charAt(turn)}`, '--owner', 'Test owner', '--purpose', 'Makes the log grow']);
    const { size } = await desktop.witness(bank.id);
    // a fresh sign-in is a contact
    await desktop.core.appliances.signIn(bank.id);
    await until(async () => ((await desktop.witness(bank.id)).size ?? 0) > (size ?? 0));
    await service.appliance.stop();
    rmSync(service.appliance.dir, { recursive: true });
    cpSync(copy, service.appliance.dir, { recursive: true, preserveTimestamps: true });
    // sockets of the running processes, private to the user
    rmSync(join(service.appliance.dir, 'run'), { recursive: true, force: true });
    rmSync(copy, { recursive: true });
    await service.appliance.start();
    const alarmed = await until(async () => {
      const found = await desktop.witness(bank.id);
      return found.state === 'alarm' && found;
    }, 60_000);
    expect(alarmed.detail).toContain('rolled back');
    // told once it is stored
    expect(await until(() => desktop.toasts.get(`alarm:${bank.id}`))).toMatchObject({ urgency: 'critical' });
    const decided = desktop.core.decide({ appliance: bank.id, request: 'req_none', verdict: 'deny', reason: 'whatever', shown: '' });
    await expect(decided).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
    await desktop.core.close();
    desktop.toasts.clear();
    await desktop.start();
    expect(await desktop.witness(bank.id)).toMatchObject({ state: 'alarm' });
    expect(desktop.toasts.has(`alarm:${bank.id}`)).toBe(true);
  });
});

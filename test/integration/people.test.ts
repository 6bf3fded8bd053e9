import { existsSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAppliance, type Appliance } from '../support/appliance.ts';
import { ControlApi } from '../support/approval-client.ts';
import { allEvents } from '../support/audit-events.ts';
import { Person } from '../support/person.ts';

let appliance: Appliance;
let api: ControlApi;
let administrator: Person;

const linkFile = (): string => join(appliance.dir, 'setup.link');
const linkNow = (): string => readFileSync(linkFile(), 'utf8').trim();

async function invited(name: string, more: readonly string[]): Promise<Person> {
  await appliance.json(['user', 'add', name, '--human', `${name}@example.com`, ...more]);
  const { code } = (await appliance.json(['user', 'invite', name])) as { code: string };
  const { status, person } = await Person.enrol(api, code);
  expect(status).toBe(200);
  return person;
}

beforeAll(async () => {
  appliance = await startAppliance();
  api = new ControlApi(appliance);
}, 120_000);
afterAll(async () => {
  api.close();
  await appliance.remove();
});

describe('the first administrator', () => {
  test('enrols with the link of the newest start, once; then the link is gone', { timeout: 120_000 }, async () => {
    const first = linkNow();
    expect(first).toMatch(new RegExp(`^${appliance.controlUrl}/#enrol=postern-enrol:[A-Za-z0-9_-]+$`));
    expect(statSync(linkFile()).mode & 0o777).toBe(0o600);
    await appliance.kill('control');
    expect(linkNow()).toBe(first);
    await appliance.stop();
    await appliance.start();
    const second = linkNow();
    expect(second).not.toBe(first);
    expect((await Person.enrol(api, first)).status).toBe(401);
    const enrolled = await Person.enrol(api, second);
    administrator = enrolled.person;
    expect(enrolled.status).toBe(200);
    await expect.poll(() => existsSync(linkFile())).toBe(false);
    expect((await Person.enrol(api, second)).status).toBe(401);
    await appliance.stop();
    await appliance.start();
    expect(existsSync(linkFile())).toBe(false);
    const logs = ['audit', 'control', 'gateway'].map((name) => join(appliance.dir, 'logs', `${name}.log`)).filter((file) => existsSync(file));
    for (const file of logs) expect(readFileSync(file, 'utf8')).not.toContain('postern-enrol');
  });

  test('administers and audits, as a person whom the log names', async () => {
    const token = await administrator.signIn();
    const me = await api.call('GET', '/v1/me', { token });
    expect(me.body).toMatchObject({ name: 'administrator', roles: ['approver', 'administrator', 'auditor'], user: { human: 'administrator', groups: [] } });
    const status = await api.call('GET', '/v1/status', { token });
    expect(status.body).toMatchObject({
      listeners: [
        { protocol: 'postgres', host: '127.0.0.1', port: appliance.port },
        { protocol: 'web', host: '127.0.0.1' },
      ],
    });
    const account = { name: 'made-by-a-person', owner: 'Some team', purpose: 'Shows who made it' };
    expect((await api.call('POST', '/v1/service-accounts', { token, body: account })).status).toBe(200);
    const made = (await allEvents(appliance)).find(({ header }) => header['affected'] === 'service-account:made-by-a-person');
    expect(made?.header['actor']).toMatchObject({ name: 'administrator', kind: 'administrator' });
    const own = await api.call('PUT', '/v1/users/administrator', { token, body: { groups: ['approvers'] } });
    expect(own).toMatchObject({ status: 403, body: { error: { message: 'Nobody gives groups or roles to themselves.' } } });
  });
});

describe('roles of people', () => {
  test('count from the call after they are given, and no longer from the call after they are taken', { timeout: 60_000 }, async () => {
    const token = await (await invited('gus', ['--group', 'approvers'])).signIn();
    const tries = async (): Promise<number[]> => [
      (await api.call('GET', '/v1/status', { token })).status,
      (await api.call('POST', '/v1/vault/rotate', { token, body: { what: 'data-keys' } })).status,
      (await api.call('GET', '/v1/approval-requests', { token })).status,
    ];
    expect(await tries()).toEqual([403, 403, 200]);
    await appliance.json(['user', 'update', 'gus', '--role', 'auditor']);
    expect(await tries()).toEqual([200, 403, 200]);
    await appliance.json(['user', 'update', 'gus', '--role', 'administrator']);
    expect(await tries()).toEqual([200, 200, 200]);
    expect(await appliance.json(['user', 'update', 'gus', '--clear-roles'])).toMatchObject({ roles: [], groups: ['approvers'] });
    expect(await tries()).toEqual([403, 403, 200]);
    expect((await appliance.cli(['user', 'update', 'gus', '--role', 'root'])).code).toBe(2);
    await appliance.json(['user', 'disable', 'gus']);
    expect(await tries()).toEqual([401, 401, 401]);
  });

  test('end a stream that was begun with them', { timeout: 60_000 }, async () => {
    const token = await (await invited('ann', ['--role', 'auditor'])).signIn();
    const following = api.call('GET', '/v1/audit/tail?count=0&follow=true', { token }).then(
      () => 'is over',
      () => 'is over',
    );
    expect(await Promise.race([following, new Promise((resolve) => setTimeout(resolve, 1_500, 'goes on'))])).toBe('goes on');
    await appliance.json(['user', 'update', 'ann', '--clear-roles']);
    expect(await Promise.race([following, new Promise((resolve) => setTimeout(resolve, 2_000, 'goes on'))])).toBe('is over');
    expect((await api.call('GET', '/v1/audit/tail?count=0', { token })).status).toBe(403);
    expect((await api.call('GET', '/v1/me', { token })).status).toBe(200);
  });

  test('end with the sign-in, which its owner can end', async () => {
    const person = await invited('eve', []);
    const [token, other] = [await person.signIn(), await person.signIn()];
    expect((await api.call('POST', '/v1/sign-out', { token, body: {} })).status).toBe(200);
    expect([(await api.call('GET', '/v1/me', { token })).status, (await api.call('GET', '/v1/me', { token: other })).status]).toEqual([401, 200]);
    expect((await allEvents(appliance)).filter(({ header }) => header['code'] === 'authentication.ended').map(({ header }) => header['actor'])).toMatchObject([
      { name: 'eve' },
    ]);
  });
});

describe('the service', () => {
  test('says on its local socket that it is up, and nothing else', async () => {
    const { apiSocket } = JSON.parse(readFileSync(join(appliance.dir, 'status.json'), 'utf8')) as { apiSocket: string };
    const ask = (path: string): Promise<[number, string]> =>
      new Promise((resolve, reject) => {
        request({ socketPath: apiSocket, path }, (response) => {
          let body = '';
          response.on('data', (chunk) => (body += String(chunk)));
          response.on('end', () => {
            resolve([response.statusCode ?? 0, body]);
          });
        })
          .once('error', reject)
          .end();
      });
    expect([statSync(apiSocket).mode & 0o777, statSync(apiSocket).uid]).toEqual([0o600, process.getuid?.()]);
    const [status, body] = await ask('/v1/health');
    expect([status, JSON.parse(body)]).toMatchObject([200, { version: '0.1.0', api: { oldest: 1, newest: 1 } }]);
    expect(await ask('/v1/status')).toEqual([404, '']);
  });

  test.each(['gateway', 'control'] as const)('starts %s anew when an administrator asks, and says so first', { timeout: 60_000 }, async (part) => {
    const pidOf = (): number => appliance.parts().find(({ name, up }) => name === part && up)?.pid ?? 0;
    const before = pidOf();
    const token = await administrator.signIn();
    const answer = await api.call('POST', '/v1/service/restart', { token, body: { part, reason: 'a rehearsal' } });
    expect(answer).toEqual({ status: 200, body: { done: true } });
    await expect.poll(() => [0, before].includes(pidOf()), { timeout: 30_000, interval: 50 }).toBe(false);
    const asked = (await allEvents(appliance)).filter(({ header }) => header['code'] === 'service.restart-requested');
    expect(asked.at(-1)?.header).toMatchObject({ affected: part, reason: 'a rehearsal', actor: { name: 'administrator' } });
    // sign-ins live in control's memory
    expect((await api.call('GET', '/v1/me', { token })).status).toBe(part === 'control' ? 401 : 200);
  });
});

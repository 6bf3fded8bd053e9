import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { permitAll, type Ran } from '../support/appliance.ts';
import { allEvents } from '../support/audit-events.ts';
import { query, RawClient } from '../support/postgres-client.ts';
import { Observer, startService, type Service } from '../support/service.ts';

interface Result {
  readonly index: number;
  readonly principal: string;
  readonly resource: string;
  readonly command: string | null;
  readonly decided: string;
  readonly shadow: string;
}

const inForce = `
${permitAll}
@id("no-update") forbid (principal, action == Action::"sql:update", resource);
@id("ask") @approve("approvers:1") @request("retry") permit (principal, action == Action::"sql:insert", resource);
`;
const asking = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("ask") @approve("approvers:1") permit (principal, action == Action::"sql:delete", resource);
@id("free") permit (principal, action in [Action::"sql:insert", Action::"sql:select"], resource);
`;
const shadow = `
@id("all") permit (principal, action, resource);
@id("no-delete") forbid (principal, action == Action::"sql:delete", resource);
`;

let service: Service;
let observer: Observer;
let client: RawClient;
let dir: string;

beforeAll(async () => {
  service = await startService({ policies: inForce });
  observer = await Observer.open(service.direct());
  await observer.rows('create table orders(id int primary key, pan text); insert into orders select i, null from generate_series(1, 10) i');
  client = await RawClient.login(service.through);
  dir = mkdtempSync(join(tmpdir(), 'postern-shadow-'));
}, 180_000);

afterAll(async () => {
  client.end();
  observer.end();
  rmSync(dir, { recursive: true, force: true });
  await service.stop();
});

function put(text: string): Promise<Ran> {
  writeFileSync(join(dir, 'shadow.cedar'), text);
  return service.appliance.cli(['--json', 'policy', 'shadow', '--dir', dir]);
}

async function versionOf(ran: Promise<Ran>): Promise<string> {
  const { code, out, err } = await ran;
  expect(err).toBe('');
  expect(code).toBe(0);
  // the gateway hears of it right behind the answer
  await sleep(500);
  return (JSON.parse(out) as { version: string }).version; // the command line's own output
}

const results = (more: readonly string[] = []) => service.appliance.json(['policy', 'shadow', 'results', ...more]) as Promise<Result[]>;
/** on a busy machine an evaluation may take so long that shadow policies rest for a second */
const rested = (): Promise<void> => sleep(1_100);
const tag = async (sql: string): Promise<string> => {
  const frame = (await client.ask(query(sql))).find(({ type }) => type === 'C' || type === 'E');
  return frame?.type === 'C' ? frame.payload.toString('utf8').replace('\0', '') : 'refused';
};

describe('shadow policies', () => {
  it('decide nothing: a delete they forbid runs, and is listed with what they would have done', async () => {
    expect(await tag('delete from orders where id = 1')).toBe('DELETE 1');
    const version = await versionOf(put(shadow));
    expect(await tag('delete from orders where id = 2')).toBe('DELETE 1');
    expect(await tag('select count(*) from orders')).toBe('SELECT 1');
    await rested();
    // refused by those in force, whatever the shadow set permits
    expect(await tag("update orders set pan = '4539578763621486' where id = 3")).toBe('refused');
    expect(await observer.value('select count(*) from orders where pan is not null')).toBe('0');
    // a refusal waits for nobody: it may come to the log a moment after its answer
    await expect.poll(() => results()).toHaveLength(2);
    const listed = await results();
    expect(listed).toMatchObject([
      { principal: 'ci', resource: 'bank', decided: 'refuse', shadow: 'forward', command: "update orders set pan = '<hidden>' where id = 3" },
      { principal: 'ci', resource: 'bank', decided: 'forward', shadow: 'refuse', command: 'delete from orders where id = 2' },
    ]);
    expect(await results(['--of', version])).toEqual(listed);
    expect(await results(['--of', 'pol_other'])).toEqual([]);
    expect(await results(['--limit', '1'])).toEqual(listed.slice(0, 1));
    const headers = (await allEvents(service.appliance)).map(({ header }) => header);
    expect(headers.filter((header) => header['shadow'] !== undefined)).toMatchObject([
      { code: 'operation.intended', shadow: 'refuse', shadowVersion: version, policies: ['permit-all'] },
      { code: 'operation.refused', shadow: 'forward', shadowVersion: version, policies: ['no-update'] },
    ]);
    expect(headers.filter(({ code }) => code === 'shadow-policy.updated')).toHaveLength(1);
  });

  it('that are no policies are refused, and what was in force and beside it stays', async () => {
    const before = await service.appliance.json(['policy', 'shadow']);
    const { code, err } = await put('permit (principal, action, resource) when { principal.nonsense };');
    expect(code).toBe(1);
    expect(err).toContain('ERR_POLICY_INVALID');
    expect(err).toMatch(/shadow\.cedar:1:/);
    expect(await service.appliance.json(['policy', 'shadow'])).toEqual(before);
    await rested();
    expect(await tag('delete from orders where id = 4')).toBe('DELETE 1');
    await expect.poll(async () => (await results())[0]).toMatchObject({ command: 'delete from orders where id = 4', shadow: 'refuse' });
  });

  it('survive a restart, and leave nothing behind when they are off', async () => {
    await service.appliance.kill('control');
    await service.appliance.kill('gateway');
    client.end();
    client = await RawClient.login(service.through);
    expect(await tag('delete from orders where id = 5')).toBe('DELETE 1');
    await expect.poll(async () => (await results())[0]).toMatchObject({ command: 'delete from orders where id = 5' });
    const count = (await results()).length;
    await versionOf(service.appliance.cli(['--json', 'policy', 'shadow', '--off']));
    expect(await tag('delete from orders where id = 6')).toBe('DELETE 1');
    expect(await results()).toHaveLength(count);
    expect(await service.appliance.json(['policy', 'shadow'])).toMatchObject({ version: 'none', files: [] });
  });

  it('that would ask people, or would not, are compared with those in force that do', async () => {
    await versionOf(put(asking));
    expect(await tag('delete from orders where id = 7')).toBe('DELETE 1');
    await rested();
    expect(await tag('insert into orders values (70, null)')).toBe('refused');
    // asked again: the request waits already, and is told once
    expect(await tag('insert into orders values (70, null)')).toBe('refused');
    await expect
      .poll(() => results(['--limit', '2']))
      .toMatchObject([
        { resource: 'bank', decided: 'hold', shadow: 'forward', command: 'insert into orders values (70, null)' },
        { decided: 'forward', shadow: 'hold', command: 'delete from orders where id = 7' },
      ]);
    expect(await observer.value('select count(*) from orders where id = 70')).toBe('0');
  });
});

import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configure, permitAll, startAppliance, type Appliance } from '../support/appliance.ts';
import { allEvents, findingsOf, saidToHaveFailed, settledEvents, withoutIntent } from '../support/audit-events.ts';
import { FaultyDisk, type DiskFault } from '../support/faulty-disk.ts';
import { fields, query, RawClient, rows } from '../support/postgres-client.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { writersTable } from '../support/writers.ts';

const patienceMs = 40_000;
const diskMegabytes = 192;
const auditGone = 'The audit log cannot be written, so nothing is forwarded.';
const recordingGone = 'The session can no longer be recorded, so it was closed.';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
  await direct(writersTable);
});

afterAll(async () => {
  await server.stop();
});

async function direct(sql: string): Promise<(string | null)[][]> {
  const client = await RawClient.login({ ...server, database: 'postgres' });
  const answer = rows(await client.ask(query(sql)));
  client.end();
  return answer;
}

/** A service on a disk that can be spoiled. */
interface Spoiled {
  readonly service: Appliance;
  readonly token: string;
  remove(): Promise<void>;
}

interface Attempt {
  readonly id: string;
  /** null: the row was written */
  readonly sqlstate: string | null;
  readonly message: string;
}

/** One INSERT over a connection of its own, or over `client`. */
async function attempt({ service, token }: Spoiled, id: string, client?: RawClient): Promise<Attempt> {
  try {
    const used = client ?? (await RawClient.login({ host: '127.0.0.1', port: service.port, user: 'writer', password: token, database: 'bank' }));
    const error = (await used.ask(query(`insert into written(id) values ('${id}')`))).find((frame) => frame.type === 'E');
    if (client === undefined) used.end();
    const { C = null, M = '' } = error === undefined ? {} : fields(error);
    return { id, sqlstate: C, message: M };
  } catch (error) {
    // the login was answered with an error: its fields stand in the message
    const text = error instanceof Error ? error.message : String(error);
    return { id, sqlstate: /\0C([0-9A-Z]{5})\0/.exec(text)?.[1] ?? 'no error message', message: /\0M([^\0]*)\0/.exec(text)?.[1] ?? text };
  }
}

function names(prefix: string): () => string {
  let count = 0;
  return () => `${prefix}-${Array.from(String(++count).padStart(5, '0'), (digit) => String.fromCharCode(97 + Number(digit))).join('')}`;
}

/** Attempts until one ends as wanted. */
async function until(spoiled: Spoiled, next: () => string, wanted: (attempt: Attempt) => boolean): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  for (const deadline = Date.now() + patienceMs; ; ) {
    const made = await attempt(spoiled, next());
    attempts.push(made);
    if (wanted(made)) return attempts;
    if (Date.now() > deadline) throw new Error(`still not as wanted: ${JSON.stringify(attempts.slice(-3))}`);
    await sleep(100);
  }
}

const isRefused = ({ sqlstate }: Attempt): boolean => sqlstate !== null;
const isWritten = ({ sqlstate }: Attempt): boolean => sqlstate === null;
const rowsOf = async (prefix: string): Promise<string[]> => (await direct(`select id from written where id like '${prefix}-%'`)).map(([id]) => id ?? '');

interface StatusView {
  readonly state: string;
  readonly parts: readonly { readonly name: string; readonly state: string; readonly detail: string }[];
}

async function auditPart(service: Appliance): Promise<StatusView['parts'][number] | undefined> {
  const { code, out } = await service.cli(['--json', 'status']);
  expect(code).toBe(1);
  return (JSON.parse(out) as StatusView).parts.find(({ name }) => name === 'audit');
}

/** Spoils, sees everything refused and the alarm, heals, and sees that nothing was lost. */
async function ordeal(spoiled: Spoiled, prefix: string, disk: { spoil: () => void; heal: () => void; reason: RegExp }): Promise<void> {
  const { service, token } = spoiled;
  const next = names(prefix);
  const before = await until(spoiled, next, isWritten);
  const live = await RawClient.login({ host: '127.0.0.1', port: service.port, user: 'writer', password: token, database: 'bank' });
  disk.spoil();
  // the first are still taken where the disk had room for them
  const failing = await until(spoiled, next, ({ message }) => message === auditGone);
  const old = await attempt(spoiled, next(), live);
  const count = (await rowsOf(prefix)).length;
  const refused = [await attempt(spoiled, next()), await attempt(spoiled, next())];
  expect(refused.map(({ sqlstate, message }) => ({ sqlstate, message }))).toEqual([
    { sqlstate: '58030', message: auditGone },
    { sqlstate: '58030', message: auditGone },
  ]);
  expect(isWritten(old)).toBe(false);
  for (const { sqlstate, message } of failing.filter(isRefused)) expect([auditGone, recordingGone], `${String(sqlstate)} ${message}`).toContain(message);
  expect((await rowsOf(prefix)).length).toBe(count);
  const alarm = await auditPart(service);
  expect(alarm?.state).toBe('down');
  expect(alarm?.detail).toMatch(disk.reason);
  disk.heal();
  const healed = await until(spoiled, next, isWritten);
  live.socket.destroy();
  const all = [...before, ...failing, old, ...refused, ...healed];
  const ids = await rowsOf(prefix);
  expect(
    all
      .filter(isWritten)
      .map(({ id }) => id)
      .filter((id) => !ids.includes(id)),
  ).toEqual([]);
  const events = await settledEvents(service);
  expect(withoutIntent(events, ids)).toEqual([]);
  expect(saidToHaveFailed(events, ids)).toEqual([]);
  const { open, gaps, unended } = findingsOf(events);
  expect({ open, gaps, unended }).toEqual({ open: [], gaps: [], unended: [] });
  expect(events.filter(({ header }) => header['code'] === 'log.write-failed').map(({ header }) => header['outcome'])).toContain('failure');
  expect(await service.json(['audit', 'verify'])).toMatchObject({ ok: true });
  process.stderr.write(`chaos-disk: ${prefix}: ${String(ids.length)} rows of ${String(all.length)} attempts, alarm: ${alarm?.detail ?? ''}\n`);
}

async function configured(service: Appliance, remove: () => Promise<void>): Promise<Spoiled> {
  const token = await configure(service, { principal: 'writer', resource: 'bank', target: { ...server, database: 'postgres' }, policies: permitAll });
  return { service, token, remove };
}

describe('a disk that fails', () => {
  let disk: FaultyDisk;
  let spoiled: Spoiled;

  beforeAll(async () => {
    const base = mkdtempSync(join(tmpdir(), 'postern-disk-'));
    mkdirSync(join(base, 'data'), { mode: 0o700 });
    disk = new FaultyDisk(join(base, 'data'));
    const service = await startAppliance({ dir: base, environment: disk.environment });
    spoiled = await configured(service, () => service.remove());
  });

  afterAll(async () => {
    await spoiled.remove();
    disk.remove();
  });

  const faults: [string, string, DiskFault, RegExp][] = [
    ['EIO on fsync', 'ioerror', { code: 'EIO', at: ['sync'], under: ['audit'] }, /lost.*EIO|closed.*EIO/],
    ['EIO on fsync, of recordings too', 'allio', { code: 'EIO', at: ['sync'] }, /lost.*EIO|closed.*EIO/],
    ['a file system gone read-only', 'readonly', { code: 'EROFS', at: ['write', 'open'] }, /lost.*EROFS|closed.*EROFS/],
    ['no space, as a quota says it', 'nospace', { code: 'ENOSPC', at: ['write'] }, /ENOSPC/],
  ];
  it.each(faults)('%s: refused in plain words, alarm, nothing lost, and works again by itself', async (_name, prefix, fault, reason) => {
    await ordeal(spoiled, prefix, {
      spoil: () => {
        disk.fail(fault);
      },
      heal: () => {
        disk.heal();
      },
      reason,
    });
  });

  it('that spoils only the recordings ends the session and leaves the log up', async () => {
    const next = names('recording');
    disk.fail({ code: 'EIO', at: ['sync'], under: ['recordings'] });
    const live = await RawClient.login({ host: '127.0.0.1', port: spoiled.service.port, user: 'writer', password: spoiled.token, database: 'bank' });
    const attempts: Attempt[] = [];
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline && !live.closed && attempts.at(-1)?.sqlstate !== '58030'; ) {
      attempts.push(await attempt(spoiled, next(), live));
      await sleep(100);
    }
    disk.heal();
    // it comes when the recording fails, which may be between two statements
    const last = attempts.at(-1)?.sqlstate ?? null;
    const told = last === null ? fields(live.frames.find((frame) => frame.type === 'E')) : { C: last, M: attempts.at(-1)?.message };
    expect(told).toMatchObject({ C: '58030', M: recordingGone });
    await until(spoiled, next, isWritten);
    const ids = await rowsOf('recording');
    expect(
      attempts
        .filter(isWritten)
        .map(({ id }) => id)
        .filter((id) => !ids.includes(id)),
    ).toEqual([]);
    expect(withoutIntent(await allEvents(spoiled.service), ids)).toEqual([]);
  });
});

/** A small disk of its own: mounting needs root. */
function mountSmallDisk(): { base: string; unmount: () => void } | null {
  const base = mkdtempSync(join(tmpdir(), 'postern-small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${String(diskMegabytes)}m,mode=0700`, 'tmpfs', base], { stdio: 'pipe' });
  } catch {
    rmSync(base, { recursive: true });
    return null;
  }
  return {
    base,
    unmount: () => {
      execFileSync('umount', [base], { stdio: 'pipe' });
      rmSync(base, { recursive: true });
    },
  };
}

const small = mountSmallDisk();

// without root the quota above stands for it
describe.runIf(small !== null)('a small disk that is really full', () => {
  let spoiled: Spoiled;

  beforeAll(async () => {
    const service = await startAppliance({ dir: small?.base ?? '' });
    spoiled = await configured(service, async () => {
      await service.stop();
      small?.unmount();
    });
  });

  afterAll(async () => {
    await spoiled.remove();
  });

  it('refuses in plain words, raises the alarm, loses nothing, and works again by itself', async () => {
    const filler = join(small?.base ?? '', 'filler');
    await ordeal(spoiled, 'full', {
      spoil: () => {
        fill(filler);
      },
      heal: () => {
        rmSync(filler);
      },
      reason: /full: .*ENOSPC/,
    });
  });
});

function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (let size = 1_048_576; size >= 1; ) {
      try {
        writeSync(file, Buffer.alloc(size, 1));
      } catch {
        size = Math.floor(size / 4);
      }
    }
  } finally {
    closeSync(file);
  }
}

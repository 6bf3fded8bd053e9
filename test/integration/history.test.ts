import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ControlApi } from '../support/approval-client.ts';
import { lengthen, type Written } from '../support/long-log.ts';
import { query, RawClient } from '../support/postgres-client.ts';
import { postgresBinaries } from '../support/postgres-server.ts';
import { startService, type Service } from '../support/service.ts';
import { skipBecause } from '../support/skip.ts';
import { until } from '../support/until.ts';

const events = 60_000;
const upMs = 60_000;
const why = postgresBinaries() === null ? 'there is no PostgreSQL' : undefined;

let service: Service;
let api: ControlApi;
let written: Written;
let before: unknown;

const database = (): string => join(service.appliance.dir, 'state', 'history.db');

beforeAll(async () => {
  if (why !== undefined) return;
  service = await startService();
  await service.appliance.stop();
  written = await lengthen(service.appliance.dir, { events, sessions: 600 });
  await service.appliance.start();
  api = new ControlApi(service.appliance);
  await follows();
  before = await lists();
});
afterAll(async () => {
  if (why !== undefined) return;
  api.close();
  await service.stop();
});
beforeEach((context) => {
  if (why !== undefined) skipBecause(context, why);
});

async function follows(): Promise<void> {
  const up = async (): Promise<boolean> => {
    const { status, body } = await api.call('GET', '/v1/status', { token: api.admin }).catch(() => ({ status: 0, body: null }));
    // what the API promises
    return status === 200 && (body as { parts: { name: string; state: string }[] }).parts.some(({ name, state }) => name === 'history' && state === 'up');
  };
  await until('the history follows the log', up, upMs);
}

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** What lists, searches and numbers say of the written events, which do not change any more. */
async function lists(): Promise<unknown> {
  const [first = '', middle = ''] = [written.sessions[0], written.sessions[300]];
  const found = async (filter: string): Promise<number[]> => {
    const { items } = await api.ask<Page<{ index: number }>>('GET', `/v1/audit/events?limit=1000&${filter}`);
    return items.map(({ index }) => index);
  };
  const past = await api.ask<Page<{ id: string }>>('GET', '/v1/sessions?state=ended&limit=1000');
  return {
    sessions: past.items.filter(({ id }) => written.sessions.includes(id)),
    session: await api.ask('GET', `/v1/sessions/${first}`),
    ledger: await api.ask('GET', '/v1/masking-rules/ledger?days=60'),
    refused: await found('code=operation.refused'),
    ofSession: await found(`session=${middle}`),
    ofPrincipal: await found(`principal=${written.principals[3] ?? ''}`),
  };
}

/** With the history as `damage` leaves it. */
async function startedWith(damage: () => void | Promise<void>): Promise<void> {
  await service.appliance.stop();
  await damage();
  await service.appliance.start();
  await follows();
}

function discard(): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${database()}${suffix}`, { force: true });
}

describe('the history', () => {
  it('tells the sessions, refusals and hidden values that the log holds', () => {
    expect(before).toMatchObject({ sessions: expect.objectContaining({ length: 600 }) as unknown, ledger: { rows: expect.anything() as unknown } });
    const { refused, ofSession, ledger } = before as { refused: number[]; ofSession: number[]; ledger: { rows: { values: number }[] } };
    expect(refused).toHaveLength(Math.min(1_000, written.refused));
    expect(ofSession).toHaveLength(events / 600);
    expect(ledger.rows.reduce((sum, { values }) => sum + values, 0)).toBe(written.masked);
  });

  it('that is gone is made anew from the log, and says the same', async () => {
    await startedWith(discard);
    expect(await lists()).toEqual(before);
  });

  it.each<[string, () => void]>([
    ['cut in half', () => truncateSync(database(), 1_048_576)],
    ['overwritten in places', overwrite],
    ['no database at all', () => writeFileSync(database(), 'nothing of the kind\n'.repeat(1_000))],
    ['of another log', ofAnotherLog],
    ['ahead of the log', () => sql(database(), 'UPDATE cursor SET next = next + 100000')],
  ])('%s is made anew from the log, and says the same', async (_how, damage) => {
    const times = timesMadeAnew();
    await startedWith(damage);
    expect(timesMadeAnew()).toBe(times + 1);
    expect(await lists()).toEqual(before);
  });

  it('goes on where it was when control is lost in the middle of it', async () => {
    const times = timesMadeAnew();
    discard();
    const controlPid = (): number => service.appliance.parts().find(({ name }) => name === 'control')?.pid ?? 0;
    const first = controlPid();
    process.kill(first, 'SIGKILL');
    const at = await until('a history that is being made', () => taken(database(), { above: 0 }), upMs);
    const second = await until('the process that makes it', () => (controlPid() === first ? null : controlPid()));
    process.kill(second, 'SIGKILL');
    expect(at).toBeLessThan(events);
    const { ino } = statSync(database());
    await until('another control', () => controlPid() !== second);
    await follows();
    expect(await lists()).toEqual(before);
    expect([statSync(database()).ino, timesMadeAnew()]).toEqual([ino, times]);
  });
});

describe('live views', () => {
  it('of a session give what happened and what happens; its recording is readable while it lives', async () => {
    const client = await RawClient.login(service.through);
    await client.ask(query("select 'one'"));
    const id = await liveSession();
    const watched = new Stream(await api.stream(`/v1/sessions/${id}/watch`));
    await until('the first statement', () => watched.text.includes("select 'one'"));
    await client.ask(query("select 'two'"));
    await until('the second statement', () => watched.text.includes("select 'two'"));
    const recording = await until('a part of the recording', async () => {
      const read = await recordingOf(id);
      return read.includes("select 'one'") ? read : null;
    });
    expect(recording).not.toContain('ERR_');
    client.end();
    await until('its end', () => watched.text.includes('session.ended'));
    watched.close();
  });

  it('of changes resume after the last id, and begin with everything when they cannot', async () => {
    const opened = new Stream(await api.stream('/v1/changes/watch'));
    const all = await until('all topics', () => opened.items()[0]);
    expect(all['topics']).toEqual(expect.arrayContaining(['status', 'sessions', 'audit', 'requests', 'witnesses']));
    opened.close();
    await api.ask('POST', '/v1/users', { name: 'resumed', human: 'resumed@example.com', groups: [] });
    const resumed = new Stream(await api.stream(`/v1/changes/watch?after=${String(all['id'])}`));
    await until('the change', () => resumed.items().some(({ topics }) => (topics as string[]).includes('users')));
    expect(resumed.items().flatMap(({ topics }) => topics as string[])).not.toContain('policies');
    resumed.close();
    const foreign = new Stream(await api.stream('/v1/changes/watch?after=12'));
    expect((await until('all topics again', () => foreign.items()[0]))['topics']).toEqual(all['topics']);
    foreign.close();
  });

  it('of the service give the last lines of each process', async () => {
    const { file, lines } = await api.ask<{ file: string; lines: string[] }>('GET', '/v1/service-logs/control?lines=10');
    expect(file).toBe(join('logs', 'control.log'));
    expect(lines).toEqual(controlLog().slice(-10));
    expect((await api.call('GET', '/v1/service-logs/vault', { token: api.admin })).status).toBe(400);
  });
});

describe('a recording that was put back to an earlier state', () => {
  it('is not taken for the one in the log, even when the history forgot how the session ended', async () => {
    const client = await RawClient.login(service.through);
    await client.ask(query("select 'early'"));
    const id = await liveSession();
    const file = await until('its file', async () => ((await recordingOf(id)).includes("select 'early'") ? recordingFile(id) : null));
    const early = readFileSync(file);
    await client.ask(query("select 'late'"));
    client.end();
    await until('its end', async () => (await api.ask<{ state: string }>('GET', `/v1/sessions/${id}`)).state === 'ended');
    expect(await recordingOf(id)).toContain("select 'late'");
    writeFileSync(file, early);
    expect(await recordingOf(id)).toContain('ERR_VERIFICATION_FAILED');

    await startedWith(() => {
      sql(database(), "DELETE FROM events WHERE code = (SELECT id FROM words WHERE text = 'session.ended')");
      sql(database(), 'UPDATE sessions SET ended_at = NULL, recording_root = NULL');
    });
    expect(await recordingOf(id)).toContain('ERR_VERIFICATION_FAILED');
  });
});

/** The same length, and a last header that this log does not have. */
function ofAnotherLog(): void {
  sql(database(), "UPDATE cursor SET last = x'00'");
  sql(database(), "UPDATE sessions SET principal = 'somebody-else'");
}

function controlLog(): string[] {
  return readFileSync(join(service.appliance.dir, 'logs', 'control.log'), 'utf8')
    .trimEnd()
    .split('\n');
}

function timesMadeAnew(): number {
  return controlLog().filter((line) => line.includes('history: made anew from the log')).length;
}

function sql(path: string, statement: string): void {
  const opened = new DatabaseSync(path);
  opened.exec(statement);
  opened.close();
}

/** What the history took in, when that is more than `above`. */
function taken(path: string, { above }: { above: number }): number | null {
  if (!existsSync(path)) return null;
  try {
    const opened = new DatabaseSync(path, { readOnly: true });
    const next = Number(opened.prepare('SELECT next FROM cursor').get()?.['next'] ?? 0);
    opened.close();
    return next > above ? next : null;
  } catch {
    // it is being made
    return null;
  }
}

/** Every tenth page but the first. */
function overwrite(): void {
  const bytes = readFileSync(database());
  for (let at = 4_096 * 10; at < bytes.length; at += 4_096 * 10) bytes.fill(0xa5, at, at + 2_048);
  writeFileSync(database(), bytes);
}

async function liveSession(): Promise<string> {
  return until('a live session', async () => (await api.ask<Page<{ id: string }>>('GET', '/v1/sessions?state=live')).items[0]?.id);
}

function recordingFile(id: string): string {
  const name = readdirSync(join(service.appliance.dir, 'recordings'), { recursive: true, encoding: 'utf8' }).find((path) => path.includes(id));
  return join(service.appliance.dir, 'recordings', name ?? '');
}

/** All of it, with the fault that may be its last line. */
async function recordingOf(id: string): Promise<string> {
  const stream = new Stream(await api.stream(`/v1/sessions/${id}/recording`));
  await stream.ended;
  return stream.text;
}

class Stream {
  text = '';
  readonly ended: Promise<void>;
  readonly #source: IncomingMessage;

  constructor(source: IncomingMessage) {
    this.#source = source;
    source.setEncoding('utf8').on('data', (chunk: string) => (this.text += chunk));
    source.on('error', () => undefined);
    this.ended = new Promise((resolve) => source.once('close', resolve));
  }

  /** of server-sent events */
  items(): Readonly<Record<string, unknown>>[] {
    const lines = this.text.split('\n\n').slice(0, -1);
    return lines
      .flatMap((event) => event.split('\n').filter((line) => line.startsWith('data: ')))
      .map((line) => JSON.parse(line.slice(6)) as Record<string, unknown>);
  }

  close(): void {
    this.#source.destroy();
  }
}

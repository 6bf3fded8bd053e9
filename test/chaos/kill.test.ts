import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configure, permitAll, startAppliance, type Appliance, type Part } from '../support/appliance.ts';
import { findingsOf, saidToHaveFailed, settledEvents, withoutIntent, type AuditEvent } from '../support/audit-events.ts';
import { query, RawClient, rows } from '../support/postgres-client.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { startWriters, writersTable, type Writers } from '../support/writers.ts';

/** kill -9 of each process; POSTERN_CHAOS_KILLS=20 is what a release is accepted with */
const kills = Number(process.env['POSTERN_CHAOS_KILLS'] ?? 4);
const crashEvery = 4;
const connections = 8;
const parts: readonly Part['name'][] = ['audit', 'control', 'gateway'];
const usableMs = 30_000;
const betweenMs = 250;

let server: PostgresServer;
let service: Appliance;
let token: string;

beforeAll(async () => {
  server = await startPostgres();
  service = await startAppliance();
  token = await configure(service, { principal: 'writer', resource: 'bank', target: { ...server, database: 'postgres' }, policies: permitAll });
  await direct(writersTable);
});

afterAll(async () => {
  await service.remove();
  await server.stop();
});

async function direct(sql: string): Promise<(string | null)[][]> {
  const client = await RawClient.login({ ...server, database: 'postgres' });
  const answer = rows(await client.ask(query(sql)));
  client.end();
  return answer;
}

/** Until a caller can write again. Gives the milliseconds it took. */
async function usable(writers: Writers): Promise<number> {
  const started = Date.now();
  const before = writers.acknowledged.length;
  while (writers.acknowledged.length < before + connections) {
    if (Date.now() - started > usableMs) throw new Error(`nobody could write within ${String(usableMs)} ms: ${JSON.stringify([...writers.errors])}`);
    await sleep(20);
  }
  return Date.now() - started;
}

describe(`kill -9 under ${String(connections)} writing connections, ${String(kills)} times each process`, () => {
  let ids: string[] = [];
  let events: AuditEvent[] = [];
  let acknowledged: readonly string[] = [];

  beforeAll(async () => {
    const writers = startWriters(() => ({ port: service.port, user: 'writer', password: token, database: 'bank' }), connections, 'kill');
    const outages: Record<string, number[]> = { audit: [], control: [], gateway: [], supervisor: [] };
    await usable(writers);
    for (let round = 1; round <= kills; round++) {
      for (const part of parts) {
        await sleep(betweenMs);
        await service.kill(part);
        outages[part]?.push(await usable(writers));
      }
      if (round % crashEvery !== 0) continue;
      await service.crash();
      await service.start();
      outages['supervisor']?.push(await usable(writers));
    }
    await writers.stop();
    acknowledged = writers.acknowledged;
    ids = (await direct('select id from written')).map(([id]) => id ?? '');
    events = await settledEvents(service);
    process.stderr.write(
      `chaos-kill: ${String(kills)} kills of each process, ${String(ids.length)} rows, ${String(acknowledged.length)} acknowledged, errors ${JSON.stringify([...writers.errors])}, usable after ms ${JSON.stringify(outages)}\n`,
    );
    process.stderr.write(`chaos-kill: ${JSON.stringify({ ...findingsOf(events), events: events.length })}\n`);
  }, 1_200_000);

  it('leaves no row at the target without an intent in the log', () => {
    expect(ids.length).toBeGreaterThan(kills * connections);
    expect(withoutIntent(events, ids)).toEqual([]);
  });

  it('says of no row that is there that its operation failed', () => {
    expect(saidToHaveFailed(events, ids)).toEqual([]);
  });

  it('loses nothing that a client was told is done', () => {
    const there = new Set(ids);
    expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
  });

  it('gives every intent an outcome and every session an end', () => {
    const { open, unended, intents } = findingsOf(events);
    expect(intents).toBeGreaterThanOrEqual(ids.length);
    expect({ open, unended }).toEqual({ open: [], unended: [] });
  });

  it('numbers the operations of every session without a gap', () => {
    expect(findingsOf(events).gaps).toEqual([]);
  });

  it('leaves a log that verifies, running and stopped', async () => {
    expect(await service.json(['audit', 'verify'])).toMatchObject({ ok: true });
    await service.stop();
    expect(await service.json(['audit', 'verify'])).toMatchObject({ ok: true, journal: { entries: 0, tornBytes: 0 } });
    await service.start();
  });

  it('leaves a service that still takes writes', async () => {
    const writers = startWriters(() => ({ port: service.port, user: 'writer', password: token, database: 'bank' }), 1, 'after');
    const started = Date.now();
    while (writers.acknowledged.length === 0 && Date.now() - started < usableMs) await sleep(20);
    await writers.stop();
    expect(writers.acknowledged.length).toBeGreaterThan(0);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configure, permitAll, startAppliance, type Appliance } from '../support/appliance.ts';
import { findingsOf, saidToHaveFailed, settledEvents, withoutIntent, type AuditEvent } from '../support/audit-events.ts';
import { FaultyDisk } from '../support/faulty-disk.ts';
import { query, RawClient, rows } from '../support/postgres-client.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { startWriters, writersTable } from '../support/writers.ts';

const outages = Number(process.env['POSTERN_CHAOS_OUTAGES'] ?? 2);
const connections = 8;
const writtenMs = 2_000;
// written by SQLite and by the log for operators, not through the files that are watched
const unwatched = ['state', 'logs', 'lock', 'audit/lock', 'supervisor.lock', 'status.json'];

let server: PostgresServer;
let token: string;
/** the data directory that the last outage left, in a directory of its own */
let base: string;
const made: string[] = [];

beforeAll(async () => {
  server = await startPostgres();
  base = newBase();
  const service = await startAppliance({ dir: base });
  token = await configure(service, { principal: 'writer', resource: 'bank', target: { ...server, database: 'postgres' }, policies: permitAll });
  await service.stop();
  await direct(writersTable);
});

afterAll(async () => {
  await server.stop();
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

function newBase(): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-power-'));
  made.push(dir);
  return dir;
}

async function direct(sql: string): Promise<(string | null)[][]> {
  const client = await RawClient.login({ ...server, database: 'postgres' });
  const answer = rows(await client.ask(query(sql)));
  client.end();
  return answer;
}

const written = async (run: string): Promise<string[]> => (await direct(`select id from written where id like '${run}-%'`)).map(([id]) => id ?? '');

interface Outage {
  /** rows at the target */
  readonly ids: readonly string[];
  /** what the log holds of them after the power came back */
  readonly events: readonly AuditEvent[];
  readonly acknowledged: readonly string[];
  readonly checkpoint: string;
  readonly lost: { readonly files: number; readonly cutBytes: number; readonly lostNames: number };
}

/** Writes until the power goes, starts on what the disk kept, and looks. `look` sees the service that came back. */
async function outage(
  options: { run: string; syncs: boolean; state: 'kept' | 'lost' },
  look: (service: Appliance, found: Outage) => Promise<void>,
): Promise<void> {
  const { run, syncs, state } = options;
  const disk = new FaultyDisk(join(base, 'data'), { syncs });
  const before = await startAppliance({ dir: base, environment: disk.environment });
  const writers = startWriters(() => ({ port: before.port, user: 'writer', password: token, database: 'bank' }), connections, run);
  const enough = Date.now() + 60_000;
  while (writers.acknowledged.length < 50 && Date.now() < enough) await sleep(20);
  const checkpoint = syncs ? ((await before.json(['audit', 'checkpoint'])) as { checkpoint: string }).checkpoint : '';
  await sleep(writtenMs * Math.random());
  await before.crash();
  await writers.stop();
  const next = newBase();
  const lost = disk.afterPowerLoss(join(next, 'data'), state === 'kept' ? unwatched : unwatched.filter((path) => path !== 'state'));
  disk.remove();
  const after = await startAppliance({ dir: next });
  try {
    const ids = await written(run);
    const events = await settledEvents(after);
    process.stderr.write(
      `chaos-power: ${run}, ${String(ids.length)} rows, ${String(writers.acknowledged.length)} acknowledged, lost ${JSON.stringify(lost)}, ${JSON.stringify(findingsOf(events))}\n`,
    );
    await look(after, { ids, events, acknowledged: writers.acknowledged, checkpoint, lost });
  } finally {
    await after.stop();
  }
  if (syncs) base = next;
}

describe('power loss under writing connections', () => {
  it.each(Array.from({ length: outages }, (_none, number) => [number + 1, number % 2 === 0 ? ('kept' as const) : ('lost' as const)]))(
    'number %i: no row without an intent, on files cut to what was synced, the state database %s',
    async (number, state) => {
      await outage(
        { run: `power${'abcdefghij'.charAt(number % 10)}`, syncs: true, state },
        async (service, { ids, events, acknowledged, checkpoint, lost }) => {
          const { open, gaps, unended } = findingsOf(events);
          expect(ids.length).toBeGreaterThan(connections);
          expect(withoutIntent(events, ids)).toEqual([]);
          expect(saidToHaveFailed(events, ids)).toEqual([]);
          expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
          expect({ open, gaps, unended }).toEqual({ open: [], gaps: [], unended: [] });
          expect(lost.files).toBeGreaterThan(10);
          const saved = join(base, 'checkpoint');
          writeFileSync(saved, checkpoint);
          expect(await service.json(['audit', 'verify', '--checkpoint', saved])).toMatchObject({ ok: true });
        },
      );
    },
  );

  it('is noticed by this very test when fsync does nothing', async () => {
    await outage({ run: 'nosync', syncs: false, state: 'kept' }, async (_service, { ids, events }) => {
      expect(ids.length).toBeGreaterThan(connections);
      expect(withoutIntent(events, ids).length).toBeGreaterThan(0);
    });
  });
});

import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configure, permitAll, startAppliance, type Appliance } from '../support/appliance.ts';
import { askControl } from '../support/audit-events.ts';
import { fields, query, RawClient, rows, startup } from '../support/postgres-client.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';

const silentSockets = 1_000;
const logins = 10;
const slackMs = 50;
const resultBytes = 2 * 1024 ** 3;
const rowBytes = 8_192;
const stallMs = 2_000;
const readBytesPerSecond = 200 * 1024 ** 2;
const maxGrowth = 80 * 1024 ** 2;
const patienceMs = 30_000;

let server: PostgresServer;
let service: Appliance;
let token: string;
/** accepts and never says a word */
let mute: Server;

beforeAll(async () => {
  server = await startPostgres();
  service = await startAppliance();
  token = await configure(service, { principal: 'reader', resource: 'bank', target: { ...server, database: 'postgres' }, policies: permitAll });
  mute = createServer((socket) => socket.on('error', () => undefined));
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const port = (mute.address() as AddressInfo).port;
  await service.json(
    ['resource', 'add', 'mute', '--host', '127.0.0.1', '--port', String(port), '--database', 'x', '--account', 'x', '--tls', 'disable'],
    'secret\n',
  );
});

afterAll(async () => {
  mute.close();
  await service.remove();
  await server.stop();
});

const login = (database = 'bank'): Promise<RawClient> => RawClient.login({ host: '127.0.0.1', port: service.port, user: 'reader', password: token, database });
const direct = (): Promise<RawClient> => RawClient.login({ ...server, database: 'postgres' });

async function medianLogin(): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < logins; round++) {
    const started = performance.now();
    const client = await login();
    expect(rows(await client.ask(query('select 1')))).toEqual([['1']]);
    times.push(performance.now() - started);
    client.end();
  }
  return times.sort((a, b) => a - b)[Math.floor(logins / 2)] ?? Infinity;
}

/** Statements of this caller that run at the target now: their process ids. */
async function running(client: RawClient): Promise<number[]> {
  const found = await client.ask(query("select pid from pg_stat_activity where application_name = 'postern:reader' and state = 'active'"));
  return rows(found).map(([pid]) => Number(pid));
}

async function until(what: string, reached: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + patienceMs; !(await reached()); ) {
    if (Date.now() > deadline) throw new Error(`not within ${String(patienceMs)} ms: ${what}`);
    await sleep(50);
  }
}

const liveSessions = async (): Promise<number> => (await askControl<{ liveSessions: number }>(service, '/v1/status')).liveSessions;
// in the select list, where it does not materialise before the first row
const endless = "select generate_series(1, 100000000), repeat('x', 1000)";

describe('clients that waste our time', () => {
  const silent: Socket[] = [];
  let closed = 0;
  let drip: NodeJS.Timeout | undefined;

  afterAll(() => {
    clearInterval(drip);
    for (const socket of silent) socket.destroy();
  });

  it(`${String(silentSockets)} silent ones and one that sends a byte a second do not delay a login`, async () => {
    await medianLogin();
    const alone = await medianLogin();
    const start = startup({ user: 'reader', database: 'bank' });
    for (let number = 0; number <= silentSockets; number++) {
      const socket = connect(service.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.on('close', () => closed++);
      silent.push(socket);
    }
    await until('all are connected', () => silent.every((socket) => !socket.connecting));
    let sent = 0;
    drip = setInterval(() => silent[0]?.write(start.subarray(sent, ++sent)), 1_000);
    const crowded = await medianLogin();
    process.stderr.write(
      `chaos-load: median login ${alone.toFixed(1)} ms alone, ${crowded.toFixed(1)} ms beside ${String(silentSockets - closed)} silent sockets\n`,
    );
    expect(closed).toBe(0);
    expect(crowded).toBeLessThanOrEqual(2 * alone + slackMs);
  });

  it('are all dropped when their time is up, the dripping one too', async () => {
    await until('the sockets are closed', () => closed === silentSockets + 1);
    expect(rows(await (await login()).ask(query('select 2')))).toEqual([['2']]);
  });
});

describe('a result of 2 GB for a slow reader', () => {
  it('costs the gateway less than 80 MB', async () => {
    const client = await login();
    await client.ask(query(`select repeat('x', ${String(rowBytes)}) from generate_series(1, 10000)`));
    const idle = rss();
    const count = Math.ceil(resultBytes / rowBytes);
    let peak = 0;
    const watch = setInterval(() => (peak = Math.max(peak, rss())), 50);
    const read = await readSlowly(client, query(`select repeat('x', ${String(rowBytes)}) from generate_series(1, ${String(count)})`));
    clearInterval(watch);
    process.stderr.write(
      `chaos-load: ${(read.bytes / 1024 ** 2).toFixed(0)} MiB in ${(read.ms / 1000).toFixed(1)} s, gateway ${mebi(idle)} MiB idle, ${mebi(peak)} MiB at most\n`,
    );
    expect(read.bytes).toBeGreaterThan(resultBytes);
    expect(read.tail).toContain(`SELECT ${String(count)}\0`);
    expect(peak - idle).toBeLessThan(maxGrowth);
  });
});

const mebi = (bytes: number): string => (bytes / 1024 ** 2).toFixed(0);

/** resident memory of the gateway, bytes */
function rss(): number {
  const pid = service.parts().find(({ name }) => name === 'gateway')?.pid ?? 0;
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1] ?? Infinity) * 1024;
}

/** Reads nothing at first, then at most at the wanted pace, to the end. */
async function readSlowly({ socket }: RawClient, statement: Buffer): Promise<{ bytes: number; ms: number; tail: string }> {
  const ready = Buffer.from('Z\0\0\0\u0005I', 'latin1');
  const started = Date.now();
  let [bytes, tail] = [0, Buffer.alloc(0)];
  socket.removeAllListeners('data');
  socket.pause();
  socket.write(statement);
  await sleep(stallMs);
  const flowing = Date.now();
  await new Promise<void>((resolve, reject) => {
    socket.once('close', () => {
      reject(new Error('the connection was closed'));
    });
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      tail = Buffer.concat([tail, chunk.subarray(-64)]).subarray(-64);
      if (tail.subarray(-6).equals(ready)) {
        resolve();
        return;
      }
      const ahead = (bytes / readBytesPerSecond) * 1000 - (Date.now() - flowing);
      if (ahead < 20) return;
      socket.pause();
      setTimeout(() => socket.resume(), ahead);
    });
    socket.resume();
  });
  return { bytes, ms: Date.now() - started, tail: tail.toString('latin1') };
}

describe('a client that vanishes', () => {
  it.each([
    ['in the middle of a result', endless, (client: RawClient) => client.socket.destroy()],
    ['while the target is busy', 'select pg_sleep(60)', (client: RawClient) => client.socket.destroy()],
    ['on its sending side only', 'select pg_sleep(60)', (client: RawClient) => client.socket.end()],
    ['without ever reading', endless, (client: RawClient) => client.socket.resetAndDestroy()],
  ])('%s: its statement is cancelled at the target', async (_name, sql, vanish) => {
    const watcher = await direct();
    const client = await login();
    client.send(query(sql));
    if (_name === 'without ever reading') client.socket.pause();
    await until('it runs at the target', async () => (await running(watcher)).length === 1);
    vanish(client);
    await until('it is cancelled', async () => (await running(watcher)).length === 0);
    watcher.end();
  });
});

describe('a target', () => {
  it('that is killed in the middle of a result gives a clean error', async () => {
    const watcher = await direct();
    const client = await login();
    client.send(query(endless));
    await until('rows come', () => client.frames.length > 1_000);
    client.socket.pause();
    const [pid] = await running(watcher);
    process.kill(pid ?? 0, 'SIGKILL');
    client.socket.resume();
    const last = (await client.until('E')).at(-1);
    expect(last?.type).toBe('E');
    expect(fields(last)).toMatchObject({ S: 'FATAL', C: '08006', M: 'The connection to the target was lost.' });
    await until('the connection ends', () => client.closed);
    watcher.socket.destroy();
    await until('the target is back', () =>
      login().then(
        (again) => (again.end(), true),
        () => false,
      ),
    );
  });

  it('that stops answering does not keep the session of a client that left', async () => {
    const watcher = await direct();
    const client = await login();
    client.send(query(endless));
    await until('rows come', () => client.frames.length > 1_000);
    client.socket.pause();
    const [pid = 0] = await running(watcher);
    process.kill(pid, 'SIGSTOP');
    try {
      client.socket.destroy();
      await until('no session is live', async () => (await liveSessions()) === 0);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await until('it is gone at the target', async () => (await running(watcher)).length === 0);
    watcher.end();
  });

  it('that accepts and says nothing is given up with a clean error', async () => {
    await expect(login('mute')).rejects.toThrow(/C08006/);
    await until('no session is live', async () => (await liveSessions()) === 0);
  });
});

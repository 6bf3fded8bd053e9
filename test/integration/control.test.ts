import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compiledCode } from '../support/command-line.ts';
import { postgresBinaries, startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { skipBecause } from '../support/skip.ts';

const cli = fileURLToPath(new URL('../../proxy/cli/index.ts', import.meta.url));
const starter = fileURLToPath(new URL('../../resources/policies/pci-dss-starter', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'postern-control-'));
const dir = join(home, 'data');
const config = join(home, 'config.json');
const targetPassword = 'target-secret';
const pan = '4111111111111111';

interface Done {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

let service: ChildProcess | null = null;
let adminToken = '';
let auditorToken = '';
let callerToken = '';
let target: PostgresServer | null = null;

function run(args: readonly string[], options: { input?: string; token?: string; data?: string } = {}): Promise<Done> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [cli, '--data', options.data ?? dir, ...args], {
      env: { ...compiledCode(), POSTERN_TOKEN: options.token ?? adminToken },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => (out += String(chunk)));
    child.stderr.on('data', (chunk) => (err += String(chunk)));
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    child.once('close', (code) => {
      resolve({ code: code ?? -1, out, err });
    });
  });
}

async function json<T>(args: readonly string[], options: Parameters<typeof run>[1] = {}): Promise<T> {
  const done = await run([...args, '--json'], options);
  expect(done).toMatchObject({ code: 0 });
  return JSON.parse(done.out) as T; // the command line's own output, looked at by the test
}

/** Gives what it printed until it was up. */
function serve(): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, 'serve', '--data', dir, '--config', config], { env: compiledCode(), stdio: ['ignore', 'pipe', 'pipe'] });
    service = child;
    let said = '';
    let err = '';
    child.stderr.on('data', (chunk) => (err += String(chunk)));
    child.once('exit', (code) => {
      reject(new Error(`serve ended with ${String(code)}: ${err}`));
    });
    child.stdout.on('data', (chunk) => {
      said += String(chunk);
      if (/postgres +\S+:\d+\n/.test(said))
        setTimeout(() => {
          resolve(said);
        }, 200);
    });
  });
}

async function stop(): Promise<void> {
  const child = service;
  if (child?.exitCode !== null) return;
  child.removeAllListeners('exit');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  await ended;
}

const status = (): { controlUrl: string; ports: Record<string, number>; processes: { name: string; pid: number; restarts: number; up: boolean }[] } =>
  JSON.parse(readFileSync(join(dir, 'status.json'), 'utf8')) as ReturnType<typeof status>;

async function connect(token: string): Promise<Client> {
  const client = new Client({
    host: '127.0.0.1',
    port: status().ports['postgres'],
    user: 'ci-runner',
    password: token,
    database: 'payments',
    ssl: { ca: readFileSync(join(dir, 'tls', 'ca.crt')), servername: 'localhost' },
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

function filesUnder(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

beforeAll(async () => {
  writeFileSync(
    config,
    JSON.stringify({ listeners: { control: { host: '127.0.0.1', port: 0 }, postgres: { host: '127.0.0.1', port: 0 }, web: { host: '127.0.0.1', port: 0 } } }),
  );
  const said = await serve();
  adminToken = /\n {2}(postern_\S+)\n/.exec(said)?.[1] ?? '';
  if (postgresBinaries() !== null) target = await startPostgres();
});

afterAll(async () => {
  await stop();
  await target?.stop();
  rmSync(home, { recursive: true, force: true });
});

describe('the service', () => {
  test('prints the first token once, keeps everything to its user, and runs once per directory', async () => {
    expect(adminToken).toMatch(/^postern_/);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    const open = filesUnder(dir)
      .filter((file) => (statSync(file).mode & 0o077) !== 0)
      .map((file) => file.slice(dir.length + 1));
    expect(open.filter((file) => !/\.crt$|^log\.vkey$|lock/.test(file) && !file.startsWith('audit/'))).toEqual([]);
    const second = await run(['serve', '--config', config]);
    expect(second).toMatchObject({ code: 1 });
    expect(second.err).toContain('ERR_CONFLICT: Another service is running');
    await expect.poll(async () => (await run(['status'])).code, { timeout: 30_000 }).toBe(0);
  });

  test('usage errors end with 2, refusals with 1, and both say what to do', async () => {
    expect((await run(['nonsense'])).code).toBe(2);
    expect((await run(['token', 'create'])).code).toBe(2);
    expect((await run(['--help'])).code).toBe(0);
    const missing = await run(['resource', 'show', 'nothing']);
    expect([missing.code, missing.err]).toEqual([1, expect.stringContaining('ERR_NOT_FOUND: There is no resource nothing.\nHint: ')]);
    const invalid = await run(['service-account', 'create', 'UPPER', '--owner', 'x', '--purpose', 'y']);
    expect([invalid.code, invalid.err]).toEqual([2, expect.stringContaining('name: lower-case')]);
    const nobody = await run(['resource', 'list'], { data: join(home, 'nowhere') });
    expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining('ERR_CONTROL_UNAVAILABLE')]);
  });
});

describe('administration from the command line', () => {
  test('service accounts, tokens, resources, policies and masking rules', async () => {
    await json(['service-account', 'create', 'ci-runner', '--owner', 'Jane Doe', '--purpose', 'nightly jobs', '--group', 'readers', '--group', 'migrators']);
    await json(['service-account', 'create', 'auditor', '--owner', 'Joe Doe', '--purpose', 'yearly audit']);
    callerToken = (await json<{ token: string }>(['token', 'create', 'ci-runner', '--expires', '1h'])).token;
    auditorToken = (await json<{ token: string }>(['token', 'create', 'auditor', '--expires', '1h', '--role', 'auditor'])).token;
    const added = await run(
      [
        'resource',
        'add',
        'payments',
        '--host',
        '127.0.0.1',
        '--port',
        String(target?.port ?? 1),
        '--database',
        'postgres',
        '--account',
        'postgres',
        '--tls',
        'disable',
      ],
      { input: `${targetPassword}\n` },
    );
    expect(added).toMatchObject({ code: 0 });
    expect((await run(['resource', 'add', 'payments', '--host', 'h', '--database', 'd', '--account', 'a'], { input: 'x' })).err).toContain('ERR_CONFLICT');
    expect(await json(['policy', 'put', starter])).toEqual({ version: expect.stringMatching(/^pol_/) as string });
    await json(['masking', 'add', 'payments', 'public.cards.pan', '--tag', 'pan']);
    expect(await json(['masking', 'list'])).toEqual([{ resource: 'payments', schema: 'public', table: 'cards', column: 'pan', tag: 'pan' }]);
    expect(await json(['service-account', 'disable', 'ci-runner'])).toMatchObject({ disabled: true });
    expect(await json(['service-account', 'enable', 'ci-runner'])).toMatchObject({ disabled: false, owner: 'Jane Doe', groups: ['readers', 'migrators'] });
  });

  test('a policy that is not valid is named with file, line and column, by the service and without it', async () => {
    const bad = mkdtempSync(join(home, 'policies-'));
    writeFileSync(join(bad, 'a.cedar'), 'permit (principal, action, resource);\n\npermit (principal, action == Action::"sql:selekt", resource);\n');
    const checked = await run(['policy', 'check', bad]);
    expect([checked.code, checked.out]).toEqual([1, expect.stringMatching(/^a\.cedar:3:\d+: /)]);
    const put = await run(['policy', 'put', bad]);
    expect([put.code, put.err]).toEqual([1, expect.stringMatching(/ERR_POLICY_INVALID[\s\S]*a\.cedar:3:\d+: /)]);
    expect((await run(['policy', 'check', starter])).code).toBe(0);
    expect((await run(['policy', 'test', starter])).code).toBe(0);
    const explained = await run(['policy', 'explain', '--principal', 'auditor', '--resource', 'payments']);
    expect([explained.code, explained.out]).toEqual([1, expect.stringContaining('no policy permits')]);
  });

  test('an auditor reads and changes nothing, a caller does neither, nobody less', async () => {
    expect((await run(['audit', 'search'], { token: auditorToken })).code).toBe(0);
    expect((await run(['token', 'list'], { token: auditorToken })).code).toBe(0);
    expect(await run(['service-account', 'disable', 'ci-runner'], { token: auditorToken })).toMatchObject({
      code: 1,
      err: expect.stringContaining('ERR_FORBIDDEN') as string,
    });
    expect(await run(['audit', 'search'], { token: callerToken })).toMatchObject({ code: 1, err: expect.stringContaining('ERR_FORBIDDEN') as string });
    expect(await run(['status'], { token: 'postern_forged_token' })).toMatchObject({ code: 1, err: expect.stringContaining('ERR_UNAUTHENTICATED') as string });
    const refused = await json<{ header: { code: string; error: string } }[]>(['audit', 'search', '--outcome', 'failure', '--limit', '3']);
    expect(refused.map(({ header }) => [header.code, header.error])).toEqual([
      ['authentication.failed', 'ERR_UNAUTHENTICATED'],
      ['control.denied', 'ERR_FORBIDDEN'],
      ['control.denied', 'ERR_FORBIDDEN'],
    ]);
  });

  test('no answer and no stored file holds the credential or a token', async () => {
    const answers = await Promise.all(
      [
        ['resource', 'show', 'payments'],
        ['token', 'list'],
        ['audit', 'search', '--limit', '1000'],
      ].map((args) => run([...args, '--json'])),
    );
    for (const secret of [targetPassword, callerToken, adminToken]) {
      expect(answers.filter(({ out }) => out.includes(secret))).toEqual([]);
      expect(filesUnder(dir).filter((file) => readFileSync(file).includes(secret))).toEqual([]);
    }
    const needles = join(home, 'needles');
    writeFileSync(needles, `${callerToken}\n${adminToken}\n`);
    const scanned = await run(['doctor', '--self-scan', '--needles', needles]);
    expect(scanned.out).toContain('none detected');
    writeFileSync(needles, 'Jane Doe\n');
    expect((await run(['doctor', '--self-scan', '--needles', needles])).out).toContain('given text');
  });

  test('the last administrator can neither be deleted, disabled nor revoked', async () => {
    for (const args of [
      ['service-account', 'delete', 'admin'],
      ['service-account', 'disable', 'admin'],
    ])
      expect((await run(args)).err).toContain('No administrator would remain.');
    const [own] = (await json<{ id: string; roles: string[] }[]>(['token', 'list'])).filter(({ roles }) => roles.includes('administrator'));
    expect((await run(['token', 'revoke', own?.id ?? ''])).err).toContain('No administrator would remain.');
  });
});

describe('sessions', () => {
  test('are listed while they live, recorded masked, replayed, and ended by kill and by revocation', async (context) => {
    if (target === null) skipBecause(context, 'no embedded PostgreSQL on this platform');
    expect((await run(['resource', 'test', 'payments'])).out).toContain('reached: Logged in as postgres');
    const explained = await run(['policy', 'explain', '--principal', 'auditor', '--resource', 'payments', '--statement', 'drop table cards']);
    expect([explained.code, explained.out]).toEqual([1, expect.stringContaining('refused  sql:ddl Table::')]);
    const client = await connect(callerToken);
    const { rows } = await client.query<{ shown: string }>(`select '${pan}'::text as shown`);
    expect(rows).toEqual([{ shown: '411111******1111' }]);
    const [live] = await json<{ id: string; state: string; principal: string; operations: number }[]>(['sessions', 'list', '--live']);
    expect(live).toMatchObject({ state: 'live', principal: 'ci-runner' });
    const id = live?.id ?? '';
    const ended = new Promise((resolve) => client.once('end', resolve));
    expect(await run(['sessions', 'kill', id, '--reason', 'exercise'])).toMatchObject({ code: 0 });
    await ended;
    await expect
      .poll(async () => (await json<{ state: string; recordingRoot: string | null }>(['sessions', 'show', id])).state, { timeout: 10_000 })
      .toBe('ended');
    const replay = await run(['sessions', 'replay', id], { token: auditorToken });
    expect(replay.out).toContain('411111******1111');
    expect(replay.out).not.toContain(pan);
    expect((await json<{ header: { reason?: string } }[]>(['audit', 'search', '--code', 'session.killed']))[0]?.header.reason).toBe('exercise');
    expect(await json<unknown[]>(['audit', 'search', '--code', 'recording.viewed'])).toHaveLength(1);
    const token = await json<{ id: string; token: string }>(['token', 'create', 'ci-runner', '--expires', '1h']);
    const revoked = await connect(token.token);
    const gone = new Promise((resolve) => revoked.once('end', resolve));
    await json(['token', 'revoke', token.id]);
    await gone;
    await expect(connect(token.token)).rejects.toThrow();
  });
});

describe('what survives', () => {
  test.each(['audit', 'control', 'gateway'])('kill -9 of %s: it comes back on the same addresses with the same state', async (name) => {
    const before = status();
    const process_ = before.processes.find((candidate) => candidate.name === name);
    process.kill(process_?.pid ?? 0, 'SIGKILL');
    await expect
      .poll(() => status().processes.find((candidate) => candidate.name === name), { timeout: 30_000 })
      .toMatchObject({ up: true, restarts: (process_?.restarts ?? 0) + 1 });
    expect([status().controlUrl, status().ports]).toEqual([before.controlUrl, before.ports]);
    await expect.poll(async () => (await run(['status'])).code, { timeout: 30_000 }).toBe(0);
    expect(await json(['service-account', 'show', 'ci-runner'])).toMatchObject({ owner: 'Jane Doe' });
    await json(['service-account', 'create', `after-${name}`, '--owner', 'Jane Doe', '--purpose', 'exercise']);
  });

  test('a state that was lost is made anew from the log, whole', async () => {
    const everything = (): Promise<unknown[]> =>
      Promise.all(
        [
          ['service-account', 'list'],
          ['token', 'list'],
          ['resource', 'list'],
          ['policy', 'get'],
          ['masking', 'list'],
        ].map((args) => json(args)),
      );
    await json(['vault', 'rotate']);
    await json(['vault', 'rotate', '--kek']);
    const before = await everything();
    await stop();
    rmSync(join(dir, 'state'), { recursive: true });
    expect(await serve()).not.toContain('postern_');
    expect(await everything()).toEqual(before);
    if (target !== null) expect((await run(['resource', 'test', 'payments'])).code).toBe(0);
  });

  test('the log verifies from its files; a copy with one changed byte does not', async () => {
    const checkpoint = join(home, 'checkpoint');
    const noted = await run(['audit', 'checkpoint']);
    writeFileSync(checkpoint, noted.out);
    await json(['service-account', 'create', 'later', '--owner', 'Jane Doe', '--purpose', 'exercise']);
    await stop();
    const key = readFileSync(join(dir, 'log.vkey'), 'utf8').trim();
    const good = await run(['audit', 'verify', '--key', key, '--checkpoint', checkpoint]);
    expect([good.code, good.err]).toEqual([0, '']);
    const copy = join(home, 'copy');
    cpSync(join(dir, 'audit'), copy, { recursive: true });
    const bundle = filesUnder(join(copy, 'tile', 'entries')).at(0) ?? '';
    expect(existsSync(bundle)).toBe(true);
    const bytes = readFileSync(bundle);
    bytes.writeUInt8(bytes.readUInt8(200) ^ 1, 200);
    writeFileSync(bundle, bytes);
    const bad = await run(['audit', 'verify', '--key', key, '--checkpoint', checkpoint, '--dir', copy]);
    expect([bad.code, bad.out]).toEqual([1, expect.stringMatching(/NOT verified[\s\S]*First bad record: event/)]);
  });
});

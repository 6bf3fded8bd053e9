import { createHash, createPublicKey, hash, randomBytes, verify, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RequestView } from '../contract/api-approvals.ts';
import { SignedDecision } from '../contract/approval-request.ts';
import type { User } from '../contract/user.ts';
import { ensureServerTls } from '../control/certificates.ts';
import type { VerifyEd25519 } from '../proof/bytes.ts';
import { decisionBytes, enrolmentBytes, holds, signInBytes } from '../proof/decision.ts';
import { runCli } from './index.ts';
import type { Io } from './output.ts';

/** A service that behaves, or misbehaves as a test wants: the command line must not trust it. */
interface Odd {
  /** what it answers to a decision */
  decided?: (request: RequestView) => RequestView;
  /** breaks the connection after enrolling */
  breaksAfterEnrol?: boolean;
}

const service = 'postern.test/log';
const secret = 'oneTimeCodeOfThisTest';
const later = new Date(Date.now() + 600_000).toISOString();
const created = new Date().toISOString();
const verifyEd25519: VerifyEd25519 = (publicKey, message, signature) =>
  verify(null, message, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') }, format: 'jwk' }), signature);

let directory: string;
let server: Server;
let url: string;
let ca: string;
let user: User;
let request: RequestView;
let odd: Odd;
let calls: { path: string; headers: IncomingMessage['headers']; body: Record<string, unknown> }[];
let streams: string[];

async function body(incoming: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of incoming) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

async function answer(path: string, given: Record<string, unknown>): Promise<unknown> {
  if (path === '/v1/enrolments') {
    const publicKey = text(given['publicKey']);
    const bytes = enrolmentBytes(hash('sha256', secret, 'base64url'), publicKey);
    expect(given['code']).toBe(secret);
    expect(await holds(verifyEd25519, { publicKey, bytes, signature: text(given['proof']) })).toBe(true);
    user = { ...user, key: { id: 'key_a', algorithm: 'ed25519', publicKey, enrolledAt: created } };
    return user;
  }
  if (path === '/v1/sign-in') {
    const bytes = signInBytes({ service, user: text(given['user']), at: text(given['at']), nonce: text(given['nonce']) });
    expect(await holds(verifyEd25519, { publicKey: user.key?.publicKey ?? '', bytes, signature: text(given['signature']) })).toBe(true);
    return { token: 'pau_token', expiresAt: later, user };
  }
  if (path.endsWith('/decisions')) {
    const decision = SignedDecision.parse(given['decision']);
    const { verdict, approver, human, reason, seconds, at, signature } = decision;
    const bytes = decisionBytes({ request: request.canonical, verdict, approver, human, reason, seconds, at });
    expect(await holds(verifyEd25519, { publicKey: user.key?.publicKey ?? '', bytes, signature: signature.signature })).toBe(true);
    const decided: RequestView = { ...request, status: verdict === 'approve' ? 'approved' : 'denied', decisions: [decision] };
    return odd.decided?.(decided) ?? decided;
  }
  if (path.startsWith('/v1/approval-requests/')) {
    const history = { approved: 0, denied: 0, withdrawn: 0, expired: 0 };
    return { request, because: [], history, requester: null, others: [], rowEstimate: null, may: { decide: true, why: '' } };
  }
  return { items: [], next: null };
}

async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (incoming.url ?? '').split('?')[0] ?? '';
  const given = await body(incoming);
  calls.push({ path, headers: incoming.headers, body: given });
  if (path.endsWith('/watch')) {
    const next = streams.shift();
    if (next === undefined) {
      response.writeHead(403).end(JSON.stringify({ error: { code: 'ERR_FORBIDDEN', message: 'over', hint: '' } }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(next, () => response.destroy());
    return;
  }
  const value = await answer(path, given);
  if (path === '/v1/enrolments' && odd.breaksAfterEnrol === true) response.destroy();
  else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-approver-'));
  const tls = await ensureServerTls(join(directory, 'tls'), ['127.0.0.1', 'localhost']);
  ca = tls.ca;
  server = createServer({ key: tls.key, cert: tls.cert }, (incoming, response) => {
    serve(incoming, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  await writeFile(join(directory, 'passphrase'), 'correct horse\n');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  odd = {};
  calls = [];
  streams = [];
  user = { id: 'usr_a', name: 'ann', human: 'ann@example.com', groups: ['dba'], roles: [], disabled: false, createdAt: created, key: null };
  request = requestOf('delete from public.cards');
  await rm(join(directory, 'config'), { recursive: true, force: true });
});

function requestOf(command: string): RequestView {
  const subject = {
    kind: 'operation' as const,
    resource: 'payments',
    account: 'app',
    database: 'payments',
    searchPath: 'public',
    origin: '10.0.0.7',
    session: 'ses_a',
    command,
    hidden: [],
    digest: 'd'.repeat(43),
    acts: ['sql:delete public.cards'],
  };
  const canonical: RequestView['canonical'] = {
    v: 1,
    id: 'req_a',
    principal: { issuer: 'postern', subject: 'svc_a', name: 'ci', credential: 'tok_a' },
    subject,
    terms: { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 600, risk: 'high', ownerDecides: false },
    policies: [],
    policyVersion: 'v1',
    createdAt: created,
    expiresAt: later,
    nonce: 'n'.repeat(43),
    checkpoint: '',
  };
  return { id: 'req_a', status: 'pending', canonical, reason: '', ticket: '', barred: [], gateway: 'gwy_a', decisions: [], closedAt: null, closedReason: null };
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** `typed`: what the person at the terminal answers; without it there is none. */
async function run(argv: readonly string[], typed?: readonly string[]): Promise<Ran> {
  let out = '';
  let err = '';
  const answers = [...(typed ?? [])];
  const stdin = Object.assign(new PassThrough(), { isTTY: typed !== undefined, setRawMode: () => stdin }) as unknown as Io['stdin'] & PassThrough;
  const io: Io = {
    out: (part) => (out += part),
    err: (part) => {
      err += part;
      const next = /(: |\] )$/.test(part) ? answers.shift() : undefined;
      if (next !== undefined) setImmediate(() => stdin.write(`${next}\n`));
    },
    stdin,
    isTerminal: typed !== undefined,
  };
  const code = await runCli([...argv], io, { XDG_CONFIG_HOME: join(directory, 'config') });
  return { code, out, err };
}

function enrolmentCode(fingerprint: string): string {
  return `postern-enrol:${Buffer.from(JSON.stringify({ url, ca: fingerprint, service, user: 'ann', code: secret })).toString('base64url')}`;
}

const fingerprint = (): string => createHash('sha256').update(new X509Certificate(ca).raw).digest('hex');
const keyFile = (): string => join(directory, 'config', 'postern', 'approver.json');
const withPassphrase = (): string[] => ['--passphrase-file', join(directory, 'passphrase')];
const enrol = (...more: string[]): Promise<Ran> => run(['enrol', enrolmentCode(fingerprint()), ...more]);

describe('enrolment', () => {
  test('makes a key, proves it, pins the CA and keeps it locked', async () => {
    expect(await enrol(...withPassphrase())).toMatchObject({ code: 0, err: '' });
    const kept = JSON.parse(await readFile(keyFile(), 'utf8')) as Record<string, unknown>;
    expect(kept).toMatchObject({
      url,
      service,
      user: 'ann',
      userId: 'usr_a',
      keyId: 'key_a',
      publicKey: user.key?.publicKey,
      key: { type: 'scrypt-aes-256-gcm', n: 32_768 },
    });
    expect(new X509Certificate(text(kept['caPem'])).fingerprint256).toBe(new X509Certificate(ca).fingerprint256);
  });

  test('asks for the passphrase twice; different or empty ones spend no code', async () => {
    const code = enrolmentCode(fingerprint());
    expect(await run(['enrol', code], ['one', 'other'])).toMatchObject({ code: 2 });
    expect(await run(['enrol', code], [''])).toMatchObject({ code: 2 });
    expect(await run(['enrol', code])).toMatchObject({ code: 2 });
    expect(calls).toEqual([]);
    const { code: exit, out, err } = await run(['enrol', code], ['corrrect\u007f\u007f\u007f\u007fect horse', 'correct horse']);
    expect({ exit, err: err.includes('correct') }).toEqual({ exit: 0, err: false });
    expect(out).toContain('Enrolled ann');
  });

  test('another CA than that of the code is refused, and nothing is sent or kept', async () => {
    const leaf = createHash('sha256').update(randomBytes(32)).digest('hex');
    const { code, err } = await run(['enrol', enrolmentCode(leaf), '--no-passphrase']);
    expect(code).toBe(1);
    expect(err).toContain('ERR_VERIFICATION_FAILED');
    expect(calls).toEqual([]);
    await expect(stat(keyFile())).rejects.toThrow('ENOENT');
  });

  test("the server's own certificate is no authority", async () => {
    const own = new X509Certificate(await readFile(join(directory, 'tls', 'server.crt')));
    const { code, err } = await run(['enrol', enrolmentCode(createHash('sha256').update(own.raw).digest('hex')), '--no-passphrase']);
    expect({ code, refused: err.includes('ERR_VERIFICATION_FAILED'), calls }).toEqual({ code: 1, refused: true, calls: [] });
  });

  test('a key is replaced only when that is asked for', async () => {
    await enrol('--no-passphrase');
    const before = await readFile(keyFile(), 'utf8');
    calls = [];
    expect(await enrol('--no-passphrase')).toMatchObject({ code: 1 });
    expect(calls).toEqual([]);
    expect(await readFile(keyFile(), 'utf8')).toBe(before);
    expect(await enrol('--no-passphrase', '--replace')).toMatchObject({ code: 0 });
    expect(await readFile(keyFile(), 'utf8')).not.toBe(before);
  });

  test('a lost answer does not lose the key', async () => {
    odd = { breaksAfterEnrol: true };
    expect(await enrol('--no-passphrase')).toMatchObject({ code: 0 });
    expect(await readFile(keyFile(), 'utf8')).toContain(user.key?.publicKey);
  });
});

describe('deciding', () => {
  beforeEach(async () => {
    await enrol(...withPassphrase());
    calls = [];
  });
  const approve = ['requests', 'approve', 'req_a', '--reason', 'looked at it'];
  const decisions = (): number => calls.filter(({ path }) => path.endsWith('/decisions')).length;

  test('shows the whole request, then signs it; a high risk signs in anew', async () => {
    const { code, out } = await run([...approve, '--yes', ...withPassphrase()]);
    expect(code).toBe(0);
    expect(out.indexOf('│ delete from public.cards')).toBeGreaterThan(0);
    expect(out).toContain('Approved.');
    expect(calls.map(({ path }) => path)).toEqual(['/v1/sign-in', '/v1/approval-requests/req_a', '/v1/sign-in', '/v1/approval-requests/req_a/decisions']);
    expect(calls.at(-1)?.headers.authorization).toBe('Bearer pau_token');
    expect(calls[0]?.body['nonce']).not.toBe(calls[2]?.body['nonce']);
  });

  test('at a terminal it asks, and only a yes is a yes', async () => {
    for (const [typed, exit] of [
      ['n', 1],
      ['', 1],
      ['yeah', 1],
      ['Y', 0],
    ] as const) {
      calls = [];
      expect({ typed, exit: (await run(approve, ['correct horse', typed])).code }).toEqual({ typed, exit });
      expect(decisions()).toBe(exit === 0 ? 1 : 0);
    }
    expect((await run(approve, ['wrong horse', 'y'])).err).toContain('ERR_UNAUTHENTICATED');
  });

  test('without a terminal nothing is signed unasked', async () => {
    const { code, err } = await run([...approve, ...withPassphrase()]);
    expect({ code, decisions: decisions() }).toEqual({ code: 2, decisions: 0 });
    expect(err).toContain('--yes');
  });

  test('with --json standard output is the answer alone, and a person has still seen the request', async () => {
    const { out, err } = await run(['--json', 'requests', 'deny', 'req_a', '--reason', 'no ticket', '--yes', ...withPassphrase()]);
    expect(JSON.parse(out)).toMatchObject({ status: 'denied' });
    expect(err).toContain('│ delete from public.cards');
  });

  test('a command that nobody reads on a terminal wants --yes, and is shown whole before', async () => {
    request = requestOf(`select ${'x'.repeat(20_001)}`);
    const first = await run([...approve, ...withPassphrase()], ['y']);
    expect(first.code).toBe(1);
    expect(first.out.match(/x/g)?.length).toBeGreaterThan(20_000);
    expect(decisions()).toBe(0);
    expect(await run([...approve, '--yes', ...withPassphrase()], [])).toMatchObject({ code: 0 });
  });

  test('an access can be shortened, never lengthened, and the length is signed', async () => {
    const shorten = (duration: string) => run([...approve, '--for', duration, '--yes', ...withPassphrase()]);
    expect([await shorten('5m'), decisions()]).toMatchObject([{ code: 2 }, 0]);
    request = { ...request, canonical: { ...request.canonical, subject: { kind: 'access', joins: 'dba', seconds: 3_600 } } };
    for (const duration of ['61m', '59s', '1h30']) expect([duration, (await shorten(duration)).code, decisions()]).toEqual([duration, 2, 0]);
    expect(await shorten('5m')).toMatchObject({ code: 0 });
    expect(calls.at(-1)?.body['decision']).toMatchObject({ verdict: 'approve', seconds: 300 });
    expect((await run(['requests', 'deny', 'req_a', '--for', '5m', '--reason', 'no', '--yes', ...withPassphrase()])).code).toBe(2);
  });

  test('an answer about another request, or without the signature, is a fault', async () => {
    for (const decided of [
      (one: RequestView): RequestView => ({ ...one, canonical: { ...one.canonical, nonce: 'm'.repeat(43) } }),
      (one: RequestView): RequestView => ({ ...one, decisions: [] }),
    ]) {
      odd = { decided };
      const { code, err } = await run([...approve, '--yes', ...withPassphrase()]);
      expect(code).toBe(1);
      expect(err).toContain('ERR_VERIFICATION_FAILED');
    }
  });

  test('a request other than the one asked for is not signed', async () => {
    request = { ...request, canonical: { ...request.canonical, id: 'req_b' } };
    expect((await run([...approve, ...withPassphrase()])).err).toContain('ERR_VERIFICATION_FAILED');
    expect(decisions()).toBe(0);
  });

  test('another key in force is told, not used', async () => {
    user = { ...user, key: user.key && { ...user.key, id: 'key_b' } };
    expect((await run([...approve, ...withPassphrase()])).err).toContain('Another key');
    expect(decisions()).toBe(0);
  });

  test('lists and shows sign in with the key, unless a token was named', async () => {
    await writeFile(join(directory, 'token'), 'postern_token');
    const token = ['--token-file', join(directory, 'token'), '--url', url, '--ca', join(directory, 'tls', 'ca.crt')];
    for (const [argv, bearer] of [
      [['requests', '--status', 'pending', ...withPassphrase()], 'pau_token'],
      [['requests', 'show', 'req_a', ...withPassphrase()], 'pau_token'],
      [['access', 'list', '--live', ...withPassphrase()], 'pau_token'],
      [['requests', 'list', ...token], 'postern_token'],
    ] as const) {
      expect(await run(argv)).toMatchObject({ code: 0, err: '' });
      expect(calls.at(-1)?.headers.authorization).toBe(`Bearer ${bearer}`);
    }
    expect(calls.filter(({ path }) => path === '/v1/sign-in')).toHaveLength(3);
  });

  test('watching goes on behind the last event, with a new sign-in', async () => {
    const event = (id: number): string => `: beat\nid: ${String(id)}\ndata: ${JSON.stringify({ id, request })}\n\n`;
    streams = [event(7) + event(8), event(8) + event(9)];
    const { code, out, err } = await run(['--json', 'requests', 'watch', ...withPassphrase()]);
    expect(code).toBe(1);
    expect(err).toContain('ERR_FORBIDDEN');
    const ids = out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: number }).id);
    expect(ids).toEqual([7, 8, 9]);
    const watched = calls.filter(({ path }) => path.endsWith('/watch'));
    expect(watched.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '8', '9']);
    expect(calls.filter(({ path }) => path === '/v1/sign-in')).toHaveLength(3);
  });
});

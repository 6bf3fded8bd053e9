import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalRequest, ApprovalTerms, RequestDraft, SignedDecision } from '../contract/approval-request.ts';
import type { EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import type { ServiceAccount } from '../contract/principal.ts';
import type { User } from '../contract/user.ts';
import { canonicalJson, type Canonical } from '../proof/canonical.ts';
import { decisionBytes } from '../proof/decision.ts';
import { positionOf } from '../store/position.ts';
import type { StateCode } from '../store/reduce.ts';
import { openState, type State } from '../store/state.ts';
import type { Announced, Told } from './committing.ts';
import { RequestBook } from './request-book.ts';

const start = Date.UTC(2026, 0, 1);
const gateway = 'gateway-a';
let directory: string;
let state: State;
let now: number;
let size: number;
let told: string[];
let events: EventCode[];
let broken: EventCode | null;
let book: RequestBook;
let keys: Map<string, KeyObject>;

const iso = (at: number): string => new Date(at).toISOString();

/** What Changes does: the event, then the state. */
function commit(code: EventCode, { value }: Pick<Announced, 'value'>): Promise<void> {
  const body = canonicalJson(value as Canonical);
  if (code === broken) return Promise.reject(fail('ERR_AUDIT_UNAVAILABLE'));
  state.check(code as StateCode, JSON.parse(body));
  events.push(code);
  state.applyEvent(positionOf(size++), { code, body });
  return Promise.resolve();
}
let last: Promise<unknown> = Promise.resolve();
const exclusive = <T>(work: (run: typeof commit) => Promise<T>): Promise<T> => {
  const done = last.then(() => work(commit));
  last = done.catch(() => undefined);
  return done;
};
const itself = { exclusive, commit };

function open(): void {
  book = new RequestBook({
    clock: { now: () => now },
    state: state.read,
    snapshot: () => state.snapshot(),
    checkpoint: () => Promise.resolve('postern.example/office 7 cm9vdA=='),
    itself,
    changed: (what) => told.push(wordOf(what)),
    log: (line) => told.push(line),
  });
}

function wordOf(what: Told): string {
  return 'request' in what ? `${what.request.id} ${what.request.status}` : `${what.code} ${what.grant.group}`;
}

const account: ServiceAccount = {
  id: 'svc_ci',
  name: 'ci-runner',
  owner: 'Owner@example.com',
  purpose: 'nightly jobs',
  groups: [],
  disabled: false,
  createdAt: iso(start),
  scramSalt: 'c2FsdA==',
};

async function addPerson(name: string, human = name): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  keys.set(`usr_${name}`, privateKey);
  const user: User = { id: `usr_${name}`, name, human, groups: ['dba'], roles: [], disabled: false, createdAt: iso(start), key: null };
  const invitation = {
    id: `inv_${name}`,
    user: user.id,
    hash: 'h'.repeat(43),
    createdAt: iso(start),
    expiresAt: iso(start),
    invitedBy: 'admin',
    replaces: false,
    confirmedBy: null,
    usedAt: null,
  };
  const key = { id: `key_${name}`, algorithm: 'ed25519', publicKey: publicKey.export({ format: 'jwk' }).x ?? '', enrolledAt: iso(start) } as const;
  await commit('user.created', { value: user });
  await commit('invitation.created', { value: invitation });
  await commit('approver-key.enrolled', { value: { user: { ...user, key }, invitation: { ...invitation, usedAt: iso(start) } } });
}

function draft(id: string, more: Partial<ApprovalTerms> = {}, subject?: RequestDraft['subject']): RequestDraft {
  return {
    id,
    principal: { issuer: 'postern', subject: 'svc_ci', name: 'ci-runner', credential: 'tok_a' },
    subject: subject ?? {
      kind: 'operation',
      resource: 'payments',
      account: 'app',
      database: 'shop',
      searchPath: 'public',
      origin: '127.0.0.1',
      session: 'ses_abc',
      command: 'delete from cards',
      hidden: [],
      digest: 'd'.repeat(43),
      acts: ['sql:delete cards'],
    },
    terms: { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 60, risk: 'normal', ownerDecides: false, ...more },
    policies: ['ask'],
    policyVersion: 'pol_a',
  };
}
const access = { kind: 'access', joins: 'migrators', seconds: 600 } as const;
const ask = (id: string, more: Partial<ApprovalTerms> = {}, subject?: RequestDraft['subject']): Promise<ApprovalRequest> =>
  book.create(draft(id, more, subject), { gateway: subject?.kind === 'access' ? 'control' : gateway, reason: 'because', ticket: '' }, itself);

function decision({ canonical }: ApprovalRequest, name: string, more: Partial<SignedDecision> = {}): SignedDecision {
  const said = { verdict: 'approve' as const, approver: `usr_${name}`, human: name, reason: 'fine', seconds: undefined, at: iso(now), ...more };
  const key = keys.get(`usr_${name}`);
  if (key === undefined) throw new Error(`no key of ${name}`);
  const { verdict, approver, human, reason, seconds, at } = said;
  const signature = sign(null, decisionBytes({ request: canonical, verdict, approver, human, reason, seconds, at }), key).toString('base64url');
  const shorter = seconds !== undefined && { seconds };
  return { request: canonical.id, verdict, approver, human, reason, ...shorter, at, signature: { type: 'ed25519', key: `key_${name}`, signature } };
}
const say = (text: SignedDecision, signedInAt = now): Promise<ApprovalRequest> => book.decide(text, { exclusive, signedInAt });
const statusOf = (id: string): string | undefined => state.read.requests.find(id)?.status;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'postern-book-'));
  now = start;
  size = 0;
  told = [];
  events = [];
  broken = null;
  keys = new Map();
  state = openState(join(directory, 'state.db'), { now: () => now });
  await commit('service-account.created', { value: account });
  for (const name of ['ann', 'bob']) await addPerson(name);
  await addPerson('owner', 'owner@example.com');
  events = [];
  open();
});
afterEach(() => {
  book.close();
  state.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('a request', () => {
  it('is bound to its times, a nonce and the newest checkpoint, and bars the owner unless policy lets them', async () => {
    const made = await ask('req_a');
    expect(made).toMatchObject({ status: 'pending', barred: ['Owner@example.com'], gateway, decisions: [] });
    expect(made.canonical).toMatchObject({ createdAt: iso(start), expiresAt: iso(start + 60_000), checkpoint: 'postern.example/office 7 cm9vdA==' });
    expect(made.canonical.nonce).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect((await ask('req_b')).canonical.nonce).not.toBe(made.canonical.nonce);
    await expect(ask('req_a')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    const text = { human: 'owner@example.com' };
    await expect(say(decision(made, 'owner', text))).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    expect((await say(decision(await ask('req_c', { ownerDecides: true }), 'owner', text))).status).toBe('approved');
  });

  it('is approved by as many as it asks for, used once by its gateway, and each step is told', async () => {
    const made = await ask('req_a', { needed: 2 });
    expect((await say(decision(made, 'ann'))).status).toBe('pending');
    await expect(say(decision(made, 'ann'))).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await expect(book.use('req_a', gateway)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    expect((await say(decision(made, 'bob'))).status).toBe('approved');
    await expect(book.use('req_a', 'gateway-b')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    const uses = await Promise.allSettled([book.use('req_a', gateway), book.use('req_a', gateway)]);
    expect(uses.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(events.map((code) => code.replace('approval-request.', ''))).toEqual(['created', 'decided', 'approved', 'used']);
    expect(told).toEqual(['req_a pending', 'req_a pending', 'req_a approved', 'req_a used']);
  });

  it('counts no signature of another text, key or request', async () => {
    const [made, other] = [await ask('req_a'), await ask('req_b')];
    const good = decision(made, 'ann');
    const unsigned = { code: 'ERR_VERIFICATION_FAILED' };
    await expect(say({ ...good, reason: 'other' })).rejects.toMatchObject(unsigned);
    await expect(say({ ...good, verdict: 'deny' })).rejects.toMatchObject(unsigned);
    await expect(say({ ...decision(other, 'ann'), request: 'req_a' })).rejects.toMatchObject(unsigned);
    await expect(
      say({ ...decision(made, 'bob'), approver: 'usr_ann', human: 'ann', signature: { ...decision(made, 'bob').signature, key: 'key_ann' } }),
    ).rejects.toMatchObject(unsigned);
    await expect(say({ ...good, request: 'req_none' })).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    expect([statusOf('req_a'), events.length]).toEqual(['pending', 2]);
    expect((await say(good)).status).toBe('approved');
  });

  it('of high risk needs a sign-in of the last two minutes', async () => {
    const made = await ask('req_a', { risk: 'high' });
    await expect(say(decision(made, 'ann'), now - 120_000)).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    expect((await say(decision(made, 'ann'), now - 119_999)).status).toBe('approved');
  });

  it('changes nothing when the log cannot be written', async () => {
    const made = await ask('req_a');
    broken = 'approval-request.approved';
    await expect(say(decision(made, 'ann'))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
    expect([statusOf('req_a'), told.length]).toEqual(['pending', 1]);
    broken = null;
    await say(decision(made, 'ann'));
    broken = 'approval-request.used';
    await expect(book.use('req_a', gateway)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
    broken = null;
    await expect(book.use('req_a', gateway)).resolves.toBeUndefined();
  });

  it('waits for at most a hundred of one principal', async () => {
    for (let count = 0; count < 100; count++) await ask(`req_${'abcdefghij'.charAt(count % 10)}${'klmnopqrst'.charAt(count / 10)}`);
    await expect(ask('req_more')).rejects.toMatchObject({ code: 'ERR_TOO_MANY_CONNECTIONS' });
  });
});

describe('the end', () => {
  it('comes by itself when the time is over, for pending and approved ones', async () => {
    await ask('req_a', { expiresInSeconds: 10 });
    await say(decision(await ask('req_b', { expiresInSeconds: 10 }), 'ann'));
    now += 9_999;
    await book.expireDue();
    expect([statusOf('req_a'), statusOf('req_b')]).toEqual(['pending', 'approved']);
    now += 1;
    await expect(book.use('req_b', gateway)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await book.expireDue();
    expect([statusOf('req_a'), statusOf('req_b')]).toEqual(['expired', 'expired']);
  });

  it('is kept by a timer', async () => {
    await ask('req_a', { expiresInSeconds: 10 });
    now += 10_000;
    await ask('req_b');
    await expect.poll(() => statusOf('req_a')).toBe('expired');
    expect(statusOf('req_b')).toBe('pending');
  });

  it('of operations comes with a restart; accesses go on', async () => {
    await ask('req_a');
    await say(decision(await ask('req_b'), 'ann'));
    const waiting = await ask('req_c', { expiresInSeconds: 600 }, access);
    await ask('req_d', { expiresInSeconds: 10 });
    now += 10_000;
    open();
    await book.start();
    expect(['req_a', 'req_b', 'req_c', 'req_d'].map(statusOf)).toEqual(['withdrawn', 'withdrawn', 'pending', 'expired']);
    expect(state.read.requests.find('req_a')?.closedReason).toBe('The service was restarted.');
    expect((await say(decision(waiting, 'ann'))).status).toBe('used');
  });

  it('is also a withdrawal, once', async () => {
    await ask('req_a');
    expect(await book.withdraw('req_a', 'cancelled')).toMatchObject({ status: 'withdrawn', closedReason: 'cancelled', closedAt: iso(now) });
    await expect(book.withdraw('req_a', 'cancelled')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await expect(book.withdraw('req_none', 'cancelled')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
});

describe('an approved access', () => {
  it('lasts as long as the shortest approval says', async () => {
    const made = await ask('req_a', { needed: 2 }, access);
    await expect(say(decision(made, 'ann', { seconds: 601 }))).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    await expect(say({ ...decision(made, 'ann'), seconds: 300 })).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
    await say(decision(made, 'ann', { seconds: 300 }));
    await say(decision(made, 'bob'));
    expect(state.read.grants.ofRequest('req_a')).toMatchObject({ createdAt: iso(now), expiresAt: iso(now + 300_000) });
    await expect(say(decision(await ask('req_b'), 'ann', { seconds: 60 }))).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
  });

  it('is used at once and grants the group for its time', async () => {
    now += 5_000;
    const used = await say(decision(await ask('req_a', {}, access), 'ann'));
    expect(used.status).toBe('used');
    expect(state.read.grants.all()).toMatchObject([
      {
        principal: 'svc_ci',
        principalName: 'ci-runner',
        group: 'migrators',
        request: 'req_a',
        createdAt: iso(now),
        expiresAt: iso(now + 600_000),
        revokedAt: null,
      },
    ]);
    expect(told.slice(-3)).toEqual(['req_a approved', 'req_a used', 'grant.created migrators']);
    await expect(book.use('req_a', 'control')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it.each(['approval-request.used', 'grant.created'] as const)('that was lost at %s begins after a restart, once', async (step) => {
    const made = await ask('req_a', {}, access);
    broken = step;
    expect((await say(decision(made, 'ann'))).status).toBe('approved');
    expect(state.read.grants.all()).toEqual([]);
    broken = null;
    open();
    await book.start();
    await book.start();
    expect(state.read.grants.all()).toMatchObject([{ request: 'req_a' }]);
    expect(statusOf('req_a')).toBe('used');
  });

  it('gives nothing to a service account that was disabled meanwhile', async () => {
    const made = await ask('req_a', {}, access);
    await commit('service-account.updated', { value: { ...account, disabled: true } });
    expect((await say(decision(made, 'ann'))).status).toBe('withdrawn');
    expect(state.read.grants.all()).toEqual([]);
  });
});

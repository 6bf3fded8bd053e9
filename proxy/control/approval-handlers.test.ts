import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RequestBook } from '../approval/request-book.ts';
import { SignIns } from '../approval/sign-in.ts';
import { RequestDetails } from '../contract/api-approvals.ts';
import type { Role } from '../contract/api-route.ts';
import type { ApprovalRequest, ApprovalTerms } from '../contract/approval-request.ts';
import type { EventCode, EventHeader } from '../contract/audit-event.ts';
import { maskText } from '../masking/text.ts';
import { decisionBytes, enrolmentBytes, signInBytes } from '../proof/decision.ts';
import { positionOf } from '../store/position.ts';
import { openState, type State } from '../store/state.ts';
import { Changes } from './changes.ts';
import type { Commit, ControlCaller, EventFields } from './context.ts';
import { accessHandlers } from './handlers/access.ts';
import { accountHandlers } from './handlers/account.ts';
import { requestHandlers } from './handlers/requests.ts';
import { userHandlers } from './handlers/users.ts';
import type { ControlPorts } from './ports.ts';

const service = 'postern.example/office';
const pan = '4111111111111111';
let directory: string;
let state: State;
let changes: Changes;
let events: EventHeader[];
let now: number;
let permitted: boolean;
let book: RequestBook;
let signIns: SignIns;
let handlers: ReturnType<typeof userHandlers> & ReturnType<typeof requestHandlers> & ReturnType<typeof accessHandlers> & ReturnType<typeof accountHandlers>;
let restarted: string[];

const itself = { actor: { issuer: 'postern', subject: 'control', name: 'control', kind: 'service', credential: 'none' }, origin: 'control' } as const;
const terms: ApprovalTerms = { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 600, risk: 'normal', ownerDecides: false };

function caller(name: string, roles: readonly Role[], more: Partial<ControlCaller> = {}): ControlCaller {
  const subject = roles.includes('approver') ? (state.read.users.named(name)?.id ?? 'usr_none') : `svc_${name}`;
  return { actor: { issuer: 'postern', subject, name, kind: 'administrator', credential: 'tok_a' }, roles, revoked: () => null, ...more };
}

/** What dispatch gives a handler; every event may be made here. */
function as(who: ControlCaller) {
  const acting = { actor: who.actor, origin: '127.0.0.1' };
  const commit: Commit<EventCode> = (code, change) => changes.commit(code, acting, change);
  return {
    caller: who,
    origin: '127.0.0.1',
    signal: AbortSignal.timeout(5_000),
    record: (code: EventCode, fields: EventFields) => changes.record(code, acting, fields),
    exclusive: <T>(work: (run: Commit<EventCode>) => Promise<T>) => changes.exclusive(() => work(commit)),
  };
}
const admin = () => as(caller('admin', ['administrator', 'caller']));
const second = () => as(caller('second', ['administrator']));
const nobody = () => as({ ...caller('none', []), actor: { issuer: 'none', subject: 'none', name: 'none', kind: 'unknown', credential: 'none' } });

interface Person {
  readonly privateKey: KeyObject;
  readonly publicKey: string;
}

function newKey(): Person {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { privateKey, publicKey: publicKey.export({ format: 'jwk' }).x ?? '' };
}

const codeOf = (shown: string): string => (JSON.parse(Buffer.from(shown.replace('postern-enrol:', ''), 'base64url').toString()) as { code: string }).code; // made by the handler under test

async function enrol(code: string, key: Person, more: { proof?: string } = {}) {
  const bytes = enrolmentBytes(createHash('sha256').update(code).digest('base64url'), key.publicKey);
  return handlers.enrol({ code, publicKey: key.publicKey, proof: more.proof ?? sign(null, bytes, key.privateKey).toString('base64url') }, nobody());
}

async function addApprover(name: string, groups = ['dba'], by = admin()): Promise<Person> {
  await handlers.createUser({ name, human: `${name}@example.com`, groups, roles: [] }, by);
  const key = newKey();
  await enrol(codeOf((await handlers.inviteUser({ name, expiresInSeconds: 600 }, by)).code), key);
  return key;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'postern-handlers-'));
  now = Date.UTC(2026, 0, 1);
  events = [];
  restarted = [];
  permitted = true;
  const clock = { now: () => now };
  state = openState(join(directory, 'state.db'), clock);
  changes = new Changes({
    clock,
    state,
    log: { record: (header) => Promise.resolve(positionOf(events.push(header))) },
    resync: () => Promise.resolve(),
    changed: () => undefined,
  });
  const commit: Commit<EventCode> = (code, change) => changes.commit(code, itself, change);
  book = new RequestBook({
    clock,
    state: state.read,
    snapshot: () => state.snapshot(),
    checkpoint: () => Promise.resolve(''),
    itself: { commit, exclusive: (work) => changes.exclusive(() => work(commit)) },
    changed: () => undefined,
    log: () => undefined,
  });
  signIns = new SignIns({ clock, service, users: state.read.users });
  const ports = {
    clock,
    state: { snapshot: () => state.snapshot(), secretVersion: () => 0 },
    read: state.read,
    requests: book,
    signIns,
    tell: () => undefined,
    mask: maskText,
    nextRequestChange: () => new Promise<void>((resolve) => setTimeout(resolve, 5)),
    version: '1.2.3',
    restart: (part: string) => {
      restarted.push(part);
    },
    enrolment: () => ({ url: 'https://localhost:8443', ca: 'c'.repeat(64), service }),
    access: {
      request: () => ({ permitted, terms, policies: ['ask'], policyVersion: 'v', message: 'not for you' }),
      breakGlass: () => ({ permitted, policies: ['glass'], message: 'not for you' }),
    },
  } satisfies Partial<ControlPorts>;
  handlers = { ...userHandlers(ports), ...requestHandlers(ports), ...accessHandlers(ports), ...accountHandlers(ports) };
  const account = {
    owner: 'owner@example.com',
    purpose: 'nightly jobs',
    groups: [],
    disabled: false,
    createdAt: new Date(now - 1_000).toISOString(),
    scramSalt: 'c2FsdA==',
  };
  for (const name of ['admin', 'second', 'ci', 'other'])
    await changes.commit('service-account.created', itself, {
      affected: name,
      value: { ...account, id: `svc_${name}`, name, owner: name === 'second' ? 'somebody else' : account.owner },
    });
});
afterEach(() => {
  book.close();
  state.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('users and keys', () => {
  test('a code enrols one key, once, in time, for who holds it', async () => {
    await handlers.createUser({ name: 'ann', human: 'ann@example.com', groups: [], roles: [] }, admin());
    await expect(handlers.createUser({ name: 'ann', human: 'bob@example.com', groups: [], roles: [] }, admin())).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
    });
    await expect(handlers.createUser({ name: 'ci', human: 'bob@example.com', groups: [], roles: [] }, admin())).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    const made = await handlers.inviteUser({ name: 'ann', expiresInSeconds: 60 }, admin());
    const shown = JSON.parse(Buffer.from(made.code.replace('postern-enrol:', ''), 'base64url').toString()) as Record<string, string>;
    expect(shown).toEqual({ url: 'https://localhost:8443', ca: 'c'.repeat(64), service, user: 'ann', code: expect.stringMatching(/^[a-zA-Z]{32}$/) as string });
    expect(JSON.stringify(state.read.invitations.all())).not.toContain(shown['code']);
    const [key, other] = [newKey(), newKey()];
    const code = shown['code'] ?? '';
    await expect(enrol(`${code}x`, key)).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
    const stolen = sign(null, enrolmentBytes(createHash('sha256').update(code).digest('base64url'), key.publicKey), other.privateKey).toString('base64url');
    await expect(enrol(code, key, { proof: stolen })).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
    now += 60_000;
    await expect(enrol(code, key)).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
    now -= 1;
    expect((await enrol(code, key)).key).toMatchObject({ publicKey: key.publicKey });
    await expect(enrol(code, other)).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
  });

  test('a key is replaced only after another administrator confirmed it', async () => {
    const old = await addApprover('ann');
    const made = await handlers.inviteUser({ name: 'ann', expiresInSeconds: 600 }, admin());
    const next = newKey();
    await expect(enrol(codeOf(made.code), next)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await expect(handlers.confirmInvitation({ id: made.id }, admin())).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    const renamed = as({ ...caller('admin', ['administrator']), actor: { ...caller('admin', []).actor, name: 'alias' } });
    await expect(handlers.confirmInvitation({ id: made.id }, renamed)).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    await expect(handlers.confirmInvitation({ id: made.id }, as(caller('other', ['administrator'])))).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    expect(await handlers.confirmInvitation({ id: made.id }, second())).toMatchObject({ confirmedBy: 'second' });
    await expect(handlers.confirmInvitation({ id: made.id }, second())).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await expect(enrol(codeOf(made.code), old)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    expect((await enrol(codeOf(made.code), next)).key?.publicKey).toBe(next.publicKey);
  });

  test('an invitation from before the first key replaces none', async () => {
    await handlers.createUser({ name: 'ann', human: 'ann@example.com', groups: [], roles: [] }, admin());
    const codes = [
      await handlers.inviteUser({ name: 'ann', expiresInSeconds: 600 }, admin()),
      await handlers.inviteUser({ name: 'ann', expiresInSeconds: 600 }, admin()),
    ];
    await enrol(codeOf(codes[0]?.code ?? ''), newKey());
    await expect(enrol(codeOf(codes[1]?.code ?? ''), newKey())).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  });

  test('signing in gives a token of that approver', async () => {
    const { privateKey } = await addApprover('ann');
    const said = { user: 'ann', at: new Date(now).toISOString(), nonce: randomBytes(32).toString('base64url') };
    const signature = sign(null, signInBytes({ service, ...said }), privateKey).toString('base64url');
    const { token, user } = await handlers.signIn({ ...said, signature }, nobody());
    expect([token.slice(0, 4), user.name, events.at(-1)?.code]).toEqual(['pau_', 'ann', 'authentication.succeeded']);
  });
});

async function asked(name = 'ci', group = 'migrators'): Promise<ApprovalRequest> {
  return handlers.requestAccess({ group, seconds: 600, reason: `card ${pan} is stuck`, ticket: '' }, as(caller(name, ['caller'])));
}

function decided(request: ApprovalRequest, name: string, { privateKey }: Person, reason = 'fine') {
  const user = state.read.users.named(name);
  const said = { verdict: 'approve' as const, approver: user?.id ?? '', human: user?.human ?? '', reason, at: new Date(now).toISOString() };
  const signature = sign(null, decisionBytes({ request: request.canonical, ...said }), privateKey).toString('base64url');
  return { request: request.id, ...said, signature: { type: 'ed25519' as const, key: user?.key?.id ?? '', signature } };
}

describe('requests and grants', () => {
  test('an access is asked for, shown to who decides, approved, and listed as a grant', async () => {
    const key = await addApprover('ann');
    await addApprover('eve', ['others']);
    const [ann, eve] = [caller('ann', ['approver'], { signedInAt: now }), caller('eve', ['approver'])];
    const request = await asked();
    expect([request.reason.includes(pan), request.barred, request.canonical.terms]).toEqual([false, ['owner@example.com'], terms]);
    await expect(asked()).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    const other = await asked('ci', 'readers');
    const page = { limit: 1 };
    const first = await handlers.listRequests(page, as(ann));
    expect(first.items.map(({ id }) => id)).toEqual([other.id]);
    expect((await handlers.listRequests({ ...page, cursor: first.next ?? '' }, as(ann))).items.map(({ id }) => id)).toEqual([request.id]);
    expect((await handlers.listRequests(page, as(eve))).items).toEqual([]);
    const details = RequestDetails.parse(await handlers.showRequest({ id: request.id }, as(ann)));
    expect(details).toMatchObject({ may: { decide: true }, others: [other.id], requester: { purpose: 'nightly jobs' }, because: [{ policy: 'ask' }] });
    expect((await handlers.showRequest({ id: request.id }, admin())).may.decide).toBe(false);
    expect(() => handlers.showRequest({ id: request.id }, as(eve))).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND' }) as Error);
    const decision = decided(request, 'ann', key);
    const decide = (who: ControlCaller, text = decision) => Promise.resolve().then(() => handlers.decideRequest({ id: request.id, decision: text }, as(who)));
    await expect(decide(eve)).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    await expect(decide(ann, decided(request, 'ann', key, `see ${pan}`))).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
    expect((await decide(ann)).status).toBe('used');
    const own = as(caller('ci', ['caller']));
    expect((await handlers.showOwnRequest({ id: request.id }, own)).status).toBe('used');
    expect(() => handlers.showOwnRequest({ id: request.id }, as(caller('other', ['caller'])))).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_FOUND' }) as Error,
    );
    const [grant] = (await handlers.listGrants({ live: true, limit: 9 }, admin())).items;
    expect(grant).toMatchObject({ principalName: 'ci', group: 'migrators', request: request.id });
    await expect(asked()).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await handlers.revokeGrant({ id: grant?.id ?? '', reason: 'done' }, as(ann));
    expect((await handlers.listGrants({ live: true, limit: 9 }, admin())).items).toEqual([]);
    await expect(handlers.revokeGrant({ id: grant?.id ?? '', reason: 'done' }, as(ann))).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    expect(events.map(({ code }) => code).slice(-5)).toEqual([
      'approval-request.created',
      'approval-request.approved',
      'approval-request.used',
      'grant.created',
      'grant.revoked',
    ]);
  });

  test('approvers take back what their groups decide on', async () => {
    await addApprover('ann');
    await addApprover('eve', ['others']);
    const { id } = await asked();
    const revoke = (name: string) => Promise.resolve().then(() => handlers.revokeRequest({ id, reason: 'not now' }, as(caller(name, ['approver']))));
    await expect(revoke('eve')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    expect(await revoke('ann')).toMatchObject({ status: 'withdrawn', closedReason: 'not now' });
  });

  test('watchers see each change that concerns them, from where they left off', async () => {
    await addApprover('ann');
    await addApprover('eve', ['others']);
    const gone = new AbortController();
    const watch = async (name: string, after: number) =>
      (await handlers.watchRequests({ after }, { ...as(caller(name, ['approver'])), signal: gone.signal }))[Symbol.asyncIterator]();
    const [ann, eve] = [await watch('ann', -1), await watch('eve', -1)];
    const unseen = eve.next();
    const request = await asked();
    const seen = await ann.next();
    expect(seen.value).toMatchObject({ request: { id: request.id, status: 'pending' } });
    await book.withdraw(request.id, 'cancelled');
    const later = await ann.next();
    expect(later.value).toMatchObject({ request: { status: 'withdrawn' } });
    const resumed = await watch('ann', (seen.value as { id: number }).id);
    expect((await resumed.next()).value).toEqual(later.value);
    gone.abort();
    expect((await unseen).done).toBe(true);
  });

  test('break-glass works where policy permits it, and is reviewed once, by somebody else', async () => {
    const take = (name: string) => handlers.breakGlass({ group: 'migrators', seconds: 600, reason: 'production is down' }, as(caller(name, ['caller'])));
    permitted = false;
    await expect(take('admin')).rejects.toMatchObject({ code: 'ERR_ACCESS_DENIED', message: 'not for you' });
    permitted = true;
    const grant = await take('admin');
    expect(grant).toMatchObject({ request: null, principal: 'svc_admin', expiresAt: new Date(now + 600_000).toISOString() });
    await expect(take('admin')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    const review = { id: grant.id, finding: 'it was down' };
    await expect(handlers.reviewBreakGlass(review, admin())).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    expect((await handlers.reviewBreakGlass(review, second())).review).toMatchObject({ by: 'second' });
    await expect(handlers.reviewBreakGlass(review, second())).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  });
});

describe('people who administer', () => {
  const person = (name: string) => as(caller(name, ['approver', ...(state.read.users.named(name)?.roles ?? [])]));
  const forbidden = { code: 'ERR_FORBIDDEN' };

  async function addAdministrator(name: string): Promise<Person> {
    const key = await addApprover(name, []);
    await handlers.updateUser({ name, roles: ['administrator'] }, admin());
    now += 1_000;
    return key;
  }

  test('give no groups, roles or other name to themselves, by no account of theirs', async () => {
    await addAdministrator('eve');
    const update = (patch: object, who = person('eve')) => Promise.resolve().then(() => handlers.updateUser({ name: 'eve', ...patch }, who));
    for (const patch of [{ groups: ['dba'] }, { roles: ['administrator', 'auditor'] as const }, { human: 'someone@example.com' }])
      await expect(update(patch)).rejects.toMatchObject(forbidden);
    const own = { groups: ['dba'], roles: [] };
    await expect(handlers.createUser({ name: 'eve2', human: ' EVE@example.com', ...own }, person('eve'))).rejects.toMatchObject(forbidden);
    await handlers.createUser({ name: 'eve3', human: 'eve@example.com', groups: [], roles: [] }, person('eve'));
    await expect(handlers.updateUser({ name: 'eve3', groups: ['dba'] }, person('eve'))).rejects.toMatchObject(forbidden);
    await expect(handlers.updateUser({ name: 'eve3', human: 'other@example.com' }, person('eve'))).rejects.toMatchObject(forbidden);
    // a service account of hers is she, too
    const value = { ...(state.snapshot().serviceAccounts.find(({ name }) => name === 'other') ?? {}), owner: 'Eve@Example.com' };
    await changes.commit('service-account.updated', itself, { affected: 'other', value });
    await expect(update({ groups: ['dba'] }, as(caller('other', ['administrator'])))).rejects.toMatchObject(forbidden);
    expect(await update({ roles: [] })).toMatchObject({ roles: [], groups: [] });
    expect(await update({ groups: ['dba'] }, admin())).toMatchObject({ groups: ['dba'] });
  });

  test('confirm the replacement of a key only as another human, who was there before, and whose key it is not', async () => {
    await addAdministrator('eve');
    await addAdministrator('gus');
    await addApprover('ann');
    const invite = (name: string, who = person('eve')) => handlers.inviteUser({ name, expiresInSeconds: 600 }, who);
    const confirm = (id: string, who: ReturnType<typeof person>) => handlers.confirmInvitation({ id }, who);
    const made = await invite('ann');
    await expect(confirm(made.id, person('eve'))).rejects.toMatchObject(forbidden);
    const value = { ...(state.snapshot().serviceAccounts.find(({ name }) => name === 'other') ?? {}), owner: 'EVE@example.com' };
    await changes.commit('service-account.updated', itself, { affected: 'other', value });
    await expect(confirm(made.id, as(caller('other', ['administrator'])))).rejects.toMatchObject(forbidden);
    await addAdministrator('new');
    await expect(confirm(made.id, person('new'))).rejects.toMatchObject(forbidden);
    expect(await confirm(made.id, person('gus'))).toMatchObject({ confirmedBy: 'gus' });
    // not the one whose key it is, and not when nobody knows any more who invited
    const own = await invite('gus');
    await expect(confirm(own.id, person('gus'))).rejects.toMatchObject(forbidden);
    const orphaned = await invite('ann');
    await handlers.deleteUser({ name: 'eve' }, admin());
    await expect(confirm(orphaned.id, person('gus'))).rejects.toMatchObject(forbidden);
    const byMachine = await invite('ann', admin());
    expect(await confirm(byMachine.id, person('gus'))).toMatchObject({ confirmedBy: 'gus' });
  });

  test('decide on nothing of service accounts they own, and review no emergency of these', async () => {
    const key = await addApprover('owner', ['dba'], second());
    const request = await asked('ci');
    const who = as(caller('owner', ['approver', 'administrator'], { signedInAt: now }));
    const barred = { ...decided(request, 'owner', key), human: 'owner@example.com' };
    await expect(Promise.resolve().then(() => handlers.decideRequest({ id: request.id, decision: barred }, who))).rejects.toMatchObject(forbidden);
    expect(await handlers.showRequest({ id: request.id }, who)).toMatchObject({ may: { decide: false, why: 'Nobody decides on their own request.' } });
    const grant = await handlers.breakGlass({ group: 'migrators', seconds: 600, reason: 'production is down' }, as(caller('ci', ['caller'])));
    await expect(handlers.reviewBreakGlass({ id: grant.id, finding: 'all well' }, who)).rejects.toMatchObject(forbidden);
  });

  test('ask who they are, and sign out', async () => {
    await addAdministrator('eve');
    let ended = false;
    const eve = {
      ...person('eve'),
      caller: {
        ...person('eve').caller,
        end: () => {
          ended = true;
        },
      },
    };
    expect(await handlers.whoAmI({}, eve)).toMatchObject({ name: 'eve', roles: ['approver', 'administrator'], user: { human: 'eve@example.com' }, service });
    expect(await handlers.whoAmI({}, as(caller('ci', ['caller'])))).toMatchObject({ name: 'ci', user: null, version: '1.2.3' });
    await handlers.signOut({}, eve);
    expect([ended, events.at(-1)]).toEqual([
      true,
      expect.objectContaining({ code: 'authentication.ended', actor: expect.objectContaining({ name: 'eve' }) as object }),
    ]);
  });

  test('a restart is recorded first and begins when the answer is out', async () => {
    const answered = new AbortController();
    await handlers.restartService({ part: 'gateway', reason: 'it hangs' }, { ...admin(), signal: answered.signal });
    expect([events.at(-1)?.code, events.at(-1)?.reason, restarted]).toEqual(['service.restart-requested', 'it hangs', []]);
    answered.abort();
    expect(restarted).toEqual(['gateway']);
  });

  test('the reason of a restart stands in a public header: without card numbers', async () => {
    await handlers.restartService({ part: 'gateway', reason: 'it hangs on 4111 1111 1111 1111' }, admin());
    expect(events.at(-1)?.reason).toBe('it hangs on 4111 11** **** 1111');
  });
});

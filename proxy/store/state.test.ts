import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MaskingRule } from '../contract/masking-rule.ts';
import type { ApprovalRequest, Grant } from '../contract/approval-request.ts';
import type { ServiceAccount, Token } from '../contract/principal.ts';
import type { PostgresResource } from '../contract/resource.ts';
import type { Invitation, User } from '../contract/user.ts';
import { discardDatabase } from './database.ts';
import { positionOf } from './position.ts';
import type { StateCode } from './reduce.ts';
import { openState, type LoggedEvent, type State } from './state.ts';

let directory: string;
let opened: State[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-state-'));
  opened = [];
});
afterEach(() => {
  for (const state of opened) state.close();
  rmSync(directory, { recursive: true, force: true });
});

function open(name = 'state.db'): State {
  const state = openState(join(directory, name));
  opened.push(state);
  return state;
}

/** An audit log in memory: other events stand between those of the state. */
class Log {
  readonly events: LoggedEvent[] = [];

  append(code: StateCode, value: unknown): LoggedEvent {
    this.events.push({ position: positionOf(this.events.length), code: 'operation.intended', body: 'select 1' });
    const event = { position: positionOf(this.events.length), code, body: JSON.stringify(value) };
    this.events.push(event);
    return event;
  }
}

function change(state: State, log: Log, code: StateCode, value: unknown): void {
  state.check(code, value);
  const event = log.append(code, value);
  expect(state.applyEvent(event.position, event)).toBe(true);
}

const account = (name: string, more: Partial<ServiceAccount> = {}): ServiceAccount => ({
  id: `svc_${name}`,
  name,
  owner: 'ops team',
  purpose: 'tests',
  groups: [],
  disabled: false,
  createdAt: '2026-01-01T00:00:00Z',
  scramSalt: 'c2FsdA==',
  ...more,
});
const token = (id: string, owner: string, more: Partial<Token> = {}): Token => ({
  id: `tok_${id}`,
  serviceAccount: `svc_${owner}`,
  hash: 'h',
  expiresAt: '2027-01-01T00:00:00Z',
  createdAt: '2026-01-01T00:00:00Z',
  revokedAt: null,
  resources: [],
  networks: [],
  roles: [],
  verifiers: { scram: { iterations: 4096, storedKey: 's', serverKey: 'k' } },
  ...more,
});
const resource = (name: string, more: Partial<PostgresResource> = {}): PostgresResource => ({
  id: `res_${name}`,
  name,
  protocol: 'postgres',
  host: '127.0.0.1',
  port: 5432,
  database: 'shop',
  account: 'app',
  secret: 'sec_a',
  tls: { mode: 'disable' },
  listenPort: null,
  recording: { maxBytesPerOperation: 1024 },
  createdAt: '2026-01-01T00:00:00Z',
  ...more,
});
const maskingRule: MaskingRule = { resource: 'a', schema: 'public', table: 'cards', column: 'pan', tag: 'pan' };

const user = (id: string, more: Partial<User> = {}): User => ({
  id: `usr_${id}`,
  name: id,
  human: `${id}@example.com`,
  groups: ['dba'],
  roles: [],
  disabled: false,
  createdAt: '2026-01-01T00:00:00Z',
  key: null,
  ...more,
});
const enrolledKey = (id: string) => ({ id: `key_${id}`, algorithm: 'ed25519' as const, publicKey: 'p'.repeat(43), enrolledAt: '2026-01-01T00:00:00Z' });
const invitation = (id: string, owner: string, more: Partial<Invitation> = {}): Invitation => ({
  id: `inv_${id}`,
  user: `usr_${owner}`,
  hash: 'h'.repeat(43),
  createdAt: '2026-01-01T00:00:00Z',
  expiresAt: '2026-01-02T00:00:00Z',
  invitedBy: 'admin',
  replaces: false,
  confirmedBy: null,
  usedAt: null,
  ...more,
});
const closedAt = '2026-01-01T00:00:30Z';
const request = (id: string, more: Partial<ApprovalRequest> = {}): ApprovalRequest => ({
  id: `req_${id}`,
  status: 'pending',
  canonical: {
    v: 1,
    id: `req_${id}`,
    principal: { issuer: 'postern', subject: 'svc_a', name: 'a', credential: 'tok_a' },
    subject: { kind: 'access', joins: 'migrators', seconds: 600 },
    terms: { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 60, risk: 'normal', ownerDecides: false },
    policies: [],
    policyVersion: 'v',
    createdAt: '2026-01-01T00:00:00Z',
    expiresAt: '2026-01-01T00:01:00Z',
    nonce: 'n'.repeat(43),
    checkpoint: '',
  },
  reason: 'because',
  ticket: '',
  barred: [],
  gateway: 'g',
  decisions: [],
  closedAt: null,
  closedReason: null,
  ...more,
});
const approval = (id: string) => ({
  request: `req_${id}`,
  verdict: 'approve' as const,
  approver: 'usr_a',
  human: 'a@example.com',
  reason: '',
  at: closedAt,
  signature: { type: 'ed25519' as const, key: 'key_a', signature: 's'.repeat(86) },
});
const approved = (id: string) => request(id, { status: 'approved', decisions: [approval(id)] });
const used = (id: string) => request(id, { status: 'used', decisions: [approval(id)], closedAt });
const withdrawn = (id: string) => request(id, { status: 'withdrawn', closedAt, closedReason: 'because' });
const grant = (id: string, more: Partial<Grant> = {}): Grant => ({
  id: `gra_${id}`,
  principal: 'svc_a',
  principalName: 'a',
  group: 'migrators',
  request: `req_${id}`,
  reason: 'because',
  createdAt: closedAt,
  expiresAt: '2026-01-01T01:00:00Z',
  revokedAt: null,
  review: null,
  ...more,
});

const name = fc.constantFrom('a', 'b', 'c');
/** Random changes, sensible and not: what the checks refuse is never announced. */
const step: fc.Arbitrary<{ code: StateCode; value: unknown }> = fc.oneof(
  fc.record({
    code: fc.constantFrom<StateCode>('service-account.created', 'service-account.updated', 'service-account.deleted'),
    value: fc.tuple(name, fc.boolean()).map(([n, disabled]) => account(n, { disabled })),
  }),
  fc.record({ code: fc.constant<StateCode>('service-account.updated'), value: fc.tuple(name, name).map(([id, other]) => account(id, { name: other })) }),
  fc.record({ code: fc.constant<StateCode>('token.created'), value: fc.tuple(fc.string({ maxLength: 2 }), name).map(([id, owner]) => token(id, owner)) }),
  fc.record({
    code: fc.constant<StateCode>('token.revoked'),
    value: fc.tuple(fc.string({ maxLength: 2 }), name).map(([id, owner]) => token(id, owner, { revokedAt: '2026-02-01T00:00:00Z' })),
  }),
  fc.record({
    code: fc.constantFrom<StateCode>('resource.created', 'resource.updated', 'resource.deleted'),
    value: fc.tuple(name, fc.constantFrom(null, 7001, 7002)).map(([n, listenPort]) => resource(n, { listenPort })),
  }),
  fc.record({
    code: fc.constantFrom<StateCode>('user.created', 'user.updated', 'user.deleted'),
    value: fc.tuple(name, fc.boolean()).map(([n, disabled]) => user(n, { disabled })),
  }),
  fc.record({
    code: fc.constantFrom<StateCode>('invitation.created', 'invitation.confirmed'),
    value: fc.tuple(name, fc.constantFrom(null, 'other')).map(([n, confirmedBy]) => invitation(n, n, { confirmedBy, replaces: confirmedBy !== null })),
  }),
  fc.record({
    code: fc.constant<StateCode>('approver-key.enrolled'),
    value: name.map((n) => ({ user: user(n, { key: enrolledKey(n) }), invitation: invitation(n, n, { usedAt: closedAt }) })),
  }),
  ...Object.entries({ created: request, approved, used, withdrawn }).map(([word, make]) =>
    fc.record({ code: fc.constant(`approval-request.${word}` as StateCode), value: name.map(make) }),
  ),
  fc.record({ code: fc.constant<StateCode>('grant.created'), value: name.map((n) => grant(n)) }),
  fc.record({ code: fc.constant<StateCode>('grant.revoked'), value: name.map((n) => grant(n, { revokedAt: closedAt })) }),
  fc.record({ code: fc.constant<StateCode>('access.broke-glass'), value: name.map((n) => grant(`x${n}`, { request: null })) }),
  fc.record({ code: fc.constant<StateCode>('policy.updated'), value: fc.string().map((text) => ({ version: 'v', files: [{ name: 'p.cedar', text }] })) }),
  fc.record({ code: fc.constant<StateCode>('masking-rule.updated'), value: fc.array(fc.constant(maskingRule), { maxLength: 3 }).map((rules) => ({ rules })) }),
  fc.record({
    code: fc.constantFrom<StateCode>('secret.stored', 'secret.deleted'),
    value: fc.record({ id: fc.constantFrom('sec_a', 'sec_b'), version: fc.integer({ min: 0, max: 4 }) }),
  }),
);

function contents(state: State): unknown {
  const { policies, secrets, users, invitations, requests, grants } = state.read;
  return {
    snapshot: state.snapshot(),
    history: policies.history(),
    secrets: secrets.all(),
    users: users.all(),
    invitations: invitations.all(),
    requests: requests.requestsAfter(-1, 1_000),
    grants: grants.all(),
  };
}

describe('state', () => {
  it('rebuilt from the log equals the live one, and applying twice changes nothing', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        run += 1;
        const log = new Log();
        const live = open(`live-${String(run)}`);
        for (const { code, value } of steps) {
          try {
            live.check(code, value);
          } catch (error) {
            expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(?:CONFLICT|NOT_FOUND|INVALID_INPUT)$/) as string });
            continue;
          }
          change(live, log, code, value);
        }
        const rebuilt = open(`rebuilt-${String(run)}`);
        const applied = await rebuilt.replayFrom(log.events);
        expect(applied).toBe(live.read.version);
        expect(contents(rebuilt)).toEqual(contents(live));
        expect(await rebuilt.replayFrom(log.events)).toBe(0);
        for (const event of log.events) expect(live.applyEvent(event.position, event)).toBe(false);
        expect(contents(rebuilt)).toEqual(contents(live));
      }),
      { numRuns: 40 },
    );
  });

  it('survives closing and refuses a missing event', async () => {
    const log = new Log();
    const live = open();
    change(live, log, 'service-account.created', account('a'));
    change(live, log, 'token.created', token('x', 'a'));
    live.close();
    opened.length = 0;
    expect(contents(open())).toMatchObject({ snapshot: { version: 2, serviceAccounts: [{ name: 'a' }], tokens: [{ id: 'tok_x' }] } });
    const other = open('other.db');
    await expect(other.replayFrom(log.events.slice(2))).rejects.toMatchObject({ code: 'ERR_STATE_DAMAGED' });
    expect(other.read.cursor).toBe(-1);
    const withoutOne = log.events.filter((event) => event.position !== 2);
    await expect(other.replayFrom(withoutOne)).rejects.toMatchObject({ code: 'ERR_STATE_DAMAGED' });
    await expect(other.replayFrom(log.events.map((event) => ({ ...event, body: null })))).rejects.toMatchObject({ code: 'ERR_STATE_DAMAGED' });
  });

  it('applies an event whole or not at all', () => {
    const state = open();
    const bad = [
      { code: 'token.created', body: JSON.stringify(token('x', 'nobody')) },
      { code: 'resource.created', body: '{}' },
      { code: 'resource.created', body: '{' },
      { code: 'policy.updated', body: null },
    ] as const;
    for (const event of bad) expect(() => state.applyEvent(positionOf(7), event)).toThrow('damaged');
    expect([state.read.cursor, state.read.version]).toEqual([-1, 0]);
  });

  it('replays whole batches or nothing', async () => {
    const state = open();
    const log = new Log();
    log.append('service-account.created', account('a'));
    log.append('token.created', token('x', 'nobody'));
    await expect(state.replayFrom(log.events)).rejects.toMatchObject({ code: 'ERR_STATE_DAMAGED' });
    expect([state.read.cursor, state.snapshot().serviceAccounts]).toEqual([-1, []]);
  });

  it('deletes the tokens of a deleted service account', () => {
    const log = new Log();
    const state = open();
    change(state, log, 'service-account.created', account('a'));
    change(state, log, 'token.created', token('x', 'a'));
    change(state, log, 'service-account.deleted', account('a'));
    expect(state.snapshot()).toMatchObject({ serviceAccounts: [], tokens: [] });
  });

  const conflict = (state: State, code: StateCode, value: unknown, error = 'ERR_CONFLICT'): void => {
    expect(() => {
      state.check(code, value);
    }).toThrow(expect.objectContaining({ code: error }) as Error);
  };

  it('takes requests from one status to the next, each by its own event, and no other way', () => {
    const log = new Log();
    const state = open();
    conflict(state, 'approval-request.approved', approved('a'));
    conflict(state, 'approval-request.decided', request('a'));
    change(state, log, 'approval-request.created', request('a'));
    conflict(state, 'approval-request.created', request('a'));
    conflict(state, 'approval-request.used', used('a'));
    conflict(state, 'approval-request.used', approved('a'), 'ERR_INVALID_INPUT');
    conflict(state, 'grant.created', grant('a'));
    change(state, log, 'approval-request.approved', approved('a'));
    change(state, log, 'approval-request.used', used('a'));
    for (const again of [used('a'), withdrawn('a')]) conflict(state, `approval-request.${again.status}` as StateCode, again);
    change(state, log, 'grant.created', grant('a'));
    conflict(state, 'grant.created', grant('a', { id: 'gra_second' }));
  });

  it('lists requests newest first, changes in the order of their events, and counts', () => {
    const log = new Log();
    const state = open();
    for (const id of ['a', 'b', 'c']) change(state, log, 'approval-request.created', request(id));
    change(state, log, 'approval-request.withdrawn', withdrawn('a'));
    const { requests } = state.read;
    const ids = (rows: readonly { request: ApprovalRequest }[]): string[] => rows.map((row) => row.request.id);
    const first = requests.newest({}, { limit: 2, before: null });
    expect(ids(first)).toEqual(['req_c', 'req_b']);
    expect(ids(requests.newest({}, { limit: 2, before: first[1]?.created ?? 0 }))).toEqual(['req_a']);
    expect(ids(requests.newest({ status: 'pending', groups: ['dba'] }, { limit: 9, before: null }))).toEqual(['req_c', 'req_b']);
    expect(ids(requests.newest({ groups: [] }, { limit: 9, before: null }))).toEqual([]);
    const changes = requests.requestsAfter(-1, 9);
    expect(ids(changes)).toEqual(['req_b', 'req_c', 'req_a']);
    expect(ids(requests.requestsAfter(changes[1]?.position ?? 0, 9))).toEqual(['req_a']);
    expect([requests.countOpen(), requests.countOpen('svc_a'), requests.countOpen('svc_b')]).toEqual([2, 2, 0]);
    expect(requests.countsOf('svc_a')).toMatchObject({ pending: 2, withdrawn: 1, used: 0 });
    expect(requests.neighbours(request('b'), 9)).toEqual(['req_c']);
    expect(requests.nextExpiry()).toBe(Date.parse('2026-01-01T00:01:00Z'));
    expect(requests.due(Date.parse('2026-01-01T00:01:00Z') - 1, 9)).toEqual([]);
    expect(requests.due(Date.parse('2026-01-01T00:01:00Z'), 1)).toHaveLength(1);
  });

  it('keeps grants in the snapshot for a day after their end', () => {
    const log = new Log();
    let now = Date.parse(closedAt);
    const state = openState(join(directory, 'clocked.db'), { now: () => now });
    opened.push(state);
    change(state, log, 'access.broke-glass', grant('a', { request: null }));
    now = Date.parse('2026-01-02T00:59:59Z');
    expect(state.snapshot().grants).toHaveLength(1);
    now += 1_000;
    expect([state.snapshot().grants, state.read.grants.all().length]).toEqual([[], 1]);
    conflict(state, 'break-glass.reviewed', grant('a', { request: null }));
    const review = { by: 'admin', at: closedAt, finding: 'was right' };
    change(state, log, 'break-glass.reviewed', grant('a', { request: null, review }));
    conflict(state, 'break-glass.reviewed', grant('a', { request: null, review }));
  });

  it('lets a key come by enrolment alone, and be replaced only after a second name confirmed it', () => {
    const log = new Log();
    const state = open();
    const enrolment = (id: string, key: string, more: Partial<Invitation> = {}) => ({
      user: user('a', { key: enrolledKey(key) }),
      invitation: invitation(id, 'a', { ...more, usedAt: closedAt }),
    });
    conflict(state, 'user.created', user('a', { key: enrolledKey('a') }), 'ERR_INVALID_INPUT');
    change(state, log, 'user.created', user('a'));
    for (const id of ['a', 'b']) change(state, log, 'invitation.created', invitation(id, 'a'));
    conflict(state, 'user.updated', user('a', { key: enrolledKey('a') }), 'ERR_INVALID_INPUT');
    conflict(state, 'approver-key.enrolled', { ...enrolment('a', 'a'), user: user('a', { key: enrolledKey('a'), groups: ['all'] }) }, 'ERR_INVALID_INPUT');
    change(state, log, 'approver-key.enrolled', enrolment('a', 'a'));
    expect(state.snapshot().approvers).toEqual([{ id: 'usr_a', name: 'a', human: 'a@example.com', groups: ['dba'], disabled: false, key: enrolledKey('a') }]);
    conflict(state, 'approver-key.enrolled', enrolment('a', 'c'));
    // made before there was a key: it would replace one now
    conflict(state, 'approver-key.enrolled', enrolment('b', 'c'));
    change(state, log, 'invitation.created', invitation('c', 'a', { replaces: true }));
    conflict(state, 'approver-key.enrolled', enrolment('c', 'c', { replaces: true }));
    conflict(state, 'invitation.confirmed', invitation('c', 'a', { replaces: true, confirmedBy: 'admin' }));
    change(state, log, 'invitation.confirmed', invitation('c', 'a', { replaces: true, confirmedBy: 'other' }));
    change(state, log, 'approver-key.enrolled', enrolment('c', 'c', { replaces: true, confirmedBy: 'other' }));
    change(state, log, 'user.deleted', user('a', { key: enrolledKey('c') }));
    expect(contents(state)).toMatchObject({ users: [], invitations: [] });
  });

  it('keeps every policy set that was in force', () => {
    const log = new Log();
    const state = open();
    expect(state.read.policies.current()).toEqual({ version: 'none', files: [] });
    for (const version of ['one', 'two']) change(state, log, 'policy.updated', { version, files: [{ name: 'p.cedar', text: version }] });
    expect(state.read.policies.current().version).toBe('two');
    expect(state.read.policies.history().map((set) => [set.version, set.position])).toEqual([
      ['two', 3],
      ['one', 1],
    ]);
  });

  it('refuses two resources on one port and unknown members', () => {
    const log = new Log();
    const state = open();
    change(state, log, 'resource.created', resource('a', { listenPort: 7001 }));
    expect(() => {
      state.check('resource.created', resource('b', { listenPort: 7001 }));
    }).toThrow(expect.objectContaining({ code: 'ERR_CONFLICT' }) as Error);
    expect(() => {
      state.check('resource.created', { ...resource('b'), password: 'x' });
    }).toThrow(expect.objectContaining({ code: 'ERR_INVALID_INPUT' }) as Error);
  });

  it('keeps its files 0600', () => {
    const state = open();
    change(state, new Log(), 'service-account.created', account('a'));
    for (const file of readdirSync(directory)) expect([file, statSync(join(directory, file)).mode & 0o777]).toEqual([file, 0o600]);
  });

  it('says that a damaged database is damaged, and is rebuilt from the log', async () => {
    const log = new Log();
    const path = join(directory, 'state.db');
    const state = open();
    for (let index = 0; index < 40; index += 1)
      change(state, log, 'service-account.created', account(`n${'abcdefghij'.charAt(index % 10)}${'klmn'.charAt(index / 10)}`));
    const before = contents(state);
    state.close();
    opened.length = 0;
    const bytes = readFileSync(path);
    bytes.fill(0xff, 4096, 4096 * 3);
    writeFileSync(path, bytes);
    expect(() => openState(path)).toThrow('damaged');
    writeFileSync(path, 'not a database at all, but long enough to be looked at as one');
    expect(() => openState(path)).toThrow('damaged');
    discardDatabase(path);
    const rebuilt = open();
    await rebuilt.replayFrom(log.events);
    expect(contents(rebuilt)).toEqual(before);
  });
});

describe('position', () => {
  it('is a whole number from 0', () => {
    expect(positionOf(0)).toBe(0);
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => positionOf(bad)).toThrow(RangeError);
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EventCode } from '../contract/audit-event.ts';
import type { ServiceAccount } from '../contract/principal.ts';
import type { HttpResource } from '../contract/resource.ts';
import { TrustRule } from '../contract/trust-rule.ts';
import { newScramSalt } from '../identity/token.ts';
import { positionOf } from '../store/position.ts';
import { openState, type State } from '../store/state.ts';
import type { StateCode } from '../store/reduce.ts';
import type { Change } from './context.ts';
import { TokenExchange, type ExchangeWanted } from './token-exchange.ts';

const clock = { time: 0, now: () => clock.time };
const issuer = 'https://gitlab.example';
let directory: string;
let state: State;
let position: number;
let events: { code: EventCode; actor: string; change: Change }[];
let exchange: TokenExchange;

const account: ServiceAccount = {
  id: 'svc_deploy',
  name: 'deploy',
  owner: 'ops team',
  purpose: 'tests',
  groups: [],
  disabled: false,
  createdAt: '2026-01-01T00:00:00.000Z',
  scramSalt: newScramSalt(),
};
const rule = (more: Partial<TrustRule> = {}): TrustRule =>
  TrustRule.parse({
    id: 'tru_a',
    name: 'shop-ci',
    issuer,
    platform: 'gitlab',
    keys: { from: 'issuer', allowLocal: false },
    algorithms: ['RS256'],
    conditions: [{ claim: 'project_id', test: { is: 'one-of', values: ['1'] } }],
    serviceAccount: account.id,
    recorded: [],
    resources: [],
    networks: ['10.0.0.0/8'],
    tokenSeconds: 600,
    disabled: false,
    createdAt: '2026-01-01T00:00:00.000Z',
    changedAt: '2026-01-01T00:00:00.000Z',
    ...more,
  });
const orders: HttpResource = {
  id: 'res_orders',
  name: 'orders',
  protocol: 'http',
  account: 'none',
  listenPort: null,
  recording: { maxBytesPerOperation: 1_024 },
  createdAt: '2026-01-01T00:00:00.000Z',
  url: 'https://orders.example',
  allowLocal: false,
  credential: { type: 'none' },
  secret: null,
  bodies: { maxBytes: 65_536, other: 'refuse' },
};
const wanted = (jti: string, more: Partial<ExchangeWanted> = {}): ExchangeWanted => ({
  trustRule: 'tru_a',
  run: { issuer, subject: 'project:1', jti, job_id: '7' },
  credential: 'jwt:x',
  resource: null,
  seconds: 3_600,
  origin: '10.0.0.1',
  ...more,
});

function apply(code: StateCode, value: unknown): void {
  state.check(code, value);
  state.applyEvent(positionOf(position++), { code, body: JSON.stringify(value) });
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-exchange-'));
  clock.time = Date.UTC(2026, 0, 2);
  [position, events] = [0, []];
  state = openState(join(directory, 'state.db'), clock);
  apply('service-account.created', account);
  apply('resource.created', orders);
  apply('trust-rule.created', rule());
  exchange = new TokenExchange({
    clock,
    read: state.read,
    exclusive: (work) => work(),
    commit: (code, { actor }, change) => {
      events.push({ code, actor: JSON.stringify(actor), change });
      apply(code, change.value);
      return Promise.resolve();
    },
  });
});
afterEach(() => {
  state.close();
  rmSync(directory, { recursive: true, force: true });
});

it('mints a token that carries the run, for no longer than the rule says', async () => {
  const { token, expiresIn } = await exchange.exchange(wanted('a'));
  expect(expiresIn).toBe(600);
  const [stored] = state.snapshot().tokens;
  expect(stored).toMatchObject({ trustRule: 'tru_a', run: { job_id: '7', jti: 'a' }, roles: [], networks: ['10.0.0.0/8'], resources: [] });
  expect(stored?.expiresAt).toBe(new Date(clock.time + 600_000).toISOString());
  expect(events[0]?.actor).toContain('"job_id":"7"');
  expect(JSON.stringify(events)).not.toContain(token.reveal().slice(-52));
});

it('takes an assertion once, also after a restart and under another rule of the issuer', async () => {
  await exchange.exchange(wanted('a'));
  apply('trust-rule.created', rule({ id: 'tru_b', name: 'second' }));
  await expect(exchange.exchange(wanted('a'))).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  await expect(exchange.exchange(wanted('a', { trustRule: 'tru_b' }))).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  const restarted = new TokenExchange({ clock, read: state.read, exclusive: (work) => work(), commit: () => Promise.resolve() });
  clock.time += 3_660_000;
  await expect(restarted.exchange(wanted('a'))).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  await expect(exchange.exchange(wanted('b'))).resolves.toBeDefined();
});

it('limits a token to the resource that was asked for', async () => {
  await exchange.exchange(wanted('a', { resource: 'orders' }));
  await exchange.exchange(wanted('b', { resource: 'postern' }));
  expect(state.snapshot().tokens.map(({ resources }) => resources[0])).toStrictEqual(expect.arrayContaining(['orders', 'postern']));
  await expect(exchange.exchange(wanted('c', { resource: 'nothing' }))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  apply('trust-rule.updated', rule({ resources: ['other'], changedAt: '2026-01-01T00:00:01.000Z' }));
  await expect(exchange.exchange(wanted('d', { resource: 'orders' }))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  await exchange.exchange(wanted('e'));
  expect(state.snapshot().tokens.some(({ resources }) => resources[0] === 'other')).toBe(true);
});

it('mints nothing under a rule that is not in force', async () => {
  await expect(exchange.exchange(wanted('a', { trustRule: 'tru_x' }))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  await expect(exchange.exchange(wanted('a', { run: { issuer: 'https://other.example', jti: 'a' } }))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  apply('trust-rule.updated', rule({ disabled: true, changedAt: '2026-01-01T00:00:01.000Z' }));
  await expect(exchange.exchange(wanted('a'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  expect(events).toStrictEqual([]);
});

it('bounds how many tokens a rule makes, and forgets those that ended long ago', async () => {
  for (let count = 0; count < 120; count += 1) await exchange.exchange(wanted(`a${String(count)}`));
  await expect(exchange.exchange(wanted('b'))).rejects.toMatchObject({ code: 'ERR_TOO_MANY_CONNECTIONS' });
  expect(state.read.tokens.live('tru_a', new Date(clock.time).toISOString())).toBe(120);
  clock.time += 700_000;
  expect(state.snapshot().tokens).toStrictEqual([]);
  clock.time += 3 * 3_600_000;
  await exchange.exchange(wanted('c'));
  expect(state.read.tokens.all()).toHaveLength(1);
});

it('keeps to roles of nobody and to the account of the rule', async () => {
  await exchange.exchange(wanted('a'));
  const [stored] = state.snapshot().tokens;
  if (stored === undefined) throw new Error('no token');
  const planted = { ...stored, id: 'tok_planted' };
  expect(() => state.check('token.created', { ...planted, roles: ['administrator'] })).toThrow('not valid');
  expect(() => state.check('token.created', { ...planted, run: undefined })).toThrow('not valid');
  apply('service-account.created', { ...account, id: 'svc_other', name: 'other' });
  expect(() => state.check('token.created', { ...planted, serviceAccount: 'svc_other' })).toThrow('not valid');
});

it('loses rules and tokens with the service account', async () => {
  await exchange.exchange(wanted('a'));
  apply('service-account.deleted', account);
  expect([state.read.trustRules.all(), state.read.tokens.all()]).toStrictEqual([[], []]);
});

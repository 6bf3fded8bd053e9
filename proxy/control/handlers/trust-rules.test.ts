import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, expect, it } from 'vitest';
import type { ServiceAccount } from '../../contract/principal.ts';
import type { Snapshot } from '../../contract/snapshot.ts';
import type { TrustRule } from '../../contract/trust-rule.ts';
import type { Change, Commit, ContextOf } from '../context.ts';
import { trustRuleHandlers } from './trust-rules.ts';

type Context = ContextOf<'createTrustRule'> & ContextOf<'updateTrustRule'> & ContextOf<'deleteTrustRule'>;

const clock = { now: () => Date.UTC(2026, 2, 1) };
let rules: TrustRule[];
let events: string[];

const context = {
  exclusive: (work: (commit: Commit<never>) => Promise<unknown>) =>
    work((code: string, { affected, value }: Change) => {
      events.push(`${code} ${affected}`);
      const rule = value as TrustRule;
      rules = [...rules.filter(({ id }) => id !== rule.id), ...(code === 'trust-rule.deleted' ? [] : [rule])];
      return Promise.resolve();
    }),
} as unknown as Context;

const handlers = trustRuleHandlers({
  clock,
  state: {
    snapshot: () =>
      ({ trustRules: rules, resources: [{ name: 'orders' }], serviceAccounts: [{ id: 'svc_a', name: 'deploy' } as ServiceAccount] }) as unknown as Snapshot,
    secretVersion: () => 1,
  },
});

const settings = (more: Partial<Parameters<typeof handlers.createTrustRule>[0]> = {}): Parameters<typeof handlers.createTrustRule>[0] => ({
  name: 'shop-ci',
  issuer: 'https://token.actions.githubusercontent.com',
  platform: 'github',
  keys: { from: 'issuer', allowLocal: false },
  algorithms: ['RS256'],
  conditions: [{ claim: 'repository_id', test: { is: 'one-of', values: ['1'] } }],
  serviceAccount: 'deploy',
  recorded: [],
  resources: [],
  networks: [],
  tokenSeconds: 900,
  disabled: false,
  ...more,
});

const refused = (more: Parameters<typeof settings>[0]) => expect((async () => await handlers.createTrustRule(settings(more), context))()).rejects;

beforeEach(() => {
  [rules, events] = [[], []];
});

it('adds, changes and removes a rule; each change is later than the one before', async () => {
  const made = await handlers.createTrustRule(settings(), context);
  expect(made).toMatchObject({ serviceAccount: 'svc_a', changedAt: '2026-03-01T00:00:00.000Z' });
  expect(made.id).toMatch(/^tru_/);
  const changed = await handlers.updateTrustRule({ name: 'shop-ci', disabled: true }, context);
  expect(changed).toMatchObject({ id: made.id, disabled: true, conditions: made.conditions, changedAt: '2026-03-01T00:00:00.001Z' });
  await handlers.deleteTrustRule({ name: 'shop-ci' }, context);
  expect(rules).toStrictEqual([]);
  expect(events).toStrictEqual(['trust-rule.created trust-rule:shop-ci', 'trust-rule.updated trust-rule:shop-ci', 'trust-rule.deleted trust-rule:shop-ci']);
});

it('says why a rule would let in too many', async () => {
  await refused({ conditions: [{ claim: 'repository', test: { is: 'one-of', values: ['acme/shop'] } }] }).toMatchObject({
    code: 'ERR_INVALID_INPUT',
    faults: [{ path: 'conditions' }],
  });
  await refused({ issuer: 'http://idp.example' }).toMatchObject({ code: 'ERR_INVALID_INPUT', faults: [{ path: 'issuer' }] });
  await refused({ serviceAccount: 'nobody' }).toMatchObject({ code: 'ERR_NOT_FOUND' });
  await refused({ resources: ['nothing'] }).toMatchObject({ code: 'ERR_NOT_FOUND' });
  await refused({ networks: ['10.0.0.0/99'] }).toMatchObject({ code: 'ERR_INVALID_INPUT' });
  expect(events).toStrictEqual([]);
});

it('cannot be loosened afterwards', async () => {
  await handlers.createTrustRule(settings(), context);
  await expect((async () => await handlers.updateTrustRule({ name: 'shop-ci', conditions: [] }, context))()).rejects.toMatchObject({
    code: 'ERR_INVALID_INPUT',
  });
  await expect((async () => await handlers.updateTrustRule({ name: 'shop-ci', platform: 'other' }, context))()).rejects.toMatchObject({
    code: 'ERR_INVALID_INPUT',
  });
});

it('keeps public keys only', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const client = { platform: 'client', issuer: 'nightly', conditions: [], algorithms: ['ES256'] } as const;
  const keys = (key: typeof publicKey) => ({ from: 'uploaded' as const, jwks: JSON.stringify({ keys: [{ ...key.export({ format: 'jwk' }), x5t: 'noise' }] }) });
  await refused({ ...client, conditions: [], algorithms: ['ES256'], keys: keys(privateKey) }).toMatchObject({
    code: 'ERR_INVALID_INPUT',
    faults: [{ path: 'keys.jwks' }],
  });
  await refused({ ...client, conditions: [], algorithms: ['ES256'] }).toMatchObject({ code: 'ERR_INVALID_INPUT', faults: [{ path: 'keys' }] });
  const made = await handlers.createTrustRule(settings({ ...client, conditions: [], algorithms: ['ES256'], keys: keys(publicKey) }), context);
  expect(made.keys.from === 'uploaded' ? made.keys.jwks : '').not.toContain('noise');
});

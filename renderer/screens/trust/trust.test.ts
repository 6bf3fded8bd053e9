import { expect, test } from 'vitest';
import type { TrustRule } from '../../../proxy/contract/trust-rule.ts';
import { conditionText, emptyRule, presetOf, ruleFaults, ruleFormOf, ruleSettingsOf, servedRuleFaults, type RuleForm } from './rule-form.ts';

const filled: RuleForm = {
  ...emptyRule,
  name: 'payments-github',
  serviceAccount: 'payments-ci',
  conditions: [
    { claim: 'repository_id', is: 'one-of', values: '4711\n 4712 ' },
    { claim: 'ref', is: 'like', values: 'refs/heads/*' },
  ],
};

test('a preset brings issuer, algorithms, the claim that is needed and what is recorded', () => {
  expect(emptyRule).toMatchObject({ platform: 'github', issuer: 'https://token.actions.githubusercontent.com', algorithms: ['RS256'] });
  expect(presetOf('kubernetes').conditions).toEqual([{ claim: 'sub', is: 'one-of', values: '' }]);
  expect(presetOf('client')).toMatchObject({ keys: 'uploaded', conditions: [] });
});

test('finds nothing wrong with what can be taken', () => {
  expect(ruleFaults(filled, true)).toEqual({});
});

test.each([
  ['name', { name: 'Payments' }],
  ['issuer', { issuer: ' ' }],
  ['serviceAccount', { serviceAccount: '' }],
  ['algorithms', { algorithms: [] }],
  ['tokenMinutes', { tokenMinutes: '61' }],
  ['tokenMinutes', { tokenMinutes: 'long' }],
  ['conditions.0', { conditions: [{ claim: 'sub', is: 'one-of', values: '\n' }] }],
  ['jwks', { keys: 'uploaded' }],
] as const)('finds fault with %s %o', (field, change) => {
  expect(Object.keys(ruleFaults({ ...filled, ...change }, true))).toEqual([field]);
});

test('takes no private key, in whatever form', () => {
  const faults = ruleFaults({ ...filled, keys: 'uploaded', jwks: '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"a","d" : "b"}]}' }, true);
  expect(faults['jwks']).toContain('private key');
});

test('goes there and back', () => {
  const settings = ruleSettingsOf(filled);
  expect(settings.conditions[0]?.test).toEqual({ is: 'one-of', values: ['4711', '4712'] });
  const rule: TrustRule = { id: 'tru_a', name: filled.name, ...settings, serviceAccount: 'svc_a', disabled: false, createdAt: '', changedAt: '' };
  expect(ruleSettingsOf(ruleFormOf(rule, 'payments-ci'))).toEqual(settings);
});

test('puts what the service found at the field it was typed in', () => {
  const found = ['conditions', 'conditions.1.claim', 'keys', 'keys.ca', 'tokenSeconds'].map((path) => ({ path, message: 'x' }));
  expect(Object.keys(servedRuleFaults(found))).toEqual(['conditions', 'conditions.1', 'jwks', 'ca', 'tokenMinutes']);
});

test('a condition reads like a sentence', () => {
  expect(conditionText({ claim: 'ref', test: { is: 'one-of', values: ['a', 'b'] } })).toBe('ref is a or b');
  expect(conditionText({ claim: 'ref', test: { is: 'like', pattern: 'refs/*' } })).toBe('ref is like refs/*');
});

import { expect, test } from 'vitest';
import { operation, request } from './cases.fake.ts';
import { deedOf, sentenceOf, shortOf, span, textOf } from './sentence.ts';

test('says who wants what, where and for how long', () => {
  expect(textOf(sentenceOf(request()))).toBe('release-bot wants to run a delete on payments, once, within 10 min');
  expect(textOf(sentenceOf(request({}, { kind: 'access', joins: 'dba', seconds: 5_400 })))).toBe('release-bot wants to join the group dba, for 1 h 30 min');
});

test('a call names its tool, and one over HTTP whether it changes something', () => {
  const said = (...acts: string[]): string => textOf(sentenceOf(request({}, operation({ acts, resource: 'tools' }))));
  expect(said('mcp:call refund_payment', 'sql:select public.cards of payments/payments')).toBe(
    'release-bot wants to call refund_payment on tools, once, within 10 min',
  );
  expect(said('mcp:call a\u202eb')).toContain('call a\\u{202e}b on tools');
  expect(said('http:write v1.orders')).toBe('release-bot wants to send a request that changes something to tools, once, within 10 min');
  expect(shortOf(['mcp:call refund_payment'], 'tools')).toBe('refund_payment on tools');
  expect(said('mcp:read file:///x')).toBe('release-bot wants to run a read of an MCP resource on tools, once, within 10 min');
});

test('a command of several deeds names the grave ones', () => {
  expect(deedOf(operation().acts)).toBe('a delete');
  expect(deedOf(['sql:insert a.b', 'sql:update a.b', 'sql:select a.c'])).toBe('an insert and an update');
  expect(deedOf(['sql:select a.b'])).toBe('a select');
  expect(deedOf(['sql:select a.b', 'field:unmask a.b.pan'])).toBe('a select with unmasked fields');
  expect(deedOf(['sql:insert a', 'sql:update a', 'sql:delete a', 'sql:ddl a'])).toBe('a command of several parts');
  expect(deedOf([])).toBe('a command');
  expect(deedOf(['constructor x'])).toBe('a command');
});

test('spans are said in their two largest units', () => {
  expect([0, 59, 60, 3_661, 90_000].map(span)).toEqual(['0 s', '59 s', '1 min', '1 h 1 min', '1 d 1 h']);
});

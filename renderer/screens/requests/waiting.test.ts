import { expect, test } from 'vitest';
import { decision, request } from './cases.fake.ts';
import { byUrgency, isWaitingFor, matches, previewOf } from './waiting.ts';

const bob = {
  id: 'usr_a',
  name: 'bob',
  human: 'bob@example.com',
  groups: ['dba'],
  disabled: false,
  key: { id: 'key_a', algorithm: 'ed25519', publicKey: 'A'.repeat(43), enrolledAt: '2026-01-01T00:00:00Z' },
} as const;
const user = { ...bob, groups: [...bob.groups] };

test('waits for those of the group who may decide and have not yet', () => {
  expect(isWaitingFor(request(), user)).toBe(true);
  expect(isWaitingFor(request(), null)).toBe(false);
  expect(isWaitingFor(request({ status: 'approved' }), user)).toBe(false);
  expect(isWaitingFor(request(), { ...user, groups: ['others'] })).toBe(false);
  expect(isWaitingFor(request(), { ...user, key: null })).toBe(false);
  expect(isWaitingFor(request(), { ...user, disabled: true })).toBe(false);
  expect(isWaitingFor(request({ barred: ['Bob@Example.com'] }), user)).toBe(false);
  expect(isWaitingFor(request({ decisions: [decision()] }), user)).toBe(false);
});

test('what ends first stands first', () => {
  const late = request({ canonical: { ...request().canonical, expiresAt: '2026-01-01T11:00:00.000Z' } });
  expect([late, request()].toSorted(byUrgency)[0]).toEqual(request());
});

test('every word of a search must stand somewhere', () => {
  expect(matches(request({ ticket: 'OPS-17' }), 'ops-17 ORDERS')).toBe(true);
  expect(matches(request(), 'release-bot cards')).toBe(false);
  expect(matches(request(), '')).toBe(true);
});

test('a preview begins with the statement', () => {
  expect(previewOf('-- reason: x\n/* y */ delete from a')).toBe('delete from a');
  expect(previewOf('-- only words')).toBe('-- only words');
});

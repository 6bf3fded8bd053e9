import { expect, it } from 'vitest';
import { isDrawable, isNamed } from './request-shape.ts';

const canonical = {
  id: 'req_a',
  principal: { subject: 'svc_a', name: 'ci' },
  subject: { kind: 'operation', resource: 'bank', command: 'select 1', hidden: [], acts: ['sql:select'] },
  terms: { risk: 'low' },
  expiresAt: '2026-11-21T10:00:00Z',
};
const details = (change: object = {}) => ({ request: { status: 'pending', ticket: '', canonical: { ...canonical, ...change } }, may: { decide: true } });

it('takes what can be announced, also with members of a newer service', () => {
  expect(isDrawable(details({ more: 1 }), 'req_a')).toBe(true);
  expect(isDrawable(details({ subject: { kind: 'access', joins: 'dba', seconds: 60, more: 1 } }), 'req_a')).toBe(true);
  expect(isNamed({ id: 'req_a', status: 'pending', more: 1 })).toBe(true);
});

it.each([
  null,
  {},
  { request: null },
  { ...details(), may: null },
  details({ id: 'req_b' }),
  details({ principal: null }),
  details({ expiresAt: 'tomorrow' }),
  details({ subject: { ...canonical.subject, acts: 5 } }),
  details({ subject: { kind: 'other' } }),
  details({ terms: {} }),
])('refuses what would break an announcement: %j', (value) => {
  expect(isDrawable(value, 'req_a')).toBe(false);
});

it.each([null, 5, 'req_a', {}, { id: 5, status: 'pending' }, { id: 'a'.repeat(101), status: 'pending' }])('names no request: %j', (value) => {
  expect(isNamed(value)).toBe(false);
});

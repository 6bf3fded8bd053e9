import { expect, test } from 'vitest';
import { noFilters, queryOf, readPlace, writePlace } from './place-of-audit.ts';

test('an address keeps the open event and every filter', () => {
  const place = { tab: 'search', event: 17, filters: { ...noFilters, code: 'session.started', text: 'a/b=c' } } as const;
  expect(readPlace(writePlace(place))).toEqual(place);
  expect(readPlace(['verify'])).toEqual({ tab: 'verify', event: null, filters: noFilters });
  expect(readPlace([])).toEqual({ tab: 'search', event: null, filters: noFilters });
  expect(readPlace(['event', '1e3']).event).toBeNull();
});

test('what cannot be searched for is said beside its field and not sent', () => {
  const { input, wrong } = queryOf({
    ...noFilters,
    code: 'no.such',
    principal: 'olivia',
    session: 'x',
    from: '2026-01-02T00:00:00Z',
    to: '2026-01-01T00:00:00Z',
  });
  expect(input).toEqual({ principal: 'olivia', from: '2026-01-02T00:00:00Z' });
  expect(Object.keys(wrong)).toEqual(['code', 'session', 'to']);
});

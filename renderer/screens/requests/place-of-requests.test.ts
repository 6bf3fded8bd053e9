import { expect, test } from 'vitest';
import { readPlace, writePlace } from './place-of-requests.ts';

test('an address gives the same view again', () => {
  for (const place of [
    { tab: 'history', request: 'req_a', compare: 'req_b', search: 'two words' },
    { tab: 'waiting', request: null, compare: null, search: '' },
    { tab: 'pending', request: 'req_a', compare: '', search: '' },
  ] as const)
    expect(readPlace(writePlace(place))).toEqual(place);
});

test('a bare id opens the request; what is no part of an address is left out', () => {
  expect(readPlace(['req_abc'])).toEqual({ tab: 'waiting', request: 'req_abc', compare: null, search: '' });
  expect(readPlace(['compare', '../x'])).toEqual({ tab: 'waiting', request: null, compare: null, search: '' });
});

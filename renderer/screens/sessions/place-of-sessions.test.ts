import { expect, test } from 'vitest';
import { readPlace, writePlace } from './place-of-sessions.ts';

const list = { state: 'live', principal: '', resource: '', session: null, view: 'replay', at: 0, search: '' } as const;

test('an address gives the same view again', () => {
  for (const place of [
    list,
    { ...list, state: 'ended', principal: 'release-bot', resource: 'payments' },
    { ...list, session: 'ses_a', at: 4, search: 'a b' },
  ] as const)
    expect(readPlace(writePlace(place))).toEqual(place);
});

test('nonsense is left out', () => {
  expect(readPlace(['at=-1', 'ses_../', 'x'])).toEqual(list);
});

import { expect, test } from 'vitest';
import { addressOfPlace, placeOf } from './place.ts';

test('an address names appliance, screen and what is open, and comes back whole', () => {
  const place = { appliance: 'here', screen: 'resources', path: ['a/b c', '?'] };
  expect(placeOf(addressOfPlace(place))).toEqual(place);
});

test('anything else is no place', () => {
  expect(placeOf('/x/y')).toEqual({ appliance: '', screen: '', path: [] });
  expect(placeOf('/a/here/audit/%E0%A4%A')).toEqual({ appliance: 'here', screen: 'audit', path: ['%E0%A4%A'] });
});

import { expect, test } from 'vitest';
import { fieldText, instantOf, zones } from './local-time.ts';

test('a time survives the field in either zone', () => {
  for (const zone of zones) expect(instantOf(fieldText('2026-11-21T23:59:07.000Z', zone), zone)).toBe('2026-11-21T23:59:07.000Z');
  expect(fieldText('2026-11-21T23:59:07.000Z', 'utc')).toBe('2026-11-21T23:59:07');
  expect(instantOf('2026-11-21T10:00', 'utc')).toBe('2026-11-21T10:00:00.000Z');
  expect(fieldText('soon', 'utc')).toBe('');
  expect(instantOf('', 'local')).toBe('');
});

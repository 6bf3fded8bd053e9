import { expect, test } from 'vitest';
import { request } from './cases.fake.ts';
import { countdownTo, isOpen, shorterThan } from './countdown.ts';

const end = '2026-01-01T10:10:00.000Z';
const at = (time: string): number => Date.parse(`2026-01-01T${time}Z`);

test('counts down, hurries in the last minute, and is over at the end', () => {
  expect(countdownTo(end, at('10:00:30.000'))).toEqual({ seconds: 570, text: 'Expires in 9 min 30 s', urgency: 'calm' });
  expect(countdownTo(end, at('10:09:30.000'))).toMatchObject({ text: 'Expires in 30 s', urgency: 'soon' });
  expect(countdownTo(end, at('10:10:00.000'))).toEqual({ seconds: 0, text: 'Expired', urgency: 'over' });
  expect(countdownTo('nonsense', 0).urgency).toBe('over');
});

test('only pending and approved requests in time are open', () => {
  expect(isOpen(request(), at('10:05:00.000'))).toBe(true);
  expect(isOpen(request(), at('10:10:00.000'))).toBe(false);
  expect(isOpen(request({ status: 'denied' }), at('10:05:00.000'))).toBe(false);
});

test('an access may be shortened, never lengthened', () => {
  expect(shorterThan(1_000)).toEqual([1_000, 900, 300, 60]);
  expect(shorterThan(60)).toEqual([60]);
});

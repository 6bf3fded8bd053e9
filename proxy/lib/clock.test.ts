import { expect, it, vi } from 'vitest';
import { systemClock } from './clock.ts';

it('the system clock gives milliseconds since the Unix epoch', () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
  expect(systemClock.now()).toBe(Date.UTC(2026, 0, 1));
  vi.useRealTimers();
});

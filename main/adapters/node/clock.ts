import type { ClockPort } from '../../ports.ts';

/** The machine's time; a timer that waits keeps nothing alive. */
export const nodeClock: ClockPort = {
  now: () => Date.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
};

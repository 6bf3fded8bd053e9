import type { ClockPort } from '../ports.ts';

const calmMs = 60_000;

/** After a crash of the screens: load them again once; a second crash within a minute is told to the person. */
export class CrashPolicy {
  readonly #clock: ClockPort;
  #lastReload: number | null = null;

  constructor(clock: ClockPort) {
    this.#clock = clock;
  }

  crashed(): 'reload' | 'tell' {
    const now = this.#clock.now();
    if (this.#lastReload !== null && now - this.#lastReload < calmMs) return 'tell';
    this.#lastReload = now;
    return 'reload';
  }
}

import type { Clock } from '../lib/clock.ts';

const burst = 10;
const refillMs = 6_000;
const maxAddresses = 10_000;

interface Bucket {
  /** failures still allowed */
  left: number;
  at: number;
  /** refused without a record since the last recorded one */
  suppressed: number;
}

/**
 * Failed calls per address: ten at once, then one in six seconds. Good tokens always pass: 256 random bits are not
 * guessed, and an attacker must not be able to lock the administrator out. What is bounded is the work and the log.
 */
export class Failures {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one. Gives how many it stands for when it is to be recorded, or null when it is over the limit. */
  count(address: string): number | null {
    const now = this.#clock.now();
    const known = this.#buckets.get(address);
    const bucket = known ?? { left: burst, at: now, suppressed: 0 };
    bucket.left = Math.min(burst, bucket.left + (now - bucket.at) / refillMs);
    bucket.at = now;
    // the oldest goes: a flood of addresses must not fill the memory
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    const oldest = this.#buckets.keys().next();
    if (this.#buckets.size > maxAddresses && oldest.done !== true) this.#buckets.delete(oldest.value);
    if (bucket.left < 1) {
      bucket.suppressed++;
      return null;
    }
    bucket.left--;
    const stands = bucket.suppressed + 1;
    bucket.suppressed = 0;
    return stands;
  }
}

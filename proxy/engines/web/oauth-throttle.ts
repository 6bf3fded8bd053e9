/** requests of one address: so many at once, then five a second; a build farm behind one address starts many jobs together */
const burst = 100;
const refillMs = 200;
const maxAddresses = 10_000;

interface Bucket {
  left: number;
  at: number;
}

/** Bounds how much work, and how many events, one address can cause at the token endpoint. */
export class Throttle {
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts one request; false: it is one too many. */
  admits(address: string): boolean {
    const now = this.#now();
    const bucket = this.#buckets.get(address) ?? { left: burst, at: now };
    bucket.left = Math.min(burst, bucket.left + (now - bucket.at) / refillMs);
    bucket.at = now;
    // the oldest goes: a flood of addresses must not fill the memory
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > maxAddresses && oldest !== undefined) this.#buckets.delete(oldest);
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }
}

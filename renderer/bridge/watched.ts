import type { Unsubscribe } from '../../main/contract/bridge.ts';

/** A value that screens watch: told at once with what is, then with each change. */
export class Watched<T> {
  readonly #listeners = new Set<(value: T) => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    for (const listener of this.#listeners) listener(value);
  }

  watch(listener: (value: T) => void): Unsubscribe {
    this.#listeners.add(listener);
    listener(this.#value);
    return () => void this.#listeners.delete(listener);
  }
}

/** `util.inspect.custom`, without Node: the console holds secrets, too. */
const inspected: unique symbol = Symbol.for('nodejs.util.inspect.custom');

/**
 * Holds a value that must never be printed. Printing, JSON, templates and `inspect` give `[secret]`;
 * the value itself is reached only through `reveal`.
 */
export class Secret<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspected](): string {
    return '[secret]';
  }
}

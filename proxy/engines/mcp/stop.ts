/** Aborts with the first of several signals, and lets go of them when it is over: some live much longer than it. */
export class Stop {
  readonly #controller = new AbortController();
  readonly #signals: readonly AbortSignal[];
  readonly #abort = (event: Event): void => {
    this.#controller.abort((event.target as AbortSignal).reason);
  };

  constructor(signals: readonly AbortSignal[]) {
    this.#signals = signals;
    for (const signal of signals) {
      if (signal.aborted) this.#controller.abort(signal.reason);
      else signal.addEventListener('abort', this.#abort, { once: true });
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  cancel(reason: Error): void {
    this.#controller.abort(reason);
  }

  release(): void {
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#abort);
  }

  /** What comes first: the promise, the end, or the time. Never rejects by itself. */
  async race<T>(promise: Promise<T>, ms: number): Promise<T | 'stopped' | 'late'> {
    if (this.signal.aborted) return 'stopped';
    const { promise: other, resolve } = Promise.withResolvers<'stopped' | 'late'>();
    const timer = setTimeout(() => {
      resolve('late');
    }, ms);
    const stopped = (): void => {
      resolve('stopped');
    };
    this.signal.addEventListener('abort', stopped, { once: true });
    try {
      return await Promise.race([promise, other]);
    } finally {
      clearTimeout(timer);
      this.signal.removeEventListener('abort', stopped);
    }
  }
}

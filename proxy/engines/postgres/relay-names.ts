/** A change of a name that the target has not confirmed yet. `value` null: the name goes away; key `everyName`: all but the unnamed. */
export interface Change<T> {
  readonly names: Names<T>;
  readonly key: string;
  readonly value: T | null;
  readonly segment: number;
}

/** no name holds a NUL */
export const everyName = '\0every';

/**
 * Prepared statements or portals as the target will see them. A change counts at once inside its own segment (the frames
 * up to a Sync): if it fails, the target skips the rest of the segment, so nothing of ours runs on a wrong guess. From a
 * later segment it is `unsettled`: whoever asks must wait for the target's answer, or another statement than the decided
 * one could run.
 */
export class Names<T> {
  readonly #live = new Map<string, T>();
  #pending: Change<T>[] = [];

  get size(): number {
    return this.#live.size + this.#pending.length;
  }

  find(key: string, segment: number): T | undefined | 'unsettled' {
    for (let index = this.#pending.length - 1; index >= 0; index--) {
      const change = this.#pending[index];
      if (change === undefined || !concerns(change.key, key)) continue;
      return change.segment === segment ? (change.value ?? undefined) : 'unsettled';
    }
    return this.#live.get(key);
  }

  propose(key: string, value: T | null, segment: number): Change<T> {
    const change = { names: this, key, value, segment };
    this.#pending.push(change);
    return change;
  }

  /** The target has done it. */
  commit(change: Change<T>): void {
    this.drop(change);
    if (change.value !== null) this.#live.set(change.key, change.value);
    else if (change.key === everyName) for (const key of [...this.#live.keys()].filter((name) => name !== '')) this.#live.delete(key);
    else this.#live.delete(change.key);
  }

  /** The target has not done it. */
  drop(change: Change<T>): void {
    if (this.#pending[0] === change) this.#pending.shift();
    else this.#pending = this.#pending.filter((one) => one !== change);
  }

  /** What is confirmed goes away: the end of a transaction closes every portal. */
  clear(): void {
    this.#live.clear();
  }
}

function concerns(changed: string, key: string): boolean {
  return changed === key || (changed === everyName && key !== '');
}

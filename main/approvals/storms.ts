/** Toasts of one requester that nobody answered: after two within five minutes, five minutes of quiet. */

const windowMs = 300_000;
const quietMs = 300_000;
const maxUnanswered = 2;

interface Requester {
  /** toasts without an answer, oldest first */
  unanswered: { readonly id: string; readonly at: number }[];
  quietUntil: number;
}

export class Storms {
  readonly #requesters = new Map<string, Requester>();

  /** False: this requester is quiet now, and becomes so when too much of theirs was left unanswered. */
  mayAnnounce(requester: string, now: number): boolean {
    const known = this.#requesters.get(requester);
    if (known === undefined) return true;
    if (now < known.quietUntil) return false;
    known.unanswered = known.unanswered.filter(({ at }) => now - at < windowMs);
    if (known.unanswered.length < maxUnanswered) return true;
    known.unanswered = [];
    known.quietUntil = now + quietMs;
    return false;
  }

  announced(requester: string, id: string, now: number): void {
    this.#forgetOld(now);
    const known = this.#requesters.get(requester) ?? { unanswered: [], quietUntil: 0 };
    known.unanswered.push({ id, at: now });
    this.#requesters.set(requester, known);
  }

  answered(requester: string, id: string): void {
    const known = this.#requesters.get(requester);
    if (known !== undefined) known.unanswered = known.unanswered.filter((each) => each.id !== id);
  }

  /** When the first quiet ends; null: there is none. */
  quietUntil(now: number): number | null {
    const ends = [...this.#requesters.values()].map((each) => each.quietUntil).filter((end) => end > now);
    return ends.length === 0 ? null : Math.min(...ends);
  }

  #forgetOld(now: number): void {
    for (const [requester, { unanswered, quietUntil }] of this.#requesters) {
      if (quietUntil <= now && unanswered.every(({ at }) => now - at >= windowMs)) this.#requesters.delete(requester);
    }
  }
}

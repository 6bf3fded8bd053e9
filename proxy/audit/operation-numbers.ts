import { z } from 'zod';

/** What verification reads of a header. Unknown members are nobody's business here. */
export const NumberedHeader = z.object({
  v: z.literal(1),
  code: z.string(),
  at: z.string(),
  session: z.string().optional(),
  seq: z.int().min(0).optional(),
  durationMicros: z.int().min(0).optional(),
  body: z.string().optional(),
});
export type NumberedHeader = z.infer<typeof NumberedHeader>;

interface Numbers {
  /** operations 1 to this one are all there */
  upTo: number;
  readonly ahead: Set<number>;
  lastIndex: number;
}

interface Gap {
  readonly session: string;
  readonly index: number;
  readonly seq: number;
  /** milliseconds since the epoch */
  readonly at: number;
}

/**
 * Operations of a session are numbered 1, 2, 3 …: `operation.intended` or `operation.refused` takes a number once,
 * `session.ended` says the last one. A number may come late (an operation waited for approval). Numbers missing at the
 * end of a session are excused only while the log said that it could not be written.
 */
export class OperationNumbers {
  readonly #sessions = new Map<string, Numbers>();
  #gaps: Gap[] = [];
  #lastIncident = -1;

  /** What is wrong with the event, or null. */
  take(index: number, header: NumberedHeader): string | null {
    if (header.code === 'log.write-failed') this.#incident(index, header);
    const { session, seq } = header;
    if (session === undefined || seq === undefined) return null;
    switch (header.code) {
      case 'operation.intended':
      case 'operation.refused':
        return this.#number(index, session, seq);
      case 'operation.settled':
        return this.#isKnown(session, seq) ? null : `operation ${String(seq)} of ${session} ended without having begun`;
      case 'session.ended':
        this.#end(index, { session, seq, at: Date.parse(header.at) });
        return null;
      default:
        return null;
    }
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** The first session that ended with operations missing. */
  finish(): { index: number; why: string } | null {
    for (const { session, index, seq } of this.#gaps) {
      const numbers = this.#sessions.get(session);
      if (numbers !== undefined && numbers.upTo < seq) return { index, why: `operation ${String(numbers.upTo + 1)} of ${session} is missing` };
    }
    return null;
  }

  #number(index: number, session: string, seq: number): string | null {
    if (seq === 0 || this.#isKnown(session, seq)) return `operation ${String(seq)} of ${session} appears twice`;
    const numbers = this.#of(session);
    numbers.ahead.add(seq);
    numbers.lastIndex = index;
    while (numbers.ahead.delete(numbers.upTo + 1)) numbers.upTo++;
    return null;
  }

  #isKnown(session: string, seq: number): boolean {
    const numbers = this.#sessions.get(session);
    return numbers !== undefined && (seq <= numbers.upTo || numbers.ahead.has(seq));
  }

  #end(index: number, { session, seq, at }: { session: string; seq: number; at: number }): void {
    const numbers = this.#of(session);
    if (numbers.upTo >= seq) return;
    const isExcused = this.#lastIncident > numbers.lastIndex && numbers.ahead.size === 0;
    if (!isExcused) this.#gaps.push({ session, index, seq, at });
  }

  #incident(index: number, { at, durationMicros }: NumberedHeader): void {
    this.#lastIncident = index;
    const since = Date.parse(at) - (durationMicros ?? 0) / 1000;
    this.#gaps = this.#gaps.filter((gap) => gap.at < since || (this.#sessions.get(gap.session)?.ahead.size ?? 0) > 0);
  }

  #of(session: string): Numbers {
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    const fresh: Numbers = { upTo: 0, ahead: new Set(), lastIndex: -1 };
    this.#sessions.set(session, fresh);
    return fresh;
  }
}

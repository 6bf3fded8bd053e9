const maxPlaces = 4_096;

/**
 * The places of one session's streams, as its caller knows them. Servers may keep the streams of all their sessions in one store, so
 * nobody takes up a stream at a place that was not given to them.
 */
export class EventPlaces {
  readonly #mask: (text: string) => string;
  /** as shown → as the server wrote it */
  readonly #known = new Map<string, string>();

  constructor(mask: (text: string) => string) {
    this.#mask = mask;
  }

  /** The place as the caller may see it. */
  shown(id: string | null): string | null {
    if (id === null) return null;
    const masked = this.#mask(id).replaceAll(/[\r\n]/g, '');
    this.#known.delete(masked);
    this.#known.set(masked, id);
    const [oldest] = this.#known.keys();
    if (this.#known.size > maxPlaces && oldest !== undefined) this.#known.delete(oldest);
    return masked;
  }

  /** What the server called it; null: it was never given to this caller, or long ago. */
  find(shown: string): string | null {
    return this.#known.get(shown) ?? null;
  }
}

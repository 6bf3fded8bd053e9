import { readBodySegment, segmentEntries, type SealedBatch } from './body-segments.ts';
import { parseBodies } from './entry.ts';
import type { Unseal } from './sealing.ts';

/** Body texts of entries in ascending order: a segment is read once, and a commit opened once, for all that are asked for in it. */
export class BodyReading {
  readonly #directory: string;
  readonly #unseal: Unseal;
  readonly #segments = new Map<number, readonly SealedBatch[]>();
  #opened: { readonly firstIndex: number; readonly texts: ReadonlyMap<number, string> } | null = null;

  constructor(directory: string, unseal: Unseal) {
    this.#directory = directory;
    this.#unseal = unseal;
  }

  /** undefined: it has none, or it is not kept. Throws ERR_VERIFICATION_FAILED when it does not open. */
  async text(index: number): Promise<string | undefined> {
    const batch = await this.#batchOf(index);
    if (batch === undefined || batch.firstIndex + batch.count <= index) return undefined;
    if (this.#opened?.firstIndex !== batch.firstIndex) {
      const bodies = parseBodies(this.#unseal(batch.firstIndex, batch.sealed));
      this.#opened = { firstIndex: batch.firstIndex, texts: new Map(bodies.map(({ ordinal, text }) => [batch.firstIndex + ordinal, text])) };
    }
    return this.#opened.texts.get(index);
  }

  async #batchOf(index: number): Promise<SealedBatch | undefined> {
    const segment = Math.floor(index / segmentEntries);
    const own = lastFrom(await this.#segment(segment), index);
    // a commit can reach over the end of its segment, never over a whole one
    return own ?? (segment === 0 ? undefined : lastFrom(await this.#segment(segment - 1), index));
  }

  async #segment(segment: number): Promise<readonly SealedBatch[]> {
    const known = this.#segments.get(segment);
    if (known !== undefined) return known;
    const batches = (await readBodySegment(this.#directory, segment))?.batches ?? [];
    for (const number of this.#segments.keys()) if (number < segment - 1) this.#segments.delete(number);
    this.#segments.set(segment, batches);
    return batches;
  }
}

/** The last one that starts at the entry or before it. */
function lastFrom(batches: readonly SealedBatch[], index: number): SealedBatch | undefined {
  let low = 0;
  let high = batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((batches[middle]?.firstIndex ?? Infinity) <= index) low = middle + 1;
    else high = middle;
  }
  return batches[low - 1];
}

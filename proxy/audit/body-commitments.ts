import { join } from 'node:path';
import { reasonOf } from '../lib/errors.ts';
import { commitment } from '../lib/commitment.ts';
import { bodySegmentName, bodySegmentNumber, readBodySegment, type SealedBatch, segmentEntries } from './body-segments.ts';
import { maxEntriesPerChunk, parseBodies } from './entry.ts';
import { namesIn } from './log-files.ts';
import type { LogState } from './log-state.ts';
import { Refuted } from './log-snapshot.ts';
import { bodyOpener, type Unseal } from './sealing.ts';

/** Holds the kept bodies against the commitments in the headers, segment by segment, while the entries stream by. */
export class BodyCommitments {
  readonly #directory: string;
  readonly #unseal: Unseal | null;
  readonly #written: LogState['bodies'] | null;
  /** commitments of entries whose segment was not read yet */
  readonly #wanted = new Map<number, string>();
  readonly #missing: number[] = [];
  #next = 0;
  #verified = 0;
  #present = 0;
  #size = 0;

  /** `written`: how far the writer had come for certain; what stands after it a crash may have left. Null: all is certain. */
  constructor(directory: string, bodyKey: Uint8Array | undefined, written: LogState['bodies'] | null) {
    this.#directory = directory;
    this.#written = written;
    this.#unseal = bodyKey === undefined ? null : bodyOpener(bodyKey);
  }

  async take(index: number, committed: string | undefined): Promise<void> {
    if (committed !== undefined) this.#wanted.set(index, committed);
    this.#size = index + 1;
    // a commit may reach over the end of its segment by one commit
    if (index >= (this.#next + 1) * segmentEntries + maxEntriesPerChunk) await this.#segment();
  }

  /** Only bodies of entries below `published` have to be here: later ones are in the journal. */
  async finish(isRequired: boolean, published: number): Promise<{ verified: number; present: number; missing: number }> {
    while (this.#next * segmentEntries < this.#size) await this.#segment();
    for (const name of await namesIn(this.#directory)) {
      if (bodySegmentNumber(name) === null) throw new Refuted(join('bodies', name), 'no file of this log');
    }
    const missing = this.#missing.filter((index) => index < published);
    if (isRequired && missing[0] !== undefined)
      throw new Refuted(join('bodies', bodySegmentName(Math.floor(missing[0] / segmentEntries))), 'the body of the entry is missing', { index: missing[0] });
    return { verified: this.#verified, present: this.#present, missing: missing.length };
  }

  async #segment(): Promise<void> {
    const number = this.#next++;
    const file = join('bodies', bodySegmentName(number));
    const read = await readBodySegment(this.#directory, number);
    for (const batch of read?.batches ?? []) this.#batch(batch, file);
    if (read !== null && read.fault !== null && !this.#isUncertain(number, read.fault)) {
      const last = read.batches.at(-1);
      throw new Refuted(file, `the file is damaged at byte ${String(read.fault)}`, {
        index: last === undefined ? number * segmentEntries : last.firstIndex + last.count,
      });
    }
    for (const index of this.#wanted.keys()) {
      if (index >= this.#next * segmentEntries) continue;
      this.#wanted.delete(index);
      this.#missing.push(index);
    }
  }

  #isUncertain(segment: number, position: number): boolean {
    if (this.#written === null) return false;
    return segment > this.#written.segment || (segment === this.#written.segment && position >= this.#written.bytes);
  }

  #batch({ firstIndex, count, sealed }: SealedBatch, file: string): void {
    // newer than what is being verified
    if (firstIndex >= this.#size) return;
    if (this.#unseal === null) {
      // unopened: that something is kept for each commit's entries is all that can be said
      for (let index = firstIndex; index < firstIndex + count; index++) if (this.#wanted.delete(index)) this.#present++;
      return;
    }
    for (const { ordinal, salt, text } of this.#open(firstIndex, sealed, file)) {
      const index = firstIndex + ordinal;
      if (ordinal >= count || this.#wanted.get(index) !== commitment(salt, text))
        throw new Refuted(file, 'a body is not the one its entry is committed to', { index });
      this.#wanted.delete(index);
      this.#present++;
      this.#verified++;
    }
  }

  #open(firstIndex: number, sealed: Buffer, file: string): ReturnType<typeof parseBodies> {
    try {
      return parseBodies(this.#unseal?.(firstIndex, sealed) ?? Buffer.alloc(0));
    } catch (error) {
      throw new Refuted(file, `bodies do not open: ${reasonOf(error)}`, { index: firstIndex });
    }
  }
}

import { fail } from '../contract/errors.ts';
import { nodesFromTiles, proveConsistency, proveInclusion } from '../proof/proofs.ts';
import { headerOf, parseBodies } from './entry.ts';
import { sha256 } from './hashing.ts';
import { LogDirectory, type LogEntry } from './log-directory.ts';
import type { LogState } from './log-state.ts';
import type { HashedBatch } from './materializer.ts';
import type { Unseal } from './sealing.ts';

/** What the log holds and can be asked for: published entries on disk, the durable tail in memory. */
export class LogContent {
  readonly #directory: LogDirectory;
  readonly #unseal: Unseal;
  #published: number;
  #publishedBodies: LogState['bodies'];
  #checkpoint: string | null;
  #tail: HashedBatch[] = [];
  #tailCount = 0;
  #tailBytes = 0;

  constructor(directory: string, head: { size: number; bodies: LogState['bodies']; checkpoint: string | null }, unseal: Unseal) {
    this.#directory = new LogDirectory(directory);
    this.#unseal = unseal;
    this.#published = head.size;
    this.#publishedBodies = head.bodies;
    this.#checkpoint = head.checkpoint;
  }

  /** durable entries */
  get size(): number {
    return this.#published + this.#tailCount;
  }

  /** entries under the newest checkpoint */
  get published(): number {
    return this.#published;
  }

  get publishedBodies(): LogState['bodies'] {
    return this.#publishedBodies;
  }

  get checkpoint(): string | null {
    return this.#checkpoint;
  }

  get tail(): readonly HashedBatch[] {
    return [...this.#tail];
  }

  get tailCount(): number {
    return this.#tailCount;
  }

  get tailBytes(): number {
    return this.#tailBytes;
  }

  grow(batch: HashedBatch): void {
    this.#tail.push(batch);
    this.#tailCount += batch.count;
    this.#tailBytes += bytesOf(batch);
  }

  publish(head: { size: number; bodies: LogState['bodies']; checkpoint: string }): void {
    while (this.#tail[0] !== undefined && this.#tail[0].firstIndex < head.size) {
      this.#tailCount -= this.#tail[0].count;
      this.#tailBytes -= bytesOf(this.#tail[0]);
      this.#tail.shift();
    }
    this.#published = head.size;
    this.#publishedBodies = head.bodies;
    this.#checkpoint = head.checkpoint;
  }

  async header(index: number): Promise<string> {
    for await (const { header } of this.read({ from: index, to: index + 1 })) return header;
    throw fail('ERR_NOT_FOUND', { detail: `no entry ${String(index)}` });
  }

  /** Entries `from` up to `to`, as far as there are any. */
  async *read(range: { from: number; to: number }, withBodies = false): AsyncGenerator<LogEntry> {
    // what is in memory now stays readable when it is published meanwhile
    const tail = this.tail;
    const published = this.#published;
    yield* this.#directory.entries({ from: range.from, to: Math.min(range.to, published), size: published }, withBodies ? this.#unseal : undefined);
    for (const batch of tail) {
      if (batch.firstIndex < range.to && batch.firstIndex + batch.count > range.from) yield* this.#entriesOf(batch, range, withBodies);
    }
  }

  /** Those of the entries, ascending, that there are. */
  async *pick(indexes: readonly number[], withBodies: boolean): AsyncGenerator<LogEntry> {
    const tail = this.tail;
    const published = this.#published;
    yield* this.#directory.picked(indexes, published, withBodies ? this.#unseal : undefined);
    const wanted = new Set(indexes);
    const range = { from: Math.max(published, indexes[0] ?? 0), to: (indexes.at(-1) ?? -1) + 1 };
    for (const batch of tail) {
      if (batch.firstIndex >= range.to || batch.firstIndex + batch.count <= range.from) continue;
      for (const entry of this.#entriesOf(batch, range, withBodies)) if (wanted.has(entry.index)) yield entry;
    }
  }

  /** Throws ERR_NOT_FOUND outside the checkpoint. */
  async inclusion(index: number, size: number): Promise<Uint8Array[]> {
    return await this.#proof(size, () => proveInclusion(index, size, this.#nodes(size), sha256));
  }

  /** Throws ERR_NOT_FOUND outside the checkpoint. */
  async consistency(oldSize: number, size: number): Promise<Uint8Array[]> {
    return await this.#proof(size, () => proveConsistency(oldSize, size, this.#nodes(size), sha256));
  }

  *#entriesOf(batch: HashedBatch, range: { from: number; to: number }, withBodies: boolean): Generator<LogEntry> {
    const bodies = withBodies && batch.sealed.length > 0 ? parseBodies(this.#unseal(batch.firstIndex, batch.sealed)) : [];
    const texts = new Map(bodies.map(({ ordinal, text }) => [batch.firstIndex + ordinal, text]));
    let index = batch.firstIndex;
    for (const chunk of batch.chunks) {
      for (let at = 0; at < chunk.count; at++, index++) {
        const body = texts.get(index);
        if (index >= range.from && index < range.to) yield { index, header: headerOf(chunk, at).toString(), ...(body !== undefined && { body }) };
      }
    }
  }

  #nodes(size: number): ReturnType<typeof nodesFromTiles> {
    return nodesFromTiles(size, sha256, (tile) => this.#directory.tile(tile));
  }

  async #proof(size: number, prove: () => Promise<Uint8Array[]>): Promise<Uint8Array[]> {
    if (size > this.#published) throw fail('ERR_NOT_FOUND', { detail: `the checkpoint covers ${String(this.#published)} entries` });
    try {
      return await prove();
    } catch (error) {
      if (error instanceof RangeError) throw fail('ERR_NOT_FOUND', { detail: error.message, cause: error });
      throw error;
    }
  }
}

function bytesOf({ chunks, sealed }: HashedBatch): number {
  return chunks.reduce((sum, { entries }) => sum + entries.length, sealed.length);
}

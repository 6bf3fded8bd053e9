import { join } from 'node:path';
import { fail } from '../contract/errors.ts';
import { hashBytes } from '../proof/merkle.ts';
import { parseBundle, type Tile, tilePath, tileWidth, widthAt } from '../proof/tiles.ts';
import { BodyReading } from './body-reading.ts';
import { namesIn, readIfThere } from './log-files.ts';
import type { Unseal } from './sealing.ts';

/** One event as stored. */
export interface LogEntry {
  readonly index: number;
  /** canonical JSON */
  readonly header: string;
  readonly body?: string;
}

/** Reads the files of a log; never writes. Proves nothing: see verify.ts. */
export class LogDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get bodies(): string {
    return join(this.path, 'bodies');
  }

  checkpoint(): Promise<Buffer | null> {
    return readIfThere(join(this.path, 'checkpoint'));
  }

  /** The hashes of the tile as in a log of `tile.width`; from a wider tile when that one is gone. Throws ERR_NOT_FOUND. */
  async tile(tile: Tile): Promise<Buffer> {
    const bytes = (await readIfThere(join(this.path, tilePath(tile)))) ?? (await this.#wider(tile));
    if (bytes === null || bytes.length < tile.width * hashBytes) throw fail('ERR_NOT_FOUND', { detail: `${tilePath(tile)} is missing or short` });
    return bytes.subarray(0, tile.width * hashBytes);
  }

  /** The headers of a bundle in a log of `size` entries. Throws ERR_NOT_FOUND. */
  async bundle(index: number, size: number): Promise<Buffer[]> {
    const tile: Tile = { level: 'entries', index, width: widthAt('entries', index, size) };
    const bytes = (await readIfThere(join(this.path, tilePath(tile)))) ?? (await this.#wider(tile));
    const entries = bytes === null ? [] : parseBundle(bytes).entries;
    if (entries.length < tile.width) throw fail('ERR_NOT_FOUND', { detail: `${tilePath(tile)} is missing or short` });
    return entries.slice(0, tile.width).map((entry) => Buffer.from(entry.buffer, entry.byteOffset, entry.length));
  }

  /** Entries `from` up to `to` of a log of `size` entries, with their bodies where `unseal` is given and bodies are kept. */
  async *entries(range: { from: number; to: number; size: number }, unseal?: Unseal): AsyncGenerator<LogEntry> {
    const to = Math.min(range.to, range.size);
    const bodies = unseal === undefined ? null : new BodyReading(this.bodies, unseal);
    for (let at = range.from; at < to; ) {
      const index = Math.floor(at / tileWidth);
      const end = Math.min(to, (index + 1) * tileWidth);
      const headers = await this.bundle(index, range.size);
      for (; at < end; at++) yield await this.#entry(at, headers, bodies);
    }
  }

  /** Those of the entries, ascending, that are in a log of `size` entries; bodies as in `entries`. */
  async *picked(indexes: readonly number[], size: number, unseal?: Unseal): AsyncGenerator<LogEntry> {
    const bodies = unseal === undefined ? null : new BodyReading(this.bodies, unseal);
    let bundle = -1;
    let headers: readonly Buffer[] = [];
    for (const at of indexes) {
      if (at >= size) return;
      const index = Math.floor(at / tileWidth);
      if (index !== bundle) headers = await this.bundle(index, size);
      bundle = index;
      yield await this.#entry(at, headers, bodies);
    }
  }

  async #entry(index: number, headers: readonly Buffer[], bodies: BodyReading | null): Promise<LogEntry> {
    const body = await bodies?.text(index);
    return { index, header: headers[index % tileWidth]?.toString() ?? '', ...(body !== undefined && { body }) };
  }

  async #wider(tile: Tile): Promise<Buffer | null> {
    const full = await readIfThere(join(this.path, tilePath({ ...tile, width: tileWidth })));
    if (full !== null) return full;
    const directory = join(this.path, tilePath({ ...tile, width: 1 }), '..');
    const widths = (await namesIn(directory)).map(Number).filter((width) => width > tile.width);
    return widths.length === 0 ? null : await readIfThere(join(directory, String(Math.min(...widths))));
  }
}

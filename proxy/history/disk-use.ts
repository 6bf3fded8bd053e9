import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiskSample, History } from './history.ts';
import { dayMs, hourMs } from './tally.ts';

export interface DiskUse {
  readonly freeBytes: number;
  readonly usedBytes: number;
  /** milliseconds since the epoch; null: it does not grow, or is too young to say */
  readonly fullAt: number | null;
}

const walkEveryMs = 60_000;
/** less says nothing about a day */
const minSpanMs = 6 * hourMs;
const statsAtOnce = 64;

/** What the data directory takes, walked at most once a minute; the history keeps one sample an hour. */
export class DiskMeter {
  readonly #dir: string;
  readonly #now: () => number;
  #walk: { at: number; used: Promise<number> } | null = null;

  constructor(dir: string, now: () => number) {
    this.#dir = dir;
    this.#now = now;
  }

  async read(history: Pick<History, 'diskSamples' | 'addDiskSample'>): Promise<DiskUse> {
    const now = this.#now();
    if (this.#walk === null || now - this.#walk.at >= walkEveryMs || now < this.#walk.at) this.#walk = { at: now, used: bytesBelow(this.#dir) };
    const [usedBytes, { bavail, bsize }] = await Promise.all([this.#walk.used, statfs(this.#dir)]);
    const freeBytes = bavail * bsize;
    const samples = history.diskSamples({ since: now - dayMs - hourMs });
    if (now - (samples.at(-1)?.at ?? 0) >= hourMs) history.addDiskSample({ at: now, used: usedBytes });
    return { usedBytes, freeBytes, fullAt: fullAt({ at: now, used: usedBytes }, samples, freeBytes) };
  }
}

/** When the free bytes are used up at the growth since the oldest sample. */
export function fullAt(now: DiskSample, samples: readonly DiskSample[], freeBytes: number): number | null {
  const [oldest] = samples;
  if (oldest === undefined || now.at - oldest.at < minSpanMs || now.used <= oldest.used) return null;
  const perMs = (now.used - oldest.used) / (now.at - oldest.at);
  const at = Math.round(now.at + freeBytes / perMs);
  // beyond what a calendar says
  return at > 8.64e15 / 2 ? null : at;
}

/** Files that go meanwhile count nothing. */
async function bytesBelow(dir: string): Promise<number> {
  const files = (await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => [])).filter((entry) => entry.isFile());
  let bytes = 0;
  for (let from = 0; from < files.length; from += statsAtOnce) {
    const sizes = await Promise.all(
      files.slice(from, from + statsAtOnce).map((file) =>
        stat(join(file.parentPath, file.name)).then(
          ({ blocks }) => blocks * 512,
          () => 0,
        ),
      ),
    );
    bytes += sizes.reduce((sum, size) => sum + size, 0);
  }
  return bytes;
}

import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** in place of an inode: numbers of directories are used again */
const directory = -1;

const shim = new URL('./disk-shim.ts', import.meta.url).href;

export interface DiskFault {
  readonly code: 'EIO' | 'EROFS' | 'ENOSPC';
  /** `sync`: what was written does not become durable; `write`, `open`: refused at once */
  readonly at: readonly ('sync' | 'write' | 'open')[];
  /** relative to the data directory; absent: everything */
  readonly under?: readonly string[];
}

/** A disk that forgets on power loss what was not synced, and fails when it is told to: see disk-shim.ts. */
export class FaultyDisk {
  readonly #home = mkdtempSync(join(tmpdir(), 'postern-disk-'));
  readonly #watch: string;
  /** names (with their inodes) and lengths that are durable from the beginning */
  readonly #names = new Map<string, number>();
  readonly #sizes = new Map<number, number>();

  /** `syncs: false`: a disk whose fsync does nothing */
  constructor(watch: string, options: { syncs: boolean } = { syncs: true }) {
    this.#watch = watch;
    mkdirSync(join(this.#home, 'kept'));
    writeFileSync(join(this.#home, 'settings.json'), JSON.stringify({ watch, syncs: options.syncs }));
    writeFileSync(join(this.#home, 'notes'), '');
    for (const path of pathsUnder(watch)) {
      const stat = lstatSync(path);
      this.#names.set(path, stat.isDirectory() ? directory : stat.ino);
      if (stat.isFile()) this.#sizes.set(stat.ino, stat.size);
    }
  }

  /** for the service that runs on it */
  get environment(): Readonly<Record<string, string>> {
    return { NODE_OPTIONS: `--import=${shim}`, POSTERN_DISK: this.#home };
  }

  fail(fault: DiskFault): void {
    writeFileSync(join(this.#home, 'fault.json'), JSON.stringify(fault));
  }

  heal(): void {
    rmSync(join(this.#home, 'fault.json'), { force: true });
  }

  /**
   * What a disk that lost power would hold, as a new directory: files by their durable names, cut to their durable
   * lengths. `asTheyAre`: what is written past the shim, by
   * the beginning of its path, is taken whole.
   */
  afterPowerLoss(to: string, asTheyAre: readonly string[]): { files: number; cutBytes: number; lostNames: number } {
    const durable = this.#replay();
    const now = new Map(pathsUnder(this.#watch).map((path) => [lstatSync(path).ino, path]));
    const counts = { files: 0, cutBytes: 0, lostNames: 0 };
    const isWhole = (path: string): boolean => asTheyAre.some((part) => path.startsWith(join(this.#watch, part)));
    const targetOf = (path: string): string => join(to, path.slice(this.#watch.length + 1));
    mkdirSync(to, { recursive: true, mode: 0o700 });
    for (const path of pathsUnder(this.#watch)) {
      if (isWhole(path) && lstatSync(path).isFile()) copy(path, targetOf(path));
      else if (!durable.names.has(path)) counts.lostNames++;
    }
    for (const [path, ino] of durable.names) {
      if (isWhole(path) || !this.#hasDurableWay(path, durable.names)) continue;
      if (ino === directory) {
        mkdirSync(targetOf(path), { recursive: true, mode: 0o700 });
        continue;
      }
      const kept = join(this.#home, 'kept', String(ino));
      const source = existsSync(kept) ? kept : now.get(ino);
      if (source === undefined) throw new Error(`nothing is left of ${path}`);
      copy(source, targetOf(path));
      const { size, mode } = lstatSync(source);
      const length = Math.min(size, durable.sizes.get(ino) ?? 0);
      // a key file may not be written by its own owner
      chmodSync(targetOf(path), 0o600);
      truncateSync(targetOf(path), length);
      chmodSync(targetOf(path), mode & 0o777);
      counts.files++;
      counts.cutBytes += size - length;
    }
    return counts;
  }

  remove(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }

  #hasDurableWay(path: string, names: ReadonlyMap<string, number>): boolean {
    for (let at = dirname(path); at !== this.#watch; at = dirname(at)) if (!names.has(at)) return false;
    return true;
  }

  #replay(): { names: Map<string, number>; sizes: Map<number, number> } {
    const durable = new Map(this.#names);
    const current = new Map(this.#names);
    const sizes = new Map(this.#sizes);
    const asked = new Map<string, Map<string, number>>();
    const isIn =
      (parent: string) =>
      ([path]: readonly [string, number]): boolean =>
        dirname(path) === parent;
    const apply: Readonly<Record<string, (first: string, second: string, third: string) => void>> = {
      directory: (path) => current.set(path, directory),
      file: (path, ino) => {
        current.set(path, Number(ino));
        // a number that was free again: nothing of the old file is meant
        sizes.delete(Number(ino));
      },
      rename: (from, to, ino) => {
        current.delete(from);
        current.set(to, Number(ino));
      },
      remove: (path) => current.delete(path),
      cut: (ino, size) => sizes.set(Number(ino), Math.min(sizes.get(Number(ino)) ?? 0, Number(size))),
      bytes: (ino, size) => sizes.set(Number(ino), Math.max(sizes.get(Number(ino)) ?? 0, Number(size))),
      asked: (number, path) => asked.set(number, new Map([...current].filter(isIn(path)))),
      names: (number, path) => {
        for (const [name] of [...durable].filter(isIn(path))) durable.delete(name);
        for (const [name, ino] of asked.get(number) ?? []) durable.set(name, ino);
        asked.delete(number);
      },
    };
    for (const line of readFileSync(join(this.#home, 'notes'), 'utf8').split('\n')) {
      const [what = '', first = '', second = '', third = ''] = line.split(' ').map(decodeURI);
      apply[what]?.(first, second, third);
    }
    return { names: durable, sizes };
  }
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  copyFileSync(from, to);
}

/** Everything but sockets. */
function pathsUnder(top: string): string[] {
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

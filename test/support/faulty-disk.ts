import { copyFileSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

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
  /** names and lengths that are durable from the beginning */
  readonly #names = new Map<string, number>();
  readonly #sizes = new Map<number, number>();

  /** `syncs: false`: a disk whose fsync does nothing */
  constructor(watch: string, options: { syncs: boolean } = { syncs: true }) {
    this.#watch = watch;
    mkdirSync(join(this.#home, 'kept'));
    writeFileSync(join(this.#home, 'settings.json'), JSON.stringify({ watch, syncs: options.syncs }));
    writeFileSync(join(this.#home, 'notes'), '');
    for (const path of pathsUnder(watch)) {
      const { ino, size } = lstatSync(path);
      this.#names.set(path, ino);
      this.#sizes.set(ino, size);
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
   * lengths. `asTheyAre`: paths that are written past the shim and are taken whole.
   */
  afterPowerLoss(to: string, asTheyAre: readonly string[]): { files: number; cutBytes: number; lostNames: number } {
    const durable = this.#replay();
    const now = new Map(pathsUnder(this.#watch).map((path) => [lstatSync(path).ino, path]));
    const counts = { files: 0, cutBytes: 0, lostNames: 0 };
    mkdirSync(to, { recursive: true, mode: 0o700 });
    for (const path of pathsUnder(this.#watch)) {
      const relative = path.slice(this.#watch.length + 1);
      const isWhole = asTheyAre.some((part) => relative === part || relative.startsWith(`${part}/`));
      if (lstatSync(path).isFile() && isWhole) copy(path, join(to, relative));
      else if (!isWhole && !durable.names.has(path)) counts.lostNames++;
    }
    for (const [path, ino] of durable.names) {
      const relative = path.slice(this.#watch.length + 1);
      if (!this.#hasDurableWay(path, durable.names) || asTheyAre.some((part) => relative === part || relative.startsWith(`${part}/`))) continue;
      const kept = join(this.#home, 'kept', String(ino));
      const source = existsSync(kept) ? kept : now.get(ino);
      if (source === undefined) throw new Error(`nothing is left of ${relative}`);
      const stat = lstatSync(source);
      const target = join(to, relative);
      if (stat.isDirectory()) mkdirSync(target, { recursive: true, mode: 0o700 });
      if (!stat.isFile()) continue;
      copy(source, target);
      const length = Math.min(stat.size, durable.sizes.get(ino) ?? 0);
      truncateSync(target, length);
      counts.files++;
      counts.cutBytes += stat.size - length;
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
    const isIn = (directory: string) => ([path]: readonly [string, number]): boolean => dirname(path) === directory;
    for (const line of readFileSync(join(this.#home, 'notes'), 'utf8').split('\n')) {
      const [what, ...words] = line.split(' ').map(decodeURI);
      const [first = '', second = '', third = ''] = words;
      switch (what) {
        case 'create':
          current.set(first, Number(second));
          // a number that was free again: nothing of the old file is meant
          sizes.delete(Number(second));
          break;
        case 'rename':
          current.delete(first);
          current.set(second, Number(third));
          break;
        case 'remove':
          current.delete(first);
          break;
        case 'cut':
          sizes.set(Number(first), Math.min(sizes.get(Number(first)) ?? 0, Number(second)));
          break;
        case 'bytes':
          sizes.set(Number(first), Math.max(sizes.get(Number(first)) ?? 0, Number(second)));
          break;
        case 'asked':
          asked.set(first, new Map([...current].filter(isIn(second))));
          break;
        case 'names':
          for (const [path] of [...durable].filter(isIn(second))) durable.delete(path);
          for (const [path, ino] of asked.get(first) ?? []) durable.set(path, ino);
          asked.delete(first);
          break;
        default:
      }
    }
    return { names: durable, sizes };
  }
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  copyFileSync(from, to);
}

/** Everything but sockets. */
function pathsUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() || entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

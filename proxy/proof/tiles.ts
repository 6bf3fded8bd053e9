import { concatBytes } from './bytes.ts';

/** C2SP tlog-tiles: where the hashes and entries of a log stand as static files. */
export const tileWidth = 256;
export const maxEntryBytes = 65_535;

export interface Tile {
  /** 0: leaf hashes; n: roots of full tiles below; `entries`: the entry bundle beside the tile of level 0 */
  readonly level: number | 'entries';
  readonly index: number;
  /** 1 to 256 */
  readonly width: number;
}

/** `tile/0/x001/x234/067`, `tile/entries/000.p/17` */
export function tilePath(tile: Tile): string {
  let path = String(tile.index % 1000).padStart(3, '0');
  for (let rest = Math.floor(tile.index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`;
  }
  const partial = tile.width === tileWidth ? '' : `.p/${String(tile.width)}`;
  return `tile/${String(tile.level)}/${path}${partial}`;
}

/** Strict inverse of `tilePath`; null for every other path. */
export function parseTilePath(path: string): Tile | null {
  const parts = /^tile\/(entries|[0-9]|[1-5][0-9]|6[0-3])\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path);
  const [, level, number, width] = parts ?? [];
  if (level === undefined || number === undefined) return null;
  const tile: Tile = {
    level: level === 'entries' ? level : Number(level),
    index: Number(number.replaceAll(/[x/]/g, '')),
    width: width === undefined ? tileWidth : Number(width),
  };
  return tile.width <= tileWidth && tilePath(tile) === path ? tile : null;
}

/** Width of the tile in a log of `size` entries; 0 when the log does not reach it. */
export function widthAt(level: number | 'entries', index: number, size: number): number {
  const hashes = Math.floor(size / tileWidth ** (level === 'entries' ? 0 : level));
  return Math.max(0, Math.min(tileWidth, hashes - index * tileWidth));
}

/** The partial tiles of hashes at the right edge of a log of `size` entries. */
export function partialTiles(size: number): Tile[] {
  const tiles: Tile[] = [];
  for (let level = 0, hashes = size; hashes > 0; level++, hashes = Math.floor(hashes / tileWidth)) {
    const width = hashes % tileWidth;
    if (width > 0) tiles.push({ level, index: Math.floor(hashes / tileWidth), width });
  }
  return tiles;
}

/** uint16 length before each entry. Throws RangeError above 65535 bytes. */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    if (entry.length > maxEntryBytes) throw new RangeError('an entry is longer than 65535 bytes');
    parts.push(Uint8Array.of(entry.length >> 8, entry.length & 255), entry);
  }
  return concatBytes(parts);
}

/** The whole entries at the start of the bundle, and how many bytes they take. */
export function parseBundle(bytes: Uint8Array): { entries: Uint8Array[]; used: number } {
  const entries: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const high = bytes[at];
    const low = bytes[at + 1];
    if (high === undefined || low === undefined) break;
    const end = at + 2 + high * 256 + low;
    if (end > bytes.length) break;
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return { entries, used: at };
}

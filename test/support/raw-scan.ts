import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

/** A text that must be nowhere, by the path it was sent on. */
export interface Needle {
  readonly text: string;
  readonly from: string;
}

/** Bytes that were stored, as they are or in the clear. */
export interface Stored {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Every file under `dir` but the excluded names, and what is found compressed inside. */
export function storedFiles(dir: string, exclude: readonly string[]): Stored[] {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !exclude.includes(entry.name));
  return files.flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    const bytes = readFileSync(path);
    return [{ name: relative(dir, path), bytes }, ...unpacked(relative(dir, path), bytes)];
  });
}

/** Compressed data that was not encrypted would open. */
function unpacked(name: string, bytes: Buffer): Stored[] {
  const found: Stored[] = [];
  for (const [magic, open] of [
    ['28b52ffd', zstdDecompressSync],
    ['1f8b08', gunzipSync],
  ] as const) {
    for (let at = bytes.indexOf(magic, 0, 'hex'); at >= 0; at = bytes.indexOf(magic, at + 1, 'hex')) {
      try {
        found.push({ name: `${name}#unpacked`, bytes: open(bytes.subarray(at)) });
      } catch {
        // by chance these bytes
      }
    }
  }
  return found;
}

/** Where needles stand: as they are, in hexadecimal, in UTF-16, in base64 at any alignment. */
export function findNeedles(stored: readonly Stored[], needles: readonly Needle[]): string[] {
  const forms = needles.flatMap(({ text, from }) => formsOf(text).map(([form, pattern]) => ({ pattern, says: `${form} ${from}` })));
  const byPrefix = Map.groupBy(forms, ({ pattern }) => pattern.slice(0, prefixLength));
  const found = new Set<string>();
  for (const { name, bytes } of stored) {
    const text = bytes.toString('latin1');
    for (let at = 0; at + prefixLength <= text.length; at++) {
      const same = byPrefix.get(text.slice(at, at + prefixLength));
      if (same === undefined) continue;
      for (const { pattern, says } of same) if (text.startsWith(pattern, at)) found.add(`${name}: ${says}`);
    }
  }
  return [...found];
}

const prefixLength = 6;

function formsOf(text: string): [string, string][] {
  const bytes = Buffer.from(text);
  const forms: [string, string][] = [
    ['plain', text],
    ['hex', bytes.toString('hex')],
    ['HEX', bytes.toString('hex').toUpperCase()],
    ['utf-16', Buffer.from(text, 'utf16le').toString('latin1')],
  ];
  for (const before of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    forms.push(['base64', encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))]);
  }
  return forms;
}

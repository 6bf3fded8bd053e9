import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';

/** How a needle was found written. */
export type NeedleForm = 'raw' | 'json' | 'utf-16le' | 'utf-16be' | 'hex' | 'base64';

/** Never holds the needle itself, nor bytes around it. */
export interface Finding {
  /** relative to the data directory; `#decrypted` is appended when found in what a decryptor gave */
  readonly file: string;
  readonly offset: number;
  readonly needleIndex: number;
  readonly form: NeedleForm;
}

export interface ScanReport {
  /** at most `maxFindings`; `truncated` says when there were more */
  readonly findings: readonly Finding[];
  readonly truncated: boolean;
  /** streams searched: every file as it is stored, and again as each decryptor gives it */
  readonly files: number;
  readonly bytes: number;
  /** not searched: excluded by name, or no regular file */
  readonly skipped: readonly string[];
  /** could not be read, or not decrypted: the scan proves nothing about them */
  readonly unreadable: readonly string[];
}

/** One kind of encrypted store: recordings, bodies of the log. */
export interface Decryptor {
  handles(file: string): boolean;
  open(path: string): AsyncIterable<Uint8Array>;
}

export interface ScanOptions {
  readonly dir: string;
  /** at least 4 bytes each: shorter ones are found everywhere */
  readonly needles: readonly Uint8Array[];
  readonly decryptors: readonly Decryptor[];
  /** relative paths or base names */
  readonly exclude?: readonly string[];
  readonly signal?: AbortSignal;
}

const minNeedleBytes = 4;
const maxFindings = 1000;

/**
 * Searches everything stored under `dir`, encrypted files also in the clear, for the needles: as they are, escaped in
 * JSON, in UTF-16, hexadecimal and base64 at any alignment. Throws RangeError for a needle too short.
 */
export async function selfScan(options: ScanOptions): Promise<ScanReport> {
  const patterns = new PatternSet(options.needles);
  const excluded = new Set(options.exclude ?? []);
  const report = { findings: [] as Finding[], truncated: false, files: 0, bytes: 0, skipped: [] as string[], unreadable: [] as string[] };
  const scan = async (name: string, stream: AsyncIterable<Uint8Array>): Promise<void> => {
    report.files += 1;
    for await (const piece of patterns.search(stream)) {
      options.signal?.throwIfAborted();
      report.bytes += piece.bytes;
      for (const found of piece.found) {
        if (report.findings.length < maxFindings) report.findings.push({ file: name, ...found });
        else report.truncated = true;
      }
    }
  };
  for await (const file of filesUnder(options.dir)) {
    if (!file.regular || excluded.has(file.name) || excluded.has(basename(file.name))) {
      report.skipped.push(file.name);
      continue;
    }
    const path = join(options.dir, file.name);
    const inTheClear = options.decryptors.filter((each) => each.handles(file.name));
    try {
      await scan(file.name, createReadStream(path, { highWaterMark: 1_048_576 }));
      for (const decryptor of inTheClear) await scan(`${file.name}#decrypted`, decryptor.open(path));
    } catch {
      options.signal?.throwIfAborted();
      report.unreadable.push(file.name);
    }
  }
  return report;
}

interface Pattern {
  readonly bytes: Buffer;
  readonly needleIndex: number;
  readonly form: NeedleForm;
}

/** Many patterns at once: a table over the first two bytes sorts out nearly every position. */
class PatternSet {
  readonly #starts = new Uint8Array(65_536);
  readonly #byPrefix = new Map<number, Pattern[]>();
  readonly #longest: number;

  constructor(needles: readonly Uint8Array[]) {
    let longest = 0;
    needles.forEach((needle, needleIndex) => {
      if (needle.length < minNeedleBytes) throw new RangeError(`a needle has at least ${String(minNeedleBytes)} bytes`);
      for (const pattern of formsOf(Buffer.from(needle), needleIndex)) {
        longest = Math.max(longest, pattern.bytes.length);
        this.#starts[pattern.bytes.readUInt16BE(0)] = 1;
        const prefix = pattern.bytes.readUInt32BE(0);
        const same = this.#byPrefix.get(prefix);
        if (same === undefined) this.#byPrefix.set(prefix, [pattern]);
        else same.push(pattern);
      }
    });
    this.#longest = longest;
  }

  async *search(stream: AsyncIterable<Uint8Array>): AsyncGenerator<{ bytes: number; found: Omit<Finding, 'file'>[] }> {
    let carried: Buffer = Buffer.alloc(0);
    let offset = 0;
    for await (const chunk of stream) {
      const block = Buffer.concat([carried, chunk]);
      // what could still grow into a pattern is looked at again with the next block
      const from = Math.max(0, block.length - (this.#longest - 1));
      yield { bytes: chunk.length, found: this.#matches(block, from, offset) };
      carried = block.subarray(from);
      offset += from;
    }
    yield { bytes: 0, found: this.#matches(carried, carried.length, offset) };
  }

  #matches(block: Buffer, to: number, offset: number): Omit<Finding, 'file'>[] {
    const found: Omit<Finding, 'file'>[] = [];
    const end = Math.min(to, block.length - minNeedleBytes + 1);
    for (let at = 0; at < end; at += 1) {
      if (this.#starts[((block[at] ?? 0) << 8) | (block[at + 1] ?? 0)] === 0) continue;
      for (const { bytes, needleIndex, form } of this.#byPrefix.get(block.readUInt32BE(at)) ?? []) {
        if (block.compare(bytes, 0, bytes.length, at, Math.min(at + bytes.length, block.length)) === 0) found.push({ offset: offset + at, needleIndex, form });
      }
    }
    return found;
  }
}

function formsOf(needle: Buffer, needleIndex: number): Pattern[] {
  const forms = new Map<string, Pattern>();
  const add = (form: NeedleForm, bytes: Buffer): void => {
    const id = bytes.toString('latin1');
    if (bytes.length >= minNeedleBytes && !forms.has(id)) forms.set(id, { bytes, needleIndex, form });
  };
  add('raw', needle);
  const text = needle.toString('utf8');
  if (Buffer.from(text).equals(needle)) {
    add('json', Buffer.from(JSON.stringify(text).slice(1, -1)));
    const wide = Buffer.from(text, 'utf16le');
    add('utf-16le', wide);
    add('utf-16be', Buffer.from(wide).swap16());
  }
  add('hex', Buffer.from(needle.toString('hex')));
  add('hex', Buffer.from(needle.toString('hex').toUpperCase()));
  for (const encoding of ['base64', 'base64url'] as const) {
    for (const before of [0, 1, 2]) add('base64', Buffer.from(innerBase64(needle, before, encoding)));
  }
  return [...forms.values()];
}

/** The letters that depend on the needle alone when `before` bytes stand before it in a group of three. */
function innerBase64(needle: Buffer, before: number, encoding: 'base64' | 'base64url'): string {
  const encoded = Buffer.concat([Buffer.alloc(before), needle]).toString(encoding);
  return encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + needle.length) * 8) / 6));
}

async function* filesUnder(dir: string): AsyncGenerator<{ name: string; regular: boolean }> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (entry.isDirectory()) continue;
    yield { name: relative(dir, join(entry.parentPath, entry.name)), regular: entry.isFile() };
  }
}

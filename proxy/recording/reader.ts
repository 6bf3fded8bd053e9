import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fail } from '../contract/errors.ts';
import { reasonOf } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import {
  digestOf,
  maxBoxBytes,
  maxHeaderBytes,
  openChunk,
  RecordingHeader,
  recordsOf,
  RootBuilder,
  tagBytes,
  unpackChunk,
  type ChunkKey,
  type RecordKind,
} from './format.ts';

/** Gives the session's key; throws when it was not wrapped for this session. */
export type UnwrapKey = (session: string, wrapped: string) => Promise<Secret<Uint8Array>> | Secret<Uint8Array>;

export interface RecordedEntry {
  /** milliseconds since the epoch */
  readonly at: number;
  readonly kind: Exclude<RecordKind, 'end'>;
  readonly operation: string;
  /** long ones come in pieces: all but the last have `more` */
  readonly bytes: Uint8Array;
  readonly more: boolean;
  readonly chunk: number;
}

export interface RecordingSummary {
  readonly chunks: number;
  /** as in `session.ended` and `recording.committed` of the log, to be compared with them */
  readonly root: string;
  readonly digests: readonly string[];
  /** false: the session lives, or its process was lost */
  readonly complete: boolean;
  /** the file ends within a chunk */
  readonly torn: boolean;
}

export interface RecordingReader {
  readonly header: RecordingHeader;
  /** Throws ERR_VERIFICATION_FAILED naming the first chunk that is missing, moved or changed. To be read once. */
  entries(): AsyncGenerator<RecordedEntry>;
  /** Null until all entries were read. */
  summary(): RecordingSummary | null;
  close(): Promise<void>;
}

/** Throws ERR_NOT_FOUND, ERR_VERIFICATION_FAILED. Reading ends or is abandoned: the file is closed. */
export async function readRecording(path: string, unwrap: UnwrapKey): Promise<RecordingReader> {
  const file = await openFile(path);
  try {
    const source = new Source(file);
    const line = await source.line();
    const header = parseHeader(line);
    if (header === null || `${header.session}.rec` !== basename(path))
      throw fail('ERR_VERIFICATION_FAILED', { detail: `${basename(path)} has no valid header` });
    const key = await unwrap(header.session, header.wrappedKey);
    return new FileReader(source, header, { key: key.reveal(), session: header.session, headerDigest: digestOf(line ?? Buffer.alloc(0)) });
  } catch (error) {
    await file.close();
    throw error;
  }
}

export interface RecordingListing {
  readonly session: string;
  readonly path: string;
  /** of the file */
  readonly bytes: number;
  /** null: the header cannot be read */
  readonly header: RecordingHeader | null;
}

/** Newest day first. */
export async function* listRecordings(dir: string): AsyncGenerator<RecordingListing> {
  for (const day of (await namesIn(dir)).filter((name) => /^\d{4}-\d{2}-\d{2}$/.test(name)).reverse()) {
    for (const name of await namesIn(join(dir, day))) {
      const session = /^(ses_[A-Za-z]{1,64})\.rec$/.exec(name)?.[1];
      if (session === undefined) continue;
      const path = join(dir, day, name);
      const file = await open(path);
      try {
        yield { session, path, bytes: (await stat(path)).size, header: parseHeader(await new Source(file).line()) };
      } finally {
        await file.close();
      }
    }
  }
}

/** Null when there is none. */
export async function findRecording(dir: string, session: string): Promise<string | null> {
  for (const day of (await namesIn(dir)).reverse()) {
    if ((await namesIn(join(dir, day))).includes(`${session}.rec`)) return join(dir, day, `${session}.rec`);
  }
  return null;
}

class FileReader implements RecordingReader {
  readonly header: RecordingHeader;
  readonly #source: Source;
  readonly #key: ChunkKey;
  readonly #root = new RootBuilder();
  readonly #digests: string[] = [];
  #ended = false;
  #summary: RecordingSummary | null = null;

  constructor(source: Source, header: RecordingHeader, key: ChunkKey) {
    this.#source = source;
    this.header = header;
    this.#key = key;
  }

  summary(): RecordingSummary | null {
    return this.#summary;
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  async *entries(): AsyncGenerator<RecordedEntry> {
    try {
      for (let index = 0; ; index += 1) {
        const box = await this.#box(index);
        if (box === 'end' || box === 'torn') {
          this.#summary = { chunks: index, root: this.#root.root(), digests: this.#digests, complete: this.#ended && box === 'end', torn: box === 'torn' };
          return;
        }
        yield* await this.#open(index, box);
      }
    } finally {
      await this.close();
    }
  }

  async #box(index: number): Promise<Buffer | 'end' | 'torn'> {
    const head = await this.#source.take(4);
    if (head.length === 0) return 'end';
    if (head.length < 4) return 'torn';
    const length = head.readUInt32BE(0);
    if (length < tagBytes || length > maxBoxBytes || this.#ended) throw badChunk(index, this.#ended ? 'stands after the end' : 'has an impossible length');
    const box = await this.#source.take(length);
    return box.length < length ? 'torn' : box;
  }

  async #open(index: number, box: Buffer): Promise<RecordedEntry[]> {
    const entries: RecordedEntry[] = [];
    try {
      for (const record of recordsOf(await unpackChunk(openChunk(this.#key, index, box)))) {
        if (record.kind === 'end') this.#ended = true;
        else entries.push({ at: record.at, kind: record.kind, operation: record.operation, bytes: record.bytes, more: record.more, chunk: index });
      }
    } catch (error) {
      throw badChunk(index, `is not the chunk that was stored: ${reasonOf(error)}`);
    }
    const digest = digestOf(box);
    this.#root.add(digest);
    this.#digests.push(digest.toString('base64'));
    return entries;
  }
}

/** Sequential reading in blocks. */
class Source {
  readonly #file: FileHandle;
  #unread: Buffer = Buffer.alloc(0);
  #closed = false;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** `size` bytes, or what there is before the end of the file. */
  async take(size: number): Promise<Buffer> {
    while (this.#unread.length < size && (await this.#more(size)));
    const bytes = this.#unread.subarray(0, size);
    this.#unread = this.#unread.subarray(bytes.length);
    return bytes;
  }

  /** With its line feed; null when there is none within the cap. */
  async line(): Promise<Buffer | null> {
    let end = -1;
    while (end === -1 && this.#unread.length < maxHeaderBytes) {
      if (!(await this.#more(maxHeaderBytes))) break;
      end = this.#unread.indexOf(10);
    }
    return end === -1 || end >= maxHeaderBytes ? null : this.take(end + 1);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }

  async #more(atLeast: number): Promise<boolean> {
    const block = Buffer.allocUnsafe(Math.max(65_536, atLeast));
    const { bytesRead } = await this.#file.read(block, 0, block.length, null);
    this.#unread = Buffer.concat([this.#unread, block.subarray(0, bytesRead)]);
    return bytesRead > 0;
  }
}

function parseHeader(line: Buffer | null): RecordingHeader | null {
  if (line === null) return null;
  try {
    const parsed = RecordingHeader.safeParse(JSON.parse(line.toString('utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (error) {
    throw fail('ERR_NOT_FOUND', { detail: reasonOf(error), cause: error });
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return [];
    throw error;
  }
}

function badChunk(index: number, why: string): Error {
  return fail('ERR_VERIFICATION_FAILED', { message: `Chunk ${String(index)} of the recording ${why}.`.slice(0, 200) });
}

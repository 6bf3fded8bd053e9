import { join } from 'node:path';
import { fail } from '../contract/errors.ts';
import { reasonOf } from '../lib/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Recorder, RecorderPort } from '../pipeline/ports.ts';
import { nodeFiles, type Files, type WritableFile } from '../store/files.ts';
import { ChunkWriter, digestOf, maxChunkBytes, packChunk, RecordingHeader, RootBuilder, sealChunk, type ChunkKey, type RecordKind } from './format.ts';

export interface RecorderOptions {
  /** recordings go to `dir/YYYY-MM-DD/<session>.rec` */
  readonly dir: string;
  readonly clock: Clock;
  /** The chunks are durable: their hashes (base64 of SHA-256 of what is stored) belong into the log now. Throwing ends the session. */
  readonly onCommitted: (session: string, digests: string[], firstChunk: number) => void;
  readonly files?: Files;
}

/** a session is never more than this behind its recording */
const flushAfterMs = 2000;
const highWaterBytes = 4 * 1024 * 1024;
const lowWaterBytes = highWaterBytes / 2;
/** chunks per fdatasync */
const batchChunks = 8;
const pooledBuffers = 16;

/** Throws ERR_INVALID_INPUT for a session id or key that is none. */
export function createRecorder(options: RecorderOptions): RecorderPort {
  const pool: Buffer[] = [];
  const shared: Shared = {
    ...options,
    files: options.files ?? nodeFiles,
    take: () => pool.pop() ?? Buffer.allocUnsafeSlow(maxChunkBytes),
    giveBack(chunk) {
      if (chunk.buffer.byteLength === maxChunkBytes && pool.length < pooledBuffers) pool.push(Buffer.from(chunk.buffer));
    },
  };
  return {
    open(session, key) {
      const startedAt = new Date(options.clock.now()).toISOString();
      const header = RecordingHeader.safeParse({
        format: 'postern-recording/1',
        session: session.id,
        startedAt,
        wrappedKey: key.wrapped,
        about: session.header,
      });
      const secret = Buffer.from(key.key, 'base64');
      if (!header.success || secret.length !== 32) throw fail('ERR_INVALID_INPUT', { detail: 'not a session that can be recorded' });
      return new SessionRecorder(shared, { header: header.data, key: secret, cap: session.resource.recording.maxBytesPerOperation });
    },
  };
}

interface Shared extends RecorderOptions {
  readonly files: Files;
  readonly take: () => Buffer;
  readonly giveBack: (chunk: Buffer) => void;
}

interface Kept {
  bytes: number;
  /** what came after the cap */
  lostBytes: number;
  lostWrites: number;
}

class SessionRecorder implements Recorder {
  readonly #shared: Shared;
  readonly #header: RecordingHeader;
  readonly #headerLine: Buffer;
  readonly #key: ChunkKey;
  readonly #cap: number;
  readonly #failed = new AbortController();
  readonly #current: ChunkWriter;
  readonly #kept = new Map<string, Kept>();
  readonly #root = new RootBuilder();
  #queue: Buffer[] = [];
  /** bytes of the queue and of the batch being stored */
  #pending = 0;
  #room: PromiseWithResolvers<void> | null = null;
  #draining: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #file: WritableFile | null = null;
  #chunks = 0;
  #stored = 0;
  #closing: Promise<{ root: string; chunks: number; bytes: number }> | null = null;

  constructor(shared: Shared, session: { header: RecordingHeader; key: Buffer; cap: number }) {
    this.#shared = shared;
    this.#header = session.header;
    this.#headerLine = Buffer.from(`${JSON.stringify(session.header)}\n`);
    this.#key = { key: session.key, session: session.header.session, headerDigest: digestOf(this.#headerLine) };
    this.#cap = session.cap;
    this.#current = new ChunkWriter(shared.take);
  }

  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  write(kind: 'command' | 'frames' | 'outcome', operation: string, bytes: Uint8Array): true | Promise<void> {
    if (this.#failed.signal.aborted || this.#closing !== null) return rejected(fail('ERR_RECORDING_FAILED'));
    if (kind === 'frames' && !this.#keeps(operation, bytes.length)) return true;
    if (kind === 'outcome') this.#forget(operation);
    this.#append(kind, operation, bytes);
    if (this.#pending <= highWaterBytes) return true;
    this.#room ??= newRoom();
    return this.#room.promise;
  }

  close(): Promise<{ root: string; chunks: number; bytes: number }> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<{ root: string; chunks: number; bytes: number }> {
    if (!this.#failed.signal.aborted) {
      for (const operation of [...this.#kept.keys()]) this.#forget(operation);
      this.#append('end', '', new Uint8Array(0));
      this.#cut();
    }
    await this.#draining;
    this.#key.key.fill(0);
    if (this.#failed.signal.aborted) throw this.#failed.signal.reason;
    try {
      await this.#file?.close();
    } catch (error) {
      throw this.#fail(error);
    }
    return { root: this.#root.root(), chunks: this.#chunks, bytes: this.#stored };
  }

  /** Whole writes up to the cap; once one does not fit nothing more is kept, so that there is no hole. */
  #keeps(operation: string, bytes: number): boolean {
    let kept = this.#kept.get(operation);
    if (kept === undefined) {
      kept = { bytes: 0, lostBytes: 0, lostWrites: 0 };
      this.#kept.set(operation, kept);
    }
    if (kept.lostWrites === 0 && kept.bytes + bytes <= this.#cap) {
      kept.bytes += bytes;
      return true;
    }
    kept.lostBytes += bytes;
    kept.lostWrites += 1;
    return false;
  }

  #forget(operation: string): void {
    const kept = this.#kept.get(operation);
    this.#kept.delete(operation);
    if (kept === undefined || kept.lostWrites === 0) return;
    this.#append('truncated', operation, Buffer.from(JSON.stringify({ bytes: kept.lostBytes, writes: kept.lostWrites })));
  }

  #append(kind: RecordKind, operation: string, bytes: Uint8Array): void {
    const at = this.#shared.clock.now();
    let rest = bytes;
    for (;;) {
      const written = this.#current.append(kind, { at, operation, bytes: rest });
      if (written === rest.length) break;
      if (written > 0) rest = rest.subarray(written);
      this.#cut();
    }
    this.#timer ??= setTimeout(() => {
      this.#cut();
    }, flushAfterMs).unref();
  }

  #cut(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#current.used === 0 || this.#failed.signal.aborted) return;
    const chunk = this.#current.cut();
    this.#pending += chunk.length;
    this.#queue.push(chunk);
    this.#draining ??= this.#drain();
  }

  async #drain(): Promise<void> {
    try {
      if (this.#file === null) await this.#create();
      while (this.#queue.length > 0) await this.#store(this.#queue.splice(0, batchChunks));
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#draining = null;
    }
  }

  async #create(): Promise<void> {
    const { files, dir } = this.#shared;
    const day = join(dir, this.#header.startedAt.slice(0, 10));
    await files.makeDirectory(day);
    const file = await files.create(join(day, `${this.#header.session}.rec`), 0o600);
    this.#file = file;
    await file.write(this.#headerLine);
    await file.sync();
    await files.syncDirectory(day);
    await files.syncDirectory(dir);
    this.#stored = this.#headerLine.length;
  }

  async #store(batch: readonly Buffer[]): Promise<void> {
    const packed = await Promise.all(batch.map(packChunk));
    const first = this.#chunks;
    const parts: Buffer[] = [];
    const digests: string[] = [];
    packed.forEach((bytes, offset) => {
      const box = sealChunk(this.#key, first + offset, bytes);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(box.length);
      parts.push(length, box);
      const digest = digestOf(box);
      this.#root.add(digest);
      digests.push(digest.toString('base64'));
    });
    const bytes = Buffer.concat(parts);
    await this.#file?.write(bytes);
    await this.#file?.sync();
    this.#chunks += batch.length;
    this.#stored += bytes.length;
    this.#shared.onCommitted(this.#header.session, digests, first);
    for (const chunk of batch) {
      this.#pending -= chunk.length;
      this.#shared.giveBack(chunk);
    }
    if (this.#pending <= lowWaterBytes) {
      this.#room?.resolve();
      this.#room = null;
    }
  }

  /** A failed write or fsync is never tried again: what the disk holds is then unknown. */
  #fail(cause: unknown): Error {
    const fault = fail('ERR_RECORDING_FAILED', { detail: reasonOf(cause), cause });
    this.#queue = [];
    this.#kept.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    void this.#file?.close().catch(() => undefined);
    this.#file = null;
    this.#failed.abort(fault);
    this.#room?.reject(fault);
    this.#room = null;
    return fault;
  }
}

/** Unhandled is fine: the caller may look at `failed` instead. */
function newRoom(): PromiseWithResolvers<void> {
  const room: PromiseWithResolvers<void> = Promise.withResolvers();
  room.promise.catch(() => undefined);
  return room;
}

function rejected(fault: Error): Promise<void> {
  const promise: Promise<void> = Promise.reject(fault);
  promise.catch(() => undefined);
  return promise;
}

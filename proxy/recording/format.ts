import { createCipheriv, createDecipheriv, hash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { z } from 'zod';
import { leafHash, nodeHash } from '../proof/merkle.ts';

/**
 * A recording is one file per session:
 *
 *   header: one line of JSON
 *   chunk:  u32 length of the box, big-endian | box
 *   box:    AES-256-GCM(zstd(records)) | 16-byte tag; nonce: the chunk's index; authenticated: header, session, index
 *   record: u8 kind, high bit: goes on in the next record | u48 ms since the epoch | u8 length | operation | u32 length | bytes
 *
 * The records of a chunk are at most 256 KiB. The log commits to SHA-256 of every box as it is stored, and at the end of
 * the session to the RFC 6962 root over those hashes.
 */
export const maxChunkBytes = 262_144;
/** zstd may grow what it cannot compress */
export const maxBoxBytes = maxChunkBytes + 4096;
export const maxHeaderBytes = 65_536;
export const tagBytes = 16;

export const RecordingHeader = z.strictObject({
  format: z.literal('postern-recording/1'),
  session: z.string().regex(/^ses_[A-Za-z]{1,64}$/),
  startedAt: z.iso.datetime(),
  /** the session's key under the vault's wrapping key */
  wrappedKey: z.string().max(1024),
  /** names only, masked */
  about: z.record(z.string().max(64), z.union([z.string().max(4096), z.number()])),
});
export type RecordingHeader = z.infer<typeof RecordingHeader>;

/** `truncated`: JSON `{bytes, writes}` of what came after the cap; `end`: the session was closed in order. */
export const recordKinds = ['command', 'frames', 'outcome', 'truncated', 'end'] as const;
export type RecordKind = (typeof recordKinds)[number];

const continued = 0x80;
const fixedBytes = 1 + 6 + 1 + 4;

export interface ChunkKey {
  /** 32 bytes, used for this file only: the nonces are counters */
  readonly key: Uint8Array;
  readonly session: string;
  /** SHA-256 of the header line */
  readonly headerDigest: Uint8Array;
}

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Fills one chunk with records; the caller's bytes are copied. */
export class ChunkWriter {
  readonly #take: () => Buffer;
  #buffer: Buffer;
  #used = 0;

  /** `take` gives a buffer of `maxChunkBytes`, asked for when the chunk outgrows a small one. */
  constructor(take: () => Buffer) {
    this.#take = take;
    this.#buffer = Buffer.allocUnsafe(8192);
  }

  get used(): number {
    return this.#used;
  }

  /** Writes as much of `bytes` as fits, and gives how much; -1 when not even an empty record fits. */
  append(kind: RecordKind, record: { at: number; operation: string; bytes: Uint8Array }): number {
    const head = fixedBytes + record.operation.length;
    const room = maxChunkBytes - this.#used - head;
    if (room < 0 || (room === 0 && record.bytes.length > 0)) return -1;
    const length = Math.min(room, record.bytes.length);
    this.#reserve(head + length);
    const buffer = this.#buffer;
    const more = length < record.bytes.length ? continued : 0;
    let at = buffer.writeUInt8(recordKinds.indexOf(kind) | more, this.#used);
    at = buffer.writeUIntBE(record.at, at, 6);
    at = buffer.writeUInt8(record.operation.length, at);
    at += buffer.write(record.operation, at, 'latin1');
    at = buffer.writeUInt32BE(length, at);
    buffer.set(length === record.bytes.length ? record.bytes : record.bytes.subarray(0, length), at);
    this.#used = at + length;
    return length;
  }

  /** The records so far. The buffer is the receiver's; the next record starts a new chunk. */
  cut(): Buffer {
    const chunk = this.#buffer.subarray(0, this.#used);
    this.#buffer = Buffer.allocUnsafe(8192);
    this.#used = 0;
    return chunk;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return;
    const larger = this.#take();
    larger.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = larger;
  }
}

export interface RawRecord {
  readonly kind: RecordKind;
  readonly more: boolean;
  readonly at: number;
  readonly operation: string;
  readonly bytes: Buffer;
}

/** Throws RangeError on anything `ChunkWriter` would not have written. */
export function* recordsOf(chunk: Buffer): Generator<RawRecord> {
  let at = 0;
  while (at < chunk.length) {
    const head = chunk.readUInt8(at);
    const kind = recordKinds[head & ~continued];
    if (kind === undefined) throw new RangeError('unknown record');
    const time = chunk.readUIntBE(at + 1, 6);
    const start = at + 8 + chunk.readUInt8(at + 7) + 4;
    const operation = chunk.toString('latin1', at + 8, start - 4);
    const end = start + chunk.readUInt32BE(start - 4);
    if (end > chunk.length) throw new RangeError('record beyond its chunk');
    yield { kind, more: (head & continued) !== 0, at: time, operation, bytes: chunk.subarray(start, end) };
    at = end;
  }
}

export function packChunk(records: Buffer): Promise<Buffer> {
  return compress(records, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

export function unpackChunk(packed: Buffer): Promise<Buffer> {
  return decompress(packed, { maxOutputLength: maxChunkBytes });
}

export function sealChunk(key: ChunkKey, index: number, packed: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key.key, nonceOf(index), { authTagLength: tagBytes });
  cipher.setAAD(bindingOf(key, index));
  return Buffer.concat([cipher.update(packed), cipher.final(), cipher.getAuthTag()]);
}

/** Throws when the box is not the `index`-th of this session, or was changed. */
export function openChunk(key: ChunkKey, index: number, box: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key.key, nonceOf(index), { authTagLength: tagBytes });
  decipher.setAAD(bindingOf(key, index));
  decipher.setAuthTag(box.subarray(box.length - tagBytes));
  return Buffer.concat([decipher.update(box.subarray(0, box.length - tagBytes)), decipher.final()]);
}

export function digestOf(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer');
}

/** RFC 6962 root over the chunk hashes, kept in the logarithm of their number. */
export class RootBuilder {
  readonly #subtrees: { height: number; hash: Uint8Array }[] = [];

  add(chunkHash: Uint8Array): void {
    let added = { height: 0, hash: leafHash(chunkHash, digestOf) };
    for (let last = this.#subtrees.at(-1); last?.height === added.height; last = this.#subtrees.at(-1)) {
      this.#subtrees.pop();
      added = { height: added.height + 1, hash: nodeHash(last.hash, added.hash, digestOf) };
    }
    this.#subtrees.push(added);
  }

  /** base64 */
  root(): string {
    const [last, ...rest] = this.#subtrees.toReversed();
    const hash = rest.reduce((right, left) => nodeHash(left.hash, right, digestOf), last?.hash ?? digestOf(new Uint8Array(0)));
    return Buffer.from(hash).toString('base64');
  }
}

function nonceOf(index: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(index), 4);
  return nonce;
}

function bindingOf(key: ChunkKey, index: number): Buffer {
  return Buffer.concat([key.headerDigest, Buffer.from(`postern-recording/1\n${key.session}\n${String(index)}`)]);
}

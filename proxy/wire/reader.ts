import type { OnReadOpts, Socket } from 'node:net';
import { AppError } from '../lib/errors.ts';

/** below this much room at the end of the buffer, unread bytes move to the front */
const minRoom = 4096;
const maxSpares = 2;

interface Waiter {
  readonly count: number;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * The read side of one connection: the unread bytes are `buffer[start, end)`, contiguous, and whoever consumes them moves
 * `start`. The unfinished tail stays at the front of a reused buffer; a frame larger than the buffer lets it grow with the
 * bytes that really arrived, never with the length that was claimed.
 */
export class Reader {
  buffer: Buffer;
  start = 0;
  end = 0;
  /** reading stops while this many bytes are unread */
  limit: number;
  /** bytes the consumer needs before it can go on: reading never stops below it */
  wanted = 1;
  onBytes: () => void = () => undefined;
  onClosed: (error: Error | null) => void = () => undefined;
  /** true while somebody may still hold views into what was consumed */
  isBusy: () => boolean = () => false;
  readonly #size: number;
  #socket: Socket | null = null;
  #spares: Buffer[] = [];
  #retired: Buffer[] = [];
  #waiter: Waiter | null = null;
  #held = false;
  #stopped = false;
  #closed = false;
  #error: Error | null = null;
  /** the buffer made by the last `#grow`: only this one has room of ours at its end */
  #grown: Buffer | null = null;

  /** `size` and `limit` in bytes */
  constructor(size: number, limit: number) {
    this.#size = size;
    this.limit = limit;
    this.buffer = Buffer.allocUnsafeSlow(size);
  }

  /** For a new Socket: the kernel writes straight into our buffer, no allocation per read. */
  get onread(): OnReadOpts {
    return {
      buffer: () => this.#area(),
      callback: (count) => {
        this.end += count;
        this.#deliver();
        return true;
      },
    };
  }

  /** `events`: the socket was not made with `onread` (TLS). */
  attach(socket: Socket, events: boolean): void {
    this.#socket = socket;
    if (events) {
      socket.on('data', (chunk: Buffer) => {
        this.#append(chunk);
        this.#deliver();
      });
    }
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('end', () => {
      this.#close();
    });
    socket.on('close', () => {
      this.#close();
    });
  }

  get unread(): number {
    return this.end - this.start;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** A copy of the next `count` bytes. Rejects when the connection ends first. */
  async bytes(count: number): Promise<Buffer> {
    if (this.unread < count) {
      if (this.#closed) throw this.#gone();
      this.wanted = count;
      this.settle();
      await new Promise<void>((resolve, reject) => {
        this.#waiter = { count, resolve, reject };
      });
    }
    const bytes = Buffer.from(this.buffer.subarray(this.start, this.start + count));
    this.start += count;
    this.wanted = 1;
    this.settle();
    return bytes;
  }

  /** A copy of everything that waits. */
  takeAll(): Buffer {
    const bytes = Buffer.from(this.buffer.subarray(this.start, this.end));
    this.start = this.end;
    return bytes;
  }

  /** The other side is slow: stop reading until `proceed`. */
  hold(): void {
    this.#held = true;
    this.settle();
  }

  proceed(): void {
    this.#held = false;
    this.settle();
  }

  /** Call after moving `start` outside `onBytes`. */
  settle(): void {
    const { unread } = this;
    const stop = this.#held || (unread >= this.limit && unread >= this.wanted);
    if (stop === this.#stopped) return;
    this.#stopped = stop;
    if (stop) this.#socket?.pause();
    else this.#socket?.resume();
  }

  #deliver(): void {
    const waiter = this.#waiter;
    if (waiter === null) this.onBytes();
    else if (this.unread >= waiter.count) {
      this.#waiter = null;
      waiter.resolve();
    }
    this.settle();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiter?.reject(this.#gone());
    this.#waiter = null;
    this.onClosed(this.#error);
  }

  #gone(): Error {
    return new AppError('ERR_SESSION_ENDED', 'The connection was closed.', { cause: this.#error });
  }

  /** Where the next read goes. */
  #area(): Buffer {
    const { unread } = this;
    const busy = this.isBusy();
    if (!busy) {
      for (const buffer of this.#retired) if (this.#spares.length < maxSpares) this.#spares.push(buffer);
      this.#retired.length = 0;
    }
    const room = this.buffer.length - this.end;
    if (busy ? room < minRoom : this.end > 0 && (unread <= minRoom || room < minRoom)) this.#relocate(unread, busy);
    return this.end === 0 ? this.buffer : this.buffer.subarray(this.end);
  }

  #relocate(unread: number, busy: boolean): void {
    let capacity = this.#size;
    while (capacity - unread < minRoom) capacity *= 2;
    if (!busy && capacity === this.buffer.length) this.buffer.copyWithin(0, this.start, this.end);
    else {
      const next = capacity === this.#size ? (this.#spares.pop() ?? Buffer.allocUnsafeSlow(capacity)) : Buffer.allocUnsafeSlow(capacity);
      this.buffer.copy(next, 0, this.start, this.end);
      if (this.buffer.length === this.#size) (busy ? this.#retired : this.#spares).push(this.buffer);
      this.buffer = next;
    }
    this.start = 0;
    this.end = unread;
  }

  #append(chunk: Buffer): void {
    const { unread } = this;
    if (unread === 0) {
      this.buffer = chunk;
      this.start = 0;
      this.end = chunk.length;
      return;
    }
    // always a new buffer: an adopted chunk may be part of a larger one that is not ours
    const joined = this.end + chunk.length <= this.buffer.length && this.#grown === this.buffer ? this.buffer : this.#grow(unread + chunk.length);
    chunk.copy(joined, this.end);
    this.end += chunk.length;
  }

  #grow(needed: number): Buffer {
    const next = Buffer.allocUnsafeSlow(Math.max(needed, this.unread * 2));
    this.buffer.copy(next, 0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    this.buffer = next;
    this.#grown = next;
    return next;
  }
}

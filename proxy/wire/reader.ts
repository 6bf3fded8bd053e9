import type { OnReadOpts, Socket } from 'node:net';
import { AppError } from '../lib/errors.ts';

/** below this much room at the end of the buffer, unread bytes move to the front */
const minRoom = 4096;
/** as many as fill the other side's queue before reading stops */
const maxSpares = 20;

/** Who consumed bytes may still hold views of them: sent on, but not yet out of the process. */
export interface Loans {
  /** How far all that was consumed reaches in what is sent on; null: not everything was handed over yet. */
  mark(): number | null;
  /** True once everything up to the mark is out of the process. */
  isPast(mark: number): boolean;
}

const noLoans: Loans = { mark: () => 0, isPast: () => true };

interface Retired {
  readonly buffer: Buffer;
  mark: number | null;
}

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
  loans: Loans = noLoans;
  readonly #size: number;
  #socket: Socket | null = null;
  #spares: Buffer[] = [];
  /** oldest first */
  #retired: Retired[] = [];
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
    const mark = this.loans.mark();
    const busy = mark === null || !this.loans.isPast(mark);
    this.#recover(mark);
    const room = this.buffer.length - this.end;
    if (busy ? room < minRoom : this.end > 0 && (unread <= minRoom || room < minRoom)) this.#relocate(unread, busy);
    return this.end === 0 ? this.buffer : this.buffer.subarray(this.end);
  }

  /** Buffers that nobody looks into any more serve again: a slow reader on the other side costs no new memory. */
  #recover(mark: number | null): void {
    let free = 0;
    for (const retired of this.#retired) {
      retired.mark ??= mark;
      if (retired.mark === null || !this.loans.isPast(retired.mark)) break;
      free++;
    }
    if (free === 0) return;
    for (const { buffer } of this.#retired.splice(0, free)) if (this.#spares.length < maxSpares) this.#spares.push(buffer);
  }

  #relocate(unread: number, busy: boolean): void {
    let capacity = this.#size;
    while (capacity - unread < minRoom) capacity *= 2;
    if (!busy && capacity === this.buffer.length) this.buffer.copyWithin(0, this.start, this.end);
    else {
      const next = capacity === this.#size ? (this.#spares.pop() ?? Buffer.allocUnsafeSlow(capacity)) : Buffer.allocUnsafeSlow(capacity);
      this.buffer.copy(next, 0, this.start, this.end);
      if (this.buffer.length === this.#size) {
        if (busy) this.#retired.push({ buffer: this.buffer, mark: this.loans.mark() });
        else this.#spares.push(this.buffer);
      }
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

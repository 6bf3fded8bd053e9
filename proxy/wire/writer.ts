import type { Socket } from 'node:net';

/**
 * The write side of one connection. Between `begin` and `flush` neighbouring views of one buffer are joined, so that one
 * read becomes one write. Slowness is judged by our own limit: write()'s return value would stop at every chunk.
 */
export class Writer {
  onDrain: () => void = () => undefined;
  readonly #socket: Socket;
  readonly #highWaterBytes: number;
  #batching = false;
  #buffer: ArrayBufferLike | null = null;
  #start = 0;
  #end = 0;
  #earlier: Buffer[] = [];
  #room: PromiseWithResolvers<void> | null = null;

  constructor(socket: Socket, highWaterBytes: number) {
    this.#socket = socket;
    this.#highWaterBytes = highWaterBytes;
    socket.on('drain', () => {
      this.#drained();
    });
    socket.on('close', () => {
      this.#drained();
    });
  }

  /** True while the socket may still hold views of what was written. */
  get busy(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** True while more than the high-water mark waits. */
  get full(): boolean {
    return this.#socket.writableLength > this.#highWaterBytes && this.#socket.writable;
  }

  begin(): void {
    this.#batching = true;
  }

  /** `true`, or a promise that resolves when a slow reader has caught up. The bytes may be reused once `busy` is false. */
  write(bytes: Uint8Array): true | Promise<void> {
    if (!this.#batching) this.#send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    else if (bytes.buffer === this.#buffer && bytes.byteOffset === this.#end) this.#end += bytes.byteLength;
    else {
      this.#push();
      this.#buffer = bytes.buffer;
      this.#start = bytes.byteOffset;
      this.#end = bytes.byteOffset + bytes.byteLength;
    }
    if (!this.full) return true;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  flush(): void {
    this.#batching = false;
    const buffer = this.#buffer;
    if (buffer === null) return;
    if (this.#earlier.length === 0) {
      this.#buffer = null;
      this.#send(Buffer.from(buffer, this.#start, this.#end - this.#start));
      return;
    }
    this.#push();
    const pieces = this.#earlier;
    this.#earlier = [];
    this.#socket.cork();
    for (const piece of pieces) this.#send(piece);
    this.#socket.uncork();
  }

  #push(): void {
    if (this.#buffer !== null) this.#earlier.push(Buffer.from(this.#buffer, this.#start, this.#end - this.#start));
    this.#buffer = null;
  }

  #send(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  #drained(): void {
    const room = this.#room;
    this.#room = null;
    room?.resolve();
    this.onDrain();
  }
}

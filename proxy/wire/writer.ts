import type { Socket } from 'node:net';

/**
 * The write side of one connection. Between `begin` and `flush` neighbouring views of one buffer are joined, so that one
 * read becomes one write. Slowness is judged by our own limit: write()'s return value would stop at every chunk.
 */
export class Writer {
  onDrain: () => void = () => undefined;
  readonly #socket: Socket;
  readonly #highWaterBytes: number;
  #handed = 0;
  /** of these, given to the socket */
  #sent = 0;
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

  /** Bytes handed over so far, those of the open batch included. */
  get handed(): number {
    return this.#handed;
  }

  /** Whether the first `handed` bytes are out of the process: the socket holds no views of them. */
  isOut(handed: number): boolean {
    return this.#socket.destroyed || handed <= this.#sent - this.#socket.writableLength;
  }

  /** True while more than the high-water mark waits. */
  get full(): boolean {
    return this.#socket.writableLength > this.#highWaterBytes && this.#socket.writable;
  }

  begin(): void {
    this.#batching = true;
  }

  /** `true`, or a promise that resolves when a slow reader has caught up. The bytes may be reused once they are out. */
  write(bytes: Uint8Array): true | Promise<void> {
    this.#handed += bytes.byteLength;
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
    this.#sent += bytes.byteLength;
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  #drained(): void {
    const room = this.#room;
    this.#room = null;
    room?.resolve();
    this.onDrain();
  }
}

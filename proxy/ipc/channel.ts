import { chmod, mkdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';

/**
 * Frames between the processes of one service, over a unix socket in a 0700 directory:
 *
 *   int32 length of the payload, big-endian | payload
 *
 * Frames sent in one turn of the event loop leave in one write. A frame over the cap closes the connection.
 */
export class Channel {
  readonly #socket: Socket;
  readonly #maxFrameBytes: number;
  #unread: Buffer[] = [];
  #unreadBytes = 0;
  /** nothing can be done before this many bytes are there */
  #wantedBytes = 4;
  #outgoing: Uint8Array[] = [];
  #flushing = false;
  onFrame: (payload: Buffer) => void = () => undefined;
  onClose: () => void = () => undefined;

  constructor(socket: Socket, maxFrameBytes = 64 * 1024 * 1024) {
    this.#socket = socket;
    this.#maxFrameBytes = maxFrameBytes;
    socket.on('data', (chunk: Buffer) => {
      this.#read(chunk);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.onClose();
    });
  }

  send(payload: Uint8Array): void {
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(payload.length);
    this.#outgoing.push(length, payload);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      const bytes = Buffer.concat(this.#outgoing);
      this.#outgoing = [];
      if (!this.#socket.destroyed) this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#unread.push(chunk);
    this.#unreadBytes += chunk.length;
    // joined once per frame, not once per chunk: a long frame must not cost the square of its length
    if (this.#unreadBytes < this.#wantedBytes) return;
    let bytes = this.#unread.length === 1 ? chunk : Buffer.concat(this.#unread);
    this.#wantedBytes = 4;
    while (bytes.length >= 4) {
      const length = bytes.readUInt32BE(0);
      if (length > this.#maxFrameBytes) {
        this.#socket.destroy();
        return;
      }
      if (bytes.length < 4 + length) {
        this.#wantedBytes = 4 + length;
        break;
      }
      this.onFrame(bytes.subarray(4, 4 + length));
      bytes = bytes.subarray(4 + length);
    }
    this.#unread = bytes.length === 0 ? [] : [bytes];
    this.#unreadBytes = bytes.length;
  }
}

/** Listens on `path`; the directory is made 0700 and the socket 0600. A stale socket file is replaced. */
export async function listenUnix(path: string, accept: (channel: Channel) => void): Promise<Server> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await rm(path, { force: true });
  const server = createServer((socket) => {
    accept(new Channel(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await chmod(path, 0o600);
  return server;
}

export async function connectUnix(path: string): Promise<Channel> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve();
    });
  });
  return new Channel(socket);
}

import { connect, Socket } from 'node:net';
import { Reader } from './reader.ts';

/** One byte stream: its socket and the reader on it. */
export interface Connection {
  readonly socket: Socket;
  readonly reader: Reader;
}

const keepAliveMs = 60_000;

/** net.Socket's undocumented handle; `onread` can only be given to a socket at birth (Node 24, connection.test.ts). */
interface Handled {
  _handle: object | null;
}

/**
 * Takes over an accepted connection. When the server was made with `pauseOnConnect`, the handle moves to a socket that
 * reads into our own buffer; otherwise (or when bytes were read already) ordinary events are used.
 */
export function adopt(accepted: Socket, size: number, limit: number): Connection {
  const reader = new Reader(size, limit);
  const socket = rehome(accepted, reader) ?? accepted;
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
  reader.attach(socket, socket === accepted);
  if (socket === accepted && socket.isPaused()) socket.resume();
  return { socket, reader };
}

function rehome(accepted: Socket, reader: Reader): Socket | null {
  // the handle is not in the public types
  const holder = accepted as unknown as Handled;
  const handle = holder._handle;
  if (!accepted.isPaused() || accepted.bytesRead > 0 || handle === null || typeof handle !== 'object') return null;
  holder._handle = null;
  // `handle` is accepted by the constructor, though not in the public types
  const socket = new Socket({ handle, onread: reader.onread } as ConstructorParameters<typeof Socket>[0]);
  // the server counts its connections by the socket it made
  socket.on('close', () => accepted.destroy());
  return socket;
}

/** Opens a TCP connection; rejects with the socket's error. */
export async function dial(address: { host: string; port: number }, sizes: { size: number; limit: number }, signal: AbortSignal): Promise<Connection> {
  const reader = new Reader(sizes.size, sizes.limit);
  const socket = connect({
    host: address.host,
    port: address.port,
    onread: reader.onread,
    signal,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  reader.attach(socket, false);
  return { socket, reader };
}

/** A socket that is read by events: TLS over something else. */
export function over(socket: Socket, size: number, limit: number): Connection {
  const reader = new Reader(size, limit);
  reader.attach(socket, true);
  return { socket, reader };
}

import { createHash, timingSafeEqual } from 'node:crypto';
import type { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { asAppError, errorTable, fail, type ErrorCode } from '../contract/errors.ts';
import { AppError } from '../lib/errors.ts';
import { connectUnix, listenUnix, type Channel } from './channel.ts';

/**
 * JSON calls over a Channel, both ways. Frames:
 *
 *   {hello: secret, name}                 first frame of the connecting side, answered by {welcome: true}
 *   {id, call, params}                    a request, answered by {id, result} or {id, error: {code, message, …}}
 *   {note, params}                        a notification, never answered
 */
export interface RpcPeer {
  /** what the other side calls itself */
  readonly name: string;
  /** aborts when the connection is gone */
  readonly closed: AbortSignal;
  /** Rejects with the other side's AppError, ERR_TIMEOUT after `deadlineMs`, ERR_CONTROL_UNAVAILABLE when it is gone. */
  call(method: string, params: unknown, deadlineMs?: number): Promise<unknown>;
  notify(method: string, params: unknown): void;
  close(): void;
}

/** Parameters arrive unparsed: a handler parses them with its schema. What it returns must be JSON. */
export type RpcHandlers = Readonly<Record<string, (params: unknown, peer: RpcPeer) => unknown>>;

export interface RpcServer {
  readonly peers: ReadonlySet<RpcPeer>;
  close(): Promise<void>;
}

const defaultDeadlineMs = 5_000;
const helloDeadlineMs = 5_000;
const maxHelloBytes = 1_024;
const maxPendingCalls = 10_000;

const Hello = z.strictObject({ hello: z.string().max(256), name: z.string().min(1).max(100) });
const WireError = z.object({ code: z.string(), message: z.string(), hint: z.string().optional(), detail: z.string().optional() });
const Frame = z.union([
  z.strictObject({ id: z.int(), call: z.string().max(100), params: z.unknown() }),
  z.strictObject({ id: z.int(), error: WireError }),
  z.strictObject({ id: z.int(), result: z.unknown() }),
  z.strictObject({ note: z.string().max(100), params: z.unknown() }),
]);
type Frame = z.infer<typeof Frame>;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: AppError) => void;
  readonly timer: NodeJS.Timeout;
}

class Peer implements RpcPeer {
  readonly name: string;
  readonly #channel: Channel;
  readonly #handlers: RpcHandlers;
  readonly #pending = new Map<number, Pending>();
  readonly #gone = new AbortController();
  readonly closed = this.#gone.signal;
  #nextId = 1;

  constructor(name: string, channel: Channel, handlers: RpcHandlers) {
    this.name = name;
    this.#channel = channel;
    this.#handlers = handlers;
    channel.onFrame = (payload) => {
      this.#receive(payload);
    };
    channel.onClose = () => {
      this.#lose();
    };
  }

  call(method: string, params: unknown, deadlineMs = defaultDeadlineMs): Promise<unknown> {
    if (this.closed.aborted || this.#pending.size >= maxPendingCalls) return Promise.reject(fail('ERR_CONTROL_UNAVAILABLE'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(fail('ERR_TIMEOUT', { detail: `${method} to ${this.name} took longer than ${String(deadlineMs)} ms` }));
      }, deadlineMs);
      this.#pending.set(id, { resolve, reject, timer });
      this.#send({ id, call: method, params });
    });
  }

  notify(method: string, params: unknown): void {
    if (!this.closed.aborted) this.#send({ note: method, params });
  }

  close(): void {
    this.#channel.close();
  }

  #send(frame: Frame): void {
    this.#channel.send(Buffer.from(JSON.stringify(frame)));
  }

  #receive(payload: Buffer): void {
    const frame = parseFrame(payload);
    if (frame === null) {
      this.#channel.destroy();
    } else if ('call' in frame) {
      void this.#answer(frame.id, frame.call, frame.params);
    } else if ('note' in frame) {
      void this.#run(frame.note, frame.params).catch(() => {
        // an unreadable notification means the two sides disagree: start over with a new connection
        this.#channel.destroy();
      });
    } else {
      this.#settle(frame);
    }
  }

  #settle(frame: Extract<Frame, { result?: unknown; error?: unknown }>): void {
    const pending = this.#pending.get(frame.id);
    if (!pending) return; // late: the deadline has already answered
    this.#pending.delete(frame.id);
    clearTimeout(pending.timer);
    if ('error' in frame) pending.reject(fromWire(frame.error));
    else pending.resolve('result' in frame ? frame.result : undefined);
  }

  async #answer(id: number, method: string, params: unknown): Promise<void> {
    try {
      const result = await this.#run(method, params);
      if (!this.closed.aborted) this.#send({ id, result: result ?? null });
    } catch (error) {
      const { code, message, hint, detail } = asAppError(error);
      if (!this.closed.aborted) this.#send({ id, error: { code, message, hint, detail } });
    }
  }

  async #run(method: string, params: unknown): Promise<unknown> {
    const handler = Object.hasOwn(this.#handlers, method) ? this.#handlers[method] : undefined;
    if (!handler) throw fail('ERR_NOT_FOUND', { detail: `no method ${method}` });
    return await handler(params, this);
  }

  #lose(): void {
    this.#gone.abort(fail('ERR_CONTROL_UNAVAILABLE'));
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(fail('ERR_CONTROL_UNAVAILABLE'));
    }
    this.#pending.clear();
  }
}

/** Listens on `path`. A peer appears only after it has shown the secret. */
export async function serveRpc(path: string, secret: string, handlers: RpcHandlers, onPeer: (peer: RpcPeer) => void = () => undefined): Promise<RpcServer> {
  const peers = new Set<RpcPeer>();
  const channels = new Set<Channel>();
  const server = await listenUnix(path, (channel) => {
    channels.add(channel);
    const deadline = setTimeout(() => {
      channel.destroy();
    }, helloDeadlineMs);
    channel.onClose = () => {
      clearTimeout(deadline);
      channels.delete(channel);
    };
    channel.onFrame = (payload) => {
      clearTimeout(deadline);
      const name = authenticate(payload, secret);
      if (name === null) {
        channel.destroy();
        return;
      }
      const peer = new Peer(name, channel, handlers);
      peers.add(peer);
      peer.closed.addEventListener('abort', () => {
        peers.delete(peer);
        channels.delete(channel);
      });
      channel.send(Buffer.from('{"welcome":true}'));
      onPeer(peer);
    };
  });
  return { peers, close: () => closeServer(server, channels) };
}

/** Connects and proves the secret; `name` is what the other side will call us. */
export async function connectRpc(path: string, secret: string, name: string, handlers: RpcHandlers = {}): Promise<RpcPeer> {
  const channel = await connectUnix(path).catch((error: unknown) => {
    throw fail('ERR_CONTROL_UNAVAILABLE', { detail: `no connection to ${path}`, cause: error });
  });
  return await new Promise<RpcPeer>((resolve, reject) => {
    const refuse = (detail: string): void => {
      clearTimeout(deadline);
      channel.destroy();
      reject(fail('ERR_CONTROL_UNAVAILABLE', { detail }));
    };
    const deadline = setTimeout(() => {
      refuse('no welcome in time');
    }, helloDeadlineMs);
    channel.onClose = () => {
      refuse('closed before the welcome');
    };
    channel.onFrame = (payload) => {
      if (payload.toString() !== '{"welcome":true}') {
        refuse('no welcome');
        return;
      }
      clearTimeout(deadline);
      resolve(new Peer('server', channel, handlers));
    };
    channel.send(Buffer.from(JSON.stringify({ hello: secret, name })));
  });
}

export interface LastingRpcOptions {
  readonly path: string;
  readonly secret: string;
  readonly name: string;
  readonly handlers: RpcHandlers;
  /** called after every (re)connection, before other calls are possible to miss it */
  readonly onConnect?: (peer: RpcPeer) => void;
  readonly onLost?: () => void;
}

export interface LastingRpc {
  readonly connected: boolean;
  /** Rejects with ERR_CONTROL_UNAVAILABLE at once while there is no connection. */
  call(method: string, params: unknown, deadlineMs?: number): Promise<unknown>;
  /** Dropped while there is no connection. */
  notify(method: string, params: unknown): void;
  close(): void;
}

const firstRetryMs = 25;
const lastRetryMs = 1_000;

/** Keeps one connection alive: after a loss it connects again, at most a second apart. */
export function lastingRpc(options: LastingRpcOptions): LastingRpc {
  let peer: RpcPeer | null = null;
  const stopped = new AbortController();
  const isStopped = (): boolean => stopped.signal.aborted;
  const run = async (): Promise<void> => {
    let waitMs = firstRetryMs;
    while (!isStopped()) {
      try {
        const connected = await connectRpc(options.path, options.secret, options.name, options.handlers);
        peer = connected;
        waitMs = firstRetryMs;
        options.onConnect?.(connected);
        if (isStopped()) connected.close();
        await aborted(connected.closed);
        peer = null;
        options.onLost?.();
      } catch {
        peer = null;
      }
      await sleep(waitMs, undefined, { signal: stopped.signal }).catch(() => undefined);
      waitMs = Math.min(waitMs * 2, lastRetryMs);
    }
  };
  void run();
  return {
    get connected() {
      return peer !== null;
    },
    call: (method, params, deadlineMs) => peer?.call(method, params, deadlineMs) ?? Promise.reject(fail('ERR_CONTROL_UNAVAILABLE')),
    notify: (method, params) => peer?.notify(method, params),
    close: () => {
      stopped.abort();
      peer?.close();
    },
  };
}

function parseFrame(payload: Buffer): Frame | null {
  try {
    return Frame.parse(JSON.parse(payload.toString()));
  } catch {
    return null;
  }
}

function authenticate(payload: Buffer, secret: string): string | null {
  if (payload.length > maxHelloBytes) return null;
  try {
    const hello = Hello.parse(JSON.parse(payload.toString()));
    // hashed first, so that lengths are equal and the comparison takes the same time
    return timingSafeEqual(sha256(hello.hello), sha256(secret)) ? hello.name : null;
  } catch {
    return null;
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function fromWire(error: z.infer<typeof WireError>): AppError<ErrorCode> {
  const more = { message: error.message, ...(error.hint !== undefined && { hint: error.hint }), ...(error.detail !== undefined && { detail: error.detail }) };
  return fail(isErrorCode(error.code) ? error.code : 'ERR_INTERNAL', more);
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}

async function closeServer(server: Server, channels: ReadonlySet<Channel>): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  for (const channel of channels) channel.destroy();
  await closed;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else
      signal.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
  });
}

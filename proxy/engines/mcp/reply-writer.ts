import type { ServerResponse } from 'node:http';
import { fail } from '../../contract/errors.ts';
import { Queue } from '../../wire/queue.ts';
import { ResponseSink } from '../../wire/web/answer.ts';
import type { Masked, Permit, Sink } from '../../pipeline/engine.ts';
import { eventFrame } from './server-events.ts';

/** Where an event of a stream can be taken up again. */
export interface Place {
  readonly id: string | null;
  readonly retry: number | null;
}

export const nowhere: Place = { id: null, retry: null };
const comment = Buffer.from(': \n\n');
/** streams are silent for long, and what is between may take that for their end */
const aliveMs = 15_000;

/** Where the messages of an answer go. */
export interface ReplyTarget {
  readonly isStream: boolean;
  readonly hasBegun: boolean;
  stream(): void;
  message(bytes: Uint8Array, status?: number, place?: Place): true | Promise<void>;
  place(place: Place): true | Promise<void>;
  comment(): void;
  empty(status: number, headers?: readonly string[]): void;
  end(): void;
  cut(): void;
}

/** The answer to one HTTP request: one message, or a stream of them, whichever it turns out to be. */
export class ReplyWriter implements ReplyTarget {
  readonly #response: ServerResponse;
  readonly #sink: ResponseSink;
  readonly #headers: string[] = [];
  #isStream = false;

  constructor(response: ServerResponse, highWaterBytes: number) {
    this.#response = response;
    this.#sink = new ResponseSink(response, highWaterBytes);
  }

  /** A header of the head, which was not sent yet. */
  header(name: string, value: string): void {
    this.#headers.push(name, value);
  }

  get isStream(): boolean {
    return this.#isStream;
  }

  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  /** From now on a stream; its head goes out at once. */
  stream(): void {
    if (this.#isStream) return;
    this.#isStream = true;
    this.#sink.begin(200, [...this.#headers, 'content-type', 'text/event-stream', 'cache-control', 'no-store', 'x-accel-buffering', 'no', ...guards]);
    void this.#sink.write(new Uint8Array(0));
    const alive = setInterval(() => {
      this.comment();
    }, aliveMs).unref();
    this.#response.once('close', () => {
      clearInterval(alive);
    });
  }

  /** A message of our own, or the only one there is. */
  message(bytes: Uint8Array, status = 200, place: Place = nowhere): true | Promise<void> {
    if (this.#isStream) return this.#sink.write(eventFrame(bytes, place));
    this.#sink.begin(status, [
      ...this.#headers,
      'content-type',
      'application/json',
      'content-length',
      String(bytes.length),
      'cache-control',
      'no-store',
      ...guards,
    ]);
    return this.#sink.write(bytes);
  }

  /** An event without a message. */
  place(place: Place): true | Promise<void> {
    this.stream();
    return this.#sink.write(eventFrame(new Uint8Array(0), place));
  }

  /** Keeps what is in between from giving the stream up. */
  comment(): void {
    if (this.#isStream) void this.#sink.write(comment);
  }

  /** Nothing to say: 202 and the like. */
  empty(status: number, headers: readonly string[] = []): void {
    this.#sink.begin(status, [...this.#headers, ...headers, 'content-length', '0', ...guards]);
    this.#sink.end();
  }

  end(): void {
    this.#sink.end();
  }

  /** The client must see that it is no whole answer. */
  cut(): void {
    this.#response.destroy();
  }
}

const guards: readonly string[] = ['x-content-type-options', 'nosniff'];

interface Announced {
  readonly length: number;
  readonly status: number;
  readonly place: Place;
}

/** The replies of one operation on their way out. The core may hand several at once: lengths say where one ends. */
export class OperationSink implements Sink {
  readonly #writer: () => ReplyTarget | null;
  readonly #endsReply: boolean;
  readonly #announced = new Queue<Announced>();
  #rest: Uint8Array = new Uint8Array(0);
  #flushed: PromiseWithResolvers<void> | null = null;

  /** `writer`: where they go now; null: nowhere any more. `endsReply`: the operation is the whole reply. */
  constructor(writer: () => ReplyTarget | null, endsReply: boolean) {
    this.#writer = writer;
    this.#endsReply = endsReply;
  }

  /** Releases one message. Resolves when the client may be sent the next. */
  async release(permit: Permit, masked: Masked, { status = 200, place = nowhere }: { status?: number; place?: Place } = {}): Promise<void> {
    this.#announced.push({ length: masked.length, status, place });
    const released = permit.release(masked);
    if (released !== true) await released;
  }

  /** Resolves when all that was released has been written. */
  flushed(): Promise<void> {
    if (this.#announced.length === 0) return Promise.resolve();
    this.#flushed ??= Promise.withResolvers();
    return this.#flushed.promise;
  }

  /** The session is over: nobody waits any more. */
  abandon(): void {
    this.#flushed?.reject(fail('ERR_SESSION_ENDED'));
    this.#flushed?.promise.catch(() => undefined);
    this.#flushed = null;
  }

  write(bytes: Uint8Array): true | Promise<void> {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let written: true | Promise<void> = true;
    for (let next = this.#announced.first; next !== undefined && rest.length >= next.length; next = this.#announced.first) {
      this.#announced.shift();
      const sent = this.#writer()?.message(rest.subarray(0, next.length), next.status, next.place) ?? true;
      if (sent !== true) written = sent;
      rest = rest.subarray(next.length);
    }
    this.#rest = rest.length === 0 ? rest : new Uint8Array(rest);
    if (this.#announced.length === 0) {
      this.#flushed?.resolve();
      this.#flushed = null;
    }
    return written;
  }

  end(): void {
    if (this.#endsReply) this.#writer()?.end();
  }
}

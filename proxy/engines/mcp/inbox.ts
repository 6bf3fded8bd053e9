import { fail } from '../../contract/errors.ts';
import { Queue } from '../../wire/queue.ts';
import type { Incoming } from './upstream.ts';

/** bytes that wait for one reader before the server is paused */
const highWaterBytes = 1_048_576;
/** a reader this far behind is given up: one that does not read must not stop the others of its server for ever */
const patienceMs = 30_000;

/** Messages of a server for one reader, in order; the server waits for a reader that is slow. */
export class Inbox implements AsyncIterable<Incoming> {
  readonly #queue = new Queue<Incoming>();
  #bytes = 0;
  #room: PromiseWithResolvers<void> | null = null;
  #arrived: PromiseWithResolvers<void> | null = null;
  #end: { readonly error: Error | null } | null = null;

  /** `true`: go on; a promise: wait, the reader is slow. */
  push(message: Incoming): true | Promise<void> {
    if (this.#end !== null) return true;
    this.#queue.push(message);
    this.#bytes += message.bytes.length;
    this.#arrived?.resolve();
    this.#arrived = null;
    if (this.#bytes <= highWaterBytes) return true;
    this.#room ??= Promise.withResolvers();
    return this.#waited(this.#room.promise);
  }

  /** What is in it is still read; then comes the end, or `error`. */
  close(error: Error | null = null): void {
    this.#end ??= { error };
    this.#arrived?.resolve();
    this.#arrived = null;
    this.#free();
  }

  get isClosed(): boolean {
    return this.#end !== null;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Incoming> {
    try {
      for (;;) {
        const next = this.#queue.shift();
        if (next !== undefined) {
          this.#bytes -= next.bytes.length;
          if (this.#bytes <= highWaterBytes) this.#free();
          yield next;
        } else if (this.#end !== null) {
          if (this.#end.error !== null) throw this.#end.error;
          return;
        } else {
          this.#arrived ??= Promise.withResolvers();
          await this.#arrived.promise;
        }
      }
    } finally {
      this.close();
    }
  }

  #free(): void {
    this.#room?.resolve();
    this.#room = null;
  }

  async #waited(room: Promise<void>): Promise<void> {
    const timer = setTimeout(() => {
      this.close(fail('ERR_TIMEOUT', { message: 'The caller did not read in time.' }));
    }, patienceMs);
    await room;
    clearTimeout(timer);
  }
}

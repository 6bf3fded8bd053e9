import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { fail } from '../../contract/errors.ts';

type Controller = Pick<Dispatcher.DispatchController, 'pause' | 'resume' | 'abort'>;

const highWaterBytes = 65_536;

/**
 * A body of a target. What came before anybody asked for it is kept, up to 64 KiB: a short answer is here whole when its head is looked at, and
 * is then taken at once, without the ways of a stream. Whoever reads it as a stream gets a stream. Must be taken, read to its end or destroyed.
 */
export class TargetBody extends Readable {
  readonly #controller: Controller;
  readonly #onLeft: () => void;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  /** somebody reads it as a stream */
  #isRead = false;
  #isWhole = false;
  #isTaken = false;

  /** `onLeft`: nobody needs it any more. Called once. */
  constructor(controller: Controller, onLeft: () => void) {
    super({ highWaterMark: highWaterBytes });
    this.#controller = controller;
    this.#onLeft = onLeft;
  }

  arrive(chunk: Buffer): void {
    if (this.#isRead) {
      if (!this.push(chunk)) this.#controller.pause();
      return;
    }
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes >= highWaterBytes) this.#controller.pause();
  }

  complete(): void {
    this.#isWhole = true;
    if (this.#isRead) this.push(null);
  }

  /** It was cut off, or nobody may have it: what reads it meets the fault, and nobody else does. */
  fail(error: Error): void {
    this.on('error', () => undefined).destroy(error);
  }

  /** All of it, once; null: it is not all here, or somebody reads it already. */
  takeWhole(): Buffer | null {
    if (!this.#isWhole || this.#isRead || this.#isTaken || this.destroyed) return null;
    this.#isTaken = true;
    const chunks = this.#early;
    this.#early = [];
    this.#onLeft();
    const [first] = chunks;
    return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, this.#earlyBytes);
  }

  override _read(): void {
    if (!this.#isRead) {
      this.#isRead = true;
      const chunks = this.#early;
      this.#early = [];
      for (const chunk of chunks) this.push(chunk);
      if (this.#isWhole) this.push(null);
    }
    this.#controller.resume();
  }

  /** What was taken holds nothing any more. */
  override destroy(error?: Error): this {
    return this.#isTaken ? this : super.destroy(error);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#early = [];
    if (!this.#isTaken) this.#onLeft();
    if (!this.#isWhole) this.#controller.abort(error ?? fail('ERR_SESSION_ENDED', { message: 'Nobody reads the answer any more.' }));
    callback(error);
  }
}

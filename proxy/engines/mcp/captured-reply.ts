import { readMessage, type ResponseMessage } from './envelope.ts';
import type { ReplyTarget } from './reply-writer.ts';

/** An answer that we read ourselves, to make one of several: masked and recorded like any other. */
export class CapturedReply implements ReplyTarget {
  readonly isStream = false;
  readonly hasBegun = false;
  readonly #done = Promise.withResolvers<ResponseMessage | null>();
  #last: ResponseMessage | null = null;

  /** The answer; null: there was none. */
  get answer(): Promise<ResponseMessage | null> {
    return this.#done.promise;
  }

  stream(): void {
    // what comes before the answer is left out
  }

  message(bytes: Uint8Array): true {
    const message = readMessage(bytes, 'passing');
    if (message.kind === 'response') this.#last = message;
    return true;
  }

  place(): true {
    return true;
  }

  comment(): void {
    // nobody waits for it
  }

  empty(): void {
    this.end();
  }

  end(): void {
    this.#done.resolve(this.#last);
  }

  cut(): void {
    this.#done.resolve(null);
  }
}

import type { DocumentMasker, Outcome, Permit } from '../../pipeline/engine.ts';
import type { RequestMessage } from './envelope.ts';
import type { OperationSink, ReplyTarget } from './reply-writer.ts';

/** A call that was forwarded, and whose stream the server closed before its answer: the caller takes it up on another. */
export interface CutCall {
  readonly permit: Permit;
  readonly masker: DocumentMasker;
  readonly sink: OperationSink;
  readonly message: RequestMessage;
  /** its answers now go there */
  move(writer: ReplyTarget): void;
}

const maxCut = 256;
const patienceMs = 600_000;
const unanswered: Outcome = { status: 'indeterminate', rows: 0, error: 'its answer was never taken up' };

/** By the id of the request; each ends with its answer, or after a time. */
export class CutCalls {
  readonly #calls = new Map<string, { readonly call: CutCall; readonly timer: NodeJS.Timeout }>();

  put(key: string, call: CutCall): void {
    const [oldest] = this.#calls.keys();
    if (oldest !== undefined && this.#calls.size >= maxCut) this.take(oldest)?.permit.settle(unanswered);
    this.take(key)?.permit.settle(unanswered);
    const timer = setTimeout(() => {
      this.take(key)?.permit.settle(unanswered);
    }, patienceMs).unref();
    this.#calls.set(key, { call, timer });
  }

  take(key: string): CutCall | null {
    const found = this.#calls.get(key);
    if (found === undefined) return null;
    clearTimeout(found.timer);
    this.#calls.delete(key);
    return found.call;
  }

  get size(): number {
    return this.#calls.size;
  }

  abandon(): void {
    for (const key of [...this.#calls.keys()]) this.take(key)?.permit.settle(unanswered);
  }
}

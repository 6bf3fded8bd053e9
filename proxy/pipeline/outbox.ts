import type { Sink } from './engine.ts';
import type { AuditPort } from './ports.ts';

interface Waiting {
  readonly ticket: number;
  readonly bytes: Uint8Array;
  /** whoever lent the bytes may have them back; null: they are a copy */
  readonly lent: PromiseWithResolvers<void> | null;
}

const joinedBytes = 16_384;

/** Knows which outboxes wait for the log, so that an advance of the watermark costs nothing to the others. */
export class Watermark {
  readonly #audit: AuditPort;
  readonly #waiting = new Set<Outbox>();

  constructor(audit: AuditPort) {
    this.#audit = audit;
    audit.onWatermark((durable) => {
      const outboxes = [...this.#waiting];
      if (durable === null) for (const outbox of outboxes) outbox.lose();
      else for (const outbox of outboxes) outbox.flush();
    });
  }

  get durable(): number {
    return this.#audit.durable;
  }

  wait(outbox: Outbox): void {
    this.#waiting.add(outbox);
  }

  leave(outbox: Outbox): void {
    this.#waiting.delete(outbox);
  }
}

/** Everything that goes to one client, in order; nothing leaves before the record it answers for is durable. */
export class Outbox {
  readonly #sink: Sink;
  readonly #watermark: Watermark;
  readonly #highWaterBytes: number;
  readonly #onLost: () => void;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #room: PromiseWithResolvers<void> | null = null;
  #closed = false;
  #finished = false;

  constructor(sink: Sink, watermark: Watermark, highWaterBytes: number, onLost: () => void) {
    this.#sink = sink;
    this.#watermark = watermark;
    this.#highWaterBytes = highWaterBytes;
    this.#onLost = onLost;
  }

  /** The bytes may be reused after `true`, or once the promise resolves. Short ones that must wait are copied, long ones kept. */
  send(bytes: Uint8Array, ticket: number): true | Promise<void> {
    if (this.#closed) return true;
    if (this.#queue.length === 0 && ticket <= this.#watermark.durable) return this.#sink.write(bytes);
    const lent: Waiting['lent'] = bytes.length > joinedBytes ? Promise.withResolvers() : null;
    this.#queue.push({ ticket, bytes: lent === null ? new Uint8Array(bytes) : bytes, lent });
    this.#queuedBytes += bytes.length;
    this.#watermark.wait(this);
    if (lent !== null) return lent.promise;
    if (this.#queuedBytes <= this.#highWaterBytes) return true;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Nothing more comes: the sink ends after what still waits. */
  finish(): void {
    this.#finished = true;
    if (this.#queue.length === 0 && !this.#closed) this.#sink.end?.();
  }

  flush(): void {
    const ready = this.#takeDurable();
    if (ready.length === 0) return;
    let written: true | Promise<void> = true;
    for (const bytes of inPieces(ready)) written = this.#sink.write(bytes);
    for (const { lent } of ready) if (lent !== null) follow(written, lent);
    if (this.#finished && this.#queue.length === 0) this.#sink.end?.();
    if (this.#room === null || this.#queuedBytes > this.#highWaterBytes) return;
    const room = this.#room;
    this.#room = null;
    follow(written, room);
  }

  #takeDurable(): readonly Waiting[] {
    let count = 0;
    while (count < this.#queue.length && (this.#queue[count]?.ticket ?? Infinity) <= this.#watermark.durable) count++;
    const ready = this.#queue.splice(0, count);
    for (const { bytes } of ready) this.#queuedBytes -= bytes.length;
    if (this.#queue.length === 0) this.#watermark.leave(this);
    return ready;
  }

  /** The log is gone: what waits is dropped, unseen. */
  lose(): void {
    this.close();
    this.#onLost();
  }

  close(): void {
    this.#closed = true;
    for (const { lent } of this.#queue) lent?.resolve();
    this.#queue = [];
    this.#watermark.leave(this);
    this.#room?.resolve();
    this.#room = null;
  }
}

/** Short ones together: one write. Long ones as they are: no copy. */
function inPieces(ready: readonly Waiting[]): readonly Uint8Array[] {
  const pieces = ready.map(({ bytes }) => bytes);
  return pieces.length === 1 || ready.some(({ lent }) => lent !== null) ? pieces : [Buffer.concat(pieces)];
}

function follow(written: true | Promise<void>, waiting: PromiseWithResolvers<void>): void {
  if (written === true) waiting.resolve();
  else written.then(waiting.resolve, waiting.reject);
}

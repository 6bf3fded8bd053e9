import type { Sink } from './engine.ts';
import type { AuditPort } from './ports.ts';

interface Waiting {
  readonly ticket: number;
  readonly bytes: Uint8Array;
}

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

  constructor(sink: Sink, watermark: Watermark, highWaterBytes: number, onLost: () => void) {
    this.#sink = sink;
    this.#watermark = watermark;
    this.#highWaterBytes = highWaterBytes;
    this.#onLost = onLost;
  }

  /** The bytes may be reused as soon as this returns: what must wait is copied. */
  send(bytes: Uint8Array, ticket: number): true | Promise<void> {
    if (this.#closed) return true;
    if (this.#queue.length === 0 && ticket <= this.#watermark.durable) return this.#sink.write(bytes);
    this.#queue.push({ ticket, bytes: new Uint8Array(bytes) });
    this.#queuedBytes += bytes.length;
    this.#watermark.wait(this);
    if (this.#queuedBytes <= this.#highWaterBytes) return true;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  flush(): void {
    const ready = this.#takeDurable();
    const first = ready[0];
    if (first === undefined) return;
    const written = this.#sink.write(ready.length === 1 ? first : Buffer.concat(ready));
    if (this.#room === null || this.#queuedBytes > this.#highWaterBytes) return;
    const room = this.#room;
    this.#room = null;
    if (written === true) room.resolve();
    else written.then(room.resolve, room.reject);
  }

  #takeDurable(): Uint8Array[] {
    let count = 0;
    while (count < this.#queue.length && (this.#queue[count]?.ticket ?? Infinity) <= this.#watermark.durable) count++;
    const ready = this.#queue.splice(0, count).map((waiting) => waiting.bytes);
    for (const bytes of ready) this.#queuedBytes -= bytes.length;
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
    this.#queue = [];
    this.#watermark.leave(this);
    this.#room?.resolve();
    this.#room = null;
  }
}

import { join } from 'node:path';
import type { EventCode, EventHeader, Phase } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { reasonOf } from '../lib/errors.ts';
import { type Chunk, chunkAfter, encodeEvent, maxEntriesPerChunk, moveOrdinals, parseChunk } from './entry.ts';
import { encodeHeader } from './event.ts';
import type { Run } from './frames.ts';
import type { LogSigner } from './hashing.ts';
import { type Batch, Journal } from './journal.ts';
import { LogContent } from './log-content.ts';
import { hasCode, type LogFiles, nodeLogFiles } from './log-files.ts';
import type { LogState, OpenScope } from './log-state.ts';
import { type HashedBatch, hashLeaves, Materializer } from './materializer.ts';
import { closing, type OpenScopes } from './open-scopes.ts';
import { recover } from './recovery.ts';
import { bodyOpener, bodySealer, type Seal } from './sealing.ts';

/** open: writes; full: only what is needed to close; lost: nothing, until it is opened anew; closed: stopped in order. */
export type LogCondition = 'open' | 'full' | 'lost' | 'closed';

export interface LogLimits {
  readonly maxBatchBytes: number;
  readonly maxSegmentBytes: number;
  /** from the first entry that is in no tile to the next checkpoint */
  readonly checkpointAfterMs: number;
  readonly checkpointAfterEntries: number;
  /** disk kept back so that sessions can be closed in the log when the disk is full */
  readonly reserveBytes: number;
  /** bytes in the journal but in no tile, above which commits wait */
  readonly maxTailBytes: number;
}

export const defaultLimits: LogLimits = {
  maxBatchBytes: 1024 * 1024,
  maxSegmentBytes: 4 * 1024 * 1024,
  checkpointAfterMs: 1_000,
  checkpointAfterEntries: 16_384,
  reserveBytes: 8 * 1024 * 1024,
  maxTailBytes: 128 * 1024 * 1024,
};

export interface LogOptions {
  readonly directory: string;
  readonly signer: LogSigner;
  /** 32 bytes; bodies are encrypted with keys derived from it */
  readonly bodyKey: Uint8Array;
  readonly files?: LogFiles;
  readonly clock?: Clock;
  readonly limits?: Partial<LogLimits>;
  /** why the log was lost before: recorded first of all */
  readonly lostBefore?: { readonly reason: string; readonly since: number };
}

const ownClient = 'log';
const keptClients = 1_024;
const sessionEndDelayMs = 250;
const retryMs = 1_000;

/** The log's only writer. Callers submit chunks and hear of durability by client; nothing is acknowledged before its fsync. */
export class AuditLog {
  readonly #options: LogOptions;
  readonly #files: LogFiles;
  readonly #clock: Clock;
  readonly #limits: LogLimits;
  readonly #journal: Journal;
  readonly #scopes: OpenScopes;
  readonly #seal: Seal;
  readonly #content: LogContent;
  #materializer: Materializer;
  #condition: LogCondition = 'open';
  #failure: { reason: string; since: number } | null = null;
  #queue: Chunk[] = [];
  /** newest ticket of each client that is queued or durable */
  readonly #seen = new Map<string, number>();
  /** index after the last entry submitted */
  #submitted: number;
  #stopping = false;
  #committing = false;
  #progress: PromiseWithResolvers<void> | null = null;
  #materializing: Promise<void> | null = null;
  #timer: { due: number; handle: NodeJS.Timeout } | null = null;
  #ownTicket: number;
  /** Called once per client and commit. */
  onDurable: (client: string, runs: readonly Run[]) => void = () => undefined;
  onCondition: (condition: LogCondition) => void = () => undefined;
  keepsClient: (client: string) => boolean = () => false;

  private constructor(options: LogOptions, parts: { recovered: Awaited<ReturnType<typeof recover>>; limits: LogLimits; files: LogFiles }) {
    const { recovered, limits, files } = parts;
    this.#options = options;
    this.#files = files;
    this.#clock = options.clock ?? systemClock;
    this.#limits = limits;
    this.#seal = bodySealer(options.bodyKey);
    this.#journal = new Journal(files, join(options.directory, 'journal'), {
      number: recovered.lastSegment,
      before: recovered.before,
      maxSegmentBytes: limits.maxSegmentBytes,
    });
    this.#scopes = recovered.scopes;
    this.#materializer = recovered.materializer;
    this.#content = new LogContent(
      options.directory,
      { size: recovered.materializer.size, bodies: recovered.materializer.bodies, checkpoint: recovered.checkpoint },
      bodyOpener(options.bodyKey),
    );
    this.#ownTicket = recovered.scopes.watermark(ownClient);
    this.#submitted = recovered.materializer.size;
  }

  /** Recovers, then records `log.started` durably. Throws ERR_VERIFICATION_FAILED when the directory is damaged. */
  static async open(options: LogOptions): Promise<AuditLog> {
    const files = options.files ?? nodeLogFiles;
    const limits = { ...defaultLimits, ...options.limits };
    const recovered = await recover({ directory: options.directory, signer: options.signer, files });
    const log = new AuditLog(options, { recovered, limits, files });
    try {
      await log.#takeReserve();
      await log.#announce(recovered.unclean);
      return log;
    } catch (error) {
      await log.stop();
      throw error;
    }
  }

  get condition(): LogCondition {
    return this.#condition;
  }

  /** why and since when the log is full or lost */
  get failure(): { readonly reason: string; readonly since: number } | null {
    return this.#failure;
  }

  /** durable entries */
  get size(): number {
    return this.#content.size;
  }

  get content(): LogContent {
    return this.#content;
  }

  watermark(client: string): number {
    return this.#scopes.watermark(client);
  }

  /** A client that says hello: where its next ticket starts. */
  adopt(client: string, acked: number): number {
    this.#scopes.adopt(client, acked);
    return this.#scopes.watermark(client);
  }

  get clientsWithOpen(): Set<string> {
    return this.#scopes.clientsWithOpen;
  }

  /** False when tickets were skipped, which no honest client does. Tickets seen before are left out. */
  submit(chunk: Chunk): boolean {
    if (this.#condition === 'lost' || this.#condition === 'closed') return true;
    const seen = this.#seen.get(chunk.client) ?? this.#scopes.watermark(chunk.client);
    if (chunk.firstTicket > seen + 1) return false;
    const fresh = chunkAfter(chunk, seen);
    if (fresh === null) return true;
    this.#seen.set(chunk.client, fresh.lastTicket);
    this.#queue.push(fresh);
    this.#submitted += fresh.count;
    this.#pump();
    return true;
  }

  /** An event of the log itself. */
  record(code: EventCode, fields: Partial<EventHeader> & Pick<EventHeader, 'outcome'>): void {
    const header = encodeHeader({
      v: 1,
      code,
      at: new Date(this.#clock.now()).toISOString(),
      actor: { issuer: 'postern', subject: 'audit', name: 'audit', kind: 'service', credential: 'none' },
      origin: 'audit',
      affected: 'log',
      ...fields,
    });
    this.#append(header, { kind: 'plain' });
  }

  /** Ends in the log what the client left open, with outcome `indeterminate`. */
  async closeOpen(client: string, reason: string): Promise<void> {
    await this.#until(() => this.#scopes.watermark(client) >= (this.#seen.get(client) ?? 0));
    await this.#closeScopes(this.#scopes.ofClient(client), reason);
  }

  /** Everything submitted so far into tiles under a new checkpoint. Throws ERR_AUDIT_UNAVAILABLE. */
  async sync(): Promise<string> {
    const wanted = this.#submitted;
    await this.#until(() => this.size >= wanted);
    for (let attempt = 0; attempt < 2 && this.#content.published < wanted; attempt++) await this.#materialize();
    const { checkpoint, published } = this.#content;
    if (published < wanted || checkpoint === null) throw fail('ERR_AUDIT_UNAVAILABLE', { detail: this.#failure?.reason ?? 'the log is closed' });
    return checkpoint;
  }

  /** Resolves when there are more than `size` durable entries, when there will be none, or when the signal aborts. */
  async grown(size: number, signal: AbortSignal): Promise<void> {
    const wake = (): void => {
      this.#progressed();
    };
    signal.addEventListener('abort', wake, { once: true });
    await this.#until(() => this.size > size || signal.aborted);
    signal.removeEventListener('abort', wake);
  }

  /** Records `log.stopped`, signs the last checkpoint, empties the journal. A lost log is just let go. */
  async stop(): Promise<void> {
    if (this.#isWritable) {
      this.record('log.stopped', { outcome: 'success' });
      this.#stopping = true;
      await this.sync().catch(() => undefined);
    }
    if (this.#timer !== null) clearTimeout(this.#timer.handle);
    await this.#materializing;
    await this.#journal.abandon(this.size).catch(() => undefined);
    if (this.#isWritable) await this.#journal.forget(this.#content.published);
    this.#condition = 'closed';
  }

  get #isWritable(): boolean {
    return this.#condition === 'open' || this.#condition === 'full';
  }

  get #reservePath(): string {
    return join(this.#options.directory, 'reserve');
  }

  async #announce(unclean: { entries: number; tornBytes: number } | null): Promise<void> {
    if (unclean !== null) {
      const reason = `${String(unclean.entries)} entries taken from the journal; ${String(unclean.tornBytes)} bytes of an unfinished commit dropped`;
      this.record('log.recovered', { outcome: 'success', reason, count: unclean.entries, bytes: unclean.tornBytes });
    }
    const { lostBefore } = this.#options;
    if (lostBefore !== undefined) this.#recordFailure(lostBefore);
    this.record('log.started', { outcome: 'success' });
    await this.sync();
  }

  #recordFailure({ reason, since }: { reason: string; since: number }): void {
    this.record('log.write-failed', { outcome: 'failure', reason, durationMicros: Math.max(0, this.#clock.now() - since) * 1000 });
  }

  #append(header: string, phase: Phase): void {
    const { entry } = encodeEvent(++this.#ownTicket, header, phase);
    const chunk = parseChunk(ownClient, entry, Buffer.alloc(0));
    if (chunk !== null) this.submit(chunk);
  }

  #pump(): void {
    if (this.#committing) return;
    this.#committing = true;
    // after this turn's input: all of it goes into one commit
    setImmediate(() => {
      void this.#commitAll().finally(() => {
        this.#committing = false;
      });
    });
  }

  /** Waits for commits until `reached`, or until there will be none. */
  async #until(reached: () => boolean): Promise<void> {
    while (this.#isWritable && !reached()) {
      this.#progress ??= Promise.withResolvers();
      await this.#progress.promise;
    }
  }

  #progressed(): void {
    this.#progress?.resolve();
    this.#progress = null;
  }

  /** One write at a time: what arrives meanwhile leaves together with the next. */
  async #commitAll(): Promise<void> {
    while (this.#queue.length > 0 && this.#isWritable) {
      if (this.#content.tailBytes > this.#limits.maxTailBytes) await this.#materialize();
      const batch = this.#take();
      const leaves = await this.#write(batch).catch((error: unknown) => {
        this.#lose(reasonOf(error));
        return null;
      });
      if (leaves !== null) this.#settle({ ...batch, leaves });
    }
  }

  #take(): Batch {
    const firstIndex = this.size;
    const chunks: Chunk[] = [];
    const bodies: Buffer[] = [];
    let count = 0;
    let bytes = 0;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (chunks.length > 0 && (bytes + next.entries.length + next.bodies.length > this.#limits.maxBatchBytes || count + next.count > maxEntriesPerChunk))
        break;
      this.#queue.shift();
      chunks.push(next);
      if (next.bodies.length > 0) bodies.push(moveOrdinals(next.bodies, count));
      count += next.count;
      bytes += next.entries.length + next.bodies.length;
    }
    return { firstIndex, count, chunks, sealed: bodies.length === 0 ? Buffer.alloc(0) : this.#seal(firstIndex, bodies) };
  }

  /** Durable when this resolves; the leaves are hashed while the disk is busy. */
  async #write(batch: Batch): Promise<Uint8Array[]> {
    const durable = this.#journal.append(batch);
    const leaves = hashLeaves(batch.chunks);
    try {
      await durable;
    } catch (error) {
      if (!isDiskFull(error) || this.#condition !== 'open') throw error;
      // new bytes in a new file on the space set free: the failed write itself is never tried again
      await this.#fill(reasonOf(error));
      await this.#journal.abandon(batch.firstIndex);
      await this.#journal.append(batch);
    }
    return leaves;
  }

  #settle(batch: HashedBatch): void {
    this.#content.grow(batch);
    const orphans = this.#scopes.apply(batch);
    for (const [client, runs] of runsOf(batch)) this.onDurable(client, runs);
    const sessionEnded = batch.chunks.some(({ marks }) => marks.some(({ phase }) => phase.kind === 'close' && phase.scope === 'session'));
    this.#schedule(sessionEnded ? Math.min(sessionEndDelayMs, this.#limits.checkpointAfterMs) : this.#limits.checkpointAfterMs);
    if (this.#content.tailCount >= this.#limits.checkpointAfterEntries) this.#schedule(0);
    this.#progressed();
    if (orphans.length > 0) void this.#closeScopes(orphans, 'its session ended').catch((error: unknown) => this.#lose(reasonOf(error)));
  }

  async #closeScopes(scopes: readonly OpenScope[], reason: string): Promise<void> {
    for (const scope of scopes) {
      const opening = await this.#content.header(scope.index);
      if (!this.#scopes.isOpen(scope.id)) continue;
      const { header, phase } = closing(scope, opening, { time: new Date(this.#clock.now()).toISOString(), reason });
      this.#append(header, phase);
    }
  }

  #schedule(afterMs: number): void {
    const due = this.#clock.now() + afterMs;
    if (this.#timer !== null && this.#timer.due <= due) return;
    if (this.#timer !== null) clearTimeout(this.#timer.handle);
    const handle = setTimeout(() => {
      this.#timer = null;
      void this.#materialize();
    }, afterMs);
    this.#timer = { due, handle };
  }

  /** One at a time; never rejects. */
  async #materialize(): Promise<void> {
    while (this.#materializing !== null) await this.#materializing;
    if (!this.#isWritable) return;
    this.#materializing = this.#materializeOnce().finally(() => {
      this.#materializing = null;
    });
    await this.#materializing;
  }

  async #materializeOnce(): Promise<void> {
    try {
      if (this.#condition === 'full') await this.#tryRegain();
      const batches = this.#content.tail;
      if (batches.length === 0) return;
      await this.#materializer.absorb(batches);
      this.#scopes.forgetOldest(keptClients, this.keepsClient);
      // tickets of entries that came meanwhile are in the journal still, and are read again from there
      const state: Omit<LogState, 'v' | 'size' | 'bodies'> = {
        origin: this.#options.signer.verifier.name,
        ...this.#scopes.toState(),
        clean: this.#stopping && this.size === this.#submitted && this.size === this.#materializer.size,
      };
      const checkpoint = await this.#materializer.publish(state);
      this.#content.publish({ size: this.#materializer.size, bodies: this.#materializer.bodies, checkpoint });
      await this.#journal.forget(this.#materializer.size);
    } catch (error) {
      await this.#afterFailedMaterialize(error);
    }
    if (this.#content.tailCount > 0 && this.#isWritable) this.#schedule(this.#limits.checkpointAfterMs);
  }

  /** On a full disk the entries stay safe in the journal, and this is tried again from what is on disk. */
  async #afterFailedMaterialize(error: unknown): Promise<void> {
    if (!isDiskFull(error)) {
      this.#lose(reasonOf(error));
      return;
    }
    try {
      if (this.#condition === 'open') await this.#fill(reasonOf(error));
      const state = { size: this.#content.published, bodies: this.#content.publishedBodies };
      this.#materializer = await Materializer.resume({ files: this.#files, signer: this.#options.signer, directory: this.#options.directory }, state);
    } catch (again) {
      this.#lose(reasonOf(again));
    }
  }

  async #takeReserve(): Promise<void> {
    try {
      await this.#files.reserve(this.#reservePath, this.#limits.reserveBytes);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      await this.#fill(reasonOf(error));
    }
  }

  async #fill(reason: string): Promise<void> {
    this.#failure = { reason, since: this.#clock.now() };
    this.#condition = 'full';
    this.onCondition('full');
    await this.#files.remove(this.#reservePath);
    this.#schedule(retryMs);
  }

  async #tryRegain(): Promise<void> {
    try {
      await this.#files.reserve(this.#reservePath, this.#limits.reserveBytes);
    } catch (error) {
      await this.#files.remove(this.#reservePath);
      if (!isDiskFull(error)) throw error;
      this.#schedule(retryMs);
      return;
    }
    if (this.#failure !== null) this.#recordFailure(this.#failure);
    this.#failure = null;
    this.#condition = 'open';
    this.onCondition('open');
  }

  #lose(reason: string): void {
    if (!this.#isWritable) return;
    this.#failure = { reason, since: this.#clock.now() };
    this.#condition = 'lost';
    this.#queue = [];
    if (this.#timer !== null) clearTimeout(this.#timer.handle);
    this.#progressed();
    this.onCondition('lost');
  }
}

function runsOf({ firstIndex, chunks }: Batch): Map<string, Run[]> {
  const runs = new Map<string, Run[]>();
  let index = firstIndex;
  for (const { client, firstTicket, count } of chunks) {
    const own = runs.get(client) ?? [];
    own.push({ ticket: firstTicket, index, count });
    runs.set(client, own);
    index += count;
  }
  return runs;
}

function isDiskFull(error: unknown): boolean {
  return hasCode(error, 'ENOSPC', 'EDQUOT');
}

import { fail } from '../../contract/errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Credential } from '../../pipeline/engine.ts';
import { connectTarget, readFrame, type Target, type TargetOptions } from './client-connect.ts';
import { targetRefused } from './client-refusal.ts';
import { Cursor, headerBytes } from './frames.ts';
import { backend, queryFrame, terminateFrame } from './messages.ts';
import type { Catalogue, Classifier } from './statement.ts';

/** Rows of one SQL text, as text. */
export type CatalogueQuery = (sql: string) => Promise<readonly (readonly (string | null)[])[]>;

export interface CatalogueLoading {
  loadCatalogue(query: CatalogueQuery, previous?: Catalogue): Promise<Catalogue>;
  createClassifier(catalogue: Catalogue): Classifier;
}

const maxAgeMs = 60_000;
const retryMs = 5000;
const maxUnknown = 4096;
/** far above the catalogue of a large database */
const maxCatalogueBytes = 268_435_456;
const maxCatalogueFrame = 16_777_216;

/** How to reach the target for a short while with a leased credential. */
export type Connect = <T>(use: (target: Target) => Promise<T>) => Promise<T>;

/** The catalogue of one target database as one account sees it, shared by its sessions; always the newest loaded one. */
export class TargetCatalogue {
  readonly #loading: CatalogueLoading;
  readonly #clock: Clock;
  readonly #unknown = new Set<number>();
  #current: { catalogue: Catalogue; classifier: Classifier } | null = null;
  #loadedAt = -Infinity;
  #triedAt = -Infinity;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(loading: CatalogueLoading, clock: Clock) {
    this.#loading = loading;
    this.#clock = clock;
  }

  get catalogue(): Catalogue {
    return this.#loaded().catalogue;
  }

  get classifier(): Classifier {
    return this.#loaded().classifier;
  }

  get isFresh(): boolean {
    return this.#clock.now() - this.#loadedAt < maxAgeMs;
  }

  /** A table that was still missing after a load: asking again would not help. */
  isUnknown(oid: number): boolean {
    return this.#unknown.has(oid);
  }

  noteUnknown(oids: readonly number[]): void {
    if (this.#unknown.size + oids.length > maxUnknown) this.#unknown.clear();
    for (const oid of oids) this.#unknown.add(oid);
  }

  /** Loads it in the background; after a failure not at once again. */
  renew(connect: Connect): void {
    const now = this.#clock.now();
    if (this.#running !== null || now - this.#triedAt < retryMs) return;
    this.#triedAt = now;
    this.#start(connect).catch(() => undefined);
  }

  /** Loads a state not older than this call; calls that come while one runs share the next one. */
  refresh(connect: Connect): Promise<void> {
    if (this.#running === null) return this.#start(connect);
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = null;
        return this.#start(connect);
      });
    return this.#next;
  }

  #start(connect: Connect): Promise<void> {
    this.#running = this.#load(connect).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #load(connect: Connect): Promise<void> {
    const startedAt = this.#clock.now();
    const previous = this.#current?.catalogue;
    const catalogue = await connect((target) => this.#loading.loadCatalogue((sql) => queryRows(target, sql), previous));
    if (catalogue !== previous) {
      this.#current = { catalogue, classifier: this.#loading.createClassifier(catalogue) };
      this.#unknown.clear();
    }
    this.#loadedAt = startedAt;
  }

  #loaded(): { catalogue: Catalogue; classifier: Classifier } {
    if (this.#current === null) throw fail('ERR_INTERNAL', { detail: 'the catalogue was not loaded' });
    return this.#current;
  }
}

const maxCatalogues = 1024;

/** Catalogues by resource, address, database and account. */
export class TargetCatalogues {
  readonly #loading: CatalogueLoading;
  readonly #clock: Clock;
  readonly #known = new Map<string, TargetCatalogue>();

  constructor(loading: CatalogueLoading, clock: Clock) {
    this.#loading = loading;
    this.#clock = clock;
  }

  get(resource: { id: string; host: string; port: number }, database: string, account: string): TargetCatalogue {
    const key = JSON.stringify([resource.id, resource.host, resource.port, database, account]);
    let catalogue = this.#known.get(key);
    if (catalogue === undefined) {
      const oldest = this.#known.size >= maxCatalogues ? this.#known.keys().next().value : undefined;
      if (oldest !== undefined) this.#known.delete(oldest);
      catalogue = new TargetCatalogue(this.#loading, this.#clock);
      this.#known.set(key, catalogue);
    }
    return catalogue;
  }
}

/** A connection of its own, closed afterwards: the session's state is never touched. */
export async function brieflyConnected<T>(
  options: Omit<TargetOptions, 'credential' | 'parameters'>,
  credential: Credential,
  use: (target: Target) => Promise<T>,
): Promise<T> {
  const parameters = new Map([
    ['client_encoding', 'UTF8'],
    ['application_name', 'postern:catalogue'],
    // what is read must not depend on the account's own settings
    ['search_path', 'pg_catalog'],
    ['default_transaction_read_only', 'on'],
    ['statement_timeout', String(options.deadlineMs)],
  ]);
  const target = await connectTarget({ ...options, credential, parameters });
  const { socket } = target.connection;
  const timer = setTimeout(() => {
    socket.destroy();
  }, options.deadlineMs);
  try {
    return await use(target);
  } finally {
    clearTimeout(timer);
    socket.end(terminateFrame);
    socket.destroySoon();
  }
}

/** One Query and its rows: texts of ours, and what a client may have explained. */
export async function queryRows(target: Target, sql: string): Promise<readonly (readonly (string | null)[])[]> {
  const { connection } = target;
  connection.socket.write(queryFrame(sql));
  const rows: (string | null)[][] = [];
  let failure: Error | null = null;
  for (let bytes = 0; ; ) {
    const frame = await readFrame(connection, maxCatalogueFrame);
    bytes += frame.length;
    if (bytes > maxCatalogueBytes) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'the catalogue is larger than we accept' });
    if (frame[0] === backend.dataRow) rows.push(textRow(frame));
    else if (frame[0] === backend.error) failure = targetRefused(frame);
    else if (frame[0] === backend.ready) break;
  }
  if (failure !== null) throw failure;
  return rows;
}

function textRow(frame: Buffer): (string | null)[] {
  const cursor = new Cursor(frame, headerBytes, frame.length, 'DataRow');
  const row: (string | null)[] = [];
  for (let left = cursor.int16() & 0xffff; left > 0; left--) {
    const length = cursor.int32();
    row.push(length === -1 ? null : cursor.bytes(length).toString('utf8'));
  }
  return row;
}

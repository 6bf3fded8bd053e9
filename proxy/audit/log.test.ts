import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Phase } from '../contract/audit-event.ts';
import { encodeEvent, parseChunk } from './entry.ts';
import { event } from './event.ts';
import { appendFrame } from './frames.ts';
import { logSigner } from './hashing.ts';
import { AuditLog, type LogOptions } from './log.ts';
import { type LogFiles, nodeLogFiles } from './log-files.ts';

const directories: string[] = [];
const logs: AuditLog[] = [];

afterEach(async () => {
  await Promise.all(logs.splice(0).map((log) => log.stop().catch(() => undefined)));
  await Promise.all(directories.splice(0).map((path) => rm(path, { recursive: true, force: true })));
});

async function newDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'postern-log-'));
  directories.push(path);
  return path;
}

const signer = logSigner(Buffer.alloc(32, 7), 'postern.local/testing');
const bodyKey = Buffer.alloc(32, 9);
const quiet = { checkpointAfterMs: 60_000, reserveBytes: 4_096 };

async function openLog(directory: string, more: Partial<LogOptions> = {}): Promise<AuditLog> {
  const log = await AuditLog.open({ directory, signer, bodyKey, limits: quiet, ...more });
  logs.push(log);
  return log;
}

/** A client that counts its own tickets and remembers what was acknowledged. */
class Caller {
  readonly log: AuditLog;
  readonly name: string;
  ticket = 0;
  acked = 0;
  #waiting: { ticket: number; resolve: () => void }[] = [];

  constructor(log: AuditLog, name = 'gateway-a') {
    this.log = log;
    this.name = name;
    const before = log.onDurable;
    log.onDurable = (client, runs) => {
      before(client, runs);
      const last = runs.at(-1);
      if (client !== name || last === undefined) return;
      const ticket = last.ticket + last.count - 1;
      this.acked = ticket;
      this.#waiting = this.#waiting.filter((waiter) => {
        if (waiter.ticket <= ticket) waiter.resolve();
        return waiter.ticket > ticket;
      });
    };
  }

  send(words: readonly string[], phase: Phase = { kind: 'plain' }): void {
    const events = words.map((word) => {
      const { header, body } = event(
        {
          code: phase.kind === 'open' ? (phase.scope === 'session' ? 'session.started' : 'operation.intended') : 'operation.refused',
          at: '2026-01-02T03:04:05.678Z',
          actor: { issuer: 'postern', subject: 'svc_a', name: 'ci', kind: 'service-account', credential: 'tok_a' },
          origin: '127.0.0.1',
          outcome: 'success',
          affected: 'orders',
          reason: word,
        },
        `body of ${word}`,
      );
      return encodeEvent(++this.ticket, header, phase, body);
    });
    const frame = appendFrame(events);
    const end = 5 + frame.readUInt32BE(1);
    const chunk = parseChunk(this.name, frame.subarray(5, end), frame.subarray(end));
    if (chunk === null || !this.log.submit(chunk)) throw new Error('refused');
  }

  async durable(): Promise<void> {
    const { ticket } = this;
    if (this.acked >= ticket) return;
    await new Promise<void>((resolve) => this.#waiting.push({ ticket, resolve }));
  }
}

async function reasons(log: AuditLog): Promise<string[]> {
  const found: string[] = [];
  for await (const { header } of log.content.read({ from: 0, to: log.size })) found.push((JSON.parse(header) as { reason?: string }).reason ?? '');
  return found;
}

async function codes(log: AuditLog): Promise<string[]> {
  const found: string[] = [];
  for await (const { header } of log.content.read({ from: 0, to: log.size })) found.push((JSON.parse(header) as { code: string }).code);
  return found;
}

/** The log as it is on disk now, under another name: what a crash leaves. */
async function crashCopy(directory: string): Promise<string> {
  const copy = await newDirectory();
  await cp(directory, copy, { recursive: true });
  return copy;
}

describe('the log', () => {
  it('keeps entries and bodies over a restart, and starts and stops in order', async () => {
    const directory = await newDirectory();
    const log = await openLog(directory);
    const caller = new Caller(log);
    caller.send(['a', 'b']);
    caller.send(['c']);
    await caller.durable();
    expect(caller.acked).toBe(3);
    const bodies: (string | undefined)[] = [];
    for await (const { body } of log.content.read({ from: 0, to: 10 }, true)) bodies.push(body);
    expect(bodies).toEqual([undefined, 'body of a', 'body of b', 'body of c']);
    await log.stop();
    expect(await readdir(join(directory, 'journal'))).toEqual([]);
    const again = await openLog(directory);
    expect(await codes(again)).toEqual(['log.started', 'operation.refused', 'operation.refused', 'operation.refused', 'log.stopped', 'log.started']);
    expect(again.watermark('gateway-a')).toBe(3);
    const later: (string | undefined)[] = [];
    for await (const { body } of again.content.read({ from: 1, to: 4 }, true)) later.push(body);
    expect(later).toEqual(['body of a', 'body of b', 'body of c']);
  });

  it('drops tickets it has, takes those it has not, refuses gaps', async () => {
    const log = await openLog(await newDirectory());
    const caller = new Caller(log);
    caller.send(['a', 'b']);
    await caller.durable();
    caller.ticket = 0;
    caller.send(['a', 'b', 'c']);
    await caller.durable();
    expect((await reasons(log)).slice(1)).toEqual(['a', 'b', 'c']);
    const texts: (string | undefined)[] = [];
    for await (const { body } of log.content.read({ from: 1, to: 9 }, true)) texts.push(body);
    expect(texts).toEqual(['body of a', 'body of b', 'body of c']);
    caller.ticket = 7;
    expect(() => caller.send(['z'])).toThrow('refused');
  });

  it('closes what a lost client left open, operations first', async () => {
    const directory = await newDirectory();
    const log = await openLog(directory);
    const caller = new Caller(log);
    caller.send(['s'], { kind: 'open', scope: 'session', id: 'ses_a', session: 'ses_a' });
    caller.send(['o'], { kind: 'open', scope: 'operation', id: 'opr_a', session: 'ses_a' });
    await caller.durable();
    const copy = await crashCopy(directory);
    await log.closeOpen('gateway-a', 'lost');
    await log.sync();
    expect((await codes(log)).slice(3)).toEqual(['operation.settled', 'session.ended']);
    const recovered = await openLog(copy);
    expect([...recovered.clientsWithOpen]).toEqual(['gateway-a']);
    await recovered.closeOpen('gateway-a', 'did not come back');
    await recovered.sync();
    const entries: { code: string; outcome: string; actor: { name: string }; session: string }[] = [];
    for await (const { header } of recovered.content.read({ from: 0, to: 99 })) entries.push(JSON.parse(header) as (typeof entries)[number]);
    expect(entries.slice(-2)).toMatchObject([
      { code: 'operation.settled', outcome: 'indeterminate', actor: { name: 'ci' }, session: 'ses_a', operation: 'opr_a' },
      { code: 'session.ended', outcome: 'indeterminate', session: 'ses_a' },
    ]);
    expect(recovered.clientsWithOpen.size).toBe(0);
  });

  it('closes operations that the end of their session left open', async () => {
    const log = await openLog(await newDirectory());
    const caller = new Caller(log);
    caller.send(['s'], { kind: 'open', scope: 'session', id: 'ses_a', session: 'ses_a' });
    caller.send(['o'], { kind: 'open', scope: 'operation', id: 'opr_a', session: 'ses_a' });
    caller.send(['e'], { kind: 'close', scope: 'session', id: 'ses_a', session: 'ses_a' });
    await caller.durable();
    await new Promise(setImmediate);
    await log.sync();
    expect((await codes(log)).at(-1)).toBe('operation.settled');
  });

  it('refuses to open under another key, another origin, or with damaged files', async () => {
    const directory = await newDirectory();
    const log = await openLog(directory);
    new Caller(log).send(['a']);
    await log.stop();
    await expect(openLog(directory, { signer: logSigner(randomBytes(32), 'postern.local/testing') })).rejects.toMatchObject({
      code: 'ERR_VERIFICATION_FAILED',
    });
    await expect(openLog(directory, { signer: logSigner(Buffer.alloc(32, 7), 'postern.local/other') })).rejects.toMatchObject({
      code: 'ERR_VERIFICATION_FAILED',
    });
    for (const name of ['state.json', 'checkpoint', 'tile/0/000.p/3', 'tile/entries/000.p/3']) {
      const copy = await crashCopy(directory);
      const bytes = await readFile(join(copy, name));
      bytes[20] = (bytes[20] ?? 0) ^ 1;
      await writeFile(join(copy, name), bytes);
      await expect(openLog(copy), name).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
      await rm(join(copy, name));
      await expect(openLog(copy), name).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
    }
  });

  it('proves entries and growth under its checkpoints', async () => {
    const log = await openLog(await newDirectory());
    const caller = new Caller(log);
    caller.send(Array.from({ length: 600 }, (_, at) => `word ${String(at)}`));
    await log.sync();
    expect(await log.content.inclusion(5, 601)).toHaveLength(10);
    expect((await log.content.consistency(300, 601)).length).toBeGreaterThan(1);
    await expect(log.content.inclusion(5, 602)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await expect(log.content.inclusion(700, 601)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
});

/** Forgets nothing, but knows what is durable: journal files are cut to it when the power goes. */
function trackedFiles(durable: Map<string, number>, isSyncing = true): LogFiles {
  return {
    ...nodeLogFiles,
    async createJournal(path) {
      const file = await nodeLogFiles.createJournal(path);
      durable.set(path, 0);
      return {
        append: async (bytes) => {
          await file.append(bytes);
          if (isSyncing) durable.set(path, (durable.get(path) ?? 0) + bytes.length);
        },
        close: () => file.close(),
      };
    },
  };
}

/** Lets the disk be still while it is copied: the power goes between two operations. */
class Gate {
  #closed: PromiseWithResolvers<null> | null = null;
  #active = 0;

  through(files: LogFiles): LogFiles {
    const guarded =
      <A extends unknown[], R>(work: (...given: A) => Promise<R>) =>
      async (...given: A): Promise<R> => {
        while (this.#closed !== null) await this.#closed.promise;
        this.#active++;
        try {
          return await work(...given);
        } finally {
          this.#active--;
        }
      };
    return {
      replace: guarded((path: string, bytes: Uint8Array) => files.replace(path, bytes)),
      appendAt: guarded((path: string, position: number, bytes: Uint8Array) => files.appendAt(path, position, bytes)),
      reserve: guarded((path: string, bytes: number) => files.reserve(path, bytes)),
      remove: guarded((path: string) => files.remove(path)),
      makeDirectory: guarded((path: string) => files.makeDirectory(path)),
      createJournal: guarded(async (path: string) => {
        const file = await files.createJournal(path);
        return { append: guarded((bytes: Uint8Array) => file.append(bytes)), close: () => file.close() };
      }),
    };
  }

  async whileStill<T>(work: () => Promise<T>): Promise<T> {
    this.#closed = Promise.withResolvers();
    while (this.#active > 0) await new Promise(setImmediate);
    try {
      return await work();
    } finally {
      this.#closed.resolve(null);
      this.#closed = null;
    }
  }
}

async function powerLoss(directory: string, durable: ReadonlyMap<string, number>): Promise<string> {
  const copy = await newDirectory();
  await cp(directory, copy, { recursive: true });
  for (const [path, length] of durable) await truncate(path.replace(directory, copy), length).catch(() => undefined);
  return copy;
}

/** Events sent one commit each, with the journal's length when each was acknowledged. */
async function journalOf(count: number): Promise<{ directory: string; path: string; acked: { length: number; words: string[] }[] }> {
  const directory = await newDirectory();
  const log = await openLog(directory);
  const caller = new Caller(log);
  const [name] = await readdir(join(directory, 'journal'));
  const path = join(directory, 'journal', name ?? '');
  const words: string[] = [];
  const acked: { length: number; words: string[] }[] = [];
  for (let at = 0; at < count; at++) {
    words.push(`word ${String(at)}`);
    caller.send([`word ${String(at)}`]);
    await caller.durable();
    acked.push({ length: (await stat(path)).size, words: [...words] });
  }
  return { directory, path, acked };
}

describe('recovery', () => {
  it('keeps every acknowledged entry when the journal is cut at any byte after it', async () => {
    const { directory, path, acked } = await journalOf(6);
    const lengths = acked.flatMap(({ length }, at) => {
      const next = acked[at + 1]?.length ?? length;
      return [length, length + 1, length + 40, Math.floor((length + next) / 2), next - 1].filter((cut) => cut >= length && cut <= next);
    });
    for (const cut of new Set(lengths)) {
      const copy = await crashCopy(directory);
      await truncate(path.replace(directory, copy), cut);
      const log = await openLog(copy);
      const expected = acked.findLast(({ length }) => length <= cut)?.words ?? [];
      expect((await reasons(log)).slice(1, 1 + expected.length), `cut at ${String(cut)}`).toEqual(expected);
      const found = await codes(log);
      expect(found.slice(1 + expected.length)).toEqual(['log.recovered', 'log.started']);
      await log.stop();
    }
  });

  it('refuses a journal whose acknowledged part is damaged, and never cuts it', async () => {
    const { directory, path, acked } = await journalOf(4);
    const length = acked.at(-1)?.length ?? 0;
    for (let at = 0; at < length; at += 37) {
      const copy = await crashCopy(directory);
      const damaged = path.replace(directory, copy);
      const bytes = await readFile(damaged);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      await writeFile(damaged, bytes);
      await expect(openLog(copy), `byte ${String(at)}`).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
      expect((await readFile(damaged)).equals(bytes)).toBe(true);
    }
  });

  it('drops a last commit of which whole sectors are missing', async () => {
    const { directory, path, acked } = await journalOf(4);
    const [last, before] = [acked.at(-1), acked.at(-2)];
    const copy = await crashCopy(directory);
    const bytes = await readFile(path);
    bytes.fill(0, Math.ceil((before?.length ?? 0) / 512) * 512, last?.length);
    await writeFile(path.replace(directory, copy), bytes);
    const log = await openLog(copy);
    expect((await reasons(log)).slice(1, 4)).toEqual(before?.words);
    expect((await codes(log)).slice(4)).toEqual(['log.recovered', 'log.started']);
  });

  it('refuses when entries under the checkpoint are gone', async () => {
    const directory = await newDirectory();
    const log = await openLog(directory);
    new Caller(log).send(['a', 'b']);
    await log.sync();
    const early = await crashCopy(directory);
    new Caller(log, 'gateway-b').send(['c']);
    await log.sync();
    // an older state under a newer head
    await cp(join(early, 'state.json'), join(directory, 'state.json'));
    const copy = await crashCopy(directory);
    await rm(join(copy, 'journal'), { recursive: true });
    await expect(openLog(copy)).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
    // with its journal the same directory recovers
    const whole = await openLog(await crashCopy(directory));
    expect((await reasons(whole)).slice(1, 4)).toEqual(['a', 'b', 'c']);
  });

  it('loses nothing acknowledged when the power goes under load', async () => {
    const directory = await newDirectory();
    const durable = new Map<string, number>();
    const gate = new Gate();
    const log = await openLog(directory, {
      files: gate.through(trackedFiles(durable)),
      limits: { ...quiet, maxSegmentBytes: 4_000, checkpointAfterEntries: 40 },
    });
    const caller = new Caller(log);
    for (let round = 0; round < 30; round++) {
      for (let at = 0; at < 5; at++) caller.send([`word ${String(round * 5 + at)}`]);
      if (round % 3 === 0) await caller.durable();
      if (round % 10 !== 9) continue;
      let acked = 0;
      const copy = await gate.whileStill(() => {
        acked = caller.acked;
        return powerLoss(directory, durable);
      });
      const recovered = await openLog(copy);
      expect(recovered.watermark('gateway-a')).toBeGreaterThanOrEqual(acked);
      expect((await reasons(recovered)).filter((reason) => reason.startsWith('word')).length).toBeGreaterThanOrEqual(acked);
      await recovered.stop();
    }
  });

  it('shows the loss when fsync does nothing', async () => {
    const directory = await newDirectory();
    const durable = new Map<string, number>();
    const log = await openLog(directory, { files: trackedFiles(durable, false) });
    const caller = new Caller(log);
    caller.send(['a', 'b']);
    await caller.durable();
    const recovered = await openLog(await powerLoss(directory, durable));
    expect(caller.acked).toBe(2);
    expect(recovered.watermark('gateway-a')).toBe(0);
  });
});

function fullDisk(): Error {
  return Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
}

describe('a failing disk', () => {
  it.each(['EIO', 'EROFS'])('is lost at once on %s: nothing acknowledged falsely, everything refused', async (code) => {
    const directory = await newDirectory();
    let isFailing = false;
    const files: LogFiles = {
      ...nodeLogFiles,
      async createJournal(path) {
        const file = await nodeLogFiles.createJournal(path);
        return { append: (bytes) => (isFailing ? Promise.reject(Object.assign(new Error(code), { code })) : file.append(bytes)), close: () => file.close() };
      },
    };
    const log = await openLog(directory, { files });
    const caller = new Caller(log);
    const conditions: string[] = [];
    log.onCondition = (condition) => conditions.push(condition);
    caller.send(['a']);
    await caller.durable();
    isFailing = true;
    caller.send(['b']);
    await expect(log.sync()).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
    expect(conditions).toEqual(['lost']);
    isFailing = false;
    caller.send(['c']);
    await expect(log.sync()).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
    expect(caller.acked).toBe(1);
    await log.stop();
    const again = await openLog(directory, { lostBefore: { reason: code, since: 0 } });
    expect(await codes(again)).toEqual(['log.started', 'operation.refused', 'log.recovered', 'log.write-failed', 'log.started']);
    expect(again.watermark('gateway-a')).toBe(1);
  });

  it('says full on ENOSPC, still writes from its reserve, and recovers when there is space', async () => {
    const directory = await newDirectory();
    let free = Infinity;
    const files: LogFiles = {
      ...nodeLogFiles,
      async createJournal(path) {
        const file = await nodeLogFiles.createJournal(path);
        return {
          append: async (bytes) => {
            if (bytes.length > free) {
              // a part of it may have gone out
              await file.append(bytes.subarray(0, 30));
              throw fullDisk();
            }
            free -= bytes.length;
            await file.append(bytes);
          },
          close: () => file.close(),
        };
      },
      reserve: async (path, bytes) => {
        if (bytes > free) throw fullDisk();
        free -= bytes;
        await nodeLogFiles.reserve(path, bytes);
      },
      remove: async (path) => {
        if (path.endsWith('reserve')) free += quiet.reserveBytes;
        await nodeLogFiles.remove(path);
      },
    };
    const log = await openLog(directory, { files });
    const caller = new Caller(log);
    const conditions: string[] = [];
    log.onCondition = (condition) => conditions.push(condition);
    free = 100;
    caller.send(['a']);
    await caller.durable();
    expect(conditions).toEqual(['full']);
    caller.send(['end'], { kind: 'close', scope: 'session', id: 'ses_a', session: 'ses_a' });
    await caller.durable();
    const copy = await crashCopy(directory);
    free = Infinity;
    await log.sync();
    expect(conditions).toEqual(['full', 'open']);
    await log.sync();
    expect(await codes(log)).toEqual(['log.started', 'operation.refused', 'operation.refused', 'log.write-failed']);
    const recovered = await openLog(copy);
    expect((await reasons(recovered)).slice(1, 3)).toEqual(['a', 'end']);
  });

  it('keeps entries in the journal while tiles cannot be written', async () => {
    const directory = await newDirectory();
    let isFull = false;
    const files: LogFiles = {
      ...nodeLogFiles,
      replace: (path, bytes) => (isFull ? Promise.reject(fullDisk()) : nodeLogFiles.replace(path, bytes)),
      reserve: (path, bytes) => (isFull ? Promise.reject(fullDisk()) : nodeLogFiles.reserve(path, bytes)),
    };
    const log = await openLog(directory, { files });
    const caller = new Caller(log);
    isFull = true;
    caller.send(Array.from({ length: 300 }, (_, at) => `word ${String(at)}`));
    await expect(log.sync()).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
    expect(log.condition).toBe('full');
    expect(caller.acked).toBe(300);
    isFull = false;
    await log.sync();
    await log.sync();
    expect(log.condition).toBe('open');
    expect((await reasons(log)).slice(1, 301)).toHaveLength(300);
    await log.stop();
    expect((await codes(await openLog(directory))).filter((code) => code === 'operation.refused')).toHaveLength(300);
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { parseCheckpoint } from '../proof/checkpoint.ts';
import { parseNote } from '../proof/note.ts';
import { LogDirectory, type LogEntry } from './log-directory.ts';
import type { AuditReader } from './reader.ts';
import { bodyOpener } from './sealing.ts';

/** Where entries come from: the running log, or the files of one. */
export interface EntrySource {
  /** entries there are now */
  size(): Promise<number>;
  /** Entries `from` up to `to`, in order. */
  read(range: { from: number; to: number }): AsyncIterable<LogEntry>;
}

/** Entries under the checkpoint of a directory; verify it first (verify.ts): this proves nothing. */
export function directorySource(directory: string, bodyKey?: Uint8Array): EntrySource {
  const files = new LogDirectory(directory);
  const unseal = bodyKey === undefined ? undefined : bodyOpener(bodyKey);
  const size = async (): Promise<number> => {
    const note = parseNote((await files.checkpoint())?.toString() ?? '');
    return (note.ok ? parseCheckpoint(note.text)?.size : undefined) ?? 0;
  };
  return {
    size,
    read: async function* ({ from, to }) {
      yield* files.entries({ from, to, size: await size() }, unseal);
    },
  };
}

export function readerSource(reader: AuditReader, bodies: boolean): EntrySource {
  return {
    size: async () => (await reader.status()).size,
    read: async function* ({ from, to }) {
      for (let at = from; at < to; ) {
        const { entries, next } = await reader.read({ from: at, to, bodies });
        for (const { index, header, body } of entries) yield { index, header, ...(body !== undefined && { body }) };
        if (next === at) return;
        at = next;
      }
    },
  };
}

/** All that is given must fit. Times are RFC 3339; `from` is inside, `to` outside. */
export interface EventFilter {
  readonly code?: string | undefined;
  /** name or subject of the actor */
  readonly principal?: string | undefined;
  /** the affected component */
  readonly resource?: string | undefined;
  readonly session?: string | undefined;
  readonly operation?: string | undefined;
  readonly outcome?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** in the header or the body; case does not matter */
  readonly text?: string | undefined;
}

export interface FoundEvent {
  readonly index: number;
  readonly header: Record<string, z.core.util.JSONType>;
  readonly body: string | null;
}

const Header = z.record(z.string(), z.json());
const windowEntries = 1_024;

/** Streams matching events, oldest first or newest first, beginning before `before` (newest first) or at `after`. */
export async function* search(
  source: EntrySource,
  filter: EventFilter,
  order: { readonly newestFirst?: boolean; readonly before?: number | null; readonly after?: number } = {},
  signal?: AbortSignal,
): AsyncGenerator<FoundEvent> {
  const matches = matcher(filter);
  const end = Math.min(await source.size(), order.before ?? Infinity);
  const start = order.after ?? 0;
  for (let done = 0; start + done < end; done += windowEntries) {
    signal?.throwIfAborted();
    const range =
      order.newestFirst === true
        ? { from: Math.max(start, end - done - windowEntries), to: end - done }
        : { from: start + done, to: Math.min(end, start + done + windowEntries) };
    const found: FoundEvent[] = [];
    for await (const entry of source.read(range)) {
      const event = decode(entry);
      if (matches(event, entry)) found.push(event);
    }
    yield* order.newestFirst === true ? found.reverse() : found;
  }
}

/** The last `count` events, then, when following, new ones as they become durable, until the signal aborts. */
export async function* tail(
  source: EntrySource,
  options: { count: number; follow: boolean; pollMs?: number },
  signal: AbortSignal,
): AsyncGenerator<FoundEvent> {
  let at = Math.max(0, (await source.size()) - options.count);
  for (;;) {
    const size = await source.size();
    for (; at < size && !signal.aborted; at = Math.min(size, at + windowEntries)) {
      for await (const entry of source.read({ from: at, to: Math.min(size, at + windowEntries) })) yield decode(entry);
    }
    if (!options.follow || signal.aborted) return;
    await sleep(options.pollMs ?? 250, undefined, { signal }).catch(() => undefined);
  }
}

function decode({ index, header, body }: LogEntry): FoundEvent {
  return { index, header: Header.catch({}).parse(asJson(header)), body: body ?? null };
}

function matcher(filter: EventFilter): (event: FoundEvent, entry: LogEntry) => boolean {
  const equal = Object.entries({ code: filter.code, affected: filter.resource, session: filter.session, operation: filter.operation, outcome: filter.outcome });
  const { principal } = filter;
  return ({ header, body }, entry) => {
    if (equal.some(([member, wanted]) => wanted !== undefined && header[member] !== wanted)) return false;
    if (principal !== undefined && !isBy(header['actor'], principal)) return false;
    return isWithin(header['at'], filter) && holdsText(filter.text, entry.header, body);
  };
}

function isWithin(at: z.core.util.JSONType | undefined, { from, to }: EventFilter): boolean {
  if (from === undefined && to === undefined) return true;
  const time = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  return time >= (from === undefined ? -Infinity : Date.parse(from)) && time < (to === undefined ? Infinity : Date.parse(to));
}

function holdsText(text: string | undefined, header: string, body: string | null): boolean {
  if (text === undefined) return true;
  const wanted = text.toLowerCase();
  return header.toLowerCase().includes(wanted) || body?.toLowerCase().includes(wanted) === true;
}

function isBy(actor: z.core.util.JSONType | undefined, principal: string): boolean {
  if (typeof actor !== 'object' || actor === null || Array.isArray(actor)) return false;
  return actor['name'] === principal || actor['subject'] === principal;
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

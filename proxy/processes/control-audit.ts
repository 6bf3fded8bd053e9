import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { AuditClient } from '../audit/client.ts';
import { event } from '../audit/event.ts';
import type { AuditReader } from '../audit/reader.ts';
import type { AuditEventView } from '../contract/api-views.ts';
import { eventTable, type EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import type { EventLog } from '../control/context.ts';
import type { AuditFilter, AuditPage, AuditReading } from '../control/ports.ts';
import type { FoundEvents } from '../history/event-query.ts';
import { toBase64 } from '../proof/bytes.ts';
import { parseCheckpoint } from '../proof/checkpoint.ts';
import { leafHash } from '../proof/merkle.ts';
import { positionOf } from '../store/position.ts';
import type { LoggedEvent } from '../store/state.ts';
import type { HistoryThread } from './control-history.ts';

const blockEntries = 1_000;
/** events that one page of a search may look at, and for how long */
const maxLooked = 20_000;
const searchMs = 2_000;
/** how long a search waits for the history to take in the newest events */
const reachMs = 500;
/** events of a session that a watcher gets first */
const watchedBefore = 200;

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

interface Entry {
  readonly index: number;
  readonly header: string;
  readonly body?: string | undefined;
}

/** Every entry of `[from, to)`, in order. */
export async function* entriesOf(reader: AuditReader, range: { from: number; to: number; bodies: boolean }): AsyncGenerator<Entry> {
  for (let { from } = range; from < range.to; ) {
    const { entries, next } = await reader.read({ from, to: Math.min(range.to, from + blockEntries), bodies: range.bodies });
    yield* entries;
    if (next <= from) return;
    from = next;
  }
}

const Code = z.object({ code: z.string().refine((code): code is EventCode => Object.hasOwn(eventTable, code)) });

/** The log as the state replays it. */
export async function* loggedEvents(reader: AuditReader, from: number): AsyncGenerator<LoggedEvent> {
  const { size } = await reader.status();
  for await (const { index, header, body } of entriesOf(reader, { from, to: size, bodies: true })) {
    yield { position: positionOf(index), code: Code.parse(JSON.parse(header)).code, body: body ?? null };
  }
}

/** Control's own events. */
export function controlLog(client: AuditClient): EventLog {
  return {
    async record({ v: _, ...fields }, body) {
      const written = event(fields, body);
      return positionOf(await client.record(written.header, { kind: 'plain' }, written.body));
    },
  };
}

/** The history as searching the log uses it. */
type Finder = Pick<HistoryThread, 'ask' | 'count' | 'changed'>;

/** What the control API reads of the log. The history only says where to look: what is shown is always the log's own. */
export function auditReading(reader: AuditReader, history: Finder): AuditReading {
  const proven = async (size: number | null): Promise<{ size: number; root: string }> => {
    const checkpoint = parseCheckpoint((await reader.sync()).split('\n\n')[0]?.concat('\n') ?? '');
    if (checkpoint === null) throw fail('ERR_AUDIT_UNAVAILABLE', { detail: 'the log gave no checkpoint' });
    return size === null || size === checkpoint.size ? { size: checkpoint.size, root: toBase64(checkpoint.root) } : { size, root: '' };
  };
  return {
    search: (filter, page) => searched({ reader, history }, filter, page),
    watch: (session, after, signal) => watched({ reader, history }, { session, after }, signal),
    async *tail({ count, follow }, signal) {
      let { size } = await reader.status();
      let from = Math.max(0, size - count);
      for (;;) {
        for await (const entry of entriesOf(reader, { from, to: size, bodies: true })) yield viewOf(entry);
        from = size;
        while (size <= from) {
          if (!follow) return;
          const seen = history.count;
          ({ size } = await reader.status());
          if (size <= from) await history.changed(seen, signal);
          if (signal.aborted) return;
        }
      }
    },
    async checkpoint() {
      const checkpoint = await reader.sync();
      return { checkpoint, key: (await reader.status()).verifierKey };
    },
    async inclusion(index, wanted) {
      const { size, root } = await proven(wanted);
      const [entry] = index < size ? (await reader.read({ from: index, to: index + 1 })).entries : [];
      if (!entry) throw fail('ERR_NOT_FOUND', { message: `There is no event ${String(index)} in a log of ${String(size)}.` });
      const hashes = await reader.proof(index, size);
      return { kind: 'inclusion', from: index, size, leaf: toBase64(leafHash(Buffer.from(entry.header), sha256)), root, hashes: hashes.map(toBase64) };
    },
    async consistency(from, wanted) {
      const { size, root } = await proven(wanted);
      if (from > size) throw fail('ERR_NOT_FOUND', { message: `The log has ${String(size)} events.` });
      return { kind: 'consistency', from, size, leaf: null, root, hashes: (await reader.consistency(from, size)).map(toBase64) };
    },
  };
}

interface Searching {
  readonly reader: AuditReader;
  readonly history: Finder;
}

/** One page: at most so many events are looked at, and for so long; `next` goes on from there. */
async function searched({ reader, history }: Searching, filter: AuditFilter, page: { limit: number; before: number | null }): Promise<AuditPage> {
  const { size } = await reader.status();
  const deadline = performance.now() + searchMs;
  // what the history has not taken in yet is looked at event by event
  const taken = await history.ask('reach', { size, withinMs: reachMs });
  const items: AuditEventView[] = [];
  const look = (before: number): FoundEvents | Promise<FoundEvents> => {
    if (before > taken) return untaken(before, taken);
    const limit = filter.text === undefined ? page.limit - items.length : blockEntries;
    return history.ask('find', { query: filter, limit, before, budgetMs: Math.max(1, deadline - performance.now()) });
  };
  let at = Math.min(page.before ?? size, size);
  for (let looked = 0; at > 0 && looked < maxLooked && performance.now() < deadline; ) {
    const { indexes, before } = await look(at);
    looked += indexes.length;
    for (const entry of await entriesAt(reader, indexes, filter.text)) {
      if (!matches(entry, filter)) continue;
      items.push(viewOf(entry));
      if (items.length === page.limit) return { items, next: entry.index > 0 ? entry.index : null };
    }
    at = before ?? 0;
  }
  return { items, next: at > 0 ? at : null };
}

function untaken(at: number, taken: number): FoundEvents {
  const from = Math.max(taken, at - blockEntries);
  return { indexes: Array.from({ length: at - from }, (_, place) => at - 1 - place), before: from > 0 ? from : null };
}

/** The last events of a session, or those after an index, then what happens. */
async function* watched(
  { reader, history }: Searching,
  { session, after }: { session: string; after: number | null },
  signal: AbortSignal,
): AsyncGenerator<AuditEventView> {
  let from = after ?? (await beforeLast(history, session));
  while (!signal.aborted) {
    const seen = history.count;
    const indexes: readonly number[] = await history.ask('sessionEvents', { session, after: from, limit: watchedBefore });
    for (const entry of (await entriesAt(reader, indexes.toReversed())).reverse()) yield viewOf(entry);
    from = indexes.at(-1) ?? from;
    if (indexes.length === 0) await history.changed(seen, signal);
  }
}

/** The index before the last events of a session. */
async function beforeLast(history: Finder, session: string): Promise<number> {
  const page = { limit: watchedBefore, before: Number.MAX_SAFE_INTEGER, budgetMs: searchMs };
  const { indexes } = await history.ask('find', { query: { codes: null, session }, ...page });
  return (indexes.at(-1) ?? 0) - 1;
}

/** Entries with their bodies, newest first as given; `text`: only those in which it stands. What lies between them stays in the log's process. */
async function entriesAt(reader: AuditReader, newestFirst: readonly number[], text?: string): Promise<Entry[]> {
  const found: Entry[] = [];
  let left = newestFirst.toReversed();
  while (left.length > 0) {
    const { entries, next } = await reader.pick({ indexes: left.slice(0, blockEntries), text });
    found.push(...entries);
    left = left.filter((index) => index >= next);
  }
  return found.reverse();
}

function viewOf({ index, header, body }: Entry): AuditEventView {
  return { index, header: headerOf(header), body: body ?? null };
}

const Header = z.record(z.string(), z.json());

function headerOf(text: string): AuditEventView['header'] {
  return Header.parse(JSON.parse(text));
}

const Named = z.object({ name: z.string() });

function matches(entry: Entry, filter: AuditFilter): boolean {
  const header = headerOf(entry.header);
  return (
    isAbout(header, filter) &&
    isShadowed(header, filter) &&
    isWithin(header, filter) &&
    (filter.text === undefined || entry.header.includes(filter.text) || entry.body?.includes(filter.text) === true)
  );
}

type HeaderView = AuditEventView['header'];

function isShadowed(header: HeaderView, { shadowed }: AuditFilter): boolean {
  if (shadowed === undefined) return true;
  return header['shadow'] !== undefined && (shadowed === true || header['shadowVersion'] === shadowed);
}

function isAbout(header: HeaderView, { codes, principal, resource, ...same }: AuditFilter): boolean {
  if (codes !== null && !codes.some((code) => code === header['code'])) return false;
  if (principal !== undefined && Named.safeParse(header['actor']).data?.name !== principal) return false;
  if (resource !== undefined && header['affected'] !== resource && header['affected'] !== `resource:${resource}`) return false;
  return (['session', 'operation', 'outcome'] as const).every((member) => same[member] === undefined || header[member] === same[member]);
}

function isWithin(header: HeaderView, { from, to }: AuditFilter): boolean {
  const at = Date.parse(z.string().parse(header['at']));
  return (from === undefined || at >= Date.parse(from)) && (to === undefined || at <= Date.parse(to));
}

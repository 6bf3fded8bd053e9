import { setTimeout as sleep } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { AuditClient } from '../audit/client.ts';
import { event } from '../audit/event.ts';
import type { AuditReader } from '../audit/reader.ts';
import type { AuditEventView } from '../contract/api-views.ts';
import { eventTable, type EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import type { EventLog } from '../control/context.ts';
import type { AuditFilter, AuditReading } from '../control/ports.ts';
import { toBase64 } from '../proof/bytes.ts';
import { parseCheckpoint } from '../proof/checkpoint.ts';
import { leafHash } from '../proof/merkle.ts';
import { positionOf } from '../store/position.ts';
import type { LoggedEvent } from '../store/state.ts';

const blockEntries = 1_000;
const followMs = 250;

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

/** What the control API reads of the log. */
export function auditReading(reader: AuditReader): AuditReading {
  /** Bodies are opened for a whole block at once: the log reads and checks much more than one body to give one. */
  const viewsOf = async (matching: readonly Entry[]): Promise<AuditEventView[]> => {
    const [first, last] = [matching[0], matching.at(-1)];
    if (first === undefined || last === undefined) return [];
    const bodies = new Map<number, string | undefined>();
    for await (const { index, body } of entriesOf(reader, { from: first.index, to: last.index + 1, bodies: true })) bodies.set(index, body);
    return matching.map(({ index, header }) => ({ index, header: headerOf(header), body: bodies.get(index) ?? null }));
  };
  const proven = async (size: number | null): Promise<{ size: number; root: string }> => {
    const checkpoint = parseCheckpoint((await reader.sync()).split('\n\n')[0]?.concat('\n') ?? '');
    if (checkpoint === null) throw fail('ERR_AUDIT_UNAVAILABLE', { detail: 'the log gave no checkpoint' });
    return size === null || size === checkpoint.size ? { size: checkpoint.size, root: toBase64(checkpoint.root) } : { size, root: '' };
  };
  return {
    async search(filter, { limit, before }) {
      const found: AuditEventView[] = [];
      const { size } = await reader.status();
      for (let to = Math.min(before ?? size, size); to > 0 && found.length < limit; to -= blockEntries) {
        const matching: Entry[] = [];
        for await (const entry of entriesOf(reader, { from: Math.max(0, to - blockEntries), to, bodies: filter.text !== undefined }))
          if (matches(entry, filter)) matching.push(entry);
        found.push(...(await viewsOf(matching.slice(-(limit - found.length)))).reverse());
      }
      return found;
    },
    async *tail({ count, follow }, signal) {
      let { size } = await reader.status();
      let from = Math.max(0, size - count);
      for (;;) {
        for await (const entry of entriesOf(reader, { from, to: size, bodies: true }))
          yield { index: entry.index, header: headerOf(entry.header), body: entry.body ?? null };
        from = size;
        while (size <= from) {
          if (!follow) return;
          const isGone = await sleep(followMs, false, { signal }).catch(() => true);
          if (isGone) return;
          ({ size } = await reader.status());
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

const Header = z.record(z.string(), z.json());

function headerOf(text: string): AuditEventView['header'] {
  return Header.parse(JSON.parse(text));
}

const Named = z.object({ name: z.string() });

function matches(entry: Entry, filter: AuditFilter): boolean {
  const header = headerOf(entry.header);
  return (
    isAbout(header, filter) &&
    isWithin(header, filter) &&
    (filter.text === undefined || entry.header.includes(filter.text) || entry.body?.includes(filter.text) === true)
  );
}

type HeaderView = AuditEventView['header'];

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

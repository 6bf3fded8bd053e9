import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import { toBase64 } from '../proof/bytes.ts';
import type { AuditLog } from './log.ts';

const index = z.int().min(0);
/** `token`: the reader's; without it no body is shown and nothing but headers and proofs is given. */
const token = z.string().max(256);

export const Request = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('status') }),
  /** answered when there are more than `size` durable entries, or after some seconds */
  z.strictObject({ do: z.literal('grown'), size: index }),
  z.strictObject({ do: z.literal('read'), from: index, to: index, token: token.optional() }),
  /** ascending; `text`: only those in which it stands */
  z.strictObject({ do: z.literal('pick'), indexes: z.array(index).min(1).max(1_000), text: z.string().max(1_000).optional(), token }),
  z.strictObject({ do: z.literal('proof'), index, size: index }),
  z.strictObject({ do: z.literal('consistency'), from: index, to: index }),
  z.strictObject({ do: z.literal('sync') }),
  z.strictObject({ do: z.literal('reopen'), token }),
]);
export type Request = z.infer<typeof Request>;

export const Status = z.strictObject({
  /** durable entries */
  size: index,
  condition: z.enum(['open', 'full', 'lost', 'closed']),
  /** why it is not open */
  reason: z.string().nullable(),
  verifierKey: z.string(),
  /** signed note; null before the first */
  checkpoint: z.string().nullable(),
});
export type Status = z.infer<typeof Status>;

export const ReadResult = z.strictObject({
  entries: z.array(z.strictObject({ index, header: z.string(), body: z.string().optional() })),
  /** where to go on; equal to `to` or the size when all was given */
  next: index,
});
export type ReadResult = z.infer<typeof ReadResult>;

export const Grown = z.strictObject({ size: index });
export const Proof = z.strictObject({ hashes: z.array(z.string()) });
export const SyncResult = z.strictObject({ checkpoint: z.string() });

const maxEntries = 1_000;
const maxChars = 4 * 1024 * 1024;
/** well below the deadline of a reader */
const growthWaitMs = 5_000;

export interface RequestContext {
  readonly log: AuditLog;
  readonly verifierKey: string;
  readonly readerToken: string | null;
}

/** What a reader may ask, except `reopen`. */
export async function answer(request: Exclude<Request, { do: 'reopen' }>, context: RequestContext): Promise<unknown> {
  const { log } = context;
  switch (request.do) {
    case 'status': {
      const status: Status = {
        size: log.size,
        condition: log.condition,
        reason: log.failure?.reason ?? null,
        verifierKey: context.verifierKey,
        checkpoint: log.content.checkpoint,
      };
      return status;
    }
    case 'grown':
      await log.grown(request.size, AbortSignal.timeout(growthWaitMs));
      return { size: log.size };
    case 'read':
      if (request.token !== undefined) assertReader(context, request.token);
      return await read(log, request, request.token !== undefined);
    case 'pick':
      assertReader(context, request.token);
      return await pick(log, request);
    case 'proof':
      return { hashes: (await log.content.inclusion(request.index, request.size)).map(toBase64) };
    case 'consistency':
      return { hashes: (await log.content.consistency(request.from, request.to)).map(toBase64) };
    case 'sync':
      return { checkpoint: await log.sync() };
  }
}

export function assertReader({ readerToken }: Pick<RequestContext, 'readerToken'>, shown: string): void {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  if (readerToken === null || !timingSafeEqual(digest(readerToken), digest(shown))) throw fail('ERR_FORBIDDEN');
}

async function read(log: AuditLog, range: { from: number; to: number }, withBodies: boolean): Promise<ReadResult> {
  const to = Math.min(range.to, range.from + maxEntries, log.size);
  const entries: ReadResult['entries'] = [];
  let chars = 0;
  for await (const entry of log.content.read({ from: range.from, to }, withBodies)) {
    chars += entry.header.length + (entry.body?.length ?? 0);
    // at least one entry, so that every reader gets on
    if (entries.length > 0 && chars > maxChars) return { entries, next: entry.index };
    entries.push(entry);
  }
  return { entries, next: Math.max(range.from, to) };
}

/** The bodies of entries that lie far apart, without those between them. */
async function pick(log: AuditLog, { indexes, text }: { indexes: readonly number[]; text?: string | undefined }): Promise<ReadResult> {
  const entries: ReadResult['entries'] = [];
  let chars = 0;
  for await (const entry of log.content.pick(indexes, true)) {
    if (text !== undefined && !entry.header.includes(text) && entry.body?.includes(text) !== true) continue;
    chars += entry.header.length + (entry.body?.length ?? 0);
    if (entries.length > 0 && chars > maxChars) return { entries, next: entry.index };
    entries.push(entry);
  }
  return { entries, next: (indexes.at(-1) ?? -1) + 1 };
}

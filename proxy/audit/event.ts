import type { EventHeader } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import { commitment, newSalt } from '../lib/commitment.ts';
import { canonicalJson } from '../proof/canonical.ts';

/** Below the 65535 bytes an entry of the log can have. */
const maxHeaderBytes = 60_000;
const maxWordChars = 1_000;

export interface SaltedText {
  /** 16 random bytes */
  readonly salt: Uint8Array;
  readonly text: string;
}

/**
 * An event ready for `AuditPort.append`: canonical header, and the salted body it is committed to. A header over 60000
 * bytes loses the ends of its lists, and says so. Throws ERR_INTERNAL when that does not help.
 */
export function event(fields: Omit<EventHeader, 'v' | 'body'>, bodyText?: string): { header: string; body?: SaltedText } {
  if (bodyText === undefined) return { header: encodeHeader({ v: 1, ...fields }) };
  const body = { salt: newSalt(), text: bodyText.toWellFormed() };
  return { header: encodeHeader({ v: 1, ...fields, body: commitment(body.salt, body.text) }), body };
}

export function encodeHeader(header: EventHeader): string {
  let fitted = header;
  for (let kept = 512; ; kept = Math.floor(kept / 4)) {
    const text = canonicalJson({ ...fitted, actor: { ...fitted.actor } });
    if (Buffer.byteLength(text) <= maxHeaderBytes) return text;
    if (kept === 0) throw fail('ERR_INTERNAL', { detail: `the header of ${header.code} is too long` });
    fitted = shortened(header, kept);
  }
}

function shortened(header: EventHeader, kept: number): EventHeader {
  const { acts, policies, digests, masked, reason, error } = header;
  return {
    ...header,
    ...(acts && { acts: firstOf(acts, kept) }),
    ...(policies && { policies: firstOf(policies, kept) }),
    ...(digests && { digests: firstOf(digests, kept) }),
    ...(masked && { masked: summed(masked, kept) }),
    ...(reason !== undefined && { reason: word(reason) }),
    ...(error !== undefined && { error: word(error) }),
  };
}

function word(text: string): string {
  return text.slice(0, maxWordChars).toWellFormed();
}

function firstOf(list: readonly string[], kept: number): string[] {
  const rest = list.length - kept;
  return rest > 0 ? [...list.slice(0, kept).map(word), `and ${String(rest)} more`] : list.map(word);
}

/** Counts are never lost: what does not fit is added up. */
function summed(masked: Readonly<Record<string, number>>, kept: number): Record<string, number> {
  const rows = Object.entries(masked);
  const others = rows.slice(kept).reduce((sum, [, count]) => sum + count, 0);
  return { ...Object.fromEntries(rows.slice(0, kept).map(([rule, count]) => [word(rule), count])), ...(others > 0 && { 'other rules': others }) };
}

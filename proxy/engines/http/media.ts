import { isUtf8 } from 'node:buffer';
import type { MediaType } from '../../wire/web/header-rules.ts';

/** How a body is read: `none` of these is `other`, which cannot be searched for card data. */
export type BodyKind = 'json' | 'form' | 'text' | 'events' | 'multipart' | 'other';

const textTypes = new Set([
  'application/ecmascript',
  'application/graphql',
  'application/javascript',
  'application/json-seq',
  'application/json-lines',
  'application/jsonl',
  'application/ndjson',
  'application/sql',
  'application/stream+json',
  'application/toml',
  'application/x-javascript',
  'application/x-ndjson',
  'application/x-sh',
  'application/x-yaml',
  'application/xml',
  'application/yaml',
]);

/** By its label alone. */
export function bodyKind({ type }: MediaType): BodyKind {
  if (textTypes.has(type)) return 'text';
  if (type === 'application/json' || type === 'text/json' || type.endsWith('+json')) return 'json';
  if (type === 'application/x-www-form-urlencoded') return 'form';
  if (type === 'text/event-stream') return 'events';
  if (type.startsWith('multipart/')) return 'multipart';
  return type.startsWith('text/') || type.endsWith('+xml') || type.endsWith('+yaml') ? 'text' : 'other';
}

const sniffedBytes = 4_096;
const notText = /[\u0000-\u0008\u000e-\u001a\u001c-\u001f\u007f]/;

/** Whether bytes without a label of text are text all the same: then they are treated as it. */
export function looksLikeText(first: Uint8Array): boolean {
  if (first.length === 0) return true;
  const head = first.subarray(0, sniffedBytes);
  // a character may be cut in two where the sample ends
  for (let cut = 0; cut < 4; cut++) {
    const sample = head.subarray(0, head.length - cut);
    if (isUtf8(sample)) return !notText.test(Buffer.from(sample).toString('utf8'));
    if (head.length < sniffedBytes) return false;
  }
  return false;
}

/** The character set of a text: a byte order mark counts more than the label, as in browsers. Null: none we can read. */
export function charsetOf({ charset }: MediaType, first: Uint8Array): string | null {
  if (first[0] === 0xff && first[1] === 0xfe) return 'utf-16le';
  if (first[0] === 0xfe && first[1] === 0xff) return 'utf-16be';
  if (first[0] === 0xef && first[1] === 0xbb && first[2] === 0xbf) return 'utf-8';
  if (charset === '' || charset === 'utf-8' || charset === 'us-ascii') return 'utf-8';
  try {
    return new TextDecoder(charset).encoding;
  } catch {
    return null;
  }
}

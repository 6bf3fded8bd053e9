import { isUtf8 } from 'node:buffer';
import { fail } from '../contract/errors.ts';
import type { JsonNode } from '../lib/json/node.ts';
import { parseJsonPrefix } from '../lib/json/strict-json.ts';
import { written } from '../lib/json/serialise.ts';
import { maskEncoded } from './json-encoded.ts';
import { glance, seen } from './json-glance.ts';
import type { Concealer } from './json-conceal.ts';
import { maskLabels } from './json-labels.ts';
import { maskInsertions, maskTables } from './json-tables.ts';
import { maskView } from './json-views.ts';
import { maskTextInto } from './text.ts';
import { scanValue } from './value.ts';
import type { Count } from './value.ts';

/** How often a text may be wrapped in another: JSON in JSON, base64 in base64, escapes in escapes. */
const maxWraps = 5;
const maxTries = 256;

/** What the masking of one message works with. */
export interface Work {
  readonly count: Count;
  readonly concealer: Concealer;
  readonly media: 'drop' | 'pass';
  /** masks a tree found inside a text */
  readonly tree: (node: JsonNode, wraps: number) => JsonNode;
  /** units that may still be looked at: wrapped texts are read again at each level */
  budget: number;
}

/**
 * Masks one text in every way it may say something: secrets, JSON in it, base64 and hexadecimal, card numbers and labels, tables, escapes. The length
 * stays, unless media is dropped. Throws ERR_MASKING_FAILED when a message is wrapped so often that it cannot be looked at.
 */
export function maskDeep(text: string, work: Work, wraps = 0): string {
  if (text.length < 3) return text;
  work.budget -= text.length;
  if (work.budget < 0) throw fail('ERR_MASKING_FAILED', { detail: 'a message is wrapped too often' });
  const masked = work.concealer.hide(text, (count) => {
    work.count('secret', count);
  });
  const bits = glance(masked);
  if (bits === 0) return masked;
  if (wraps >= maxWraps) return maskSeen(masked, { bits, work, wraps, ways: plainly });
  const shown = maskDataUris(masked, work, wraps);
  return maskWholeJson(shown, work, wraps) ?? maskSeen(shown, { bits: shown === masked ? bits : glance(shown), work, wraps, ways });
}

/** One way in which a text may say something. */
interface Way {
  /** of `seen`: without it nothing would be found */
  readonly bit: number;
  readonly mask: (text: string, work: Work, wraps: number) => string;
}

/** What can be seen without decoding anything. */
const plainly: readonly Way[] = [
  { bit: seen.plain, mask: (text, { count }) => maskTextInto(text, count) },
  { bit: seen.mark, mask: (text, { count }) => maskLabels(text, count) },
  { bit: seen.list, mask: (text, { count }) => maskInsertions(text, count) },
  { bit: seen.lines, mask: (text, { count }) => maskTables(text, count) },
];
const ways: readonly Way[] = [
  { bit: seen.bracket, mask: maskFragments },
  { bit: seen.token, mask: (text, work, wraps) => maskEncoded(text, (decoded) => maskDecoded(decoded, work, wraps + 1)) },
  ...plainly,
  { bit: seen.written, mask: (text, work, wraps) => maskView(text, (shown) => maskDeep(shown, work, wraps + 1)) },
];

interface Seeing {
  /** of `glance` */
  readonly bits: number;
  readonly work: Work;
  readonly wraps: number;
  readonly ways: readonly Way[];
}

/** One way after the other, but for those that cannot find anything. */
function maskSeen(text: string, { bits: first, work, wraps, ways: each }: Seeing): string {
  let bits = first;
  let masked = text;
  for (const { bit, mask } of each) {
    if ((bits & bit) === 0) continue;
    const now = mask(masked, work, wraps);
    // what is written anew may show what was not seen before
    if (now !== masked) bits = glance(now);
    masked = now;
  }
  return masked;
}

const limits = { maxBytes: Number.MAX_SAFE_INTEGER, maxDepth: 64, maxNodes: 1_000_000, names: 'kept' } as const;

/** `[`, `{`, `"` */
function isOpening(code: number): boolean {
  return code === 0x5b || code === 0x7b || code === 0x22;
}
const openings = /^\s*[[{"]/;
const closings = ']}"';

/** The text as one JSON value with its own white space; null when it is none. */
function maskWholeJson(text: string, work: Work, wraps: number): string | null {
  const first = text.charCodeAt(0);
  if ((first > 0x20 && first < 0x80 && !isOpening(first)) || !openings.test(text) || !closings.includes(text.trimEnd().slice(-1))) return null;
  const found = parsed(Buffer.from(text), 0);
  if (found === null || text.slice(found.text.length).trim() !== '') return null;
  return maskJsonText(found, work, wraps) + text.slice(found.text.length);
}

interface Found {
  readonly node: JsonNode;
  readonly text: string;
  /** byte after it */
  readonly end: number;
}

function parsed(bytes: Buffer, from: number): Found | null {
  try {
    const { node, end } = parseJsonPrefix(bytes, from, limits);
    return { node, end, text: bytes.toString('utf8', from, end) };
  } catch {
    return null;
  }
}

/** JSON inside of other text: logs, NDJSON, answers of models. */
function maskFragments(text: string, work: Work, wraps: number): string {
  if (!/[[{]\s*["[{0-9-]/.test(text)) return text;
  const bytes = Buffer.from(text);
  let masked = '';
  let done = 0;
  let tries = maxTries;
  for (let at = nextBracket(bytes, 0); at >= 0 && tries > 0; ) {
    const found = parsed(bytes, at);
    if (found === null) {
      tries--;
      at = nextBracket(bytes, at + 1);
      continue;
    }
    masked += bytes.toString('utf8', done, at) + maskJsonText(found, work, wraps);
    done = found.end;
    at = nextBracket(bytes, done);
  }
  return done === 0 ? text : masked + bytes.toString('utf8', done);
}

function nextBracket(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at++) if (bytes[at] === 0x7b || bytes[at] === 0x5b) return at;
  return -1;
}

const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/gs;

/** The masked tree in the words of the source: only what changed is written anew, filled up with blanks to its old length. */
function maskJsonText({ node, text }: Found, work: Work, wraps: number): string {
  const masked = work.tree(node, wraps + 1);
  if (masked === node) return text;
  const [before, after] = [scalars(node), scalars(masked)];
  let index = 0;
  return text.replaceAll(tokens, (source) => {
    const [old, now] = [before[index], after[index++]];
    if (now === undefined || old === now) return source;
    return now.padEnd(source.length);
  });
}

/** Names, strings and numbers as JSON, in the order of the text. */
function scalars(node: JsonNode, into: string[] = []): string[] {
  if (node.kind === 'array') for (const item of node.items) scalars(item, into);
  else if (node.kind === 'object') {
    for (const { key, value } of node.members) {
      into.push(JSON.stringify(key));
      scalars(value, into);
    }
  } else if (node.kind === 'string' || node.kind === 'number') into.push(written(node));
  return into;
}

/** Bytes of base64 or hexadecimal: as text when they are one, else card numbers and labels as they stand. */
function maskDecoded(decoded: Buffer, work: Work, wraps: number): Buffer {
  if (isWide(decoded)) {
    const text = decoded.toString('utf16le');
    const masked = maskDeep(text, work, wraps);
    return masked === text ? decoded : Buffer.from(masked, 'utf16le');
  }
  if (isUtf8(decoded)) return Buffer.from(maskDeep(decoded.toString(), work, wraps));
  scanValue(decoded, { start: 0, end: decoded.length, type: 'text' }, work.count);
  return decoded;
}

/** UTF-16, little end first, of text that is mostly ASCII. */
function isWide(bytes: Buffer): boolean {
  if (bytes.length % 2 !== 0) return false;
  let zeros = 0;
  for (let at = 1; at < bytes.length; at += 2) if (bytes[at] === 0) zeros++;
  return zeros * 4 >= bytes.length;
}

const dataUri = /data:([\w.+-]{0,64}\/?[\w.+-]{0,64})((?:;[\w.=-]{1,64}){0,4});base64,([A-Za-z0-9+/_-]*={0,2})/gi;

function maskDataUris(text: string, work: Work, wraps: number): string {
  if (!hasDataUri(text)) return text;
  return text.replaceAll(dataUri, (all: string, _type: string, _more: string, payload: string) => {
    const masked = maskPayload(payload, work, wraps);
    return masked === payload ? all : all.slice(0, all.length - payload.length) + masked;
  });
}

function hasDataUri(text: string): boolean {
  for (let at = text.indexOf(':', 4); at >= 0; at = text.indexOf(':', at + 1)) if (text.slice(at - 4, at).toLowerCase() === 'data') return true;
  return false;
}

/** Base64 that is media by its place: masked when it is text; dropped when media is, or when a card number stands in its bytes. */
export function maskPayload(payload: string, work: Work, wraps: number): string {
  const decoded = Buffer.from(payload, 'base64');
  if (decoded.length === 0) return payload;
  if (isUtf8(decoded) && isPrintable(decoded)) return maskEncodedText(payload, decoded, work, wraps);
  let hits = 0;
  const probe = Buffer.from(decoded);
  scanValue(probe, { start: 0, end: probe.length, type: 'text' }, () => hits++);
  work.concealer.hide(decoded.toString('latin1'), (count) => (hits += count));
  if (work.media === 'pass' && hits === 0) return payload;
  work.count('media:dropped', 1);
  return '';
}

function maskEncodedText(payload: string, decoded: Buffer, work: Work, wraps: number): string {
  const text = decoded.toString();
  const masked = maskDeep(text, work, wraps + 1);
  if (masked === text) return payload;
  const again = Buffer.from(masked).toString(/[-_]/.test(payload) ? 'base64url' : 'base64');
  return payload.endsWith('=') ? again : again.replace(/=+$/, '');
}

function isPrintable(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d && byte !== 0x0c && byte !== 0x1b) return false;
  return true;
}

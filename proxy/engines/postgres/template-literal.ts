import type { ValueSpan } from '../../contract/operation.ts';
import { mark } from './template-scanner.ts';

/** A literal as shown: its content decoded, so that a detector sees the value that the target sees. */
export interface ShownLiteral {
  /** the opening syntax */
  readonly before: string;
  readonly text: string;
  /** bytes at the end that are syntax */
  readonly after: number;
  readonly quoting?: ValueSpan['quoting'];
  /** the text only stands for it */
  readonly opaque?: string;
}

export function shownLiteral(raw: string, kind: number): ShownLiteral {
  const open = raw.indexOf("'") + 1;
  const after = raw.length > open && raw.endsWith("'") ? 1 : 0;
  switch (kind) {
    case mark.string:
    case mark.joined:
      return { before: "'", text: content(raw, open, false), after, quoting: 'string' };
    case mark.escape:
      return { before: raw.slice(0, open), text: content(raw, open, true), after, quoting: 'escape' };
    case mark.opaque:
      // bit strings, Unicode escapes with any escape character: hidden whole
      return { before: raw.slice(0, open), text: '…', after, opaque: raw };
    case mark.dollar:
      return dollarQuoted(raw);
    default:
      return { before: '', text: raw, after: 0 };
  }
}

function dollarQuoted(raw: string): ShownLiteral {
  const before = raw.slice(0, raw.indexOf('$', 1) + 1);
  const closed = raw.length >= 2 * before.length && raw.endsWith(before);
  return { before, text: raw.slice(before.length, closed ? raw.length - before.length : raw.length), after: closed ? Buffer.byteLength(before) : 0 };
}

/** From behind the opening quote to the last quote; pieces on several lines are one value. */
function content(raw: string, open: number, escapes: boolean): string {
  let text = '';
  let at = open;
  while (at < raw.length) {
    const character = raw.charAt(at);
    if (character === "'" && raw.charAt(at + 1) === "'") {
      text += "'";
      at += 2;
    } else if (character === "'") {
      at = nextPiece(raw, at + 1);
    } else if (character === '\\' && escapes) {
      const escape = escapeAt(raw, at);
      text += escape.text;
      at += escape.length;
    } else {
      text += character;
      at++;
    }
  }
  return text;
}

function nextPiece(raw: string, from: number): number {
  let at = from;
  while (at < raw.length && raw.charAt(at) !== "'") {
    if (raw.startsWith('--', at)) while (at < raw.length && raw.charAt(at) !== '\n' && raw.charAt(at) !== '\r') at++;
    else at++;
  }
  return at + 1;
}

const simple: ReadonlyMap<string, string> = new Map([
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);
const coded = /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y;

function escapeAt(raw: string, at: number): { readonly text: string; readonly length: number } {
  coded.lastIndex = at;
  const match = coded.exec(raw);
  if (match === null) {
    const next = raw.charAt(at + 1);
    return { text: simple.get(next) ?? next, length: 2 };
  }
  const octal = match[1];
  const code = octal === undefined ? Number.parseInt(match[2] ?? match[3] ?? match[4] ?? '', 16) : Number.parseInt(octal, 8) & 0xff;
  return { text: code <= 0x10ffff ? String.fromCodePoint(code) : '', length: match[0].length };
}

import { z } from 'zod';
import type { RecordingEntry } from '../contract/api-views.ts';
import { bodyText, exchangeText } from './exchange-text.ts';
import { visible } from './output.ts';

const maxShownColumns = 64;
const maxShownRows = 1_000;

/**
 * Turns the entries of a recording into text for people: the command, its outcome, and between them what the target answered:
 * rows as a table (frames are PostgreSQL backend messages: `char type | int32 length | body`), or the exchange (HTTP, MCP).
 * Operations may overlap: each one's frames are shown with its own outcome.
 */
export async function* replayText(entries: AsyncIterable<RecordingEntry>): AsyncGenerator<string> {
  const open = new Map<string, Buffer[]>();
  const answer = (operation: string): string => {
    const frames = open.get(operation) ?? [];
    open.delete(operation);
    return frames.length === 0 ? '' : answerText(frames);
  };
  for await (const entry of joined(entries)) {
    const { kind, operation, data } = entry;
    if (kind === 'frames') open.set(operation, [...(open.get(operation) ?? []), Buffer.from(data, 'base64')]);
    else if (kind === 'command') yield `\n${entry.at}  ${operation}\n> ${data.split('\n').map(visible).join('\n> ')}\n`;
    else if (kind === 'outcome') yield `${answer(operation)}${operationMark(operation, open)}${outcomeText(data)}\n`;
    else yield `(the rest of the result was counted, not kept: ${visible(data)})\n`;
  }
  for (const operation of [...open.keys()]) yield answer(operation);
}

/** Named where others are under way. */
function operationMark(operation: string, open: ReadonlyMap<string, unknown>): string {
  return open.size === 0 ? '' : `${operation}  `;
}

function answerText(frames: readonly Buffer[]): string {
  const exchange = exchangeText(frames);
  if (exchange !== null) return exchange;
  // what is neither is the masked text itself: the messages of a call
  const bytes = Buffer.concat(frames);
  const [first] = messagesOf(bytes);
  return first === undefined ? bodyText(bytes) : rowsText(bytes);
}

/** Pieces of one entry put together again. */
async function* joined(entries: AsyncIterable<RecordingEntry>): AsyncGenerator<RecordingEntry> {
  let open: RecordingEntry | null = null;
  for await (const entry of entries) {
    const whole: RecordingEntry = open === null ? entry : { ...entry, data: concatenated(open, entry) };
    open = entry.more ? whole : null;
    if (open === null) yield whole;
  }
  if (open !== null) yield open;
}

function concatenated(first: RecordingEntry, second: RecordingEntry): string {
  if (first.kind !== 'frames') return first.data + second.data;
  return Buffer.concat([Buffer.from(first.data, 'base64'), Buffer.from(second.data, 'base64')]).toString('base64');
}

/** The event that ended the operation, as far as people need it. */
const Outcome = z.object({
  code: z.string(),
  outcome: z.string(),
  rows: z.number().optional(),
  bytes: z.number().optional(),
  durationMicros: z.number().optional(),
  masked: z.record(z.string(), z.number()).default({}),
  error: z.string().optional(),
  reason: z.string().optional(),
  acts: z.array(z.string()).default([]),
  policies: z.array(z.string()).default([]),
  /** of a workload: the run it belongs to */
  actor: z.object({ run: z.record(z.string(), z.string()).optional() }).optional(),
});

function outcomeText(data: string): string {
  const parsed = Outcome.safeParse(parsedJson(data));
  if (!parsed.success) return `= ${visible(data)}`;
  const { code, outcome, rows = 0, bytes = 0, durationMicros = 0, masked, error, reason, acts, policies, actor } = parsed.data;
  const run = Object.entries(actor?.run ?? {}).map(([claim, value]) => `${claim} ${value}`);
  const of = run.length === 0 ? '' : `\n  run: ${visible(run.join(', '))}`;
  const why = [error, reason, ...acts].filter((part) => part !== undefined).join(', ');
  if (code === 'operation.refused') return `= refused: ${visible(why)}${policies.length === 0 ? '' : ` (policies: ${visible(policies.join(', '))})`}${of}`;
  const hidden = Object.entries(masked).map(([rule, count]) => `${rule} ${String(count)}`);
  const numbers = `${String(rows)} rows, ${String(bytes)} bytes, ${(durationMicros / 1000).toFixed(1)} ms`;
  return `= ${outcome}: ${numbers}${hidden.length === 0 ? '' : `; masked: ${visible(hidden.join(', '))}`}${error === undefined ? '' : `; ${visible(error)}`}${of}`;
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

const rowDescription = 0x54;
const dataRow = 0x44;

function rowsText(bytes: Buffer): string {
  let text = '';
  let rows = 0;
  for (const { type, body } of messagesOf(bytes)) {
    if (type === rowDescription) text += `  ${columnNames(body).map(visible).join(' | ')}\n`;
    if (type === dataRow && rows++ < maxShownRows) text += `  ${values(body).map(visible).join(' | ')}\n`;
  }
  return rows > maxShownRows ? `${text}  … and ${String(rows - maxShownRows)} more rows (see --json)\n` : text;
}

function* messagesOf(bytes: Buffer): Generator<{ type: number; body: Buffer }> {
  let at = 0;
  while (at + 5 <= bytes.length) {
    const length = bytes.readUInt32BE(at + 1);
    if (length < 4 || at + 1 + length > bytes.length) return;
    yield { type: bytes.readUInt8(at), body: bytes.subarray(at + 5, at + 1 + length) };
    at += 1 + length;
  }
}

// int16 count | (name 0x00 | 18 bytes)*
function columnNames(body: Buffer): string[] {
  const names: string[] = [];
  let at = 2;
  while (at < body.length && names.length < maxShownColumns) {
    const end = body.indexOf(0, at);
    if (end < 0) break;
    names.push(body.toString('utf8', at, end));
    at = end + 19;
  }
  return names;
}

// int16 count | (int32 length, -1 for NULL | bytes)*
function values(body: Buffer): string[] {
  const shown: string[] = [];
  let at = 2;
  while (at + 4 <= body.length && shown.length < maxShownColumns) {
    const length = body.readInt32BE(at);
    at += 4;
    shown.push(length < 0 ? 'NULL' : body.toString('utf8', at, at + length));
    at += Math.max(0, length);
  }
  return shown;
}

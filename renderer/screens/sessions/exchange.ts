import { ExchangeRecord } from '../../../proxy/contract/exchange-record.ts';
import { visibleText } from '../../kit/visible.ts';

/** One call over HTTP or MCP, as it was recorded: masked. */
export interface Exchange {
  /** HTTP method, or the JSON-RPC one */
  readonly method: string;
  /** path and query at the target; of MCP the name of the tool, prompt or resource */
  readonly path: string;
  readonly sentBytes: number;
  readonly sentHeaders: readonly Header[];
  /** null: none came, or it was not kept */
  readonly reply: { readonly status: number; readonly millis: number; readonly headers: readonly Header[] } | null;
  /** what came back, each piece by itself: one body, or the messages of a stream */
  readonly said: readonly Said[];
  /** beyond what a screen can hold: counted */
  readonly dropped: number;
}

export type Header = readonly [name: string, value: string];

export interface Said {
  readonly by: 'client' | 'target';
  /** JSON is indented; null: bytes, of which only the count was kept */
  readonly text: string | null;
  readonly bytes: number;
  readonly isJson: boolean;
}

const maxMessages = 500;
const maxBodyChars = 4 * 1_024 * 1_024;
const switching = 101;
const brace = 0x7b;
const newline = 0x0a;
const utf8 = new TextDecoder();

/** The frames of one call (contract/exchange-record.ts); null: they are no such thing. Nothing in them is trusted. */
export function decodeExchange(frames: Uint8Array): Exchange | null {
  const request = recordAt(frames, 0, 'request');
  if (request === null) return null;
  const { method, path, bytes, headers } = request.record;
  const response = recordAt(frames, request.end, 'response');
  const from = response?.end ?? request.end;
  const isSwitched = response?.record.status === switching;
  const { said, dropped } = response === null || isSwitched ? messagesAt(frames, from) : bodyOf(frames.subarray(from));
  return {
    method: visibleText(method),
    path: visibleText(path),
    sentBytes: bytes,
    sentHeaders: headersOf(headers),
    reply: response && { status: response.record.status, millis: response.record.millis, headers: headersOf(response.record.headers) },
    said,
    dropped,
  };
}

function headersOf(headers: Readonly<Record<string, string>>): readonly Header[] {
  return Object.entries(headers).map(([name, value]) => [visibleText(name), visibleText(value)]);
}

type RecordOf<D extends ExchangeRecord['dir']> = Extract<ExchangeRecord, { dir: D }>;

/** The line that begins at `at`, when it is such a record. */
function recordAt<D extends ExchangeRecord['dir']>(frames: Uint8Array, at: number, dir: D): { record: RecordOf<D>; end: number } | null {
  if (frames[at] !== brace) return null;
  const found = frames.indexOf(newline, at);
  const end = found < 0 ? frames.length : found;
  const parsed = ExchangeRecord.safeParse(jsonOf(utf8.decode(frames.subarray(at, end))));
  if (!parsed.success || !isOf(parsed.data, dir)) return null;
  return { record: parsed.data, end: Math.min(frames.length, end + 1) };
}

function isOf<D extends ExchangeRecord['dir']>(record: ExchangeRecord, dir: D): record is RecordOf<D> {
  return record.dir === dir;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

interface Told {
  readonly said: readonly Said[];
  readonly dropped: number;
}

/** After an upgrade: a line for each message. */
function messagesAt(frames: Uint8Array, from: number): Told {
  const said: Said[] = [];
  let dropped = 0;
  for (let found = recordAt(frames, from, 'message'); found !== null; found = recordAt(frames, found.end, 'message')) {
    const { by, text, bytes } = found.record;
    if (said.length >= maxMessages) dropped++;
    else said.push(text === null ? { by, text, bytes, isJson: false } : { ...readable(text), by, bytes });
  }
  return { said, dropped };
}

/** One body; or the messages of an event stream, or of MCP, one behind the other. */
function bodyOf(bytes: Uint8Array): Told {
  const text = utf8.decode(bytes.subarray(0, maxBodyChars)).trim();
  if (text === '') return { said: [], dropped: 0 };
  const parts = isEvents(text) ? eventsOf(text) : documentsOf(text);
  const said = parts.slice(0, maxMessages).map((part): Said => ({ ...readable(part), by: 'target', bytes: part.length }));
  return { said, dropped: parts.length - said.length };
}

function isEvents(text: string): boolean {
  return /^(?::|(?:event|data|id|retry):)/.test(text);
}

/** HTML standard, section 9.2.6: `data` lines of one event belong together. */
function eventsOf(text: string): readonly string[] {
  return text.split(/\r?\n\r?\n/).flatMap((event) => {
    const lines = event.split(/\r?\n/);
    const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice('data:'.length).replace(/^ /, ''));
    const name = lines
      .find((line) => line.startsWith('event:'))
      ?.slice('event:'.length)
      .trim();
    if (data.length === 0) return [];
    return [name === undefined || name === 'message' ? data.join('\n') : `${name}: ${data.join('\n')}`];
  });
}

/** JSON objects one behind the other; anything else is one text. */
function documentsOf(text: string): readonly string[] {
  if (!text.startsWith('{')) return [text];
  const found: string[] = [];
  let start = 0;
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gs)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    if (depth < 0) return [text];
    if (depth > 0 || token.startsWith('"')) continue;
    found.push(text.slice(start, index + 1).trim());
    start = index + 1;
  }
  const rest = text.slice(start).trim();
  return rest === '' ? found : [...found, rest];
}

function readable(text: string): Pick<Said, 'text' | 'isJson'> {
  const value = jsonOf(text);
  const isJson = typeof value === 'object' && value !== null;
  return { text: visibleText(isJson ? JSON.stringify(value, null, 2) : text), isJson };
}

/** “tools/call refund_payment”, “GET /v1/orders” */
export function exchangeTitle({ method, path }: Exchange): string {
  return path === '' ? method : `${method} ${path}`;
}

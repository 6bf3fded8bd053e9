import { ExchangeRecord } from '../contract/exchange-record.ts';
import { visible } from './output.ts';

const maxBodyLines = 200;
const maxLineChars = 400;
const maxMessages = 500;
const switching = 101;

/** The frames of one call over HTTP or MCP, one record or piece of body each (see contract/exchange-record.ts), as text; null: they are no such thing. */
export function exchangeText(frames: readonly Buffer[]): string | null {
  const [first, second] = frames;
  const request = recordOf(first, 'request');
  if (request === null) return null;
  const { method, path, bytes } = request;
  const response = recordOf(second, 'response');
  const sent = bytes === 0 ? '' : ` (${String(bytes)} bytes sent)`;
  const asked = `  ${visible(`${method} ${path}`)}${sent}\n`;
  if (response === null) return asked + messagesText(frames.slice(1));
  const { status, millis, headers } = response;
  const type = Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  const answered = `  ← ${String(status)}${type === undefined ? '' : ` ${visible(type)}`}, ${String(millis)} ms\n`;
  const rest = frames.slice(2);
  return asked + answered + (status === switching ? messagesText(rest) : bodyText(Buffer.concat(rest)));
}

type RecordOf<D extends ExchangeRecord['dir']> = Extract<ExchangeRecord, { dir: D }>;

function recordOf<D extends ExchangeRecord['dir']>(frame: Buffer | undefined, dir: D): RecordOf<D> | null {
  if (frame?.[0] !== 0x7b) return null;
  const parsed = ExchangeRecord.safeParse(jsonOf(frame.toString('utf8')));
  return parsed.success && isOf(parsed.data, dir) ? parsed.data : null;
}

function isOf<D extends ExchangeRecord['dir']>(record: ExchangeRecord, dir: D): record is RecordOf<D> {
  return record.dir === dir;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** What is no record of a message is a piece of body. */
function messagesText(frames: readonly Buffer[]): string {
  const lines = frames.slice(0, maxMessages).map((frame) => {
    const message = recordOf(frame, 'message');
    if (message === null) return bodyText(frame);
    const { by, text, bytes } = message;
    return `  ${by === 'client' ? '→' : '←'} ${text === null ? `(${String(bytes)} bytes)` : cut(visible(text))}\n`;
  });
  return lines.join('') + (frames.length > maxMessages ? '  … and more messages (see --json)\n' : '');
}

/** JSON is laid out; other text stands as it came. */
export function bodyText(body: Buffer): string {
  const text = body.toString('utf8').trimEnd();
  if (text === '') return '';
  const value = jsonOf(text);
  const lines = (value === null ? text : JSON.stringify(value, null, 2)).split(/\r?\n/);
  const more = lines.length > maxBodyLines ? `    … and ${String(lines.length - maxBodyLines)} more lines (see --json)\n` : '';
  return (
    lines
      .slice(0, maxBodyLines)
      .map((line) => `    ${cut(visible(line))}\n`)
      .join('') + more
  );
}

function cut(line: string): string {
  return line.length > maxLineChars ? `${line.slice(0, maxLineChars)}… (${String(line.length)} characters)` : line;
}

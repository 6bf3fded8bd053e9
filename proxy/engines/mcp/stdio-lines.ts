import { fail } from '../../contract/errors.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;

/** Newline-delimited messages out of any chunks (MCP, transport stdio). Holds at most one unfinished line of `maxBytes`. */
export class LineReader {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #held = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that `chunk` ends, without their line end; empty ones are left out. Throws when a line is too long. */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(newline, start);
      this.#keep(chunk.subarray(start, end === -1 ? chunk.length : end));
      if (end === -1) return;
      start = end + 1;
      const line = this.#take();
      if (line.length > 0) yield line;
    }
  }

  #keep(piece: Uint8Array): void {
    if (this.#held + piece.length > this.#maxBytes)
      throw fail('ERR_TARGET_UNREACHABLE', {
        message: 'The MCP server sent a message that is longer than its limit, so it was stopped.',
        detail: `a line of more than ${this.#maxBytes} bytes`,
        hint: 'Ask the administrator, who can raise the limit of this server.',
      });
    if (piece.length === 0) return;
    this.#held += piece.length;
    this.#pieces.push(piece);
  }

  #take(): Uint8Array {
    const [only, ...more] = this.#pieces;
    const line = only !== undefined && more.length === 0 ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#held = 0;
    return line.at(-1) === carriageReturn ? line.subarray(0, -1) : line;
  }
}

/**
 * The same JSON text on one line. A JSON string can't hold a line break, so each of them is white space between tokens;
 * whatever the text is, what comes out is never two messages.
 */
export function oneLine(message: Uint8Array): Uint8Array {
  if (!message.includes(newline) && !message.includes(carriageReturn)) return message;
  return message.map((byte) => (byte === newline || byte === carriageReturn ? space : byte));
}

const maxHeldChars = 16 * 1024;
const maxShownChars = 1024;

/** The last lines of a text of any length: what a server said before it ended. */
export class LineTail {
  readonly #maxLines: number;
  readonly #show: (line: string) => string;
  readonly #decoder = new TextDecoder();
  readonly #lines: string[] = [];
  #line = '';

  /** `show` masks a line when it is asked for. It sees more of a long line than it may show, so no value is cut before it is found. */
  constructor(maxLines: number, show: (line: string) => string) {
    this.#maxLines = maxLines;
    this.#show = show;
  }

  push(chunk: Uint8Array): void {
    const [first = '', ...others] = this.#decoder.decode(chunk, { stream: true }).split('\n');
    this.#add(first);
    for (const text of others) {
      this.#end();
      this.#add(text);
    }
  }

  /** Oldest first, with the unfinished one. */
  lines(): string[] {
    this.#end();
    return this.#lines.map((line) => this.#show(line).slice(0, maxShownChars));
  }

  #add(text: string): void {
    if (this.#line.length < maxHeldChars) this.#line += text.slice(0, maxHeldChars - this.#line.length);
  }

  #end(): void {
    const line = this.#line.trimEnd();
    this.#line = '';
    if (line === '') return;
    this.#lines.push(line);
    if (this.#lines.length > this.#maxLines) this.#lines.shift();
  }
}

import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { fail } from '../../contract/errors.ts';

/** A whole message or control frame of RFC 6455. */
export interface WebSocketMessage {
  readonly opcode: 'text' | 'binary' | 'close' | 'ping' | 'pong';
  readonly payload: Buffer;
}

const names = { 0x1: 'text', 0x2: 'binary', 0x8: 'close', 0x9: 'ping', 0xa: 'pong' } as const;
const codes = { text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;
const maxControl = 125;
const maxFragments = 4_096;

/** Frames of one direction, put together. Throws ERR_PROTOCOL_VIOLATION, also for extensions: none was agreed to. */
export class WebSocketReader {
  readonly #fromClient: boolean;
  readonly #maxBytes: number;
  #bytes: Buffer = Buffer.alloc(0);
  /** what has come of a frame that is not whole yet, joined once it is */
  #waiting: Uint8Array[] = [];
  #have = 0;
  #need = 2;
  #fragments: Buffer[] = [];
  #length = 0;
  #opcode: 'text' | 'binary' | null = null;

  /** `fromClient`: its frames are masked, the target's are not */
  constructor(fromClient: boolean, maxBytes: number) {
    this.#fromClient = fromClient;
    this.#maxBytes = maxBytes;
  }

  push(chunk: Uint8Array): readonly WebSocketMessage[] {
    this.#waiting.push(chunk);
    this.#have += chunk.length;
    if (this.#have < this.#need) return [];
    this.#bytes = Buffer.concat(this.#waiting, this.#have);
    const messages: WebSocketMessage[] = [];
    for (let message = this.#next(); message !== undefined; message = this.#next()) if (message !== null) messages.push(message);
    this.#waiting = [this.#bytes];
    this.#have = this.#bytes.length;
    return messages;
  }

  /** Undefined: more bytes are needed; null: a fragment of a longer message. */
  #next(): WebSocketMessage | null | undefined {
    const bytes = this.#bytes;
    this.#need = 2;
    if (bytes.length < this.#need) return undefined;
    const [first = 0, second = 0] = bytes;
    this.#check(first, second);
    const short = second & 0x7f;
    const head = 2 + extendedBytes(short) + (this.#fromClient ? 4 : 0);
    this.#need = head;
    if (bytes.length < this.#need) return undefined;
    const length = lengthOf(bytes, short);
    if (length + this.#length > this.#maxBytes) throw fail('ERR_STATEMENT_TOO_LARGE', { message: 'The message is longer than this resource accepts.' });
    this.#need = head + length;
    if (bytes.length < this.#need) return undefined;
    const payload = Buffer.from(bytes.subarray(head, head + length));
    if (this.#fromClient) unmask(payload, bytes.subarray(head - 4, head));
    this.#bytes = bytes.subarray(head + length);
    return this.#frame(first, payload);
  }

  #check(first: number, second: number): void {
    if ((first & 0x70) !== 0) throw violation('an extension that was not agreed to');
    if (((second & 0x80) !== 0) !== this.#fromClient) throw violation('a frame with the wrong masking');
    const isControl = (first & 0x08) !== 0;
    if (isControl && ((second & 0x7f) > maxControl || (first & 0x80) === 0)) throw violation('a control frame that is too long or cut');
  }

  #frame(first: number, payload: Buffer): WebSocketMessage | null {
    const opcode = first & 0x0f;
    const name = opcode === 0 ? null : (names as Readonly<Record<number, WebSocketMessage['opcode']>>)[opcode];
    if (name === undefined) throw violation('an unknown kind of frame');
    if (name === 'close' || name === 'ping' || name === 'pong') return { opcode: name, payload };
    if ((name === null) !== (this.#opcode !== null)) throw violation('a fragment out of order');
    this.#opcode ??= name;
    this.#fragments.push(payload);
    this.#length += payload.length;
    if (this.#fragments.length > maxFragments) throw violation('too many fragments');
    return (first & 0x80) === 0 ? null : this.#whole();
  }

  #whole(): WebSocketMessage {
    const [only] = this.#fragments;
    const payload = this.#fragments.length === 1 && only !== undefined ? only : Buffer.concat(this.#fragments, this.#length);
    const opcode = this.#opcode ?? 'binary';
    this.#fragments = [];
    this.#length = 0;
    this.#opcode = null;
    if (opcode === 'text' && !isUtf8(payload)) throw violation('a text that is not UTF-8');
    return { opcode, payload };
  }
}

function extendedBytes(short: number): number {
  return short === 126 ? 2 : short === 127 ? 8 : 0;
}

function lengthOf(bytes: Buffer, short: number): number {
  return short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
}

/** One frame of a whole message. `toTarget`: masked, as RFC 6455 section 5.3 wants it from clients. */
export function webSocketFrame(opcode: WebSocketMessage['opcode'], payload: Uint8Array, toTarget: boolean): Buffer {
  const extended = extendedBytes(payload.length > 0xffff ? 127 : payload.length > 125 ? 126 : payload.length);
  const head = Buffer.alloc(2 + extended);
  head[0] = 0x80 | codes[opcode];
  head[1] = (toTarget ? 0x80 : 0) | (extended === 0 ? payload.length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(payload.length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(payload.length), 2);
  if (!toTarget) return Buffer.concat([head, payload]);
  const key = randomBytes(4);
  const masked = Buffer.from(payload);
  unmask(masked, key);
  return Buffer.concat([head, key, masked]);
}

/** Masking is its own inverse. */
function unmask(payload: Buffer, key: Buffer): void {
  for (let index = 0; index < payload.length; index++) payload[index] = (payload[index] ?? 0) ^ (key[index & 3] ?? 0);
}

function violation(what: string): Error {
  return fail('ERR_PROTOCOL_VIOLATION', { message: `The WebSocket was closed: ${what}.` });
}

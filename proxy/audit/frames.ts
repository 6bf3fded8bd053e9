import type { EncodedEvent } from './entry.ts';
import type { LogCondition } from './log.ts';

/**
 * Frames between the audit process and the others; a length goes before each (ipc/channel.ts). First byte: the kind.
 *
 *   1 hello      uint48 newest acknowledged ticket | uint8 length, client
 *   2 append     uint32 length, entries | bodies                      (entry.ts)
 *   3 request    uint32 id | JSON
 *   4 welcome    uint8 condition | uint48 newest durable ticket
 *   5 durable    uint48 newest durable ticket | for each run: uint48 first ticket | uint48 its index in the log | uint32 count
 *   6 condition  uint8
 *   7 response   uint32 id | JSON
 */
const kinds = { hello: 1, append: 2, request: 3, welcome: 4, durable: 5, condition: 6, response: 7 } as const;
const runBytes = 16;
const conditions: readonly LogCondition[] = ['open', 'full', 'lost', 'closed'];

/** Events of one client that stand one after the other in the log. */
export interface Run {
  readonly ticket: number;
  readonly index: number;
  readonly count: number;
}

export type Frame =
  | { readonly kind: 'hello'; readonly acked: number; readonly client: string }
  | { readonly kind: 'append'; readonly entries: Buffer; readonly bodies: Buffer }
  | { readonly kind: 'request' | 'response'; readonly id: number; readonly json: string }
  | { readonly kind: 'welcome'; readonly condition: LogCondition; readonly ticket: number }
  | { readonly kind: 'durable'; readonly ticket: number; readonly runs: readonly Run[] }
  | { readonly kind: 'condition'; readonly condition: LogCondition };

export function helloFrame(client: string, acked: number): Buffer {
  const name = Buffer.from(client);
  const frame = Buffer.alloc(8 + name.length);
  frame[0] = kinds.hello;
  frame.writeUIntBE(acked, 1, 6);
  frame[7] = name.length;
  name.copy(frame, 8);
  return frame;
}

/** The events of one turn; numbers each body with its entry's place. */
export function appendFrame(events: readonly EncodedEvent[]): Buffer {
  const head = Buffer.alloc(5);
  head[0] = kinds.append;
  const parts: Buffer[] = [head];
  const bodies: Buffer[] = [];
  let length = 0;
  for (const [ordinal, { entry, body }] of events.entries()) {
    parts.push(entry);
    length += entry.length;
    if (body === null) continue;
    body.writeUInt32BE(ordinal, 0);
    bodies.push(body);
  }
  head.writeUInt32BE(length, 1);
  return Buffer.concat([...parts, ...bodies]);
}

export function jsonFrame(kind: 'request' | 'response', id: number, value: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(value));
  const frame = Buffer.alloc(5 + json.length);
  frame[0] = kinds[kind];
  frame.writeUInt32BE(id, 1);
  json.copy(frame, 5);
  return frame;
}

export function welcomeFrame(condition: LogCondition, ticket: number): Buffer {
  const frame = Buffer.alloc(8);
  frame[0] = kinds.welcome;
  frame[1] = conditions.indexOf(condition);
  frame.writeUIntBE(ticket, 2, 6);
  return frame;
}

export function durableFrame(ticket: number, runs: readonly Run[]): Buffer {
  const frame = Buffer.alloc(7 + runs.length * runBytes);
  frame[0] = kinds.durable;
  frame.writeUIntBE(ticket, 1, 6);
  for (const [at, run] of runs.entries()) {
    frame.writeUIntBE(run.ticket, 7 + at * runBytes, 6);
    frame.writeUIntBE(run.index, 13 + at * runBytes, 6);
    frame.writeUInt32BE(run.count, 19 + at * runBytes);
  }
  return frame;
}

export function conditionFrame(condition: LogCondition): Buffer {
  return Buffer.of(kinds.condition, conditions.indexOf(condition));
}

/** Null for anything malformed: the connection is not worth keeping. */
export function decodeFrame(bytes: Buffer): Frame | null {
  switch (bytes[0]) {
    case kinds.hello:
      return bytes.length > 8 && bytes.length === 8 + bytes.readUInt8(7)
        ? { kind: 'hello', acked: bytes.readUIntBE(1, 6), client: bytes.toString('utf8', 8) }
        : null;
    case kinds.append: {
      const end = bytes.length < 5 ? Infinity : 5 + bytes.readUInt32BE(1);
      return end <= bytes.length ? { kind: 'append', entries: bytes.subarray(5, end), bodies: bytes.subarray(end) } : null;
    }
    case kinds.request:
    case kinds.response:
      return bytes.length < 5
        ? null
        : { kind: bytes[0] === kinds.request ? 'request' : 'response', id: bytes.readUInt32BE(1), json: bytes.toString('utf8', 5) };
    case kinds.durable:
      return decodeDurable(bytes);
    default:
      return decodeCondition(bytes);
  }
}

function decodeDurable(bytes: Buffer): Frame | null {
  if (bytes.length < 7 || (bytes.length - 7) % runBytes !== 0) return null;
  const runs: Run[] = [];
  for (let at = 7; at < bytes.length; at += runBytes)
    runs.push({ ticket: bytes.readUIntBE(at, 6), index: bytes.readUIntBE(at + 6, 6), count: bytes.readUInt32BE(at + 12) });
  return { kind: 'durable', ticket: bytes.readUIntBE(1, 6), runs };
}

function decodeCondition(bytes: Buffer): Frame | null {
  const condition = conditions[bytes[1] ?? conditions.length];
  if (condition === undefined) return null;
  if (bytes[0] === kinds.condition && bytes.length === 2) return { kind: 'condition', condition };
  if (bytes[0] === kinds.welcome && bytes.length === 8) return { kind: 'welcome', condition, ticket: bytes.readUIntBE(2, 6) };
  return null;
}

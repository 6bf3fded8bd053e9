import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMessage } from '../../proxy/engines/mcp/envelope.ts';
import { EventReader } from '../../proxy/engines/mcp/server-events.ts';
import { AppError } from '../../proxy/lib/errors.ts';
import { serialise } from '../../proxy/lib/json/serialise.ts';

const names = ['jsonrpc', 'id', 'method', 'params', 'result', 'error', 'Method', 'method\u0000', 'met\u200bhod', 'other'];
const values = ['"2.0"', '1', '"a"', '"tools/call"', '{}', '[]', 'null', '{"name":"x"}', '{"Name":"x","name":"y"}', '1e400', '{"_meta":{"progresstoken":1}}'];
const object = fc
  .array(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...values)), { maxLength: 6 })
  .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`);

describe('messages', () => {
  it('are refused, or mean the same to every reader of JSON', () => {
    fc.assert(
      fc.property(fc.oneof(object, fc.json(), fc.string()), (text) => {
        let message;
        try {
          message = readMessage(Buffer.from(text));
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          return;
        }
        const parsed = JSON.parse(text) as Record<string, unknown>;
        expect(parsed['jsonrpc']).toBe('2.0');
        expect(JSON.parse(Buffer.from(serialise(message.node)).toString())).toEqual(parsed);
        expect(Object.keys(parsed).some((key) => /method/i.test(key) && key !== 'method')).toBe(false);
        if (message.kind === 'response') expect(parsed).not.toHaveProperty('method');
        else expect(parsed['method']).toBe(message.method);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('event streams', () => {
  it('of any bytes are read the same whole and byte by byte, or refused', () => {
    const read = (chunks: readonly Uint8Array[]): unknown => {
      const reader = new EventReader(200);
      try {
        return chunks.flatMap((chunk) => reader.push(chunk)).map((event) => ({ ...event, data: Buffer.from(event.data).toString('hex') }));
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
        return 'refused';
      }
    };
    const piece = fc.constantFrom('data', ':', ' ', '\r', '\n', '\r\n', 'id: 1', 'event: e', 'retry: 5', '\ufeff', 'é', '{}', '\n\n');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const bytes = Buffer.from(pieces.join(''));
        expect(read(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(read([bytes]));
      }),
      { numRuns: 5_000 },
    );
  });
});

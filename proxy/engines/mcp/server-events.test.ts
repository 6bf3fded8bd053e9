import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventFrame, EventReader, type ServerEvent } from './server-events.ts';

function read(chunks: readonly Uint8Array[]): ServerEvent[] {
  const reader = new EventReader(10_000);
  return chunks.flatMap((chunk) => reader.push(chunk)).map((event) => ({ ...event, data: Buffer.from(event.data) }));
}

describe('a stream of events', () => {
  it('is read the same wherever it is cut', () => {
    const text = '\ufeffid: 1\r\ndata: {"a":1}\r\n\r\n: comment\rdata\rdata:two\r\rretry: 500\nid: 2\ndata:\n\nevent: x\ndata: é\n\ndata: lost';
    const whole = read([Buffer.from(text)]);
    expect(whole.map(({ id, event, data, retry }) => [id, event, Buffer.from(data).toString(), retry])).toEqual([
      ['1', '', '{"a":1}', null],
      [null, '', '\ntwo', null],
      ['2', '', '', 500],
      [null, 'x', 'é', null],
    ]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: Buffer.byteLength(text) }), { maxLength: 8 }), (cuts) => {
        const bytes = Buffer.from(text);
        const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        expect(read(at.slice(1).map((end, index) => bytes.subarray(at[index], end)))).toEqual(whole);
      }),
    );
  });

  it('has a longest event, however it is sent', () => {
    expect(() => read([Buffer.alloc(20_000, 0x61)])).toThrow('too long');
    expect(() => read(Array.from({ length: 300 }, () => Buffer.from('data: x\n')))).toThrow('too long');
  });

  it('is written so that it is read again', () => {
    expect(read([eventFrame(Buffer.from('{}'), { id: 'a', retry: 3 })])).toEqual([{ data: Buffer.from('{}'), event: '', id: 'a', retry: 3 }]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frame, backend } from './messages.ts';
import { walkRows } from './walk.ts';

const value = fc.option(fc.uint8Array({ maxLength: 40 }));
const row = fc.array(value, { maxLength: 6 });

function dataRow(values: readonly (Uint8Array | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(values.length);
  const parts = values.flatMap((one) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(one?.length ?? -1);
    return one === null ? [length] : [length, one];
  });
  return frame(backend.dataRow, count, ...parts);
}

function description(names: readonly string[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(names.length);
  return frame(backend.rowDescription, count, ...names.map((name) => Buffer.concat([Buffer.from(`${name}\0`), Buffer.alloc(18)])));
}

describe('walkRows', () => {
  it('visits every value that is not null, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 5 }), (rows) => {
        const chunk = Buffer.concat([description(['a']), ...rows.map(dataRow)]);
        const seen: [number, string][] = [];
        walkRows(chunk, (column, start, end) => seen.push([column, chunk.toString('hex', start, end)]));
        expect(seen).toEqual(rows.flatMap((values) => values.flatMap((one, column) => (one === null ? [] : [[column, Buffer.from(one).toString('hex')]]))));
      }),
    );
  });

  it('never leaves the chunk, and fails on lying lengths', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat(255), (rows, at, byte) => {
        const chunk = Buffer.concat(rows.map(dataRow));
        chunk[at % chunk.length] = byte;
        let last = 0;
        try {
          walkRows(chunk, (_column, start, end) => {
            expect(start).toBeGreaterThanOrEqual(last);
            expect(end).toBeLessThanOrEqual(chunk.length);
            last = end;
          });
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_MASKING_FAILED' });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['a value longer than its row', [0x44, 0, 0, 0, 12, 0, 1, 0, 0, 0, 99, 1, 1]],
    ['a negative length', [0x44, 0, 0, 0, 10, 0, 1, 255, 255, 255, 254]],
    ['bytes after the last value', [0x44, 0, 0, 0, 8, 0, 0, 1, 1]],
    ['fewer values than columns', [0x44, 0, 0, 0, 6, 0, 1]],
    ['no column count', [0x44, 0, 0, 0, 4]],
  ])('refuses %s', (_name, bytes) => {
    expect(() => {
      walkRows(Buffer.from(bytes), () => undefined);
    }).toThrow();
  });
});

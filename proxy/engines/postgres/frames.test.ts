import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  nameKey,
  parseBind,
  parseExecute,
  parseParameterDescription,
  parseParameterStatus,
  parseParse,
  parseQuery,
  parseReport,
  parseRowDescription,
  parseSubject,
  rowsOfTag,
} from './frames.ts';
import { backend, cstring, frame, report } from './messages.ts';
import { Names, everyName } from './relay-names.ts';
import { shownBinary, shownBinds } from './relay-shown.ts';
import { maskReport } from './server-errors.ts';

const parsers = [
  parseQuery,
  parseParse,
  parseBind,
  parseSubject,
  parseExecute,
  parseParameterDescription,
  parseParameterStatus,
  parseReport,
  (buffer: Buffer, _start: number, end: number) => parseRowDescription(buffer.subarray(0, end)),
];

describe('message parsers', () => {
  it('read any bytes or fail with ERR_PROTOCOL_VIOLATION', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 5, maxLength: 200 }), fc.nat(parsers.length - 1), (bytes, which) => {
        const buffer = Buffer.from(bytes);
        try {
          parsers[which]?.(buffer, 0, buffer.length);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_PROTOCOL_VIOLATION' });
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('never read behind their frame', () => {
    const bytes = Buffer.concat([frame(0x51, Buffer.from('select')), Buffer.from([0])]);
    expect(() => parseQuery(bytes, 0, bytes.length - 1)).toThrow();
  });

  it('refuse a NUL inside a statement', () => {
    const bytes = frame(0x51, Buffer.from('select 1\0; delete from t\0'));
    expect(() => parseQuery(bytes, 0, bytes.length)).toThrow();
  });

  it.each([
    ['SELECT 5', 5],
    ['INSERT 0 12', 12],
    ['BEGIN', 0],
    ['CREATE TABLE', 0],
    ['UPDATE 0', 0],
    ['MERGE 123456789012', 123_456_789_012],
  ])('count the rows of %s', (tag, rows) => {
    const bytes = frame(backend.commandComplete, cstring(tag));
    expect(rowsOfTag(bytes, 0, bytes.length)).toBe(rows);
  });

  it('compare names as the target does', () => {
    expect(nameKey(Buffer.from(`${'x'.repeat(63)}A`))).toBe(nameKey(Buffer.from(`${'x'.repeat(63)}B`)));
  });
});

describe('masked reports', () => {
  const mask = (text: string): string => text.replaceAll('secret', 'xxxxxx');

  it('are null when nothing changes', () => {
    const bytes = report({ severity: 'ERROR', sqlstate: '42501', message: 'fine' });
    expect(maskReport(bytes, 0, bytes.length, mask)).toBeNull();
  });

  it('keep fields, order and unknown letters; a missing SQLSTATE is no fault', () => {
    const bytes = frame(backend.error, cstring('SERROR'), cstring('Ma secret'), cstring('zsecret'), Buffer.from([0]));
    expect(maskReport(bytes, 0, bytes.length, mask)?.toString('latin1')).toBe(bytes.toString('latin1').replaceAll('secret', 'xxxxxx'));
  });

  it('mask text that is no UTF-8', () => {
    const bytes = frame(backend.error, Buffer.from([0x4d, 0xff]), cstring('secret'), Buffer.from([0]));
    expect(maskReport(bytes, 0, bytes.length, mask)?.includes('secret')).toBe(false);
  });
});

describe('bound values', () => {
  const int8 = Buffer.alloc(8);
  int8.writeBigInt64BE(4_111_111_111_111_111n);
  const float8 = Buffer.alloc(8);
  float8.writeDoubleBE(4_111_111_111_111_111);

  it.each([
    [20, int8, '4111111111111111'],
    [23, Buffer.from([255, 255, 255, 255]), '-1'],
    [25, Buffer.from('4111'), '4111'],
    [701, float8, '4111111111111111'],
    [3802, Buffer.from('\x01{}'), '{}'],
    [17, Buffer.from('4111'), '<binary, 4 bytes>'],
    [0, int8, '<binary, 8 bytes>'],
    [23, Buffer.from([0]), '<binary, 1 bytes>'],
  ])('of type %i are shown as text or not at all', (type, bytes, text) => {
    expect(shownBinary(bytes, type)).toBe(text);
  });

  it.each([
    ['00040003000000001019045704570457', '4121111111111111'],
    ['0002000000000002000104ce', '1.12'],
    ['0001ffff4000000203e8', '-0.10'],
    ['00000000c0000000', 'NaN'],
  ])('numeric %s is %s', (hex, text) => {
    expect(shownBinary(Buffer.from(hex, 'hex'), 1700)).toBe(text);
  });

  it('are value spans with their numbers', () => {
    const values = Buffer.concat([Buffer.from([0, 0, 0, 2, 0, 0, 0, 2]), Buffer.from('ab'), Buffer.from([255, 255, 255, 255])]);
    expect(shownBinds(values, [])).toEqual([
      { kind: 'text', text: ' /* $1 = ' },
      { kind: 'value', text: 'ab', quoting: 'comment' },
      { kind: 'text', text: ', $2 = ' },
      { kind: 'text', text: 'NULL' },
      { kind: 'text', text: ' */' },
    ]);
  });
});

describe('names', () => {
  it('count inside their segment at once, in later ones after the answer', () => {
    const names = new Names<number>();
    const first = names.propose('s', 1, 0);
    expect(names.find('s', 0)).toBe(1);
    expect(names.find('s', 1)).toBe('unsettled');
    names.commit(first);
    const second = names.propose('s', 2, 1);
    expect(names.find('s', 2)).toBe('unsettled');
    names.drop(second);
    expect(names.find('s', 2)).toBe(1);
  });

  it('all go away but the unnamed', () => {
    const names = new Names<number>();
    for (const key of ['', 'a', 'b']) names.commit(names.propose(key, 1, 0));
    const change = names.propose(everyName, null, 1);
    expect([names.find('', 1), names.find('a', 1), names.find('a', 2)]).toEqual([1, undefined, 'unsettled']);
    names.commit(change);
    expect([names.find('', 2), names.find('a', 2)]).toEqual([1, undefined]);
  });
});

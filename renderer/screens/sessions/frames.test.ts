import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFrames } from './frames.ts';
import { bytesOf, complete, description, message, row, zeroEnded } from './wire.fake.ts';

test('rows stand under their columns until the tag', () => {
  const bytes = bytesOf(description(['id', 'pan']), row(['1', '411111******1111']), row(['2', null]), complete('SELECT 2'));
  expect(decodeFrames(bytes)).toEqual({
    sets: [
      {
        columns: ['id', 'pan'],
        rows: [
          ['1', '411111******1111'],
          ['2', null],
        ],
        tag: 'SELECT 2',
      },
    ],
    messages: [],
    damaged: false,
    droppedRows: 0,
  });
});

test('several results of one command, and one without rows', () => {
  const { sets } = decodeFrames(bytesOf(complete('BEGIN'), description(['n']), row(['1']), complete('SELECT 1')));
  expect(sets.map(({ tag, rows }) => [tag, rows.length])).toEqual([
    ['BEGIN', 0],
    ['SELECT 1', 1],
  ]);
});

test('errors and notices are said in the target’s words', () => {
  const error = message('E', [...zeroEnded('SERROR'), ...zeroEnded('C42P01'), ...zeroEnded('Mrelation "x" does not exist'), 0]);
  expect(decodeFrames(bytesOf(error)).messages).toEqual([{ severity: 'ERROR', text: 'relation "x" does not exist (42P01)' }]);
});

test('binary columns are shown in hexadecimal, rows without a description are numbered', () => {
  expect(decodeFrames(bytesOf(description(['n'], 1), row(['AB']))).sets[0]?.rows).toEqual([['\\x4142']]);
  expect(decodeFrames(bytesOf(row(['x', 'y']))).sets[0]?.columns).toEqual(['column 1', 'column 2']);
});

test('copied text is a column of its own', () => {
  const copy = bytesOf(message('H', [0, 0, 1, 0, 0]), message('d', [...new TextEncoder().encode('1\tx\n')]), message('c', []), complete('COPY 1'));
  expect(decodeFrames(copy).sets).toEqual([{ columns: ['COPY'], rows: [['1\tx']], tag: 'COPY 1' }]);
});

test('what was cut in the middle of a message is damaged, and what came before is kept', () => {
  const bytes = bytesOf(description(['id']), row(['1']), row(['2']));
  expect(decodeFrames(bytes.subarray(0, bytes.length - 1))).toMatchObject({ damaged: true, sets: [{ rows: [['1']] }] });
  expect(decodeFrames(bytesOf(message('D', [0, 1, 0, 0, 0, 9, 65]))).damaged).toBe(true);
});

test('any bytes at all give a result', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom('T', 'D', 'E', 'C', 'H', 'd'), (bytes, type) => {
      decodeFrames(bytes);
      decodeFrames(bytesOf(message(type, [...bytes])));
    }),
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandLines, hasStrange, hiddenRanges } from './command-lines.ts';

const plain = (text: string): { text: string; kind: string }[] => [{ text, kind: '' }];
const value = (position: number, type = 'value', mark = 'AAAAAAAA'): { position: number; type: string; mark: string } => ({ position, type, mark });

test('the pieces are the whole command, whatever it holds', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 12 }), { maxLength: 8 }), (texts) => {
      const lines = commandLines(
        texts.map((text) => ({ text, kind: 'k' })),
        [],
      );
      expect(lines.map((line) => line.map(({ raw }) => raw).join('')).join('\n')).toBe(texts.join(''));
    }),
  );
});

test('a masked value says what it stands for when the places fit', () => {
  const command = "update cards set pan = '411111******1111' where cvv = <hidden> and b = B'…'";
  const hidden = [value(0, 'card number'), value(1, 'cvv of cards.cvv'), value(2, 'value that cannot be shown')];
  expect(hiddenRanges(command, hidden).map(({ from, to, value: found }) => [command.slice(from, to), found?.position])).toEqual([
    ['411111******1111', 0],
    ['<hidden>', 1],
    ['…', 2],
  ]);
});

test('a planted mask makes every place uncertain rather than wrong', () => {
  expect(hiddenRanges("select '<hidden>', <hidden>", [value(1)]).map(({ value: found }) => found)).toEqual([null, null]);
});

test('a card that only the whole command spells has no place', () => {
  expect(hiddenRanges('select 4111', [value(1, 'card number across the text')])).toEqual([]);
});

test('characters without a shape are shown by number', () => {
  const [line = []] = commandLines(plain('drop\u200b\u202etable'), []);
  expect(line.map(({ shown }) => shown)).toEqual(['drop', '\\u{200b}', '\\u{202e}', 'table']);
  expect(line.map(({ strange }) => strange === true)).toEqual([false, true, true, false]);
  expect(hasStrange('select\n\t1')).toBe(false);
  expect(hasStrange('select\u00a01')).toBe(true);
});

test('changed ranges cut the pieces', () => {
  const [line = []] = commandLines(plain('id = 7 or true'), [], [{ from: 5, to: 6 }]);
  expect(line.map(({ raw, changed }) => [raw, changed === true])).toEqual([
    ['id = ', false],
    ['7', true],
    [' or true', false],
  ]);
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { diffLines, unifiedDiff } from './text-diff.ts';

const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 30 });

it('both texts can be read from it, whatever they are', () => {
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const found = diffLines(before, after);
      expect(found.filter(({ sign }) => sign !== '+').map(({ text }) => text)).toEqual(before);
      expect(found.filter(({ sign }) => sign !== '-').map(({ text }) => text)).toEqual(after);
    }),
  );
});

it('shows what changed with three lines around it', () => {
  const before = 'abcdefghijklmnopqrstuvwxyz'.split('');
  const after = before.map((line) => (line === 'm' ? 'M' : line));
  expect(unifiedDiff(before.join('\n'), after.join('\n'))).toEqual(['@@ -10,7 +10,7 @@', ' j', ' k', ' l', '-m', '+M', ' n', ' o', ' p']);
  expect(unifiedDiff('a\nb', 'a\nb')).toEqual([]);
});

it('takes two long texts without a long wait', () => {
  const long = (word: string): string => Array.from({ length: 100_000 }, (_, index) => `${word}${String(index)}`).join('\n');
  expect(unifiedDiff(long('a'), long('b'))).toHaveLength(200_001);
});

import { describe, expect, it } from 'vitest';
import { glance, seen } from './json-glance.ts';

const filling = 'plain words of no kind, '.repeat(12);

describe('glance', () => {
  it.each([
    ['brackets', 'a [ b', seen.bracket],
    ['braces', 'a { b', seen.bracket],
    ['a long token', 'a YWJjZGVmZ2hpamts b', seen.token],
    ['digits', '4 1-1.1_1 1111111 11', seen.plain],
    ['digits of full width', '４', seen.plain],
    ['a key in quotes', 'a "b', seen.plain],
    ['a label', 'CvV 123', seen.plain],
    ['a label in words', 'Security code 123', seen.plain],
    ['a mark of a label', 'a > b', seen.mark],
    ['a list', 'a ( b', seen.list],
    ['lines', 'a\nb', seen.lines],
    ['an escape', 'a \\ b', seen.written],
    ['a reference', 'a & b', seen.written],
    ['a form', 'a+b', seen.written],
    ['a colour', 'a \u001b b', seen.written],
    ['what is no ASCII', 'a é b', seen.written],
  ])('sees %s in short texts and in long ones', (_name, text, bit) => {
    expect(glance(text) & bit).toBe(bit);
    expect(glance(filling + text) & bit).toBe(bit);
    expect(glance(text + filling) & bit).toBe(bit);
  });

  it.each(['', 'name', '2026-11-22T01', '123456789012', 'recurring', 'cute', 'a, b; c/d? 100 EUR!', 'abcdefghijklmno pqrstuvw'])(
    'sees nothing in %j',
    (text) => {
      expect(glance(text)).toBe(0);
    },
  );

  it('of a long text without marks asks for tokens and digits only', () => {
    expect(glance(filling)).toBe(seen.token | seen.plain);
  });
});

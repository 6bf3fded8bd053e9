import { expect, test } from 'vitest';
import { barOf, ruleWords, totalOf } from './ledger-rows.ts';

test('rules of the ledger are said in words', () => {
  expect(ruleWords('detector:pan')).toBe('Card number, recognised');
  expect(ruleWords('column:public.cards.pan')).toBe('Tagged column public.cards.pan');
  expect(ruleWords('derived:public.cards.cvv')).toBe('Computed from public.cards.cvv');
  expect(ruleWords('label:iban')).toBe('By its label: iban');
  expect(ruleWords('new-kind')).toBe('new-kind');
});

test('totals and bars', () => {
  const row = { rule: 'a', resource: 'r', values: 3, operations: 1, lastAt: '2026-11-21T10:00:00Z' };
  expect(totalOf([row, { ...row, resource: 's', values: 4 }])).toEqual({ values: 7, rules: 1 });
  expect([barOf(0, 10), barOf(1, 10_000), barOf(5, 10), barOf(10, 10)]).toEqual([0, 1, 50, 100]);
});

import { expect, it } from 'vitest';
import type { Span } from '../contract/operation.ts';
import { withoutHiddenValues } from './quoted-values.ts';

const spans: readonly Span[] = [
  { kind: 'text', text: 'insert into cards values (' },
  { kind: 'value', text: '7311' },
  { kind: 'text', text: ', ' },
  { kind: 'value', text: 'visible' },
  { kind: 'text', text: ')' },
];

it('hides from an error what the masked command hides, and nothing else', () => {
  const error = '22P02 invalid input syntax for type integer: "7311" near "visible"';
  expect(withoutHiddenValues(error, spans, 'insert into cards values (<hidden>, visible)')).toBe(
    '22P02 invalid input syntax for type integer: "<hidden>" near "visible"',
  );
  expect(withoutHiddenValues(error, spans, 'insert into cards values (7311, visible)')).toBe(error);
});

it('leaves words that only look like a replacement pattern', () => {
  expect(withoutHiddenValues('x "$&$&"', [{ kind: 'value', text: '$&$&' }], '')).toBe('x "<hidden>"');
});

import { expect, test } from 'vitest';
import type { Output } from '../../contract/api.ts';
import type { ContextOf } from '../context.ts';
import { maskText } from '../../masking/text.ts';
import { maskingHandlers } from './masking.ts';

const context = {} as ContextOf<'tryMasking'>; // a pure function of its input
const tried = (text: string) => maskingHandlers().tryMasking({ text }, context) as Output<'tryMasking'>;

test('a text is masked as gateways mask it, and each rule says how often it matched', () => {
  const text = 'card 4539578763621486, {"cvv": "123"}, nothing 42';
  const { masked, found } = tried(text);
  expect(masked).toBe(maskText(text));
  expect(masked).toBe('card 453957******1486, {"cvv": "***"}, nothing 42');
  expect(found.map(({ rule }) => rule).sort()).toEqual(['detector:pan', 'label:sad']);
  expect(found.every(({ count }) => count > 0)).toBe(true);
  expect(tried('hello')).toEqual({ masked: 'hello', found: [] });
  expect(tried('postern_abcdefgh_aaaaaaaaaaaaaaaa')).toEqual({ masked: 'postern_abcdefgh_****************', found: [{ rule: 'token', count: 1 }] });
});

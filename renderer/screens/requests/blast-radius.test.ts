import { expect, test } from 'vitest';
import { blastRadius } from './blast-radius.ts';

test('names every object with what is done to it', () => {
  expect(blastRadius(['sql:delete public.orders', 'sql:select public.orders', 'sql:select public.cards'], []).objects).toEqual([
    { object: 'public.orders', actions: ['sql:delete', 'sql:select'] },
    { object: 'public.cards', actions: ['sql:select'] },
  ]);
});

test('a change without WHERE is of the whole table; the word in a text does not count', () => {
  const where = { text: 'WHERE', kind: 'keyword' };
  expect(blastRadius(['sql:delete a'], [{ text: "'where'", kind: 'string' }]).rows).toBe('whole');
  expect(blastRadius(['sql:delete a'], [where]).rows).toBe('where');
  expect(blastRadius(['sql:insert a'], []).rows).toBeNull();
});

import { expect, test } from 'vitest';
import { applied, changesOf, nameFault, revealing, withRule, type Rule } from './rule-set.ts';

const pan: Rule = { resource: 'payments', schema: 'public', table: 'cards', column: 'pan', tag: 'pan' };
const cvv: Rule = { ...pan, column: 'cvv', tag: 'sad' };
const name: Rule = { ...pan, column: 'holder', tag: 'other' };

test('changes lie on top of what is in force, also when that changed meanwhile', () => {
  const changes = withRule(withRule({}, { former: pan, rule: null }), { former: null, rule: name });
  expect(applied([pan, cvv], changes)).toEqual([cvv, name]);
  const mail: Rule = { ...pan, column: 'mail', tag: 'other' };
  expect(applied([pan, cvv, mail], changes)).toEqual([cvv, name, mail]);
  expect(changesOf([pan, cvv], changes).map(({ kind }) => kind)).toEqual(['removed', 'added']);
});

test('a column that was renamed is removed and added; one put back as it was is no change', () => {
  const moved = withRule({}, { former: pan, rule: { ...pan, column: 'number' } });
  expect(changesOf([pan], moved).map(({ kind, rule }) => `${kind} ${rule.column}`)).toEqual(['removed pan', 'added number']);
  const back = withRule(withRule({}, { former: pan, rule: { ...pan, tag: 'sad' } }), { former: pan, rule: pan });
  expect(changesOf([pan], back)).toEqual([]);
});

test('what shows more than before is counted', () => {
  const weaker = withRule(withRule({}, { former: cvv, rule: null }), { former: name, rule: { ...name, tag: 'pan' } });
  expect(revealing(changesOf([pan, cvv, name], weaker))).toBe(2);
  expect(revealing(changesOf([pan], withRule({}, { former: pan, rule: { ...pan, tag: 'sad' } })))).toBe(0);
});

test('names are as long as the target takes them', () => {
  expect(nameFault('')).toBe('This is needed.');
  expect(nameFault('ä'.repeat(32))).toBe('At most 63 bytes.');
  expect(nameFault('a'.repeat(63))).toBeUndefined();
});

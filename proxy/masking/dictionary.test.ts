import { describe, expect, it } from 'vitest';
import { suggestTag, taggedNames } from './dictionary.ts';
import { maskTables } from './json-tables.ts';

describe('every name of the dictionary', () => {
  it.for([...new Set(taggedNames)])('%s is known however it is written, alone and above a column', (name) => {
    const tag = suggestTag(name);
    expect(tag).not.toBeNull();
    expect(suggestTag(name.toUpperCase())).toBe(tag);
    for (const after of ['_', '-', '.', ' ']) expect(suggestTag(`${after}${name}`)).toBe(tag);
    const table = `id,${name}\n1,4111111111111111\n`;
    expect(maskTables(table, () => undefined)).not.toContain('4111111111111111');
  });
});

it('names that only end like one are none', () => {
  for (const name of ['shopping', 'placid', 'soundtrack', 'acc_no', 'japan', 'id', 'a', '', '_', 'discard']) expect(suggestTag(name)).toBeNull();
});

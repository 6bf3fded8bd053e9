import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret } from './secret.ts';

describe('Secret', () => {
  it('prints as [secret] in every way a value gets printed', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12 }), (value) => {
        const secret = new Secret(value);
        const holder = { nested: { secret } };
        const printed = [
          String(secret),
          secret.toString(),
          JSON.stringify(holder),
          inspect(holder, { depth: 9, showHidden: true }),
          inspect([secret]),
          inspect(new Map([['key', secret]])),
          Object.keys(secret).join(),
          new Error(String(secret)).message,
        ];
        // a value that happens to be part of the words around it proves nothing
        fc.pre(!'{"nested":{"secret":"[secret]"}} [[secret]] Map(1) { \'key\' => [secret] }'.includes(value));
        for (const text of printed) expect(text).not.toContain(value);
        expect(secret.reveal()).toBe(value);
      }),
    );
  });

  it('is not revealed by copying', () => {
    const secret = new Secret('the value itself');
    expect(JSON.stringify(Object.assign({}, secret))).toBe('{}');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromValue } from './node.ts';
import { serialise } from './serialise.ts';
import { parseJson } from './strict-json.ts';

const limits = { maxBytes: 1_000_000, maxDepth: 16, maxNodes: 10_000 };
const pieces = ['card 4111 ', '\n', '\n', '"', '\\', '\t', '\u0001', '\u000b', '\u0016', '\u001f', '\u007f', 'é', '€', '👩', '\u2028', '/', '\ud800'];
const long = fc
  .tuple(fc.array(fc.constantFrom(...pieces), { maxLength: 6 }), fc.integer({ min: 0, max: 200 }))
  .map(([few, count]) => `${few.join('x')}${'plain words\n'.repeat(count)}${few.join('')}`);

describe('serialise', () => {
  it('writes as JSON.stringify does, long texts too', () => {
    const value = fc.oneof(long, fc.array(long, { maxLength: 3 }), fc.dictionary(long, fc.oneof(long, fc.integer(), fc.constant(null)), { maxKeys: 3 }));
    fc.assert(
      fc.property(value, (given) => {
        expect(Buffer.from(serialise(fromValue(given))).toString('latin1')).toBe(Buffer.from(JSON.stringify(given)).toString('latin1'));
      }),
      { numRuns: 400 },
    );
  });

  it('and long texts are read as they were written', () => {
    fc.assert(
      fc.property(long, (given) => {
        const text = given.toWellFormed();
        expect(parseJson(Buffer.from(JSON.stringify([text])), limits)).toEqual(fromValue([text]));
      }),
      { numRuns: 400 },
    );
  });

  it.each([
    ['a control character', `"${'x'.repeat(300)}\n"`, 'control character in a string (byte 301)'],
    ['an unknown escape', `"${'x'.repeat(300)}\\q"`, 'unknown escape'],
    ['half of a surrogate pair', `"${'x'.repeat(300)}\\ud800"`, 'half of a surrogate pair'],
    ['no end', `"${'x'.repeat(300)}\\"`, 'does not end'],
  ])('a long text with %s is refused like a short one', (_name, source, message) => {
    expect(() => parseJson(Buffer.from(source), limits)).toThrow(message);
  });
});

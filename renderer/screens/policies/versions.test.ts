import { describe, expect, it } from 'vitest';
import { comparable, otherOf, previousOf, shortVersion } from './versions.ts';

function version(name: string, index: number) {
  return { version: name, at: '2026-01-02T03:04:05Z', by: 'ann', files: 1, index };
}
// newest first; `one` came back
const versions = [version('pol_one', 30), version('pol_two', 20), version('pol_one', 10)];

describe('versions of policies', () => {
  it('are compared with the one before', () => {
    expect(previousOf(versions, 'pol_one')).toBe('pol_two');
    expect(previousOf(versions, 'pol_two')).toBe('pol_one');
    expect(previousOf([version('pol_one', 1)], 'pol_one')).toBe('nothing');
  });

  it('are compared with what the address says', () => {
    expect(otherOf(undefined, 'pol_two')).toBe('pol_two');
    expect(otherOf('edited', 'pol_two')).toBe('edited');
  });

  it('offer each other version once', () => {
    expect(comparable(versions, 'pol_two').map(({ value }) => value)).toEqual(['edited', 'pol_one', 'nothing']);
    expect(comparable(versions, 'pol_two')[1]?.note).toBe('2026-01-02 03:04 UTC, ann');
  });

  it('are short for lists', () => {
    expect(shortVersion('pol_abcdefghijklmnop')).toBe('pol_abcdefgh');
  });
});

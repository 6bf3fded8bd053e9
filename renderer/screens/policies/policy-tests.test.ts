import { describe, expect, it } from 'vitest';
import { filePlaceOf, firstTest, runText, sent, testNameOf, testTextFault } from './policy-tests.ts';

describe('policy tests', () => {
  it('lie beside their policies', () => {
    expect(testNameOf('20-read.cedar')).toBe('20-read.test.json');
  });

  it('begin with a test that is JSON', () => {
    expect(testTextFault(firstTest)).toBeUndefined();
  });

  it('are an array', () => {
    expect(testTextFault('{}')?.message).toContain('array');
  });

  it('say where they are not JSON', () => {
    expect(testTextFault('[\n  {"name": 1,}\n]')).toMatchObject({ line: 2, column: 14 });
    expect(testTextFault('[')).toMatchObject({ line: 1, column: 2 });
  });

  it('are sent unless empty', () => {
    expect(
      sent([
        { name: 'a', text: ' \n' },
        { name: 'b', text: '[]' },
      ]),
    ).toEqual([{ name: 'b', text: '[]' }]);
  });

  it('are counted', () => {
    const result = { name: 'x', decision: 'permit' as const, policies: [], message: '' };
    expect(
      runText({
        results: [
          { ...result, passed: true },
          { ...result, passed: true },
        ],
        unused: [],
      }),
    ).toBe('All 2 tests passed');
    expect(
      runText({
        results: [
          { ...result, passed: true },
          { ...result, passed: false },
        ],
        unused: [],
      }),
    ).toBe('1 of 2 tests failed');
  });

  it('find the policy that decided', () => {
    expect(filePlaceOf([{ name: 'a.cedar', text: '// x\n@id("read")\npermit (…);' }], 'read')).toEqual({ file: 'a.cedar', line: 2 });
    expect(filePlaceOf([], 'read')).toBeNull();
  });
});

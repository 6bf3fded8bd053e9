import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countsLine, explainSkips, readReport } from './tally.ts';

describe('the counts of `npm test`', () => {
  let folder = '';
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'postern-tally-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const read = (testResults: unknown): ReturnType<typeof readReport> => {
    writeFileSync(join(folder, 'report.json'), JSON.stringify({ testResults }));
    return readReport(join(folder, 'report.json'), '/repo');
  };
  const test = (fullName: string, status: string, more: object = {}): object => ({ fullName, status, failureMessages: [], ...more });

  it('counts tests, and keeps why one was skipped', () => {
    const tally = read([
      {
        name: '/repo/a.test.ts',
        status: 'failed',
        message: '',
        assertionResults: [
          test('good', 'passed'),
          test('bad', 'failed', { failureMessages: ['boom'] }),
          test('left', 'skipped', { meta: { skipped: 'no server' } }),
        ],
      },
    ]);
    expect(countsLine(tally)).toBe('1 passed, 1 failed, 1 skipped');
    expect(tally.failures).toEqual([{ name: 'a.test.ts: bad', message: 'boom' }]);
    expect(tally.skips).toEqual([{ name: 'a.test.ts: left', why: 'no server' }]);
  });

  it.each([
    ['an import that fails', []],
    ['a hook that fails', [test('never ran', 'skipped')]],
  ])('counts a file that fails outside its tests: %s', (_case, assertionResults) => {
    expect(read([{ name: '/repo/b.test.ts', status: 'failed', message: 'no such module', assertionResults }]).failures).toEqual([
      { name: 'b.test.ts', message: 'no such module' },
    ]);
  });

  it('tells an expected skip from a surprise', () => {
    const expected = [{ name: 'a.test.ts: left', why: 'needs an Electron runtime' }];
    expect(explainSkips([{ name: 'a.test.ts: left', why: undefined }], expected)).toEqual({
      lines: ['skipped: a.test.ts: left\n  not tested, because: needs an Electron runtime'],
      isSurprise: false,
    });
    expect(explainSkips([{ name: 'a.test.ts: other', why: undefined }], expected)).toEqual({
      lines: ['UNEXPECTED SKIP: a.test.ts: other\n  not tested, because: no reason given'],
      isSurprise: true,
    });
  });
});

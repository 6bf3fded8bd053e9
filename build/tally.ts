import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { z } from 'zod';

export interface Skip {
  readonly name: string;
  readonly why: string | undefined;
}

export interface Failure {
  readonly name: string;
  readonly message: string;
}

export interface Tally {
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
}

export const nothing: Tally = { passed: 0, failures: [], skips: [] };

export function sum(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((total, tally) => total + tally.passed, 0),
    failures: tallies.flatMap((tally) => tally.failures),
    skips: tallies.flatMap((tally) => tally.skips),
  };
}

/** The last line of `npm test` and `npm run check`. */
export function countsLine(tally: Tally): string {
  return `${tally.passed} passed, ${tally.failures.length} failed, ${tally.skips.length} skipped`;
}

const ExpectedSkips = z.array(z.strictObject({ name: z.string().min(1), why: z.string().min(10) }));

/** Lines about every skip with its reason, and whether one is not in the list of expected ones (`[{ name, why }]`). */
export function explainSkips(skips: readonly Skip[], expectedList: unknown): { lines: readonly string[]; isSurprise: boolean } {
  const expected = new Map(ExpectedSkips.parse(expectedList).map((skip) => [skip.name, skip.why]));
  const lines = skips.map((skip) => {
    const why = skip.why ?? expected.get(skip.name) ?? 'no reason given';
    return `${expected.has(skip.name) ? 'skipped' : 'UNEXPECTED SKIP'}: ${skip.name}\n  not tested, because: ${why}`;
  });
  return { lines, isSurprise: skips.some((skip) => !expected.has(skip.name)) };
}

const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()),
          meta: z.object({ skipped: z.string().optional() }).optional(),
        }),
      ),
    }),
  ),
});

/** Counts of a report of vitest's JSON reporter. A file that fails outside its tests counts as one failure. */
export function readReport(path: string, root: string): Tally {
  const tallies = Report.parse(JSON.parse(readFileSync(path, 'utf8'))).testResults.map((file): Tally => {
    const name = relative(root, file.name);
    const failures = file.assertionResults
      .filter((test) => test.status === 'failed')
      .map((test) => ({ name: `${name}: ${test.fullName}`, message: test.failureMessages.join('\n') }));
    if (file.status === 'failed' && failures.length === 0) failures.push({ name, message: file.message });
    return {
      passed: file.assertionResults.filter((test) => test.status === 'passed').length,
      failures,
      skips: file.assertionResults
        .filter((test) => test.status !== 'passed' && test.status !== 'failed')
        .map((test) => ({ name: `${name}: ${test.fullName}`, why: test.meta?.skipped })),
    };
  });
  return sum(tallies);
}

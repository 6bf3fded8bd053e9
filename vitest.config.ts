import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const exclude = ['**/node_modules/**', 'out/**', '.cache/**', 'postern-data/**'];

/** Files that wait long for what a person or a client waits for, longest first: whatever else there is runs beside them. */
const long = [
  'test/integration/mcp-approvals.test.ts',
  'test/integration/approvals.test.ts',
  'test/integration/control.test.ts',
  'test/conformance/mcp-conformance.test.ts',
  'test/integration/history.test.ts',
  'test/integration/people.test.ts',
  'test/integration/full-disk.test.ts',
  'test/conformance/mcp-login.test.ts',
  'test/e2e/console.test.ts',
  'test/e2e/scale.test.ts',
  'test/e2e/desktop-core.test.ts',
].map((file) => join(import.meta.dirname, file));

/** A file that takes a minute must not be begun when all others have ended. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = long.indexOf(moduleId);
      return at < 0 ? long.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

/** for what comes about sooner or later: the machine may be busy */
const pollMs = 15_000;

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{proxy,build,main,renderer}/**/*.test.{ts,tsx}', 'test/{architecture,support}/**/*.test.ts'],
          exclude,
          maxWorkers: 2,
          testTimeout: 20_000,
        },
      },
      {
        // many cases of hostile input: part of `npm test`, not of every commit
        test: { name: 'fuzz', include: ['test/fuzz/**/*.test.ts'], exclude, maxWorkers: 2, testTimeout: 60_000 },
      },
      {
        test: {
          name: 'integration',
          include: ['test/{integration,conformance}/**/*.test.ts'],
          exclude,
          // each file has servers and ports of its own; much of its time it waits for them
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          expect: { poll: { timeout: pollMs } },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          expect: { poll: { timeout: pollMs } },
        },
      },
      {
        // long, and against a service under load: `npm run chaos`
        test: { name: 'chaos', include: ['test/chaos/**/*.test.ts'], exclude, fileParallelism: false, testTimeout: 300_000, hookTimeout: 180_000 },
      },
    ],
  },
});

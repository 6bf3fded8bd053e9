import { defineConfig } from 'vitest/config';

const exclude = ['**/node_modules/**', 'out/**', '.cache/**', 'postern-data/**'];

export default defineConfig({
  test: {
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
          // real servers share the machine: one file at a time
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], exclude, fileParallelism: false, testTimeout: 120_000, hookTimeout: 180_000 },
      },
      {
        // long, and against a service under load: `npm run chaos`
        test: { name: 'chaos', include: ['test/chaos/**/*.test.ts'], exclude, fileParallelism: false, testTimeout: 300_000, hookTimeout: 180_000 },
      },
    ],
  },
});

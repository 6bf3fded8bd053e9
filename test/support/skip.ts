import type { TestContext } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    /** why, for the summary of `npm test` */
    skipped?: string;
  }
}

/** Skips the running test loudly: name and reason stand in the summary, and CI fails unless test/expected-skips.json lists it. */
export function skipBecause(context: TestContext, why: string): never {
  context.task.meta.skipped = why;
  context.skip(why);
}

/**
 * Runs tests of the copy it is started in, one request after the other: `{ file, tests, changed }` as a message gives a
 * `HostAnswer`. One Vitest for all mutants of a copy: what did not change is transformed once. Every run has a process of its own.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { createVitest, type TestModule } from 'vitest/node';

const Asked = z.strictObject({
  file: z.string(),
  /** parts of their titles; none: all tests of the file */
  tests: z.array(z.string()),
  /** what was written since the last request */
  changed: z.array(z.string()),
});

interface HostAnswer {
  /** full names */
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  /** why a file did not load, or a hook failed; empty: neither */
  readonly message: string;
}

const directory = process.cwd();
const vitest = await createVitest({ root: directory, watch: false, reporters: [{}] });
await vitest.standalone();

async function run({ file, tests, changed }: z.infer<typeof Asked>): Promise<HostAnswer> {
  for (const path of changed) vitest.invalidateFile(join(directory, path));
  const pattern = tests.length === 0 ? {} : { testNamePattern: new RegExp(tests.map((test) => test.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')) };
  const found = await vitest.globTestSpecifications([join(directory, file)]);
  const chosen = found.map(({ project, moduleId }) => project.createSpecification(moduleId, pattern));
  const { testModules } = await vitest.runTestSpecifications(chosen);
  return testModules.map(answerOf).reduce(both, { passed: [], failed: [], message: '' });
}

function answerOf(module: TestModule): HostAnswer {
  const tests = [...module.children.allTests()];
  const named = (state: string): string[] => tests.filter((one) => one.result().state === state).map(({ fullName }) => fullName);
  const suites = [...module.children.allSuites()];
  const [fault] = [module, ...suites].flatMap((each) => each.errors());
  return { passed: named('passed'), failed: named('failed'), message: fault?.message ?? '' };
}

function both(one: HostAnswer, other: HostAnswer): HostAnswer {
  return { passed: [...one.passed, ...other.passed], failed: [...one.failed, ...other.failed], message: one.message || other.message };
}

process.on('message', (message) => {
  void run(Asked.parse(message)).then((answer) => process.send?.(answer));
});
process.once('disconnect', () => {
  process.exit(0);
});

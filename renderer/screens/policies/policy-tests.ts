import type { Input, Output } from '../../../proxy/contract/api.ts';
import { reasonOf } from '../../../proxy/lib/errors.ts';
import type { PolicyFile } from './policy-set.ts';

export type TestFile = Input<'testPolicies'>['tests'][number];
export type TestRun = Output<'testPolicies'>;

/** Tests lie beside the policies in `NAME.test.json`; they are no policies, and the service does not keep them. */
export const testEnding = '.test.json';

export function testNameOf(policyFile: string): string {
  return policyFile.replace(/\.cedar$/, '') + testEnding;
}

const oneTest = {
  name: 'readers may connect',
  principal: { name: 'ci', groups: ['readers'] },
  resource: 'payments',
  database: 'shop',
  acts: [['connect', 'Database']],
  expect: 'permit',
};

/** What an empty file begins with: one test that can be changed. */
export const firstTest = `[\n  ${JSON.stringify(oneTest)}\n]\n`;

/** Why the text cannot be sent as tests; undefined: it is JSON, an array. The service checks the rest. */
export function testTextFault(text: string): { readonly line: number; readonly column: number; readonly message: string } | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? undefined : { line: 1, column: 1, message: 'A test file is an array: [ {…}, {…} ].' };
  } catch (error) {
    const words = reasonOf(error);
    return { ...placeOf(text, words), message: `This is not JSON: ${words}.` };
  }
}

/** Engines write where it ends to be JSON, or not; without it the beginning. */
function placeOf(text: string, words: string): { line: number; column: number } {
  const [, position] = /position (\d+)/.exec(words) ?? [];
  const end = /end of (JSON input|data)/.test(words) ? text.length : Number(position ?? 0);
  const before = text.slice(0, end).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** The tests of chosen files that hold any. */
export function sent(tests: readonly TestFile[]): TestFile[] {
  return tests.filter(({ text }) => text.trim() !== '');
}

/** “1 of 12 tests failed” */
export function runText({ results }: TestRun): string {
  const failed = results.filter(({ passed }) => !passed).length;
  const all = results.length === 1 ? 'The test passed' : `All ${results.length} tests passed`;
  return failed === 0 ? all : `${failed} of ${results.length} tests failed`;
}

/** Which file a policy lies in, found by its `@id`; null: none. */
export function filePlaceOf(files: readonly PolicyFile[], policy: string): { readonly file: string; readonly line: number } | null {
  for (const { name, text } of files) {
    const at = text.indexOf(`@id("${policy}")`);
    if (at >= 0) return { file: name, line: text.slice(0, at).split('\n').length };
  }
  return null;
}

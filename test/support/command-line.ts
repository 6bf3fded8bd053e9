import { fileURLToPath } from 'node:url';

/**
 * Arguments that make the pinned Node, which the tests run under, into `postern`: what build/postern.js ends in, without
 * its look at the Node. The first stage has tests of its own (test/architecture/stage.test.ts).
 */
export const postern: readonly string[] = [
  '--disallow-code-generation-from-strings',
  '--disable-warning=ExperimentalWarning',
  fileURLToPath(new URL('../../proxy/cli/index.ts', import.meta.url)),
];

/** For an environment made from nothing: only where the first stage lets Node keep compiled code, which is not part of a test. */
export function compiledCode(): Readonly<Record<string, string>> {
  const folder = process.env['NODE_COMPILE_CACHE'];
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}

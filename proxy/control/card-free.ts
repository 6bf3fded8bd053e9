import type { AnyRoute } from '../contract/api-route.ts';
import { fail } from '../contract/errors.ts';

/** Members of an input that are secrets, proofs or searched for, or that their handler masks before it keeps them. */
const unlooked = new Set([
  'password',
  'reason',
  'finding',
  'needles',
  'statement',
  'code',
  'publicKey',
  'proof',
  'signature',
  'nonce',
  'cosignature',
  'checkpoint',
  'key',
  'decision',
]);
const maxFaults = 20;

/**
 * What administrators type is kept in the log and in the state, some of it in clear: no name, owner or policy may hold a card
 * number. Throws ERR_INVALID_INPUT with the members; `mask` is the detector.
 */
export function assertCardFree(route: AnyRoute, input: unknown, mask: (text: string) => string): void {
  if (route.event === null || route.method === 'GET' || route.roles === 'public') return;
  const paths = [...held(input, '', mask)].slice(0, maxFaults);
  if (paths.length === 0) return;
  throw fail('ERR_INVALID_INPUT', {
    message: 'This must not hold a card number.',
    hint: 'It would be kept in the log. Use first six and last four digits, or another name.',
    faults: paths.map((path) => ({ path, message: 'looks like a card number' })),
  });
}

function* held(value: unknown, path: string, mask: (text: string) => string): Generator<string> {
  if (typeof value === 'string') {
    if (mask(value) !== value) yield path;
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    // deeper down such a name is anybody's: of a variable in an environment
    if (path === '' && unlooked.has(name)) continue;
    if (mask(name) !== name) yield path === '' ? 'a name' : path;
    else yield* held(member, path === '' ? name : `${path}.${name}`, mask);
  }
}

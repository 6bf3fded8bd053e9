import type { Run } from '../contract/run.ts';
import type { ClaimCondition, TrustRule } from '../contract/trust-rule.ts';

/** What a workload's token says: the JSON object of its payload. */
export type Claims = Readonly<Record<string, unknown>>;

const maxElements = 1_000;
const maxRecorded = 300;

/** Every condition holds. */
export function holds(conditions: readonly ClaimCondition[], claims: Claims): boolean {
  return conditions.every((condition) => textsOf(claimOf(claims, condition.claim)).some((text) => passes(condition.test, text)));
}

/** What a token says of the run it belongs to, masked and cut: `recorded` and, always, issuer, subject and `jti`. */
export function runOf(
  rule: Pick<TrustRule, 'recorded'>,
  claims: Claims,
  base: { issuer: string; subject: string; jti: string },
  mask: (text: string) => string,
): Run {
  const said = rule.recorded.map((claim) => [claim, textsOf(claimOf(claims, claim)).join(',')] as const).filter(([, text]) => text !== '');
  // whole first: a cut through a card number would hide it from the detector
  return Object.fromEntries([...said, ...Object.entries(base)].map(([name, text]) => [name, mask(text).slice(0, maxRecorded).toWellFormed()]));
}

/** `a/b` is the member `b` of the claim `a`. */
function claimOf(claims: Claims, path: string): unknown {
  return path.split('/').reduce<unknown>((value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined), claims);
}

/** The texts a claim is compared by: JSON text of booleans and numbers, each element of an array. What has no exact text has none. */
function textsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.slice(0, maxElements).flatMap((element: unknown) => (Array.isArray(element) ? [] : textsOf(element)));
  if (typeof value === 'string') return [value];
  // beyond, two different numbers of the token are one here
  if (typeof value === 'boolean' || Number.isSafeInteger(value)) return [JSON.stringify(value)];
  return [];
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function passes(test: ClaimCondition['test'], text: string): boolean {
  return test.is === 'one-of' ? test.values.includes(text) : isLike(text, test.pattern);
}

/**
 * `*` stands for any run of characters but `/` and `:`, `**` for any. All places of the pattern that can be reached are followed
 * at once, so the work is length × length whatever the pattern is.
 */
export function isLike(text: string, pattern: string): boolean {
  const parts = pattern.match(/\*\*|[\s\S]/g) ?? [];
  let reached = closure(parts, new Set([0]));
  for (const char of text) {
    const next = new Set<number>();
    for (const at of reached) {
      const part = parts[at];
      if (part === '**' || (part === '*' && char !== '/' && char !== ':')) next.add(at);
      else if (part === char && part !== '*') next.add(at + 1);
    }
    reached = closure(parts, next);
    if (reached.size === 0) return false;
  }
  return reached.has(parts.length);
}

/** A wildcard may stand for nothing. */
function closure(parts: readonly string[], places: Set<number>): Set<number> {
  for (const at of places) if (parts[at] === '*' || parts[at] === '**') places.add(at + 1);
  return places;
}

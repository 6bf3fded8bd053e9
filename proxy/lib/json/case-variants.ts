import type { JsonNode } from './node.ts';

/** what readers of JSON drop or never show: controls, format characters, marks, white space, and what Unicode lets a display ignore */
const ignored = /[\p{C}\p{M}\p{Z}\p{Default_Ignorable_Code_Point}\s]/gu;

/**
 * The name of `names` that a key of the object only resembles: it differs in case (Unicode folding, so `ſ` is s and the Kelvin sign is k), in
 * width, or by characters that some readers strip (NUL, zero-width, white space). Null when there is none. Looks at the members of `node` alone.
 */
export function caseVariants(node: JsonNode, names: readonly string[]): string | null {
  if (node.kind !== 'object') return null;
  const wanted = folds(names);
  for (const { key } of node.members) {
    if (names.includes(key)) continue;
    const name = wanted.get(fold(key));
    if (name !== undefined) return name;
  }
  return null;
}

const known = new WeakMap<readonly string[], ReadonlyMap<string, string>>();

function folds(names: readonly string[]): ReadonlyMap<string, string> {
  let wanted = known.get(names);
  if (wanted === undefined) {
    wanted = new Map(names.map((name) => [fold(name), name]));
    known.set(names, wanted);
  }
  return wanted;
}

const plain = /^[0-9a-z_$]*$/;
const maxKey = 256;

function fold(key: string): string {
  if (plain.test(key)) return key;
  // names of protocols are short; the rest of a longer key cannot make it one
  return key.replaceAll(ignored, '').slice(0, maxKey).normalize('NFKD').replaceAll(ignored, '').toUpperCase().toLowerCase();
}

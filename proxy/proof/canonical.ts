/** What canonical JSON may hold here: no floats, no undefined. */
export type Canonical = string | number | boolean | null | readonly Canonical[] | { readonly [key: string]: Canonical | undefined };

/**
 * RFC 8785 (JCS) for values whose numbers are safe integers. Keys sort by UTF-16 code units; absent (`undefined`)
 * members are left out. Throws RangeError on other numbers and on lone surrogates, which have no UTF-8 form.
 */
export function canonicalJson(value: Canonical): string {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError('canonical JSON here holds safe integers only');
    return Object.is(value, -0) ? '0' : String(value);
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new RangeError('lone surrogate');
    return JSON.stringify(value);
  }
  if (value === null || typeof value === 'boolean') return String(value);
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member !== undefined) members.push(`${canonicalJson(key)}:${canonicalJson(member)}`);
  }
  return `{${members.join(',')}}`;
}

function isArray(value: Canonical): value is readonly Canonical[] {
  return Array.isArray(value);
}

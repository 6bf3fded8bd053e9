import { fail } from '../../contract/errors.ts';

/** One page of a list that is sorted by a unique key; the cursor is the key of the last item. */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  page: { limit: number; cursor?: string | undefined },
): { items: T[]; next: string | null } {
  const { cursor } = page;
  const sorted = [...items].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const rest = cursor === undefined ? sorted : sorted.filter((item) => keyOf(item) > cursor);
  const shown = rest.slice(0, page.limit);
  const last = shown.at(-1);
  return { items: shown, next: rest.length > shown.length && last !== undefined ? keyOf(last) : null };
}

/** A cursor that is a log index. */
export function indexOf(cursor: string | undefined): number | null {
  if (cursor === undefined) return null;
  if (!/^\d{1,15}$/.test(cursor)) throw fail('ERR_INVALID_INPUT', { message: 'The cursor is not valid.' });
  return Number(cursor);
}

/** `current` with the members of `patch` that are given. */
export function merged<T extends object>(current: T, patch: { readonly [K in keyof T]?: T[K] | undefined }): T {
  const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined)) as Partial<T>;
  return { ...current, ...given };
}

/** A page of what came newest first, one more than `limit` where there is more; the cursor is the position of the last item shown. */
export function newestPage<R extends { readonly created: number }, T>(
  rows: readonly R[],
  itemOf: (row: R) => T,
  limit: number,
): { items: T[]; next: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(itemOf), next: rows.length > limit && last !== undefined ? String(last.created) : null };
}

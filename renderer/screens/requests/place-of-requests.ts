export const tabs = ['waiting', 'pending', 'history', 'grants'] as const;
export type TabId = (typeof tabs)[number];

/** What of the address belongs to this screen: `/history/req_x/compare/req_y/q=orders`, each part may be missing. */
export interface RequestsPlace {
  readonly tab: TabId;
  /** null: none is open */
  readonly request: string | null;
  /** null: it is not compared; empty: with one that is yet to be chosen */
  readonly compare: string | null;
  readonly search: string;
}

const idPattern = /^req_[A-Za-z]{1,40}$/;

export function readPlace(path: readonly string[]): RequestsPlace {
  const ids = path.filter((part) => idPattern.test(part));
  const search = path.find((part) => part.startsWith('q='))?.slice(2) ?? '';
  const tab = tabs.find((id) => path[0] === id) ?? 'waiting';
  const request = ids[0] ?? null;
  return { tab, request, compare: request !== null && path.includes('compare') ? (ids[1] ?? '') : null, search };
}

export function writePlace({ tab, request, compare, search }: RequestsPlace): readonly string[] {
  return [
    tab,
    ...(request === null ? [] : [request]),
    ...(request === null || compare === null ? [] : ['compare', ...(compare === '' ? [] : [compare])]),
    ...(search === '' ? [] : [`q=${search}`]),
  ];
}

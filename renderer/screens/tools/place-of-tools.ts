export const filters = ['quarantined', 'agreed', 'rejected', 'all'] as const;
export type ToolFilter = (typeof filters)[number];

/** `/quarantined/server=files/q=write/pin_x`; each part may be missing. */
export interface ToolsPlace {
  readonly state: ToolFilter;
  /** empty: every server */
  readonly server: string;
  readonly search: string;
  /** null: the list alone */
  readonly tool: string | null;
}

export function readPlace(path: readonly string[]): ToolsPlace {
  const after = (name: string): string => path.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  return {
    state: filters.find((state) => path[0] === state) ?? 'all',
    server: after('server'),
    search: after('q'),
    tool: path.find((part) => /^pin_[A-Za-z]{1,40}$/.test(part)) ?? null,
  };
}

export function writePlace({ state, server, search, tool }: ToolsPlace): readonly string[] {
  return [state, ...(server === '' ? [] : [`server=${server}`]), ...(search === '' ? [] : [`q=${search}`]), ...(tool === null ? [] : [tool])];
}

export const states = ['live', 'ended', 'all'] as const;
export type StateFilter = (typeof states)[number];

/** `/live/principal=release-bot` or `/ses_x/replay/at=4/q=orders`; each part may be missing. */
export interface SessionsPlace {
  readonly state: StateFilter;
  readonly principal: string;
  readonly resource: string;
  /** null: the list */
  readonly session: string | null;
  readonly view: 'watch' | 'replay';
  /** the step that is shown, from 1; 0: none chosen */
  readonly at: number;
  readonly search: string;
}

export function readPlace(path: readonly string[]): SessionsPlace {
  const after = (name: string): string => path.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  const at = Number(after('at'));
  return {
    state: states.find((state) => path.includes(state)) ?? 'live',
    principal: after('principal'),
    resource: after('resource'),
    session: path.find((part) => /^ses_[a-zA-Z]{1,40}$/.test(part)) ?? null,
    view: path.includes('watch') ? 'watch' : 'replay',
    at: Number.isSafeInteger(at) && at > 0 ? at : 0,
    search: after('q'),
  };
}

export function writePlace({ state, principal, resource, session, view, at, search }: SessionsPlace): readonly string[] {
  const filters = [
    ['principal', principal],
    ['resource', resource],
  ] as const;
  const named = filters.filter(([, value]) => value !== '').map(([name, value]) => `${name}=${value}`);
  if (session === null) return [state, ...named];
  const rest = [...(at > 0 ? [`at=${at}`] : []), ...(search === '' ? [] : [`q=${search}`])];
  return [session, view, ...(view === 'replay' ? rest : [])];
}

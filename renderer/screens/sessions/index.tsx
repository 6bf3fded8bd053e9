import type { ReactNode } from 'react';
import { usePlace } from '../../data/place.ts';
import { readPlace, writePlace, type SessionsPlace } from './place-of-sessions.ts';
import { SessionDetail } from './session-detail.tsx';
import { SessionList } from './session-list.tsx';

/** Who is or was at which resource, and what they did there. */
export function Screen(): ReactNode {
  const { path, replace } = usePlace();
  const place = readPlace(path);
  const change = (part: Partial<SessionsPlace>): void => replace(...writePlace({ ...place, ...part }));
  return place.session === null ? (
    <SessionList place={place} onChange={change} />
  ) : (
    <SessionDetail key={place.session} id={place.session} place={place} onChange={change} />
  );
}

import type { ReactNode } from 'react';
import { usePlace } from '../../data/place.ts';
import { ResourceList } from './resource-list.tsx';
import { ResourceDetail } from './resource-detail.tsx';

/** `resources`, `resources/~add`, `resources/~find/TEXT`, `resources/NAME`: no name of a resource begins with a tilde. */
export function Screen(): ReactNode {
  const { path } = usePlace();
  const [first = ''] = path;
  return first === '' || first.startsWith('~') ? <ResourceList /> : <ResourceDetail key={first} name={first} />;
}

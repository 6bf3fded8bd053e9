import type { ReactNode } from 'react';
import { Badge, State } from '../../kit/badge.tsx';

/** An outcome of an event. A pending one waits for nobody: the event that settles it comes later. */
export function Outcome({ of }: { of: string }): ReactNode {
  return of === 'pending' ? <Badge tone="quiet">Pending</Badge> : <State of={of} />;
}

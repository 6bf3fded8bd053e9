import type { ReactNode } from 'react';
import { Badge } from '../../kit/badge.tsx';

export function TlsState({ of }: { of: 'disable' | 'verify-full' }): ReactNode {
  return of === 'verify-full' ? <Badge tone="good">Verified</Badge> : <Badge tone="warn">Not encrypted</Badge>;
}

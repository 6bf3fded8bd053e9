import { useEffect, useState } from 'react';
import type { LocalService } from '../../main/contract/views.ts';
import { useBridge } from '../data/outside.tsx';

/** The service of this machine; null: this is no desktop app, or nothing is known yet. */
export function useLocalService(): LocalService | null {
  const bridge = useBridge();
  const [service, setService] = useState<LocalService | null>(null);
  useEffect(() => bridge.service?.watch(setService), [bridge]);
  return service;
}

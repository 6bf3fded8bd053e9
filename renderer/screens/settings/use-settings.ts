import { useEffect, useState } from 'react';
import type { AppSettings } from '../../../main/contract/views.ts';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { appErrorOf } from '../../data/calls.ts';
import { useBridge } from '../../data/outside.tsx';

export interface Settings {
  /** null: not read yet */
  readonly settings: AppSettings | null;
  readonly set: (change: Partial<AppSettings>) => void;
  readonly fault: AppError | null;
}

/** The settings of this machine. A change is shown once it was kept. */
export function useSettings(): Settings {
  const bridge = useBridge();
  const [settings, setSettings] = useState<AppSettings | null>(null);
  const [fault, setFault] = useState<AppError | null>(null);
  useEffect(() => {
    bridge.settings.get().then(setSettings, (error: unknown) => setFault(appErrorOf(error)));
  }, [bridge]);
  const set = (change: Partial<AppSettings>): void => {
    setFault(null);
    bridge.settings.set(change).then(setSettings, (error: unknown) => setFault(appErrorOf(error)));
  };
  return { settings, set, fault };
}

import { useEffect, useState } from 'react';
import type { AppSettings } from '../../main/contract/views.ts';
import { useBridge } from '../data/outside.tsx';

const dark = window.matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<(theme: AppSettings['theme']) => void>();

function apply(theme: AppSettings['theme']): void {
  const isDark = theme === 'dark' || (theme === 'system' && dark.matches);
  document.documentElement.dataset['theme'] = isDark ? 'dark' : 'light';
}

export interface Theme {
  readonly theme: AppSettings['theme'];
  readonly setTheme: (theme: AppSettings['theme']) => void;
}

/** The theme of this machine's settings; every user of it sees a change at once. */
export function useTheme(): Theme {
  const bridge = useBridge();
  const [theme, setOwn] = useState<AppSettings['theme']>('system');
  useEffect(() => {
    listeners.add(setOwn);
    bridge.settings.get().then(
      (settings) => setOwn(settings.theme),
      () => undefined,
    );
    return () => void listeners.delete(setOwn);
  }, [bridge]);
  useEffect(() => {
    apply(theme);
    const follow = (): void => apply(theme);
    dark.addEventListener('change', follow);
    return () => dark.removeEventListener('change', follow);
  }, [theme]);
  const setTheme = (next: AppSettings['theme']): void => {
    for (const listener of listeners) listener(next);
    // the theme is on the screen; one that could not be kept is back at the next start
    bridge.settings.set({ theme: next }).catch(() => undefined);
  };
  return { theme, setTheme };
}

import { useEffect, useEffectEvent } from 'react';
import { isCovered, isWriting } from './shortcuts.tsx';

/** Esc on the page itself: closes what is open. Not while something is written or lies over the page. */
export function useEscape(onEscape: () => void): void {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (event.key === 'Escape' && !event.defaultPrevented && !isWriting(event.target) && !isCovered()) onEscape();
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent): void => onKey(event);
    window.addEventListener('keydown', listener);
    return () => window.removeEventListener('keydown', listener);
  }, []);
}

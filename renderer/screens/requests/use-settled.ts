import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react';

/** Long enough to see that what one was about to press is not what was there before. */
const settleMs = 1_500;

/**
 * Whether the target has stood still under an unchanged `key` for 1.5 s, in a window that is looked at. What appears, changes or
 * moves under the pointer cannot be pressed at once.
 */
export function useSettled(key: string, target: RefObject<HTMLElement | null>): boolean {
  const [moves, setMoves] = useState(0);
  const [settled, setSettled] = useState('');
  const place = useRef('');
  const token = `${key} ${moves}`;
  const check = useRef(() => {
    const rect = target.current?.getBoundingClientRect();
    const now = rect === undefined ? '' : `${Math.round(rect.left)} ${Math.round(rect.top)}`;
    if (now !== place.current) setMoves((count) => count + 1);
    place.current = now;
  });
  useLayoutEffect(() => check.current());
  useEffect(() => {
    const look = check.current;
    const again = (): void => setMoves((count) => count + 1);
    const observer = new ResizeObserver(look);
    observer.observe(document.body);
    const near = target.current?.closest('section');
    if (near) observer.observe(near);
    const element = target.current;
    element?.addEventListener('pointerover', look);
    window.addEventListener('focus', again);
    document.addEventListener('visibilitychange', again);
    return () => {
      observer.disconnect();
      element?.removeEventListener('pointerover', look);
      window.removeEventListener('focus', again);
      document.removeEventListener('visibilitychange', again);
    };
  }, [target]);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(token), settleMs);
    return () => clearTimeout(timer);
  }, [token]);
  return settled === token;
}

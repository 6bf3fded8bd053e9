import { useEffect, useEffectEvent, useRef } from 'react';
import { useAppliance } from '../data/outside.tsx';
import { useGo } from '../data/place.ts';
import { isCovered, isWriting } from '../kit/shortcuts.tsx';
import { screensFor } from './screens.ts';

const chordMs = 1_200;

/** Keys of the whole window. Nothing here decides, deletes or sends. */
export function useKeys({ onPalette, onHelp }: { onPalette: () => void; onHelp: () => void }): void {
  const { roles } = useAppliance();
  const go = useGo();
  const chordAt = useRef(Number.NEGATIVE_INFINITY);
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (isPaletteKey(event)) {
      event.preventDefault();
      onPalette();
      return;
    }
    if (!isPlain(event)) return;
    const inChord = performance.now() - chordAt.current < chordMs;
    chordAt.current = event.key === 'g' ? performance.now() : Number.NEGATIVE_INFINITY;
    const screen = inChord ? screensFor(roles).find(({ key }) => key === event.key) : undefined;
    if (screen) go(screen.id);
    else if (event.key === '?') onHelp();
    else if (event.key === '/') focusSearch(event);
    else if (event.key === 'j' || event.key === 'k') enterTable(event);
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent): void => onKey(event);
    window.addEventListener('keydown', listener);
    return () => window.removeEventListener('keydown', listener);
  }, []);
}

function isPaletteKey({ ctrlKey, metaKey, key }: KeyboardEvent): boolean {
  return (ctrlKey || metaKey) && key.toLowerCase() === 'k';
}

/** A key that is meant for the page: not for what is written, nor for what lies over it. */
function isPlain({ ctrlKey, metaKey, altKey, target }: KeyboardEvent): boolean {
  return !ctrlKey && !metaKey && !altKey && !isWriting(target) && !isCovered();
}

function focusSearch(event: KeyboardEvent): void {
  const field = document.querySelector<HTMLInputElement>('[data-search] input');
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
}

/** From anywhere into the list; inside of it the list itself moves. */
function enterTable(event: KeyboardEvent): void {
  if (event.defaultPrevented || !(event.target instanceof Element) || event.target.closest('[role="grid"]')) return;
  document.querySelector<HTMLElement>('[role="grid"] [role="row"][tabindex="0"]')?.focus();
}

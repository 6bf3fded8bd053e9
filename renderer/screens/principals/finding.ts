import { useEffect } from 'react';
import type { Pages } from '../../data/calls.ts';
import { usePlace } from '../../data/place.ts';

interface Finding<T> {
  readonly text: string;
  readonly setText: (text: string) => void;
  readonly rows: readonly T[];
}

/** Search of a list that the service does not search: its text lives in the address, and while there is one, all pages are read. */
export function useFinding<T>(tab: string, pages: Pages<T>, words: (row: T) => readonly string[]): Finding<T> {
  const { path, replace } = usePlace();
  const text = path[1] === '~find' ? (path[2] ?? '') : '';
  const { more, fetching, loadMore } = pages;
  useEffect(() => {
    if (text !== '' && more && !fetching) loadMore();
  }, [fetching, loadMore, more, text]);
  const wanted = text.toLowerCase();
  return {
    text,
    setText: (next) => (next === '' ? replace(tab) : replace(tab, '~find', next)),
    rows: text === '' ? pages.items : pages.items.filter((row) => words(row).some((word) => word.toLowerCase().includes(wanted))),
  };
}

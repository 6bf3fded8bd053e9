import { useEffect, useMemo, type ReactNode } from 'react';
import { usePages } from '../../data/calls.ts';
import { usePlace } from '../../data/place.ts';
import { readPlace, writePlace, type ToolsPlace } from './place-of-tools.ts';
import { ToolDrawer } from './tool-drawer.tsx';
import { ToolList } from './tool-list.tsx';
import { inOrder } from './tool-state.ts';

const pageSize = 200;

/** What MCP servers offer, and what was agreed to. */
export function Screen(): ReactNode {
  const { path, replace } = usePlace();
  const place = readPlace(path);
  const pages = usePages('listTools', { limit: pageSize });
  const { items, more, fetching, loadMore } = pages;
  // the service does not sort them by server: all are read
  useEffect(() => {
    if (more && !fetching) loadMore();
  }, [fetching, loadMore, more]);
  const pins = useMemo(() => inOrder(items), [items]);
  const change = (part: Partial<ToolsPlace>): void => replace(...writePlace({ ...place, ...part }));
  const opened = place.tool === null ? undefined : pins.find(({ id }) => id === place.tool);
  return (
    <>
      <ToolList pins={pins} pages={pages} place={place} onChange={change} />
      {opened && <ToolDrawer key={opened.id} pin={opened} onClose={() => change({ tool: null })} />}
    </>
  );
}

import { useSyncExternalStore } from 'react';
import { changesOf, type PolicyDraft } from './policy-set.ts';
import type { TestFile } from './policy-tests.ts';

/** What is being worked on at one service. Kept while the window is open: going to another screen loses nothing. */
export interface Work {
  readonly draft: PolicyDraft | null;
  /** the service does not keep tests */
  readonly tests: readonly TestFile[];
}

const empty: Work = { draft: null, tests: [] };
const works = new Map<string, Work>();
const watchers = new Set<() => void>();

export function hasUnsaved(): boolean {
  return [...works.values()].some(({ draft }) => draft !== null && changesOf(draft).length > 0);
}

function guard(event: BeforeUnloadEvent): void {
  if (hasUnsaved()) event.preventDefault();
}

export function setWork(appliance: string, change: Partial<Work>): void {
  works.set(appliance, { ...(works.get(appliance) ?? empty), ...change });
  for (const watcher of watchers) watcher();
  // closing the window asks only while something would be lost
  window.removeEventListener('beforeunload', guard);
  if (hasUnsaved()) window.addEventListener('beforeunload', guard);
}

export function workOf(appliance: string): Work {
  return works.get(appliance) ?? empty;
}

function watch(changed: () => void): () => void {
  watchers.add(changed);
  return () => watchers.delete(changed);
}

export function useWork(appliance: string): Work {
  return useSyncExternalStore(watch, () => workOf(appliance));
}

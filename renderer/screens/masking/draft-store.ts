import { useSyncExternalStore } from 'react';
import type { RuleChanges } from './rule-set.ts';

/** Changes not saved yet, by service. Kept while the window is open: going to another screen loses nothing. */
const none: RuleChanges = {};
const drafts = new Map<string, RuleChanges>();
const watchers = new Set<() => void>();

function guard(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

export function setDraft(appliance: string, changes: RuleChanges): void {
  if (Object.keys(changes).length === 0) drafts.delete(appliance);
  else drafts.set(appliance, changes);
  for (const watcher of watchers) watcher();
  window.removeEventListener('beforeunload', guard);
  if (drafts.size > 0) window.addEventListener('beforeunload', guard);
}

function watch(changed: () => void): () => void {
  watchers.add(changed);
  return () => watchers.delete(changed);
}

export function useDraft(appliance: string): RuleChanges {
  return useSyncExternalStore(watch, () => drafts.get(appliance) ?? none);
}

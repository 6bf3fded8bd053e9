import type { ReactNode } from 'react';
import { useCall } from '../data/calls.ts';

const most = 1_000;

interface Filter {
  readonly principal?: string;
  readonly resource?: string;
}

/** How many sessions live now, in words: “2 live sessions”; null: not known yet, or not to be seen. */
export function useLiveSessions(filter: Filter, enabled = true): { readonly count: number; readonly words: string } | null {
  const { data } = useCall('listSessions', { state: 'live', limit: most, ...filter }, { enabled });
  if (data === undefined) return null;
  const count = data.items.length;
  const words = data.next === null ? String(count) : `More than ${count}`;
  return { count, words: count === 1 ? '1 live session' : `${words} live sessions` };
}

/** What a change does to those who are connected: one sentence for a confirmation. */
export function EndingSessions(filter: Filter): ReactNode {
  const live = useLiveSessions(filter);
  if (live === null) return 'Its live sessions end within a second.';
  if (live.count === 0) return 'No session is live.';
  return live.count === 1
    ? '1 live session ends within a second; what it runs at the target is cancelled.'
    : `${live.words} end within a second; what they run at the target is cancelled.`;
}

import type { Status } from '../contract/api-views.ts';
import type { Live } from '../control/live.ts';

const lookMs = 3_000;

/** The state of disk, vault and log announces itself to nobody: it is looked at, once for all watchers, while there are any. */
export function watchHealth(status: () => Promise<Status>, live: Live): void {
  let known: string | null = null;
  const look = async (): Promise<void> => {
    const { parts } = await status();
    const now = parts.map(({ name, state }) => `${name} ${state}`).join();
    if (known !== null && known !== now) live.tell(['status']);
    known = now;
  };
  setInterval(() => {
    // what cannot be looked at is told when it can be again
    if (live.isWatched) void look().catch(() => undefined);
  }, lookMs).unref();
}

import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until the answer is something; gives that. Throws with `what` when it does not come about. */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false | null> | T | undefined | false | null, deadlineMs = 15_000): Promise<T> {
  for (const from = Date.now(); ; ) {
    const found = await ask();
    if (found !== undefined && found !== false && found !== null) return found;
    if (Date.now() - from > deadlineMs) throw new Error(`it did not happen: ${what}`);
    await sleep(20);
  }
}

import { useEffect, useState } from 'react';

/** Milliseconds since the epoch, moving every second while `running`: countdowns that are on the screen. */
export function useSecond(running: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}

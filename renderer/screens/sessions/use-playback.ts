import { useEffect, useEffectEvent, useState } from 'react';
import { pauseAfter, type Speed } from './playback.ts';
import type { Step } from './recorded-steps.ts';

export interface Playback {
  readonly playing: boolean;
  readonly speed: Speed;
  readonly setSpeed: (speed: Speed) => void;
  readonly toggle: () => void;
  readonly stop: () => void;
}

/** Moves on by itself at the pace of the session. */
export function usePlayback(steps: readonly Step[], at: number, onMove: (at: number) => void): Playback {
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState<Speed>('1');
  const pause = playing ? pauseAfter(steps, at, speed) : null;
  const move = useEffectEvent(() => onMove(at + 1));
  useEffect(() => {
    if (!playing) return;
    const timer = pause === null ? setTimeout(() => setPlaying(false)) : setTimeout(() => move(), pause);
    return () => clearTimeout(timer);
  }, [at, pause, playing]);
  return { playing, speed, setSpeed, toggle: () => setPlaying((was) => !was), stop: () => setPlaying(false) };
}

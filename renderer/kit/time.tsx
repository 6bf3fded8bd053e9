import { useSyncExternalStore, type ReactNode } from 'react';
import styles from './text.module.css';

const tickMs = 30_000;
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const watchers = new Set<() => void>();

function watchClock(changed: () => void): () => void {
  watchers.add(changed);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const watcher of watchers) watcher();
  }, tickMs);
  return () => {
    watchers.delete(changed);
    if (watchers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The time, in milliseconds; moves every 30 s. */
export function useNow(): number {
  return useSyncExternalStore(watchClock, () => {
    // after a pause without watchers the clock is behind
    if (timer === undefined) now = Date.now();
    return now;
  });
}

const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;
const relative = new Intl.RelativeTimeFormat('en-GB', { numeric: 'auto', style: 'long' });

/** “3 minutes ago”, “in 2 hours”, “now”; `at` in RFC 3339. */
export function relativeTime(at: string, nowMs: number): string {
  const seconds = Math.round((Date.parse(at) - nowMs) / 1_000);
  if (!Number.isFinite(seconds)) return at;
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? [null, 1];
  if (unit === null) return seconds > 10 ? 'in less than a minute' : 'just now';
  return relative.format(Math.trunc(seconds / size), unit);
}

const absolute = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** Local time and UTC, for tooltips. */
export function absoluteTime(at: string): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : `${absolute.format(date)} · ${date.toISOString().replace('T', ' ').slice(0, 19)} UTC`;
}

/** Seconds in words: “15 minutes”, “1 h 20 min”. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** A moment: relative, with the exact one in the tooltip. `exact`: local time instead, for logs. */
export function Time({ at, exact = false }: { at: string; exact?: boolean }): ReactNode {
  const tick = useNow();
  // the tick may be half a minute old: what is new would lie in the future
  const text = exact ? exactText(at) : relativeTime(at, Math.max(tick, Date.now()));
  return (
    <time dateTime={at} title={absoluteTime(at)} className={styles['time']}>
      {text}
    </time>
  );
}

const exactFormat = new Intl.DateTimeFormat('en-GB', {
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

function exactText(at: string): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : exactFormat.format(date).replace(',', '');
}

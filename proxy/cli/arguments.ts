import { InvalidArgumentError } from 'commander';

/** Collects an option that may be repeated. */
export function list(value: string, before: string[]): string[] {
  return [...before, value];
}

const units = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** `90s`, `15m`, `8h`, `30d` in seconds. */
export function seconds(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count === undefined || unit === undefined) throw new InvalidArgumentError('Write it as 90s, 15m, 8h or 30d.');
  return Number(count) * units[unit as keyof typeof units];
}

export function count(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('Not a number.');
  return Number(text);
}

export function port(text: string): number {
  const number = count(text);
  if (number < 1 || number > 65_535) throw new InvalidArgumentError('A port is 1 to 65535.');
  return number;
}

const maxPages = 1_000;

/** All pages of a list. */
export async function every<T>(page: (cursor: string | undefined) => Promise<{ items: readonly T[]; next: string | null }>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < maxPages; pages++) {
    const { items: more, next } = await page(cursor);
    items.push(...more);
    if (next === null) break;
    cursor = next;
  }
  return items;
}

export const zones = ['local', 'utc'] as const;
export type Zone = (typeof zones)[number];

/** “Europe/Berlin”, or what the system says. */
export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** RFC 3339 as a `datetime-local` field shows it, to the second; empty for what is no time. */
export function fieldText(at: string, zone: Zone): string {
  const date = new Date(at);
  if (at === '' || Number.isNaN(date.getTime())) return '';
  if (zone === 'utc') return date.toISOString().slice(0, 19);
  const day = [String(date.getFullYear()).padStart(4, '0'), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The other way; empty for what is no time. */
export function instantOf(text: string, zone: Zone): string {
  const date = new Date(zone === 'utc' ? `${text}Z` : text);
  return text === '' || Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

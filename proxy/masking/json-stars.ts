import { fillStars } from './replace.ts';

const ascii = /^[\x00-\x7f]*$/;

/** Stars of the same length, in UTF-16 units and in UTF-8 alike: `×` and `＊` stand for wider characters. Line ends stay: they say where an event ends. */
export function stars(text: string): string {
  return text.includes('\n') || text.includes('\r') ? text.replaceAll(/[^\r\n]+/g, starsOf) : starsOf(text);
}

function starsOf(text: string): string {
  if (ascii.test(text)) return '*'.repeat(text.length);
  const bytes = Buffer.from(text);
  fillStars(bytes, 0, bytes.length);
  return bytes.toString();
}

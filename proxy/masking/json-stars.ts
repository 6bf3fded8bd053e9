import { fillStars } from './replace.ts';

const ascii = /^[\x00-\x7f]*$/;

/** Stars of the same length, in UTF-16 units and in UTF-8 alike: `×` and `＊` stand for wider characters. */
export function stars(text: string): string {
  if (ascii.test(text)) return '*'.repeat(text.length);
  const bytes = Buffer.from(text);
  fillStars(bytes, 0, bytes.length);
  return bytes.toString();
}

import { expect, test } from 'vitest';
import { hasUnseen, visibleText } from './visible.ts';

test('what cannot be seen is shown by number, so that nobody agrees to what they did not read', () => {
  // letters of the tag block look like nothing, and models read them
  const hidden = Array.from('send', (letter) => String.fromCodePoint(0xe0000 + letter.charCodeAt(0))).join('');
  const text = `Reads a file.${hidden}\u200b\u202e`;
  expect(hasUnseen(text)).toBe(true);
  expect(visibleText(text)).toBe('Reads a file.\\u{e0073}\\u{e0065}\\u{e006e}\\u{e0064}\\u{200b}\\u{202e}');
});

test('ordinary text stays as it is, with its lines', () => {
  const text = 'Zahlung über 5 €\n\t“quoted”';
  expect(hasUnseen(text)).toBe(false);
  expect(visibleText(text)).toBe(text);
});

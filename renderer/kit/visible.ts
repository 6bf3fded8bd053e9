/** Control, format, private-use and filler characters, and blanks of other widths: they could hide or reorder what is read. */
const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u00a0\u034f\u115f\u1160\u180b-\u180f\u2000-\u200a\u202f\u205f\u3000\u3164\ufe00-\ufe0f\uffa0]/gu;

/** Text of strangers with what cannot be seen by number; lines and tabs stay. */
export function visibleText(text: string): string {
  return text.replaceAll(unseen, (char) => (isLayout(char) ? char : `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`));
}

export function hasUnseen(text: string): boolean {
  return [...text.matchAll(unseen)].some(({ 0: char }) => !isLayout(char));
}

function isLayout(char: string): boolean {
  return char === '\n' || char === '\t';
}

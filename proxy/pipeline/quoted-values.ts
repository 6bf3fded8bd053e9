import type { Span } from '../contract/operation.ts';

/** shorter ones are everywhere, also where nothing is quoted */
const minChars = 3;
const hidden = '<hidden>';

/** An error of the target without the command's own values that its masked form does not show: `invalid input syntax for type integer: "…"`. */
export function withoutHiddenValues(error: string, spans: readonly Span[], command: string): string {
  const values = spans.filter(({ kind, text }) => kind === 'value' && text.length >= minChars && !command.includes(text)).map(({ text }) => text);
  // the longest first: one may stand in another
  return values.sort((a, b) => b.length - a.length).reduce((text, value) => text.replaceAll(value, () => hidden), error);
}

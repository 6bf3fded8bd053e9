import type { HiddenValue } from '../../../proxy/contract/approval-request.ts';

/** A piece of the command as it is drawn; joined, the `raw` of all pieces and lines is the command, whole. */
export interface CommandPiece {
  readonly raw: string;
  /** `raw`, or the number of a character that has no shape of its own */
  readonly shown: string;
  /** kind of token, for the colour */
  readonly kind: string;
  /** stands for a value that is not shown whole: which one, or null when that is not certain; absent: an ordinary piece */
  readonly hidden?: HiddenValue | null;
  /** a character that cannot be seen */
  readonly strange?: true;
  /** differs from the request it is compared with */
  readonly changed?: true;
}

interface Coloured {
  readonly text: string;
  readonly kind: string;
}

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** How the gateway writes what it does not show: whole values, cards, opaque literals, binary binds. */
const maskPattern = /<hidden>|<binary, \d+ bytes>|\d{0,6}\*{3,}\d{0,4}|(?<=')…(?=')/g;
/** the card number that several values spell together has no place of its own */
const acrossType = 'card number across the text';
/** control, format, private-use and filler characters, and spaces of other widths: they could hide or reorder what is read */
const strangePattern = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u00a0\u034f\u115f\u1160\u180b-\u180f\u2000-\u200a\u202f\u205f\u3000\u3164\ufe00-\ufe0f\uffa0]/gu;

/** Where masked values stand. Each is given its entry only when the places and the entries fit one to one. */
export function hiddenRanges(command: string, hidden: readonly HiddenValue[]): readonly (Range & { readonly value: HiddenValue | null })[] {
  const found = [...command.matchAll(maskPattern)];
  const values = hidden.filter(({ type }) => type !== acrossType).toSorted((a, b) => a.position - b.position);
  const certain = found.length === values.length;
  return found.map(({ index, 0: text }, at) => ({ from: index, to: index + text.length, value: certain ? (values[at] ?? null) : null }));
}

/** The command in lines of coloured pieces. `changed`: ranges that differ from another command, in order, without overlap. */
export function commandLines(
  coloured: readonly Coloured[],
  hidden: readonly HiddenValue[],
  changed: readonly Range[] = [],
): readonly (readonly CommandPiece[])[] {
  const command = coloured.map(({ text }) => text).join('');
  const masks = hiddenRanges(command, hidden);
  const maskAt = rangeFinder(masks);
  const changeAt = rangeFinder(changed);
  const lines: CommandPiece[][] = [[]];
  for (const { from, text: part, kind } of parts(coloured, cutsOf(command, masks, changed))) {
    if (part === '\n') {
      lines.push([]);
      continue;
    }
    const mask = maskAt(from);
    lines.at(-1)?.push({ raw: part, ...shape(part), kind, ...(mask && { hidden: mask.value }), ...(changeAt(from) && { changed: true as const }) });
  }
  return lines;
}

/** Asked with rising offsets only: a command may hold thousands of ranges. */
function rangeFinder<T extends Range>(ranges: readonly T[]): (at: number) => T | null {
  let next = 0;
  return (at) => {
    while ((ranges[next]?.to ?? Infinity) <= at) next++;
    const range = ranges[next];
    return range !== undefined && range.from <= at ? range : null;
  };
}

function shape(part: string): Pick<CommandPiece, 'shown' | 'strange'> {
  if (!isStrange(part)) return { shown: part };
  return { shown: `\\u{${(part.codePointAt(0) ?? 0).toString(16)}}`, strange: true };
}

function isStrange(part: string): boolean {
  if (part === '\t') return false;
  strangePattern.lastIndex = 0;
  return strangePattern.exec(part)?.[0] === part;
}

/** Offsets at which a piece ends: ends of ranges, lines, and both sides of what cannot be seen. */
function cutsOf(command: string, masks: readonly Range[], changed: readonly Range[]): readonly number[] {
  const cuts = new Set<number>();
  for (const { from, to } of [...masks, ...changed]) {
    cuts.add(from);
    cuts.add(to);
  }
  for (const { index, 0: text } of command.matchAll(strangePattern)) {
    cuts.add(index);
    cuts.add(index + text.length);
  }
  return [...cuts].toSorted((a, b) => a - b);
}

function* parts(coloured: readonly Coloured[], cuts: readonly number[]): Generator<Coloured & { readonly from: number }> {
  let next = 0;
  let start = 0;
  for (const { text, kind } of coloured) {
    const end = start + text.length;
    for (let from = start; from < end; ) {
      while ((cuts[next] ?? Infinity) <= from) next++;
      const to = Math.min(end, cuts[next] ?? Infinity);
      yield { from, text: text.slice(from - start, to - start), kind };
      from = to;
    }
    start = end;
  }
}

/** Whether the command holds characters that cannot be seen. */
export function hasStrange(command: string): boolean {
  return [...command.matchAll(strangePattern)].some(({ 0: text }) => text !== '\n' && text !== '\t');
}

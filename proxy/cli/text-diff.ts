/** A line of a comparison: kept, taken away or added. */
export interface DiffLine {
  readonly sign: ' ' | '-' | '+';
  readonly text: string;
}

const context = 3;
/** beyond this many cells of the table everything in between is shown as replaced */
const maxCells = 4_000_000;

/** A unified diff (`@@ -1,4 +1,5 @@`) of two texts; empty when they are equal. */
export function unifiedDiff(before: string, after: string): string[] {
  const lines = diffLines(before.split('\n'), after.split('\n'));
  const shown = lines.map((_, at) => lines.slice(Math.max(0, at - context), at + context + 1).some(({ sign }) => sign !== ' '));
  const output: string[] = [];
  let [left, right] = [1, 1];
  for (const [at, { sign, text }] of lines.entries()) {
    if (shown[at] === true) {
      if (shown[at - 1] !== true) output.push(headOf(lines.slice(at, endOf(shown, at)), left, right));
      output.push(sign + text);
    }
    if (sign !== '+') left += 1;
    if (sign !== '-') right += 1;
  }
  return output;
}

function endOf(shown: readonly boolean[], from: number): number {
  const end = shown.indexOf(false, from);
  return end < 0 ? shown.length : end;
}

function headOf(hunk: readonly DiffLine[], left: number, right: number): string {
  const lengthOf = (other: DiffLine['sign']): string => String(hunk.filter(({ sign }) => sign !== other).length);
  return `@@ -${String(left)},${lengthOf('+')} +${String(right)},${lengthOf('-')} @@`;
}

/** Every line of both, in order, by a longest common subsequence of what lies between equal beginnings and ends. */
export function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  let head = 0;
  while (head < Math.min(before.length, after.length) && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(before.length, after.length) - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const kept = (texts: readonly string[]): DiffLine[] => texts.map((text) => ({ sign: ' ', text }));
  const [left, right] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)];
  return [...kept(before.slice(0, head)), ...between(left, right), ...kept(before.slice(before.length - tail))];
}

function between(left: readonly string[], right: readonly string[]): DiffLine[] {
  if ((left.length + 1) * (right.length + 1) > maxCells)
    return [...left.map((text): DiffLine => ({ sign: '-', text })), ...right.map((text): DiffLine => ({ sign: '+', text }))];
  const common = commonLengths(left, right);
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const [one, other] = [left[i], right[j]];
    if (one !== undefined && one === other) {
      lines.push({ sign: ' ', text: one });
      i += 1;
      j += 1;
    } else if (one !== undefined && (other === undefined || common(i + 1, j) >= common(i, j + 1))) {
      lines.push({ sign: '-', text: one });
      i += 1;
    } else {
      lines.push({ sign: '+', text: other ?? '' });
      j += 1;
    }
  }
  return lines;
}

/** Length of the longest common subsequence of what follows `i` and `j`. */
function commonLengths(left: readonly string[], right: readonly string[]): (i: number, j: number) => number {
  const width = right.length + 1;
  const cells = new Uint16Array((left.length + 1) * width);
  const at = (i: number, j: number): number => cells[i * width + j] ?? 0;
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) cells[i * width + j] = left[i] === right[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  return at;
}

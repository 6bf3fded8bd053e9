import type { Step } from './recorded-steps.ts';

export type Speed = '1' | '4' | 'max';

/** at full speed each command still shows for a moment */
const fastestMs = 120;
/** nobody waits longer than this for what is next: a longer pause is said and skipped */
export const longestPauseMs = 30_000;

/** Milliseconds from step `at` to the next one; null: it was the last. */
export function pauseAfter(steps: readonly Pick<Step, 'at'>[], at: number, speed: Speed): number | null {
  const [step, next] = [steps[at], steps[at + 1]];
  if (step === undefined || next === undefined) return null;
  if (speed === 'max') return fastestMs;
  const gap = Math.max(0, Date.parse(next.at) - Date.parse(step.at)) / Number(speed);
  return Math.min(Number.isFinite(gap) ? gap : 0, longestPauseMs);
}

/** Steps in which every word of the search stands: in the command, in how it ended, in the rows. */
export function searchSteps(steps: readonly Step[], search: string): readonly number[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return steps.flatMap((step, at) => {
    const near = `${step.operation}\n${step.command}\n${step.outcome?.why ?? ''}`.toLowerCase();
    const missing = words.filter((word) => !near.includes(word));
    return missing.length === 0 || missing.every((word) => standsInRows(step, word)) ? [at] : [];
  });
}

function standsInRows(step: Step, word: string): boolean {
  const exchange = step.exchange();
  if (exchange !== null) return [exchange.path, ...exchange.said.map(({ text }) => text ?? '')].some((text) => text.toLowerCase().includes(word));
  const { sets, messages } = step.frames();
  return (
    sets.some(
      ({ columns, rows }) =>
        columns.some((name) => name.toLowerCase().includes(word)) || rows.some((row) => row.some((value) => value?.toLowerCase().includes(word))),
    ) || messages.some(({ text }) => text.toLowerCase().includes(word))
  );
}

import type { Check, Status } from '../../../proxy/contract/api-views.ts';

/** A part of the service, or something around it that is looked at. */
export interface Condition {
  readonly name: string;
  /** good: a check that passed, of what is no part that runs */
  readonly state: 'up' | 'good' | 'degraded' | 'down';
  readonly detail: string;
  readonly remedy: string | null;
}

/** Parts with the remedies of the doctor, the worst first, then what only the doctor looks at. */
export function conditionsOf(parts: Status['parts'], checks: readonly Check[]): readonly Condition[] {
  const remedies = new Map(checks.map(({ name, remedy }) => [name, remedy]));
  const named = new Set(parts.map(({ name }) => name));
  const ofParts = parts.map((part): Condition => ({ ...part, remedy: remedies.get(part.name) ?? null }));
  const others = checks
    .filter(({ name }) => !named.has(name))
    .map(({ name, ok, detail, remedy }): Condition => ({ name, state: ok ? 'good' : 'degraded', detail, remedy }));
  const worst = { down: 0, degraded: 1, up: 2, good: 3 } as const;
  return [...ofParts, ...others].sort((a, b) => worst[a.state] - worst[b.state]);
}

const restartable = ['control', 'gateway'] as const;
export type Restartable = (typeof restartable)[number];

export function isRestartable(name: string): name is Restartable {
  return restartable.some((part) => part === name);
}

const minNeedle = 4;
const maxNeedle = 512;
const mostNeedles = 10_000;

/** Lines of a text as the self-scan takes them; `wrong` in words. */
export function needlesOf(text: string): { readonly needles: string[]; readonly wrong: string | undefined } {
  const needles = [...new Set(text.split(/\r?\n/).map((line) => line.trim()))].filter((line) => line !== '');
  if (needles.some(({ length }) => length < minNeedle || length > maxNeedle))
    return { needles, wrong: `Each line has ${minNeedle} to ${maxNeedle} characters.` };
  return { needles, wrong: needles.length > mostNeedles ? 'At most 10,000 lines.' : undefined };
}

import { periods, type Period } from './ledger.tsx';
import type { RuleFilter } from './rules.tsx';

/** `/rules/resource=payments/q=card`, `/ledger/90` or `/try`. */
export interface MaskingPlace {
  readonly tab: 'rules' | 'ledger' | 'try';
  readonly filter: RuleFilter;
  readonly period: Period;
}

export function readPlace(path: readonly string[]): MaskingPlace {
  const after = (name: string): string => path.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  return {
    tab: path[0] === 'ledger' || path[0] === 'try' ? path[0] : 'rules',
    filter: { resource: after('resource'), search: after('q') },
    period: periods.find((period) => path[1] === period) ?? '30',
  };
}

export function writePlace({ tab, filter: { resource, search }, period }: MaskingPlace): readonly string[] {
  if (tab === 'ledger') return ['ledger', period];
  if (tab === 'try') return ['try'];
  return ['rules', ...(resource === '' ? [] : [`resource=${resource}`]), ...(search === '' ? [] : [`q=${search}`])];
}

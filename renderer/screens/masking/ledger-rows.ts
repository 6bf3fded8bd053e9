import type { Output } from '../../../proxy/contract/api.ts';

export type LedgerRow = Output<'maskingLedger'>['rows'][number];

const exact: Readonly<Record<string, string>> = {
  'detector:pan': 'Card number, recognised',
  'label:pan': 'Card number, by its label',
  'label:sad': 'Authentication data, by its label',
  'derived:unknown': 'Output that could not be traced',
  unannounced: 'Value that was not announced',
};

/** A rule of the ledger in words; one that is not known here stands as it is. */
export function ruleWords(rule: string): string {
  const [kind = '', ...rest] = rule.split(':');
  const name = rest.join(':');
  if (exact[rule] !== undefined) return exact[rule];
  if (kind === 'column') return `Tagged column ${name}`;
  if (kind === 'derived') return `Computed from ${name}`;
  if (kind === 'detector') return `Recognised: ${name}`;
  if (kind === 'label') return `By its label: ${name}`;
  return rule;
}

interface Total {
  readonly values: number;
  readonly rules: number;
}

export function totalOf(rows: readonly LedgerRow[]): Total {
  return { values: rows.reduce((sum, { values }) => sum + values, 0), rules: new Set(rows.map(({ rule }) => rule)).size };
}

/** Per cent of the longest bar; whatever is not 0 can be seen. */
export function barOf(values: number, most: number): number {
  return values === 0 || most === 0 ? 0 : Math.max(1, Math.round((100 * values) / most));
}

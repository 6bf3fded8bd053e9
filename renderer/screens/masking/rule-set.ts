import type { MaskingRule, Tag } from '../../../proxy/contract/masking-rule.ts';

export type Rule = Readonly<MaskingRule>;

/** What was changed and not saved: by column, null where it is no longer tagged. */
export type RuleChanges = Readonly<Record<string, Rule | null>>;

export const tagWords: Readonly<Record<Tag, { readonly label: string; readonly means: string }>> = {
  pan: { label: 'Card number', means: 'the first 6 and the last 4 digits (PCI DSS 3.4.1)' },
  sad: { label: 'Authentication data', means: 'nothing of it, whatever policy says (CVV, track, PIN)' },
  other: { label: 'Other', means: 'nothing of it, unless policy permits field:unmask' },
};
export const tags = ['pan', 'sad', 'other'] as const satisfies readonly Tag[];

/** One rule a column: this names it. */
export function keyOf({ resource, schema, table, column }: Rule): string {
  return JSON.stringify([resource, schema, table, column]);
}

export function columnOf({ schema, table, column }: Rule): string {
  return `${schema}.${table}.${column}`;
}

/** The rules of the service with the changes on top: changes of others meanwhile are kept. */
export function applied(rules: readonly Rule[], changes: RuleChanges): readonly Rule[] {
  const kept = rules.filter((rule) => !Object.hasOwn(changes, keyOf(rule)));
  const put = Object.values(changes).filter((rule) => rule !== null);
  return [...kept, ...put].sort((a, b) => nameOf(a).localeCompare(nameOf(b), 'en'));
}

function nameOf(rule: Rule): string {
  return `${rule.resource} ${columnOf(rule)}`;
}

export interface RuleChange {
  readonly kind: 'added' | 'changed' | 'removed';
  readonly rule: Rule;
  readonly before: Tag | null;
}

/** What saving would change; what changes nothing is left out. */
export function changesOf(rules: readonly Rule[], changes: RuleChanges): readonly RuleChange[] {
  const now = new Map(rules.map((rule) => [keyOf(rule), rule]));
  return Object.entries(changes).flatMap(([key, rule]): RuleChange[] => {
    const old = now.get(key);
    if (rule === null) return old === undefined ? [] : [{ kind: 'removed', rule: old, before: old.tag }];
    if (old === undefined) return [{ kind: 'added', rule, before: null }];
    return old.tag === rule.tag ? [] : [{ kind: 'changed', rule, before: old.tag }];
  });
}

/** With `rule` in the place of `former`; null stands for none. */
export function withRule(changes: RuleChanges, { former, rule }: { former: Rule | null; rule: Rule | null }): RuleChanges {
  return { ...changes, ...(former && { [keyOf(former)]: null }), ...(rule && { [keyOf(rule)]: rule }) };
}

/** How many changes show callers more than before: those are worth a second look. */
export function revealing(changes: readonly RuleChange[]): number {
  const strict = { sad: 3, other: 2, pan: 1 } as const;
  return changes.filter(({ kind, rule, before }) => kind === 'removed' || (before !== null && strict[rule.tag] < strict[before])).length;
}

const maxBytes = 63;

/** Names as the target knows them: of PostgreSQL, at most 63 bytes. */
export function nameFault(text: string): string | undefined {
  if (text === '') return 'This is needed.';
  return new TextEncoder().encode(text).length > maxBytes ? `At most ${maxBytes} bytes.` : undefined;
}

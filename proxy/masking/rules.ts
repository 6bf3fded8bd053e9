import type { MaskingRule, Tag } from '../contract/masking-rule.ts';
import type { ColumnName, Copy } from '../contract/operation.ts';

const separator = '\u0000';

/** how much is hidden: the middle digits, all of it, and all of it from everybody */
const ranks: Readonly<Record<Tag, number>> = { pan: 0, other: 1, sad: 2 };

/** The tagged columns of all resources, looked up by name. */
export class RuleSet {
  readonly #tags = new Map<string, Tag>();
  readonly #resources = new Set<string>();
  readonly #sadTables = new Set<string>();

  constructor(rules: readonly MaskingRule[]) {
    for (const rule of rules) {
      this.#tags.set(key(rule.resource, rule.schema, rule.table, rule.column), rule.tag);
      this.#resources.add(rule.resource);
      if (rule.tag !== 'sad') continue;
      this.#sadTables.add(key(rule.resource, `${rule.schema}.${rule.table}`));
      // a table whose schema could not be resolved may be this one
      this.#sadTables.add(key(rule.resource, `?.${rule.table}`));
    }
  }

  tag(resource: string, column: ColumnName): Tag | null {
    return this.#tags.get(key(resource, column.schema, column.table, column.column)) ?? null;
  }

  hasTags(resource: string): boolean {
    return this.#resources.has(resource);
  }

  /** Values would be seen there that are hidden here: SAD anywhere but in SAD, card numbers cut anew elsewhere in a column of card numbers. */
  strays(resource: string, { from, to, computed }: Copy): boolean {
    const source = this.tag(resource, from);
    if (source === null) return false;
    const target = to === null ? null : this.tag(resource, to);
    if (target === null || ranks[target] < ranks[source]) return true;
    return target === 'pan' && computed;
  }

  /** `table`: `schema.name` as in FactContext */
  hasSad(resource: string, table: string): boolean {
    return this.#sadTables.has(key(resource, table));
  }
}

function key(...parts: readonly string[]): string {
  return parts.join(separator);
}

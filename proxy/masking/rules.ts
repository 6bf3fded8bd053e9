import type { MaskingRule, Tag } from '../contract/masking-rule.ts';
import type { ColumnName } from '../contract/operation.ts';

const separator = '\u0000';

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

  /** `table`: `schema.name` as in FactContext */
  hasSad(resource: string, table: string): boolean {
    return this.#sadTables.has(key(resource, table));
  }
}

function key(...parts: readonly string[]): string {
  return parts.join(separator);
}

import type { Catalogue, Relation } from '../../proxy/engines/postgres/statement.ts';

function relation(schema: string, name: string, more: { columns: readonly string[]; inert?: boolean; kind?: string }): Relation {
  return { oid: 16_384 + schema.length * 100 + name.length, schema, name, kind: more.kind ?? 'r', inert: more.inert ?? true, columns: more.columns };
}

const relations: readonly Relation[] = [
  relation('payments', 'cards', { columns: ['id', 'pan', 'cvv', 'owner'] }),
  relation('payments', 'orders', { columns: ['id', 'card_id', 'amount', 'note'] }),
  relation('archive', 'orders', { columns: ['id', 'amount', 'note'] }),
  relation('payments', 'locked', { columns: ['id', 'secret'], inert: false }),
  relation('public', 't', { columns: ['a', 'b', 'c'] }),
  relation('pg_catalog', 'pg_class', { columns: ['oid', 'relname'] }),
  relation('pg_catalog', 'pg_settings', { columns: ['name', 'setting'], kind: 'v' }),
];
const functions: ReadonlyMap<string, readonly string[]> = new Map([
  ['steal', ['public']],
  ['lower', ['evil']],
  ['json_value', ['public']],
]);

/** A small database: two tables named orders, a user's `lower`, a table with row security. */
export function sampleCatalogue(more: { readonly hasUserOperators?: boolean; readonly withoutFunctions?: boolean } = {}): Catalogue {
  return {
    epoch: 1,
    hasUserOperators: more.hasUserOperators ?? false,
    origin: () => null,
    relations: (schema, name) => relations.filter((found) => found.name === name && (schema === null || found.schema === schema)),
    isUserFunction: (name) => more.withoutFunctions !== true && functions.has(name),
    functionSchemas: (name) => functions.get(name) ?? [],
  };
}

import { describe, expect, it } from 'vitest';
import { sharedParser } from '../../../test/support/classified.ts';
import { loadCatalogue } from './catalogue.ts';
import type { CatalogueQuery } from './catalogue.ts';
import { catalogueSql } from './catalogue-sql.ts';

type Rows = readonly (readonly (string | null)[])[];

const content: ReadonlyMap<string, Rows> = new Map<string, Rows>([
  [
    catalogueSql.relations,
    [
      ['20000', 'pay', 'cards', 'r', 'false'],
      ['20001', 'pay', 'secured', 'r', 'true'],
      ['20002', 'pay', 'parent', 'p', 'false'],
      ['20003', 'pay', 'child', 'f', 'false'],
      ['20004', 'pay', 'shown', 'v', 'false'],
      ['20005', 'pay', 'calls', 'v', 'false'],
      ['20006', 'pay', 'nested', 'v', 'false'],
      ['2619', 'pg_catalog', 'pg_statistic', 'r', 'false'],
    ],
  ],
  [
    catalogueSql.columns,
    [
      ['20000', '1', 'id'],
      ['20000', '3', 'cvv'],
      ['20002', '1', 'id'],
      ['20003', '1', 'id'],
      ['20004', '1', 'a'],
      ['20004', '2', 'id'],
      ['20005', '1', 'a'],
      ['20006', '1', 'b'],
      ['2619', '1', 'stavalues1'],
    ],
  ],
  [catalogueSql.inheritance, [['20003', '20002']]],
  [
    catalogueSql.views,
    [
      ['20004', 'SELECT cards.id AS a, upper(cards.cvv) AS id FROM pay.cards'],
      ['20005', 'SELECT steal(cards.id) AS a FROM pay.cards'],
      ['20006', "SELECT shown.id || 'x'::text AS b FROM pay.shown"],
    ],
  ],
  [catalogueSql.functions, [['steal', 'public']]],
  [catalogueSql.operators, [['false']]],
]);

function answering(changes: readonly (readonly [string, Rows])[] = []): CatalogueQuery {
  const rows = new Map([...content, ...changes]);
  return (sql) => Promise.resolve(rows.get(sql) ?? []);
}

describe('a loaded catalogue', () => {
  it('knows relations, origins and functions', async () => {
    const catalogue = await loadCatalogue(answering(), await sharedParser());
    expect(catalogue.origin(20_000, 3)).toEqual({ schema: 'pay', table: 'cards', column: 'cvv' });
    expect(catalogue.origin(20_000, 2)).toBeNull();
    expect(catalogue.origin(1, 1)).toBeNull();
    expect(catalogue.relations('pay', 'cards')[0]?.columns).toEqual(['id', 'cvv']);
    expect(catalogue.relations('other', 'cards')).toEqual([]);
    expect(catalogue.relations(null, 'missing')).toEqual([]);
    expect(catalogue.isUserFunction('steal')).toBe(true);
    expect(catalogue.functionSchemas('steal')).toEqual(['public']);
  });

  it('calls a relation inert only when it is proven to be', async () => {
    const catalogue = await loadCatalogue(answering(), await sharedParser());
    const inert = ['cards', 'secured', 'parent', 'child', 'shown', 'calls', 'nested'].filter((name) => catalogue.relations('pay', name)[0]?.inert);
    expect(inert).toEqual(['cards', 'shown', 'nested']);
  });

  it('follows view columns by what they are computed from, not by their names', async () => {
    const catalogue = await loadCatalogue(answering(), await sharedParser());
    const names = (oid: number, attribute: number) => catalogue.baseColumns(oid, attribute)?.map((found) => `${found.table}.${found.column}`) ?? null;
    expect(names(20_004, 2)).toEqual(['shown.id', 'cards.cvv']);
    expect(names(20_006, 1)).toEqual(['nested.b', 'shown.id', 'cards.cvv']);
    expect(names(20_005, 1)).toBeNull();
    expect(names(20_003, 1)).toEqual(['child.id', 'parent.id']);
    expect(names(2_619, 1)).toBeNull();
  });

  it('keeps its epoch while nothing changes', async () => {
    const parser = await sharedParser();
    const first = await loadCatalogue(answering(), parser);
    expect(await loadCatalogue(answering(), parser, first)).toBe(first);
    const second = await loadCatalogue(answering([[catalogueSql.functions, []]]), parser, first);
    expect(second.epoch).toBe(first.epoch + 1);
  });

  it('takes no answer about operators for the worst', async () => {
    const catalogue = await loadCatalogue(answering([[catalogueSql.operators, []]]), await sharedParser());
    expect(catalogue.hasUserOperators).toBe(true);
  });

  it('refuses a catalogue that is too large', async () => {
    const many = Array.from({ length: 50_001 }, (_, at) => [String(at), 's', `t${at}`, 'r', 'false']);
    await expect(loadCatalogue(answering([[catalogueSql.relations, many]]), await sharedParser())).rejects.toMatchObject({ code: 'ERR_INTERNAL' });
  });
});

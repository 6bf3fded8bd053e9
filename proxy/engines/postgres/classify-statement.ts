import type { ColumnName, Copy, Facts, Span } from '../../contract/operation.ts';
import type { Catalogue, Statement, Unclassified } from './statement.ts';
import { Scanner, mark } from './template-scanner.ts';
import type { ScanFault } from './template-scanner.ts';
import { spansOf } from './template.ts';
import type { Analysis } from './facts.ts';
import { errorTable } from '../../contract/errors.ts';
import type { ErrorCode } from '../../contract/errors.ts';

/** A statement as it crosses threads. */
export interface Outline {
  readonly analysis: Analysis;
  readonly template: string;
  /** ordinal of a literal in the text → its column */
  readonly columns: ReadonlyMap<number, ColumnName>;
}

/** Gives the one Facts object of equal facts. */
export type Intern = (facts: Facts) => Facts;

interface Making {
  readonly scanner: Scanner;
  readonly catalogue: Catalogue;
  readonly intern: Intern;
}

export function statementFrom(outline: Outline, making: Making): Statement {
  const { scanner, catalogue, intern } = making;
  const { analysis, template } = outline;
  const columns = storedColumns(outline.columns, catalogue);
  const { acts, effect, context, lineage, quotable } = analysis;
  const copies = storedCopies(analysis.copies, catalogue);
  const inner = analysis.prepares;
  return {
    facts: intern(copies.length === 0 ? { acts, effect, context, template } : { acts, effect, context, template, copies }),
    prepares: inner === null ? null : { name: inner.name, statement: statementFrom({ ...outline, analysis: inner.inner }, making) },
    executes: analysis.executes,
    deallocates: analysis.deallocates,
    declares: analysis.declares,
    altersCatalogue: analysis.altersCatalogue,
    reads(index: number, name: string): readonly ColumnName[] | null {
      const column = lineage.columns[index];
      if (column === undefined) return storedReads(lineage.rest, catalogue);
      // another name than the statement gives: the target's columns are not those we think
      return column.name !== null && column.name !== name ? null : storedReads(column.reads, catalogue);
    },
    evaluates: analysis.evaluates,
    quotes: () => storedReads(quotable, catalogue),
    spans(sql: string): readonly Span[] {
      const bytes = Buffer.from(sql);
      const used = 2 * bytes.length + 16 <= scanner.out.length ? scanner : new Scanner(bytes.length);
      used.scan(bytes);
      // cut short: nothing behind the fault may pass as syntax
      if (used.fault !== null) return [{ kind: 'value', text: sql }];
      return spansOf(used, bytes, columns);
    },
  };
}

/** Through views on both sides; what a view is made of may be unknown, then its own name has to do. */
function storedCopies(copies: readonly Copy[], catalogue: Catalogue): readonly Copy[] {
  return copies.flatMap(({ from, to, computed }) => {
    const target = to === null ? null : ((catalogue.relations(to.schema, to.table)[0]?.kind === 'v' ? catalogue.stored?.(to)?.at(-1) : to) ?? to);
    return (storedReads([from], catalogue) ?? [from]).map((column) => ({ from: column, to: target, computed }));
  });
}

/** What views are made of counts as read too. */
function storedReads(reads: readonly ColumnName[] | null, catalogue: Catalogue): readonly ColumnName[] | null {
  if (reads === null || catalogue.stored === undefined) return reads;
  const found = new Map<string, ColumnName>();
  for (const read of reads) {
    const stored = catalogue.stored(read);
    if (stored === null) return null;
    for (const column of stored) found.set(`${column.schema}\0${column.table}\0${column.column}`, column);
  }
  return [...found.values()];
}

/** A literal written through a view belongs to the table's column. */
function storedColumns(columns: ReadonlyMap<number, ColumnName>, catalogue: Catalogue): ReadonlyMap<number, ColumnName> {
  const known = new Map<ColumnName, ColumnName>();
  const behind = (column: ColumnName): ColumnName => {
    const isView = catalogue.relations(column.schema, column.table)[0]?.kind === 'v';
    return isView ? (catalogue.stored?.(column)?.at(-1) ?? column) : column;
  };
  const stored = new Map<number, ColumnName>();
  for (const [ordinal, column] of columns) {
    const found = known.get(column) ?? behind(column);
    known.set(column, found);
    stored.set(ordinal, found);
  }
  return stored;
}

/** Matches the parser's offsets with the scanner's literals; a sign may stand before a number. */
export function ordinalColumns(scanner: Scanner, sql: Uint8Array, literals: Analysis['literals']): ReadonlyMap<number, ColumnName> {
  const columns = new Map<number, ColumnName>();
  if (literals.length === 0) return columns;
  const byOffset = new Map(literals);
  let ordinal = 0;
  for (let at = 0; at < scanner.markCount; at++) {
    const kind = scanner.marks[3 * at + 2] ?? 0;
    if (kind === mark.comment || kind === mark.identifier) continue;
    const start = scanner.marks[3 * at] ?? 0;
    const column = byOffset.get(start) ?? (kind === mark.number ? byOffset.get(signBefore(sql, start)) : undefined);
    if (column !== undefined) columns.set(ordinal, column);
    ordinal++;
  }
  return columns;
}

function signBefore(sql: Uint8Array, start: number): number {
  let at = start - 1;
  while (sql[at] === 0x20) at--;
  return sql[at] === 0x2d ? at : -1;
}

export function unclassified(code: ErrorCode, kind: string, message: string = errorTable[code].message): Unclassified {
  return { code, kind, message };
}

export function scanRefusal(fault: ScanFault): Unclassified {
  switch (fault) {
    case 'nul':
      return unclassified('ERR_STATEMENT_UNPARSEABLE', 'nul');
    case 'nesting':
      return unclassified('ERR_STATEMENT_TOO_LARGE', 'nesting', 'The statement is nested too deeply.');
    case 'operator':
      return unclassified('ERR_STATEMENT_UNPARSEABLE', 'operator', 'The statement holds a run of operator characters that is too long.');
  }
}

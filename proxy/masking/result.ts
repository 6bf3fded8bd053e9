import { fail } from '../contract/errors.ts';
import type { ColumnName } from '../contract/operation.ts';
import type { Shape, ShapeColumn, ValueType } from '../contract/shape.ts';
import type { Masked, Walker } from '../pipeline/engine.ts';
import type { CompiledMasker } from '../pipeline/ports.ts';
import { hideWhole, truncatePan } from './replace.ts';
import type { RuleSet } from './rules.ts';
import { Hits, scanValue } from './value.ts';

type Treatment = 'pass' | 'scan' | 'truncate' | 'hide';

interface Column {
  readonly treatment: Treatment;
  readonly type: ValueType;
  /** name in the ledger */
  readonly rule: string;
}

export interface Compiling {
  readonly rules: RuleSet;
  readonly resource: string;
  readonly unmask: (column: ColumnName) => boolean;
}

/** The masker of one result shape. Throws ERR_MASKED_BINARY when a masked column would come in binary. */
export function compileShape(shape: Shape, compiling: Compiling): CompiledMasker {
  return new ShapeMasker(shape.columns.map((column) => planOf(column, compiling)));
}

function planOf(column: ShapeColumn, compiling: Compiling): Column {
  const { treatment, rule } = treatmentOf(column, compiling);
  if (column.encoding === 'binary') {
    if (treatment !== 'pass' && treatment !== 'scan') {
      throw fail('ERR_MASKED_BINARY', { message: `Column "${column.name}" is masked and was asked for in binary format; ask for text format.` });
    }
    // binary numbers have no digits to find
    if (column.type === 'number') return { treatment: 'pass', type: column.type, rule };
  }
  return { treatment, type: column.type, rule };
}

function treatmentOf(column: ShapeColumn, { rules, resource, unmask }: Compiling): { treatment: Treatment; rule: string } {
  const { origin, reads } = column;
  const tag = origin === null ? null : rules.tag(resource, origin);
  if (origin !== null && tag !== null) {
    if (tag !== 'sad' && unmask(origin)) return { treatment: 'pass', rule: '' };
    return { treatment: tag === 'pan' ? 'truncate' : 'hide', rule: `column:${nameOf(origin)}` };
  }
  // no tag of its own: an expression, or a view's column
  if (reads === null) return rules.hasTags(resource) ? { treatment: 'hide', rule: 'derived:unknown' } : plain(column);
  const tagged = reads.find((read) => {
    const its = rules.tag(resource, read);
    return its !== null && (its === 'sad' || !unmask(read));
  });
  return tagged === undefined ? plain(column) : { treatment: 'hide', rule: `derived:${nameOf(tagged)}` };
}

function plain(column: ShapeColumn): { treatment: Treatment; rule: string } {
  return { treatment: column.type === 'inert' ? 'pass' : 'scan', rule: '' };
}

function nameOf(column: ColumnName): string {
  return `${column.schema}.${column.table}.${column.column}`;
}

class ShapeMasker implements CompiledMasker {
  readonly #columns: readonly Column[];
  readonly #replaces: boolean;
  readonly #scans: boolean;
  /** bytea hides its text from the quick look */
  readonly #hasBytes: boolean;
  readonly #counts: Record<string, number> = {};
  readonly #hits = new Hits();
  #chunk: Uint8Array = new Uint8Array(0);
  #last = 0;

  constructor(columns: readonly Column[]) {
    this.#columns = columns;
    this.#scans = columns.some((column) => column.treatment === 'scan');
    this.#replaces = columns.some((column) => column.treatment !== 'scan' && column.treatment !== 'pass');
    this.#hasBytes = columns.some((column) => column.treatment === 'scan' && column.type === 'bytes');
  }

  rows(chunk: Uint8Array, walk: Walker): Masked {
    try {
      this.#chunk = chunk;
      this.#last = 0;
      if (this.#replaces) walk(chunk, this.#replace);
      if (this.#scans && (this.#hits.reset(chunk) || this.#hasBytes)) walk(chunk, this.#scan);
      return chunk as Masked;
    } catch (error) {
      throw fail('ERR_MASKING_FAILED', { cause: error });
    }
  }

  ledger(): Record<string, number> {
    const counts = { ...this.#counts };
    for (const rule of Object.keys(this.#counts)) Reflect.deleteProperty(this.#counts, rule);
    return counts;
  }

  readonly #replace = (index: number, start: number, end: number): void => {
    const column = this.#columns[index];
    // a value outside the announced columns cannot be trusted
    const treatment = column?.treatment ?? 'hide';
    if (treatment === 'scan' || treatment === 'pass') return;
    const type = column?.type ?? 'text';
    if (treatment === 'truncate') truncatePan(this.#chunk, start, end, type);
    else hideWhole(this.#chunk, start, end, type);
    this.#count(column?.rule ?? 'unannounced');
  };

  readonly #scan = (index: number, start: number, end: number): void => {
    // the search goes forward only: a value before the last one would be missed
    if (start < this.#last) throw fail('ERR_MASKING_FAILED', { detail: 'values out of order' });
    this.#last = end;
    if (end > this.#hits.next || this.#hasBytes) this.#scanHit(index, start, end);
  };

  #scanHit(index: number, start: number, end: number): void {
    const column = this.#columns[index];
    const isHit = this.#hits.isIn(end);
    if (!isHit && column?.type !== 'bytes') return;
    if (column !== undefined && column.treatment !== 'scan') return;
    scanValue(this.#chunk, { start, end, type: column?.type ?? 'text' }, this.#count);
  }

  readonly #count = (rule: string, count = 1): void => {
    this.#counts[rule] = (this.#counts[rule] ?? 0) + count;
  };
}

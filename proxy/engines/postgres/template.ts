import type { ColumnName, Span, ValueSpan } from '../../contract/operation.ts';
import { shownLiteral, type ShownLiteral } from './template-literal.ts';
import { mark } from './template-scanner.ts';
import type { Scanner } from './template-scanner.ts';

interface Slot<T> {
  readonly value: T;
  readonly cost: number;
  used: boolean;
}

/**
 * A map bounded in bytes, second chance instead of a strict LRU: a hit writes one flag. Keys are whole texts, never a
 * digest: a collision would be a policy bypass.
 */
export class TextCache<T> {
  readonly #slots = new Map<string, Slot<T>>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#slots.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): T | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    slot.used = true;
    return slot.value;
  }

  set(key: string, value: T, bytes: number): void {
    const cost = bytes + 2 * key.length + 128;
    const old = this.#slots.get(key);
    if (old !== undefined) {
      this.#bytes -= old.cost;
      this.#slots.delete(key);
    }
    if (cost > this.#maxBytes / 4) return;
    this.#slots.set(key, { value, cost, used: false });
    this.#bytes += cost;
    this.#evict(key);
  }

  #evict(keep: string): void {
    for (const [key, slot] of this.#slots) {
      if (this.#bytes <= this.#maxBytes) return;
      if (key === keep) continue;
      this.#slots.delete(key);
      if (slot.used) {
        slot.used = false;
        this.#slots.set(key, slot);
      } else {
        this.#bytes -= slot.cost;
      }
    }
  }
}

/** The scanned text with every literal as `?` and long numbers in names hidden: what a log may show. */
export function displayed(scanner: Scanner, sql: Buffer): string {
  let text = '';
  let from = 0;
  for (let at = 0; at < scanner.markCount; at++) {
    const start = scanner.marks[3 * at] ?? 0;
    const kind = scanner.marks[3 * at + 2] ?? 0;
    text += sql.toString('utf8', from, start) + (kind === mark.comment ? ' ' : kind === mark.identifier ? '"?"' : '?');
    from = scanner.marks[3 * at + 1] ?? 0;
  }
  text += sql.toString('utf8', from);
  return text.split(/\s+/).join(' ').trim();
}

/** Replaces each literal by another of its token class; null when the text holds literals of rare forms. */
export function substituted(scanner: Scanner, sql: Buffer, values: { readonly text: string; readonly number: string }): Buffer | null {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = 0; at < scanner.markCount; at++) {
    const start = scanner.marks[3 * at] ?? 0;
    const kind = scanner.marks[3 * at + 2] ?? 0;
    if (kind === mark.comment || kind === mark.identifier) continue;
    if (kind !== mark.number && kind !== mark.string && kind !== mark.dollar) return null;
    parts.push(sql.subarray(from, start), Buffer.from(kind === mark.number ? values.number : values.text));
    from = scanner.marks[3 * at + 1] ?? 0;
  }
  parts.push(sql.subarray(from));
  return Buffer.concat(parts);
}

function valueSpan({ text, quoting, opaque }: ShownLiteral, column: ColumnName | undefined): ValueSpan {
  return {
    kind: 'value',
    text,
    ...(column !== undefined && { column }),
    ...(quoting !== undefined && { quoting }),
    ...(opaque !== undefined && { opaque: Buffer.from(opaque) }),
  };
}

/** Cuts `sql` at the scanner's marks. `columns[n]` is the column that literal `n` is compared with or stored in. */
export function spansOf(scanner: Scanner, sql: Buffer, columns: ReadonlyMap<number, ColumnName>): readonly Span[] {
  const spans: Span[] = [];
  let from = 0;
  let ordinal = 0;
  for (let at = 0; at < scanner.markCount; at++) {
    const start = scanner.marks[3 * at] ?? 0;
    const end = scanner.marks[3 * at + 1] ?? 0;
    const kind = scanner.marks[3 * at + 2] ?? 0;
    const isLiteral = kind !== mark.comment && kind !== mark.identifier;
    const column = isLiteral ? columns.get(ordinal++) : undefined;
    const shown = shownLiteral(sql.toString('utf8', start, end), kind);
    if (start > from || shown.before !== '') spans.push({ kind: 'text', text: sql.toString('utf8', from, start) + shown.before });
    spans.push(valueSpan(shown, column));
    from = end - shown.after;
  }
  if (from < sql.length) spans.push({ kind: 'text', text: sql.toString('utf8', from) });
  return spans;
}

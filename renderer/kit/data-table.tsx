import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp } from 'lucide-react';
import { useMemo, useRef, useState, type KeyboardEvent, type ReactNode, type RefObject } from 'react';
import type { AppError } from '../../proxy/lib/errors.ts';
import { cx } from './css.ts';
import styles from './data-table.module.css';
import { Fault, Loading } from './states.tsx';

export interface Column<T> {
  readonly id: string;
  readonly title: string;
  readonly cell: (row: T) => ReactNode;
  /** a CSS grid track: `120px`, `2fr`, `minmax(160px, 1fr)`; default `minmax(96px, 1fr)` */
  readonly width?: string;
  readonly align?: 'start' | 'end';
  readonly mono?: boolean;
  /** present: the column sorts what is loaded; text or numbers */
  readonly sortBy?: (row: T) => string | number;
}

export interface DataTableProps<T> {
  /** names the table for screen readers */
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly idOf: (row: T) => string;
  /** a click or Enter on a row */
  readonly onOpen?: (row: T) => void;
  /** the row that is open beside it */
  readonly selected?: string | undefined;
  readonly loading?: boolean;
  readonly fault?: AppError | null;
  readonly again?: () => void;
  /** shown when there are no rows: `<Empty …>` */
  readonly empty: ReactNode;
  /** near the end of what is loaded: `usePages().loadMore` */
  readonly onEnd?: () => void;
  readonly more?: boolean;
  /** rows of two lines */
  readonly tall?: boolean;
  /** takes its content's height instead of filling the page; at most this many pixels */
  readonly maxHeight?: number;
}

interface Sorting {
  readonly column: string;
  readonly down: boolean;
}

const virtualFrom = 200;

/** A list of things: header that stays, j/k/↑/↓/Home/End and Enter, drawn lazily above 200 rows. */
export function DataTable<T>(props: DataTableProps<T>): ReactNode {
  const { rows, loading = false, fault = null, again, empty, maxHeight } = props;
  if (fault) return <Fault of={fault} again={again} />;
  if (!loading && rows.length === 0) return <div className={cx(styles['frame'], maxHeight === undefined && styles['filled'])}>{empty}</div>;
  return (
    <div className={cx(styles['frame'], maxHeight === undefined && styles['filled'])}>
      <Grid {...props} />
    </div>
  );
}

function Grid<T>(props: DataTableProps<T>): ReactNode {
  const { label, columns, rows, loading = false, maxHeight, more = false, onEnd } = props;
  const scroll = useRef<HTMLDivElement>(null);
  const [sorting, setSorting] = useState<Sorting | null>(null);
  const sorted = useMemo(() => sortRows(rows, columns, sorting), [rows, columns, sorting]);
  const tracks = columns.map(({ width = 'minmax(96px, 1fr)' }) => width).join(' ');
  return (
    <div
      ref={scroll}
      className={styles['scroll']}
      style={maxHeight === undefined ? {} : { maxHeight }}
      onScroll={({ currentTarget }) => {
        if (isNearEnd(currentTarget)) onEnd?.();
      }}
    >
      <div role="grid" aria-label={label} aria-rowcount={more ? -1 : rows.length + 1} aria-busy={loading} className={styles['grid']}>
        <div role="rowgroup">
          <div role="row" aria-rowindex={1} className={styles['headRow']} style={{ gridTemplateColumns: tracks }}>
            {columns.map((column) => (
              <Head key={column.id} column={column} sorting={sorting} onSort={setSorting} />
            ))}
          </div>
        </div>
        {!loading && <Rows {...props} rows={sorted} tracks={tracks} scroll={scroll} />}
      </div>
      {loading && (
        <div className={styles['body']}>
          <Loading />
        </div>
      )}
    </div>
  );
}

function isNearEnd({ scrollTop, clientHeight, scrollHeight }: HTMLElement): boolean {
  return scrollHeight - scrollTop - clientHeight < 640;
}

function sortRows<T>(rows: readonly T[], columns: readonly Column<T>[], sorting: Sorting | null): readonly T[] {
  const by = columns.find(({ id }) => id === sorting?.column)?.sortBy;
  if (!by || !sorting) return rows;
  const sign = sorting.down ? -1 : 1;
  return rows.toSorted((a, b) => sign * compare(by(a), by(b)));
}

function compare(a: string | number, b: string | number): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
}

function Head<T>({ column, sorting, onSort }: { column: Column<T>; sorting: Sorting | null; onSort: (sorting: Sorting | null) => void }): ReactNode {
  const { id, title, sortBy, align } = column;
  const { order, next } = orderOf(id, sorting);
  const Arrow = order === 'descending' ? ArrowDown : ArrowUp;
  return (
    <div role="columnheader" className={cx(styles['head'], align === 'end' && styles['end'])} {...(sortBy && { 'aria-sort': order })}>
      {sortBy ? (
        <button type="button" onClick={() => onSort(next)}>
          {title}
          {order !== 'none' && <Arrow size={12} aria-hidden />}
        </button>
      ) : (
        title
      )}
    </div>
  );
}

/** How the column is sorted, and what a click makes of it: up, down, as it came. */
function orderOf(column: string, sorting: Sorting | null): { order: 'none' | 'ascending' | 'descending'; next: Sorting | null } {
  if (sorting?.column !== column) return { order: 'none', next: { column, down: false } };
  return sorting.down ? { order: 'descending', next: null } : { order: 'ascending', next: { column, down: true } };
}

interface RowsProps<T> extends DataTableProps<T> {
  readonly tracks: string;
  readonly scroll: RefObject<HTMLDivElement | null>;
}

function Rows<T>({ columns, rows, idOf, onOpen, selected, onEnd, tall = false, tracks, scroll }: RowsProps<T>): ReactNode {
  const [at, setAt] = useState(0);
  const group = useRef<HTMLDivElement>(null);
  const virtual = rows.length > virtualFrom;
  const height = tall ? 48 : 32;
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => height,
    overscan: 12,
    enabled: virtual,
  });
  const current = Math.min(at, rows.length - 1);
  const go = (to: number): void => {
    const index = Math.max(0, Math.min(rows.length - 1, to));
    setAt(index);
    if (virtual) virtualizer.scrollToIndex(index);
    if (index >= rows.length - 5) onEnd?.();
    // a virtual row may be drawn only after the scroll
    requestAnimationFrame(() => group.current?.querySelector<HTMLElement>(`[data-at="${index}"]`)?.focus());
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const key = keyOf(event);
    if (key === null) return;
    event.preventDefault();
    const row = rows[current];
    if (key === 'open') {
      if (row !== undefined) onOpen?.(row);
    } else go(key === 'first' ? 0 : key === 'last' ? rows.length - 1 : current + key);
  };
  const shown = virtual ? virtualizer.getVirtualItems().map(({ index, start }) => ({ index, start })) : rows.map((_, index) => ({ index, start: -1 }));
  return (
    <div ref={group} role="rowgroup" className={styles['rows']} style={virtual ? { height: virtualizer.getTotalSize() } : {}} onKeyDown={onKeyDown}>
      {shown.map(({ index, start }) => {
        const row = rows[index];
        if (row === undefined) return null;
        const id = idOf(row);
        return (
          <div
            key={id}
            role="row"
            data-at={index}
            data-id={id}
            aria-rowindex={index + 2}
            {...(onOpen && { 'aria-selected': id === selected })}
            tabIndex={index === current ? 0 : -1}
            className={cx(styles['row'], tall && styles['tall'], start >= 0 && styles['placed'])}
            style={{ gridTemplateColumns: tracks, ...(start >= 0 && { transform: `translateY(${start}px)` }) }}
            onFocus={() => setAt(index)}
            onClick={(event) => !isInteractive(event.target) && onOpen?.(row)}
          >
            <Cells columns={columns} row={row} />
          </div>
        );
      })}
    </div>
  );
}

function Cells<T>({ columns, row }: { columns: readonly Column<T>[]; row: T }): ReactNode {
  return columns.map(({ id, cell, align, mono }) => (
    <div key={id} role="gridcell" className={cx(styles['cell'], align === 'end' && styles['end'], mono === true && styles['mono'])}>
      {cell(row)}
    </div>
  ));
}

type Step = number | 'first' | 'last' | 'open';
const steps: Readonly<Record<string, Step>> = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: 'first', End: 'last', Enter: 'open' };

function keyOf(event: KeyboardEvent): Step | null {
  if (event.ctrlKey || event.metaKey || event.altKey || isInteractive(event.target)) return null;
  return Object.hasOwn(steps, event.key) ? (steps[event.key] ?? null) : null;
}

/** A button or a link inside of a row does its own thing. */
function isInteractive(target: EventTarget): boolean {
  return target instanceof Element && target.closest('button, a, input, select, textarea, [role="button"]') !== null;
}

import { AppError } from '../lib/errors.ts';

/** Where a command reads and writes; the tests give their own. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly stdin: NodeJS.ReadStream;
  readonly isTerminal: boolean;
}

/** Control characters made visible: stored text was written by callers and must not drive the reader's terminal. */
export function visible(text: string): string {
  // C0 and C1 controls, line separators, and what is there without being seen: directions, joiners, tags, selectors
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\p{Cf}\p{Variation_Selector}]/gu, (char) => {
    if (char === '\n') return '\\n';
    if (char === '\t') return '\\t';
    const code = (char.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** Columns padded to their widest cell; no colours, so that it reads the same in a file. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = [head, ...rows.map((row) => row.map(visible))];
  const widths = head.map((_, column) => Math.max(...shown.map((row) => row[column]?.length ?? 0)));
  return shown
    .map(
      (row) =>
        `${row
          .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** `name: value` lines. */
export function fields(entries: Readonly<Record<string, string | number | boolean | null>>): string {
  const width = Math.max(...Object.keys(entries).map((name) => name.length));
  return Object.entries(entries)
    .map(([name, value]) => `${`${name}:`.padEnd(width + 2)}${visible(value === null ? '–' : String(value))}\n`)
    .join('');
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Code, message, faults and hint. */
export function errorText(error: AppError): string {
  const faults = (error.faults ?? []).map(({ path, line, column, message }) => {
    const place = [path, line, column].filter((part) => part !== undefined && part !== '').join(':');
    return `  ${visible(place === '' ? message : `${place}: ${message}`)}\n`;
  });
  return `${error.code}: ${visible(error.message)}\n${faults.join('')}${error.hint === undefined ? '' : `Hint: ${visible(error.hint)}\n`}`;
}

import { errorTable } from '../../../proxy/contract/errors.ts';

/** How an operation ended, out of the header of the event that says so. */
export interface OperationOutcome {
  /** pending: it runs */
  readonly state: 'success' | 'failure' | 'refused' | 'indeterminate' | 'pending';
  readonly rows: number;
  readonly bytes: number;
  readonly durationMs: number | null;
  /** rule → values hidden */
  readonly masked: readonly (readonly [rule: string, count: number])[];
  /** why it failed or was refused; empty: it did not */
  readonly why: string;
  readonly policies: readonly string[];
  /** of a workload: the run it belongs to, as its own token said */
  readonly run: readonly (readonly [claim: string, value: string])[];
  /** the approval request it rests on */
  readonly request: string | null;
}

/** `text`: canonical JSON of an event header. What cannot be read is indeterminate, never a success. */
export function outcomeOf(text: string): OperationOutcome {
  try {
    const value: unknown = JSON.parse(text);
    return outcomeOfHeader(isRecord(value) ? value : {});
  } catch {
    return outcomeOfHeader({});
  }
}

export function outcomeOfHeader(header: Readonly<Record<string, unknown>>): OperationOutcome {
  const refused = header['code'] === 'operation.refused';
  const micros = header['durationMicros'];
  const masked = isRecord(header['masked']) ? Object.entries(header['masked']) : [];
  return {
    state: refused ? 'refused' : stateOf(header['outcome']),
    rows: count(header['rows']),
    bytes: count(header['bytes']),
    durationMs: typeof micros === 'number' ? micros / 1_000 : null,
    masked: masked.flatMap(([rule, values]) => (typeof values === 'number' && values > 0 ? [[rule, values] as const] : [])),
    why: [errorWords(header['error']), header['reason'], ...(refused ? texts(header['acts']).slice(0, mostActs) : [])]
      .filter((part) => typeof part === 'string' && part !== '')
      .join(' · '),
    policies: texts(header['policies']),
    run: runOf(header['actor']),
    request: typeof header['request'] === 'string' ? header['request'] : null,
  };
}

/** “repository acme/shop”, “run_id 17” */
function runOf(actor: unknown): OperationOutcome['run'] {
  const run = isRecord(actor) && isRecord(actor['run']) ? Object.entries(actor['run']) : [];
  return run.flatMap(([claim, value]) => (typeof value === 'string' ? [[claim, value] as const] : []));
}

const mostActs = 5;

/** The code with its words; the target's own errors are shown as they are. */
function errorWords(error: unknown): unknown {
  if (typeof error !== 'string' || !Object.hasOwn(errorTable, error)) return error;
  return `${errorTable[error as keyof typeof errorTable].message} (${error})`;
}

function stateOf(outcome: unknown): OperationOutcome['state'] {
  return outcome === 'success' || outcome === 'failure' || outcome === 'pending' ? outcome : 'indeterminate';
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const number = new Intl.NumberFormat('en-GB');

/** “3 rows · 1.2 ms · 4 values masked”; calls have no rows */
export function outcomeText({ rows, durationMs, masked }: OperationOutcome, isCall = false): string {
  const hidden = masked.reduce((sum, [, values]) => sum + values, 0);
  return [
    ...(isCall ? [] : [`${number.format(rows)} ${rows === 1 ? 'row' : 'rows'}`]),
    ...(durationMs === null ? [] : [`${durationMs < 10 ? durationMs.toFixed(1) : number.format(Math.round(durationMs))} ms`]),
    ...(hidden === 0 ? [] : [`${number.format(hidden)} ${hidden === 1 ? 'value' : 'values'} masked`]),
  ].join(' · ');
}

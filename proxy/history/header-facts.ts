/** What the history keeps of a header. */
export interface HeaderFacts {
  readonly code: string;
  /** milliseconds since the epoch */
  readonly at: number;
  /** as written */
  readonly atText: string;
  readonly principal: string;
  /** the affected component; `resource:x` is `x` */
  readonly resource: string;
  readonly affected: string;
  readonly origin: string;
  readonly outcome: number;
  readonly session: string | null;
  readonly seq: number;
  readonly operation: string | null;
  readonly request: string | null;
  readonly error: string | null;
  readonly shadow: string | null;
  readonly shadowVersion: string | null;
  readonly database: string;
  readonly account: string;
  readonly reason: string;
  /** rule → values */
  readonly masked: readonly (readonly [string, number])[];
  readonly digest: string | null;
}

export const outcomes = ['pending', 'success', 'failure', 'indeterminate'] as const;
const unknownOutcome = outcomes.length;

/** Never throws: what an entry of the log does not say is empty. A later version may have written it. */
export function factsOf(text: string): HeaderFacts {
  const header = parsed(text);
  const atText = wordOf(header['at']) ?? '';
  const affected = wordOf(header['affected']) ?? '';
  const digests = header['digests'];
  return {
    code: wordOf(header['code']) ?? '',
    at: timeOf(atText),
    atText,
    principal: wordOf(recordOf(header['actor'])['name']) ?? '',
    resource: resourceOf(affected),
    affected,
    origin: wordOf(header['origin']) ?? '',
    outcome: outcomeOf(header['outcome']),
    session: wordOf(header['session']),
    seq: numberOf(header['seq']),
    operation: wordOf(header['operation']),
    request: wordOf(header['request']),
    error: wordOf(header['error']),
    shadow: wordOf(header['shadow']),
    shadowVersion: wordOf(header['shadowVersion']),
    database: wordOf(header['database']) ?? '',
    account: wordOf(header['account']) ?? '',
    reason: wordOf(header['reason']) ?? '',
    masked: maskedOf(header['masked']),
    digest: Array.isArray(digests) ? wordOf(digests[0]) : null,
  };
}

/** The name under which events of a resource are found, whatever did something to it. */
export function resourceOf(affected: string): string {
  return affected.startsWith('resource:') ? affected.slice('resource:'.length) : affected;
}

export function outcomeOf(outcome: unknown): number {
  const place = outcomes.findIndex((known) => known === outcome);
  return place === -1 ? unknownOutcome : place;
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

function wordOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function timeOf(text: string): number {
  const at = Date.parse(text);
  return Number.isNaN(at) ? 0 : at;
}

function maskedOf(value: unknown): (readonly [string, number])[] {
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([rule, count]) => (numberOf(count) > 0 ? [[rule, numberOf(count)] as const] : []));
}

import type { Input } from '../../../proxy/contract/api.ts';
import { eventTable, type EventCode } from '../../../proxy/contract/audit-event.ts';

export const filterNames = ['code', 'principal', 'resource', 'session', 'operation', 'outcome', 'from', 'to', 'text'] as const;
export type FilterName = (typeof filterNames)[number];
/** As typed; empty: not filtered by it. `from` and `to`: RFC 3339, UTC. */
export type Filters = Readonly<Record<FilterName, string>>;

/** `/search/code=session.started/principal=x`, `/event/17` (with the filters behind it) or `/verify`. */
export interface AuditPlace {
  readonly tab: 'search' | 'verify';
  readonly filters: Filters;
  /** null: none is open */
  readonly event: number | null;
}

export const noFilters: Filters = { code: '', principal: '', resource: '', session: '', operation: '', outcome: '', from: '', to: '', text: '' };
const outcomes = ['pending', 'success', 'failure', 'indeterminate'] as const;
type Outcome = (typeof outcomes)[number];

export function readPlace(path: readonly string[]): AuditPlace {
  const after = (name: string): string => path.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  const filters = Object.fromEntries(filterNames.map((name) => [name, after(name)])) as Record<FilterName, string>;
  const index = /^(0|[1-9][0-9]{0,15})$/.exec(path[0] === 'event' ? (path[1] ?? '') : '')?.[0];
  return { tab: path[0] === 'verify' ? 'verify' : 'search', filters, event: index === undefined ? null : Number(index) };
}

export function writePlace({ tab, filters, event }: AuditPlace): readonly string[] {
  if (tab === 'verify') return ['verify'];
  const named = filterNames.filter((name) => filters[name] !== '').map((name) => `${name}=${filters[name]}`);
  return [...(event === null ? ['search'] : ['event', String(event)]), ...named];
}

export function isCode(text: string): text is EventCode {
  return Object.hasOwn(eventTable, text);
}

/** What is sent; what cannot be a value of a filter is in `wrong`, in words, and nothing is searched. */
export interface Query {
  readonly input: Omit<Input<'searchAudit'>, 'cursor' | 'limit'>;
  readonly wrong: Partial<Record<FilterName, string>>;
}

export function queryOf(filters: Filters): Query {
  const faults = filterNames.map((name) => [name, filters[name] === '' ? undefined : faultOf(name, filters)] as const);
  const wrong: Query['wrong'] = Object.fromEntries(faults.filter(([, fault]) => fault !== undefined));
  const input = Object.fromEntries(filterNames.filter((name) => filters[name] !== '' && wrong[name] === undefined).map((name) => [name, filters[name]]));
  return { input, wrong };
}

function faultOf(name: FilterName, filters: Filters): string | undefined {
  const value = filters[name];
  if (name === 'code') return isCode(value) ? undefined : 'There is no such event.';
  if (name === 'outcome') return isOutcome(value) ? undefined : 'There is no such outcome.';
  if (name === 'session') return /^ses_[a-zA-Z]{1,40}$/.test(value) ? undefined : 'A session id begins with ses_.';
  if (name !== 'from' && name !== 'to') return undefined;
  if (Number.isNaN(Date.parse(value))) return 'This is no time.';
  return name === 'to' && Date.parse(value) < Date.parse(filters.from) ? 'This is before the beginning.' : undefined;
}

function isOutcome(text: string): text is Outcome {
  return outcomes.some((outcome) => outcome === text);
}

export function isFiltered(filters: Filters): boolean {
  return filterNames.some((name) => filters[name] !== '');
}

import type { AuditEventView } from '../../../proxy/contract/api-views.ts';
import { eventTable } from '../../../proxy/contract/audit-event.ts';
import { isCode, type Filters } from './place-of-audit.ts';

export type Header = AuditEventView['header'];
type Json = Header[string];

export function textOf(header: Header, name: string): string {
  const value = header[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

export function actorOf(header: Header): Readonly<Record<'name' | 'kind' | 'issuer' | 'subject' | 'credential', string>> {
  const { actor } = header;
  const of = (name: string): string => (isRecord(actor) && typeof actor[name] === 'string' ? actor[name] : '');
  return { name: of('name'), kind: of('kind'), issuer: of('issuer'), subject: of('subject'), credential: of('credential') };
}

function isRecord(value: Json | undefined): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function summaryOf(header: Header): string {
  const code = textOf(header, 'code');
  return isCode(code) ? eventTable[code].summary : 'An event that this version of the app does not know.';
}

export interface Field {
  readonly id: string;
  readonly name: string;
  readonly value: string;
  /** what it is in PCI DSS 10.2.2; empty: it is not one of its fields */
  readonly pci: string;
}

const pciFields: readonly (readonly [id: string, name: string, pci: string])[] = [
  ['actor', 'Who', 'User identification'],
  ['code', 'Event', 'Type of event'],
  ['at', 'Time', 'Date and time'],
  ['outcome', 'Outcome', 'Success or failure indication'],
  ['origin', 'From', 'Origination of event'],
  ['affected', 'Affected', 'Identity of affected data, component, resource or service'],
];

const names: Readonly<Record<string, string>> = {
  session: 'Session',
  seq: 'Number in the session',
  operation: 'Operation',
  request: 'Approval request',
  database: 'Database',
  account: 'Account at the target',
  acts: 'Acts',
  policies: 'Deciding policies',
  policyVersion: 'Policies in force',
  shadow: 'Shadow policies would',
  shadowVersion: 'Shadow policies',
  error: 'Error',
  reason: 'Reason',
  rows: 'Rows',
  bytes: 'Bytes',
  durationMicros: 'Duration',
  masked: 'Masked values',
  digests: 'Digests',
  count: 'Count',
  body: 'Commitment to the body',
  v: 'Format',
};

/** The whole header: the six fields of PCI DSS 10.2.2 first, nothing left out. */
export function fieldsOf(header: Header): readonly Field[] {
  const named = pciFields.map(([id, name, pci]) => ({ id, name, pci, value: id === 'actor' ? actorText(header) : wordsOf(id, header[id]) }));
  const run = runText(header);
  const known = Object.keys(names).filter((id) => header[id] !== undefined);
  const rest = Object.keys(header).filter((id) => !Object.hasOwn(names, id) && pciFields.every(([pci]) => pci !== id));
  const ofRun: readonly Field[] = run === '' ? [] : [{ id: 'run', name: 'Run of the workload', pci: 'User identification', value: run }];
  return [...named, ...ofRun, ...[...known, ...rest].map((id) => ({ id, name: names[id] ?? id, pci: '', value: wordsOf(id, header[id]) }))];
}

function actorText(header: Header): string {
  const { name, kind, issuer, subject, credential } = actorOf(header);
  const key = credential === '' || credential === 'none' ? '' : `, ${credential}`;
  return `${name} (${kind}) · ${subject} at ${issuer}${key}`;
}

/** A line for each claim that the rule keeps. */
function runText({ actor }: Header): string {
  const run = isRecord(actor) ? actor['run'] : undefined;
  return isRecord(run)
    ? Object.entries(run)
        .map(([claim, value]) => `${claim}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
        .join('\n')
    : '';
}

const number = new Intl.NumberFormat('en-GB');

function wordsOf(id: string, value: Json | undefined): string {
  if (value === undefined) return '';
  if (id === 'durationMicros' && typeof value === 'number') return `${number.format(value / 1_000)} ms`;
  if (typeof value === 'number') return id === 'seq' || id === 'v' ? String(value) : number.format(value);
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))).join('\n');
  if (isRecord(value))
    return Object.entries(value)
      .map(([name, count]) => `${name}: ${JSON.stringify(count)}`)
      .join('\n');
  return JSON.stringify(value);
}

/** The same test as the service's, for events that come while a search is open. */
export function fits({ header, body }: AuditEventView, filters: Filters): boolean {
  const { principal, resource, text } = filters;
  const affected = textOf(header, 'affected');
  return (
    (['code', 'session', 'operation', 'outcome'] as const).every((name) => isFree(filters[name], (wanted) => textOf(header, name) === wanted)) &&
    isFree(principal, (wanted) => actorOf(header).name === wanted) &&
    isFree(resource, (wanted) => affected === wanted || affected === `resource:${wanted}`) &&
    isFree(text, (wanted) => JSON.stringify(header).includes(wanted) || body?.includes(wanted) === true) &&
    isWithin(Date.parse(textOf(header, 'at')), filters)
  );
}

function isFree(wanted: string, test: (wanted: string) => boolean): boolean {
  return wanted === '' || test(wanted);
}

function isWithin(atMs: number, { from, to }: Filters): boolean {
  return isFree(from, (wanted) => atMs >= Date.parse(wanted)) && isFree(to, (wanted) => atMs <= Date.parse(wanted));
}

/** Codes in the groups of their nouns, as the picker shows them. */
export const codeGroups: readonly { readonly group: string; readonly codes: readonly string[] }[] = Object.entries(
  Object.groupBy(Object.keys(eventTable), (code) => code.slice(0, code.indexOf('.'))),
).map(([group, codes = []]) => ({ group: group.replaceAll('-', ' '), codes }));

/** Events as JSON lines, newest first, as they are on the screen. */
export function jsonLines(events: readonly AuditEventView[]): string {
  return events.map(({ index, header, body }) => `${JSON.stringify({ index, header, body })}\n`).join('');
}

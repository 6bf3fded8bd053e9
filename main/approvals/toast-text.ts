import type { RequestDetails } from '../../proxy/contract/api-approvals.ts';
import type { CanonicalRequest } from '../../proxy/contract/approval-request.ts';
import type { Toast } from '../ports.ts';

/** What a toast says of a request: who, what kind, where, until when. Never the command, a value or the requester's prose. */

const maxCommandChars = 200;
const maxWordChars = 64;

/** The most consequential first: a command is named by its worst act. */
const kinds: readonly (readonly [string, string])[] = [
  ['sql:dcl', 'a change of permissions'],
  ['sql:ddl', 'a change of the schema'],
  ['sql:delete', 'a delete'],
  ['sql:update', 'an update'],
  ['sql:insert', 'an insert'],
  ['sql:execute', 'a function'],
  ['sql:utility', 'a utility command'],
  ['mcp:call', 'a tool'],
  ['http:write', 'a request that changes something'],
  ['http:upgrade', 'a connection that stays open'],
  ['mcp:prompt', 'a prompt'],
  ['mcp:method', 'an MCP method'],
  ['field:unmask', 'a read of unmasked fields'],
  ['mcp:read', 'a read of an MCP resource'],
  ['http:read', 'a request that reads'],
  ['sql:select', 'a query'],
];

/** `at`: name of the service. */
export function requestToast(id: string, { request }: RequestDetails, at: string): Toast {
  const { canonical, ticket } = request;
  const lines = [sentenceOf(canonical), `At ${word(at)}, until ${clockTime(canonical.expiresAt)}.`, ...(isTicket(ticket) ? [`Ticket ${ticket}.`] : [])];
  return { id, title: `${word(canonical.principal.name)} asks for approval`, body: lines.join('\n'), urgency: 'normal', actions: actionsOf(canonical) };
}

export function summaryToast(id: string, { count, services, quiet }: { count: number; services: readonly string[]; quiet: boolean }): Toast {
  const title = count === 1 ? '1 request waiting' : `${String(count)} requests waiting`;
  const body = `At ${services.slice(0, 3).map(word).join(', ')}${services.length > 3 ? ' and others' : ''}.`;
  return { id, title, body, urgency: quiet ? 'low' : 'normal', actions: [{ key: 'review', label: 'Review…' }] };
}

export function noticeToast(id: string, title: string, body: string): Toast {
  return { id, title, body: body.slice(0, 300), urgency: 'normal', actions: [] };
}

/** Whether a person can know from a toast what they approve: policy says low, and nothing of it is long or hidden. */
export function isApprovableAtOnce({ terms, subject }: CanonicalRequest): boolean {
  if (terms.risk !== 'low') return false;
  return subject.kind === 'access' || (subject.command.length <= maxCommandChars && subject.hidden.length === 0);
}

function actionsOf(canonical: CanonicalRequest): Toast['actions'] {
  const first = isApprovableAtOnce(canonical) ? { key: 'approve', label: 'Approve' } : { key: 'review', label: 'Review…' };
  return [first, { key: 'deny', label: 'Deny' }];
}

function sentenceOf({ subject }: CanonicalRequest): string {
  if (subject.kind === 'access') return `Wants to join ${word(subject.joins)} for ${durationOf(subject.seconds)}.`;
  const actions = subject.acts.map((act) => /^[a-z]+:[a-z-]+/.exec(act)?.[0]);
  const kind = kinds.find(([action]) => actions.includes(action))?.[1] ?? 'a command';
  return `Wants to run ${kind} on ${word(subject.resource)}.`;
}

export function durationOf(seconds: number): string {
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 60) return minutes === 1 ? '1 minute' : `${String(minutes)} minutes`;
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  return `${hours === 1 ? '1 hour' : `${String(hours)} hours`}${rest === 0 ? '' : ` ${String(rest)} min`}`;
}

function clockTime(instant: string): string {
  return new Date(instant).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

/** A ticket is written by the requester: shown where it looks like one, so that it cannot carry anything else. */
function isTicket(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9]{0,15}[-#/]?[0-9]{1,10}$/.test(text);
}

/** A name on one line, without characters that turn or hide the rest. */
function word(text: string): string {
  const shown = text.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim();
  return shown.length > maxWordChars ? `${shown.slice(0, maxWordChars)}…` : shown;
}

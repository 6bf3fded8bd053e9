import { humanKey, type User } from '../../../proxy/contract/user.ts';
import type { ApprovalRequest } from '../../../proxy/contract/approval-request.ts';

type Decider = Pick<User, 'human' | 'groups' | 'disabled' | 'key' | 'id' | 'name'>;

/**
 * Whether a request waits for this person, as far as the list can tell: their group, not barred, not decided by them yet. The
 * service decides again, and says `may` for the one that is open.
 */
export function isWaitingFor({ status, canonical, barred, decisions }: ApprovalRequest, user: Decider | null): boolean {
  if (status !== 'pending' || user === null || user.disabled || user.key === null) return false;
  if (!user.groups.includes(canonical.terms.group)) return false;
  const me = humanKey(user.human);
  const names = [...barred, canonical.principal.subject, canonical.principal.name].map(humanKey);
  if (names.some((name) => name === me || name === humanKey(user.name) || name === humanKey(user.id))) return false;
  return !decisions.some(({ human }) => humanKey(human) === me);
}

/** Those that end first stand first: they are lost first. */
export function byUrgency(a: ApprovalRequest, b: ApprovalRequest): number {
  return Date.parse(a.canonical.expiresAt) - Date.parse(b.canonical.expiresAt);
}

/** Search over what a list shows: every word must stand somewhere. */
export function matches({ id, status, canonical, reason, ticket }: ApprovalRequest, search: string): boolean {
  const { subject, principal, terms } = canonical;
  const what = subject.kind === 'operation' ? [subject.resource, subject.database, subject.command, ...subject.acts] : [subject.joins];
  const text = [id, status, principal.name, terms.group, reason, ticket, ...what].join('\n').toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** The command without the comments it begins with: for a line of a list only. */
export function previewOf(command: string): string {
  const rest = command.replace(/^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, '');
  return rest === '' ? command : rest;
}

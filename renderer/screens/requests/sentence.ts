import { visibleText } from '../../kit/visible.ts';
import type { ApprovalRequest } from '../../../proxy/contract/approval-request.ts';

/** A request in one sentence: who wants what, where, for how long. */
export interface Sentence {
  readonly who: string;
  /** “run a delete on”, “join the group” */
  readonly what: string;
  readonly where: string;
  /** “once, within 10 min”, “for 1 h” */
  readonly howLong: string;
}

const nouns: Readonly<Record<string, string>> = {
  'sql:select': 'a select',
  'sql:insert': 'an insert',
  'sql:update': 'an update',
  'sql:delete': 'a delete',
  'sql:ddl': 'a schema change',
  'sql:dcl': 'a change of rights',
  'sql:utility': 'a utility command',
  'sql:execute': 'a function',
  'mcp:call': 'a tool',
  'mcp:read': 'a read of an MCP resource',
  'mcp:prompt': 'a prompt',
  'mcp:method': 'an MCP method',
  'http:read': 'a request that reads',
  'http:write': 'a request that changes something',
  'http:upgrade': 'a connection that stays open',
};
/** said only when nothing else happens: nearly every command reads something, too */
const lesser = new Set(['sql:select', 'field:unmask', 'connect']);
const mostNouns = 3;

/** `sql:delete public.orders` → `sql:delete` */
export function actionOf(act: string): string {
  const space = act.indexOf(' ');
  return space < 0 ? act : act.slice(0, space);
}

/** `sql:delete public.orders` → `public.orders` */
export function objectOf(act: string): string {
  const space = act.indexOf(' ');
  return space < 0 ? '' : act.slice(space + 1);
}

/** “a delete”, “an insert and an update”; `acts` as the request holds them. */
export function deedOf(acts: readonly string[]): string {
  const actions = [...new Set(acts.map(actionOf))];
  const grave = actions.filter((action) => !lesser.has(action));
  const named = [...new Set((grave.length > 0 ? grave : actions).flatMap((action) => (Object.hasOwn(nouns, action) ? [nouns[action] ?? ''] : [])))];
  if (named.length === 0) return actions.includes('field:unmask') ? 'a read of unmasked fields' : 'a command';
  if (named.length > mostNouns) return 'a command of several parts';
  const unmasks = actions.includes('field:unmask') ? ' with unmasked fields' : '';
  return `${listed(named)}${unmasks}`;
}

const maxToolChars = 64;

/** The same in a line of a list: “a delete on payments”, “refund_payment on tools”. */
export function shortOf(acts: readonly string[], resource: string): string {
  return `${toolOf(acts) ?? deedOf(acts)} on ${resource}`;
}

/** The one tool that is called: named by its server, so on one line and cut; null: none, or several. */
function toolOf(acts: readonly string[]): string | null {
  const tools = acts.filter((act) => actionOf(act) === 'mcp:call').map(objectOf);
  return tools.length === 1 ? visibleText(tools[0] ?? '').slice(0, maxToolChars) : null;
}

/** “call refund_payment on”, “send a request that reads to”; null: it is no call. */
function callOf(acts: readonly string[]): string | null {
  const tool = toolOf(acts);
  if (tool !== null) return `call ${tool} on`;
  return acts.some((act) => actionOf(act).startsWith('http:')) ? `send ${deedOf(acts)} to` : null;
}

function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`;
}

export function sentenceOf({ canonical }: Pick<ApprovalRequest, 'canonical'>): Sentence {
  const { principal, subject, terms } = canonical;
  if (subject.kind === 'access') return { who: principal.name, what: 'join the group', where: subject.joins, howLong: `for ${span(subject.seconds)}` };
  return {
    who: principal.name,
    what: callOf(subject.acts) ?? `run ${deedOf(subject.acts)} on`,
    where: subject.resource,
    howLong: `once, within ${span(terms.expiresInSeconds)}`,
  };
}

export function textOf({ who, what, where, howLong }: Sentence): string {
  return `${who} wants to ${what} ${where}, ${howLong}`;
}

/** 5400 → “1 h 30 min”; the two largest units. */
export function span(seconds: number): string {
  const units = [
    ['d', 86_400, Infinity],
    ['h', 3_600, 24],
    ['min', 60, 60],
    ['s', 1, 60],
  ] as const;
  const parts = units.map(([unit, size, per]) => [Math.floor(Math.max(0, seconds) / size) % per, unit] as const);
  const said = parts.filter(([count]) => count > 0).slice(0, 2);
  return said.length === 0 ? '0 s' : said.map(([count, unit]) => `${count} ${unit}`).join(' ');
}

import type { ApprovalTerms } from '../contract/approval-request.ts';
import { errorTable } from '../contract/errors.ts';
import type { Act, FactContext, ObjectRef, ObjectType } from '../contract/operation.ts';
import { addressOf } from './address.ts';
import { type Entity, type Subject, actionEntity, objectEntity, principalEntity } from './entity.ts';
import { recordOf } from './context.ts';
import { type Volatility, volatility, volatilityOf } from './reads.ts';
import { stricter } from './annotations.ts';
import { actionTable } from './schema.ts';
import type { Slice, Slices } from './slices.ts';

/** Everything about a session that decisions can depend on. `origin`: the client's address. */
export interface ScopeRequest extends Subject {
  readonly account: string;
  readonly origin: string;
}

/** The answer for one act. */
export interface Verdict {
  readonly permitted: boolean;
  /** names of the deciding policies, in the order of the files */
  readonly policies: readonly string[];
  readonly message: string;
  readonly hint: string;
  /** permitted, but only after people decided */
  readonly approve: ApprovalTerms | null;
  readonly volatility: Volatility;
  /** how many policies Cedar was given */
  readonly considered: number;
}

/** A scope made ready: what is the same for all its requests. */
export interface Standing {
  readonly request: ScopeRequest;
  readonly principal: Entity;
  /** null when the origin is no IP address: then everything is denied */
  readonly address: string | null;
}

export function standingOf(request: ScopeRequest): Standing {
  return { request, principal: principalEntity(request), address: addressOf(request.origin) };
}

/** What is to be decided. `narrowed`: as given by `Slices.narrow`, where it is known already. */
export interface Asked {
  readonly act: Act;
  readonly command: FactContext;
  readonly now: number;
  readonly narrowed?: readonly number[];
}

/** One Cedar request for one (action, object) pair. Whatever goes wrong is a refusal. */
export function decideAct(slices: Slices, standing: Standing, asked: Asked): Verdict {
  const answered = ask(standing, asked, (object, candidates) => slices.of(candidates ?? narrowed(slices, standing, asked), object));
  if ('refused' in answered) return answered.refused;
  const { slice, response, rest } = answered;
  const { decision, diagnostics } = response;
  const subject = subjectOf(asked.act, standing.request.resource);
  const named = (names: readonly string[]): string[] => slice.policies.map(({ name }) => name).filter((name) => names.includes(name));
  // a forbid that failed to evaluate would otherwise be skipped by Cedar
  if (diagnostics.errors.length > 0) {
    const failed = named(diagnostics.errors.map(({ policyId }) => policyId));
    return { ...refusal(`${subject}: policy ${failed.join(', ')} could not be evaluated`), ...rest, policies: failed };
  }
  const policies = named(diagnostics.reason);
  if (decision === 'allow') {
    const approve = together(slice.policies.flatMap(({ name, approve: terms }) => (terms !== null && policies.includes(name) ? [terms] : [])));
    if (approve === undefined) return { ...refusal(`${subject}: policies ${policies.join(', ')} ask different groups for approval`), ...rest, policies };
    return { permitted: true, policies, message: '', hint: '', approve, ...rest };
  }
  const forbid = slice.policies.find(({ name }) => policies.includes(name));
  return { ...explained(subject, forbid), policies, ...rest };
}

/**
 * Whether some call with this act could be permitted, whatever its arguments are: policies that read arguments can only
 * help, and the others count as they always do. Whoever is permitted a call is told that it is possible.
 */
export function possibleAct(slices: Slices, standing: Standing, asked: Asked): { readonly possible: boolean; readonly volatility: Volatility } {
  const answered = ask(standing, asked, (object, candidates) => slices.possible(candidates ?? narrowed(slices, standing, asked), object));
  if ('refused' in answered) return { possible: false, volatility: answered.refused.volatility };
  const { decision, diagnostics } = answered.response;
  return { possible: decision === 'allow' && diagnostics.errors.length === 0, volatility: answered.rest.volatility };
}

type Answered =
  | { readonly refused: Verdict }
  | { readonly slice: Slice; readonly response: ReturnType<Slice['ask']>; readonly rest: Pick<Verdict, 'volatility' | 'considered'> };

function ask(standing: Standing, asked: Asked, sliceOf: (object: Entity, candidates: readonly number[] | undefined) => Slice): Answered {
  const { act, command, now } = asked;
  const { request, address, principal } = standing;
  const subject = subjectOf(act, request.resource);
  const object = objectEntity(request, act);
  if (object === null) return { refused: refusal(`${subject} is not something policies can decide on`) };
  if (address === null) return { refused: refusal('the address of the client is not an IP address, so no policy can be applied') };
  const action = actionEntity(act.action);
  const slice = sliceOf(object, asked.narrowed);
  const kind = actionTable[act.action].context;
  const rest = { volatility: volatilityOf(slice.reads, kind), considered: slice.policies.length };
  const database = act.object.on?.database ?? request.database;
  const recorded = recordOf({ database, account: request.account, address, now }, command, { kind, reads: slice.reads });
  if ('fault' in recorded) return { refused: { ...refusal(`${subject}: ${recorded.fault}`), ...rest } };
  const response = slice.ask({
    principal: principal.uid,
    action: action.uid,
    resource: object.uid,
    context: recorded.context,
    entities: [principal.json, action.json, object.json, ...recorded.entities],
  });
  return { slice, response, rest };
}

function narrowed(slices: Slices, { principal }: Standing, { act }: Asked): readonly number[] {
  return slices.narrow(principal, actionEntity(act.action));
}

/** Obligations add up: the strictest of all; null: nobody is asked; undefined: they contradict each other. */
export function together(terms: readonly ApprovalTerms[]): ApprovalTerms | null | undefined {
  let all: ApprovalTerms | null = null;
  for (const one of terms) {
    const both: ApprovalTerms | null = all === null ? one : stricter(all, one);
    if (both === null) return undefined;
    all = both;
  }
  return all;
}

function explained(subject: string, forbid: { name: string; message: string; hint: string } | undefined): Verdict {
  if (forbid === undefined) return refusal(`no policy permits ${subject}`);
  const message = forbid.message === '' ? `policy ${forbid.name} forbids ${subject}` : `${subject}: ${forbid.message}`;
  return forbid.hint === '' ? refusal(message) : { ...refusal(message), hint: forbid.hint };
}

/** A refusal that no policy made. */
export function refusal(message: string): Verdict {
  return { permitted: false, policies: [], message, hint: errorTable.ERR_ACCESS_DENIED.remedy, approve: null, volatility: volatility.session, considered: 0 };
}

/**
 * `sql:delete on table public.orders`, `mcp:call on tool query of dbhub`; names are cut at 128 characters and lose control
 * characters. `resource`: the one of the session.
 */
export function subjectOf({ action, object }: Act, resource: string): string {
  return `${action} on ${objectName(object, resource)}`;
}

const words: Readonly<Partial<Record<ObjectType, string>>> = {
  Tool: 'tool',
  Prompt: 'prompt',
  McpResource: 'resource',
  Method: 'method',
};

function objectName({ type, path, on }: ObjectRef, resource: string): string {
  if (type === 'McpServer') return `the MCP server ${resource}`;
  if (type === 'HttpApi') return `the API ${resource}`;
  if (type === 'Path') return `path ${shown(`/${path.join('/')}`)} of ${resource}`;
  const word = words[type];
  if (word !== undefined) return `${word} ${path.map(shown).join(' ')} of ${resource}`;
  const where = on === undefined ? '' : ` of ${shown(`${on.resource}/${on.database}`)}`;
  if (type === 'Database') return `the database${where}`;
  const known = path[0] === '?' ? path.slice(1) : path;
  return `${type.toLowerCase()} ${known.map(shown).join('.')}${where}`;
}

function shown(name: string): string {
  return name.slice(0, 128).replaceAll(/[\p{Cc}\u2028\u2029]/gu, '?');
}

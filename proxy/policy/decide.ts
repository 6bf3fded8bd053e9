import type { CedarValueJson, Context } from '@cedar-policy/cedar-wasm/nodejs';
import type { ApprovalTerms } from '../contract/approval-request.ts';
import { errorTable } from '../contract/errors.ts';
import type { Act, FactContext, ObjectRef } from '../contract/operation.ts';
import { addressOf } from './address.ts';
import { type Entity, type Subject, actionEntity, objectEntity, principalEntity } from './entity.ts';
import { type ContextAttribute, type Volatility, contextAttributes, volatility, volatilityOf } from './head.ts';
import { stricter } from './annotations.ts';
import type { Slices } from './slices.ts';

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

/** One Cedar request for one (action, object) pair. Whatever goes wrong is a refusal. */
export function decideAct(slices: Slices, standing: Standing, asked: { act: Act; command: FactContext; now: number; narrowed?: readonly number[] }): Verdict {
  const { act } = asked;
  const object = objectEntity(standing.request, act);
  if (object === null) return refusal(`${subjectOf(act)} is not something policies can decide on`);
  const { address } = standing;
  if (address === null) return refusal('the address of the client is not an IP address, so no policy can be applied');
  const action = actionEntity(act.action);
  const slice = slices.of(asked.narrowed ?? slices.narrow(standing.principal, action), object);
  const { decision, diagnostics } = slice.ask({
    principal: standing.principal.uid,
    action: action.uid,
    resource: object.uid,
    context: contextOf({ ...standing.request, address, now: asked.now }, asked.command, slice.reads),
    entities: [standing.principal.json, action.json, object.json],
  });
  const named = (names: readonly string[]): string[] => slice.policies.map(({ name }) => name).filter((name) => names.includes(name));
  const rest = { volatility: volatilityOf(slice.reads), considered: slice.policies.length };
  // a forbid that failed to evaluate would otherwise be skipped by Cedar
  if (diagnostics.errors.length > 0) {
    const failed = named(diagnostics.errors.map(({ policyId }) => policyId));
    return { ...refusal(`${subjectOf(act)}: policy ${failed.join(', ')} could not be evaluated`), ...rest, policies: failed };
  }
  const policies = named(diagnostics.reason);
  if (decision === 'allow') {
    const approve = together(slice.policies.flatMap(({ name, approve: asked }) => (asked !== null && policies.includes(name) ? [asked] : [])));
    if (approve === undefined) return { ...refusal(`${subjectOf(act)}: policies ${policies.join(', ')} ask different groups for approval`), ...rest, policies };
    return { permitted: true, policies, message: '', hint: '', approve, ...rest };
  }
  return {
    ...explained(
      act,
      slice.policies.find(({ name }) => policies.includes(name)),
    ),
    policies,
    ...rest,
  };
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

function explained(act: Act, forbid: { name: string; message: string; hint: string } | undefined): Verdict {
  if (forbid === undefined) return refusal(`no policy permits ${subjectOf(act)}`);
  const message = forbid.message === '' ? `policy ${forbid.name} forbids ${subjectOf(act)}` : `${subjectOf(act)}: ${forbid.message}`;
  return forbid.hint === '' ? refusal(message) : { ...refusal(message), hint: forbid.hint };
}

/** A refusal that no policy made. */
export function refusal(message: string): Verdict {
  return { permitted: false, policies: [], message, hint: errorTable.ERR_ACCESS_DENIED.remedy, approve: null, volatility: volatility.session, considered: 0 };
}

/** `sql:delete on table public.orders`; names are cut at 128 characters and lose control characters. */
export function subjectOf({ action, object }: Act): string {
  return `${action} on ${objectName(object)}`;
}

function objectName({ type, path }: ObjectRef): string {
  if (type === 'Database') return 'the database';
  const known = path[0] === '?' ? path.slice(1) : path;
  return `${type.toLowerCase()} ${known.map((name) => name.slice(0, 128).replaceAll(/[\p{Cc}\u2028\u2029]/gu, '?')).join('.')}`;
}

interface Circumstances {
  readonly database: string;
  readonly account: string;
  readonly address: string;
  /** milliseconds since the epoch */
  readonly now: number;
}

const attributes: Readonly<Record<ContextAttribute, (around: Circumstances, command: FactContext) => CedarValueJson>> = {
  kind: (_, command) => command.kind,
  statements: (_, command) => command.statements,
  has_where: (_, command) => command.has_where,
  has_limit: (_, command) => command.has_limit,
  tables: (_, command) => [...command.tables],
  columns: (_, command) => [...command.columns],
  functions: (_, command) => [...command.functions],
  database: (around) => around.database,
  account: (around) => around.account,
  source_ip: (around) => ({ __extn: { fn: 'ip', arg: around.address } }),
  now: (around) => ({ __extn: { fn: 'datetime', arg: new Date(around.now).toISOString() } }),
};

/** The schema's `Command` record, or as much of it as is read: each attribute costs time on its way into Cedar. */
export function contextOf(around: Circumstances, command: FactContext, only: ReadonlySet<ContextAttribute> = new Set(contextAttributes)): Context {
  return Object.fromEntries(contextAttributes.filter((name) => only.has(name)).map((name) => [name, attributes[name](around, command)]));
}

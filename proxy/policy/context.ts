import type { CedarValueJson, Context, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CallContext, FactContext } from '../contract/operation.ts';
import { type ContextAttribute, type Reads, callAttributes, everything, holders, recordAttributes } from './reads.ts';
import type { ContextKind } from './schema.ts';

/** What policies can read besides the facts of a command. */
export interface Circumstances {
  /** of the session, or of the argument that is decided like a command */
  readonly database: string;
  readonly account: string;
  readonly address: string;
  /** milliseconds since the epoch */
  readonly now: number;
}

/** One record of the schema with the entities that it refers to, or why there is none. */
export type Recorded = { readonly context: Context; readonly entities: readonly EntityJson[] } | { readonly fault: string };

type CommandAttribute = Exclude<ContextAttribute, CallAttribute>;
type CallAttribute = keyof CallContext | 'pointers';

const maxTags = 4_096;
/** the one call a request is about */
const id = 'call';

const commandValues: Readonly<Record<CommandAttribute, (around: Circumstances, command: FactContext) => CedarValueJson>> = {
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

const callValues: Readonly<Record<CallAttribute, (call: CallContext) => CedarValueJson>> = {
  method: (call) => call.method,
  read_only: (call) => call.read_only,
  arguments: () => ({ __entity: { type: holders.arguments, id } }),
  numbers: () => ({ __entity: { type: holders.numbers, id } }),
  pointers: (call) => Object.keys(call.arguments),
  query: (call) => [...call.query],
  hosts: (call) => [...call.hosts],
  programs: (call) => [...call.programs],
  shell: (call) => [...call.shell],
};

/** As much of the record as is read: each attribute costs time on its way into Cedar. What cannot be given truly is a fault. */
export function recordOf(around: Circumstances, facts: FactContext, { kind, reads }: { readonly kind: ContextKind; readonly reads: Reads }): Recorded {
  const wanted = recordAttributes[kind].filter((name) => reads.context.has(name));
  const { call } = facts;
  const ofCall = wanted.filter(isOfCall);
  if (ofCall.length > 0) {
    if (call === undefined) return { fault: 'it is no call, and policies read what only calls have' };
    const fault = faultOf(call);
    if (fault !== null) return { fault };
  }
  const context: Context = {};
  for (const name of wanted) {
    if (!isOfCall(name)) context[name] = commandValues[name](around, facts);
    else if (call !== undefined) context[name] = callValues[name](call);
  }
  return { context, entities: call === undefined ? [] : holdersOf(call, ofCall, reads.tags) };
}

/** Both records in one, with the arguments as they are: for people. */
export function shownContext(around: Circumstances, facts: FactContext): Readonly<Record<string, unknown>> {
  const command = recordOf(around, facts, { kind: 'Command', reads: everything });
  const shown = 'fault' in command ? {} : command.context;
  const { call } = facts;
  return call === undefined ? shown : { ...shown, ...call, pointers: Object.keys(call.arguments) };
}

function isOfCall(name: ContextAttribute): name is CallAttribute {
  return callAttributes.some((attribute) => attribute === name);
}

/** A lone surrogate would arrive as another character; a number that is not whole would not arrive. */
function faultOf(call: CallContext): string | null {
  const texts = [call.method, ...call.query, ...call.hosts, ...call.programs, ...call.shell, ...Object.keys(call.numbers)];
  for (const pair of Object.entries(call.arguments)) texts.push(...pair);
  if (Object.keys(call.arguments).length > maxTags) return 'it has more arguments than policies can read';
  if (!texts.every((text) => text.isWellFormed())) return 'its arguments are not valid Unicode';
  return Object.values(call.numbers).every((value) => Number.isSafeInteger(value)) ? null : 'one of its numbers is not a whole number below 2^53';
}

/** `tags`: the pointers that are asked for; null: all. */
function holdersOf(call: CallContext, wanted: readonly ContextAttribute[], tags: Reads['tags']): readonly EntityJson[] {
  return (['arguments', 'numbers'] as const)
    .filter((name) => wanted.includes(name))
    .map((name) => {
      const values: Readonly<Record<string, CedarValueJson>> = call[name];
      const given = tags === null ? values : Object.fromEntries([...tags].flatMap((tag) => (Object.hasOwn(values, tag) ? [[tag, values[tag] ?? '']] : [])));
      return { uid: { type: holders[name], id }, attrs: {}, parents: [], tags: { ...given } };
    });
}

import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { ContextKind } from './schema.ts';

const sessionAttributes = ['database', 'account', 'source_ip'] as const;
const commandAttributes = ['kind', 'statements', 'has_where', 'has_limit', 'tables', 'columns', 'functions'] as const;
/** of a call, known as soon as it is known what is called */
const knownCallAttributes = ['method', 'read_only'] as const;
const argumentAttributes = ['arguments', 'numbers', 'pointers', 'query', 'hosts', 'programs', 'shell'] as const;
export const callAttributes = [...knownCallAttributes, ...argumentAttributes] as const;
export const contextAttributes = [...commandAttributes, ...callAttributes, ...sessionAttributes, 'now'] as const;
export type ContextAttribute = (typeof contextAttributes)[number];

/** The attributes of each record of the schema. */
export const recordAttributes = {
  Command: [...commandAttributes, ...sessionAttributes, 'now'],
  Call: [...callAttributes, 'account', 'source_ip', 'now'],
} as const satisfies Record<ContextKind, readonly ContextAttribute[]>;

/** What a decision depends on besides its act: nothing that changes in a session, the command or call, or the time. */
export type Volatility = 0 | 1 | 2;
export const volatility = { session: 0, command: 1, time: 2 } as const satisfies Record<string, Volatility>;

/** The entities that hold the arguments of a call: reached through `context` only. */
export const holders = { arguments: 'Arguments', numbers: 'Numbers' } as const;

/** What conditions may read. `tags`: the arguments, by JSON pointer; null: any of them. */
export interface Reads {
  readonly context: ReadonlySet<ContextAttribute>;
  readonly tags: ReadonlySet<string> | null;
}

export const everything: Reads = { context: new Set(contextAttributes), tags: null };

/** Everything the conditions of a policy may read of the context; all of it, unless each use is a plain `context.x`. */
export function readsOf(policy: PolicyJson): Reads {
  const found: Found = { context: new Set(), tags: new Set(), anyTag: false };
  for (const clause of policy.conditions) scan(clause.body, found);
  return { context: found.context, tags: found.anyTag ? null : found.tags };
}

export function readsOfAll(reads: readonly Reads[]): Reads {
  const context = new Set(reads.flatMap((one) => [...one.context]));
  const tags = reads.map((one) => one.tags);
  return { context, tags: tags.includes(null) ? null : new Set(tags.flatMap((some) => [...(some ?? [])])) };
}

/** Only what the record of that kind has. */
export function volatilityOf({ context }: Reads, kind: ContextKind): Volatility {
  if (context.has('now')) return volatility.time;
  const changing: readonly ContextAttribute[] = kind === 'Command' ? commandAttributes : callAttributes;
  return changing.some((attribute) => context.has(attribute)) ? volatility.command : volatility.session;
}

/** Reads what nobody knows before the call is made. */
export function readsArguments({ context }: Reads): boolean {
  return argumentAttributes.some((attribute) => context.has(attribute));
}

export function worse(a: Volatility, b: Volatility): Volatility {
  return a > b ? a : b;
}

/**
 * An entity of arguments named in a policy, `Arguments::"…"`: what it says would not be seen as a use of the arguments. Null: none.
 */
export function namedHolder(policy: PolicyJson): string | null {
  const types: readonly string[] = Object.values(holders);
  const find = (node: unknown): string | null => {
    if (typeof node !== 'object' || node === null) return null;
    const named: unknown = '__entity' in node ? node['__entity'] : null;
    if (typeof named === 'object' && named !== null && 'type' in named && typeof named.type === 'string' && types.includes(named.type)) return named.type;
    for (const inner of Object.values(node)) {
      const found = find(inner);
      if (found !== null) return found;
    }
    return null;
  };
  return find(policy);
}

interface Found {
  readonly context: Set<ContextAttribute>;
  readonly tags: Set<string>;
  anyTag: boolean;
}

function scan(node: unknown, found: Found): void {
  if (typeof node !== 'object' || node === null) return;
  const tag = tagRead(node);
  if (tag !== null) {
    found.context.add(tag.holder);
    found.tags.add(tag.pointer);
    return;
  }
  const read = readBy(node);
  if (read === null) for (const inner of Object.values(node)) scan(inner, found);
  else {
    for (const attribute of read) found.context.add(attribute);
    // a holder that is not asked for one pointer
    if (read.some((attribute) => attribute in holders)) found.anyTag = true;
  }
}

/** `context.arguments.hasTag("/a")` and `getTag` with a pointer that is written out. */
function tagRead(node: object): { readonly holder: keyof typeof holders; readonly pointer: string } | null {
  const access: unknown = 'hasTag' in node ? node.hasTag : 'getTag' in node ? node.getTag : null;
  if (!isNode(access) || !('left' in access) || !('right' in access)) return null;
  const { left, right } = access;
  const pointer: unknown = isNode(right) && 'Value' in right ? right.Value : null;
  const holder = isNode(left) ? holderOf(left) : null;
  return holder !== null && typeof pointer === 'string' ? { holder, pointer } : null;
}

function holderOf(node: object): keyof typeof holders | null {
  const [holder, ...others] = readBy(node) ?? [];
  return others.length === 0 && (holder === 'arguments' || holder === 'numbers') ? holder : null;
}

function isNode(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** One attribute for `context.x`, all for any other use of `context`, null when the node itself is neither. */
function readBy(node: object): readonly ContextAttribute[] | null {
  if (isContext(node)) return contextAttributes;
  const access: unknown = '.' in node ? node['.'] : null;
  if (typeof access !== 'object' || access === null || !('left' in access) || !('attr' in access) || !isContext(access.left)) return null;
  const known = contextAttributes.find((attribute) => attribute === access.attr);
  return known === undefined ? contextAttributes : [known];
}

function isContext(node: unknown): boolean {
  return typeof node === 'object' && node !== null && 'Var' in node && node.Var === 'context';
}

import { fail } from '../../contract/errors.ts';
import type { Act, Action, CallContext, Copy, Effect, FactContext, Facts, ObjectType } from '../../contract/operation.ts';
import { leaves, member, text, type JsonLeaf, type JsonNode } from '../../lib/json/node.ts';
import { written } from '../../lib/json/serialise.ts';
import type { NotificationMessage, RequestMessage } from './envelope.ts';

/** What analysers read out of arguments (analyse-arguments.ts), as far as facts need it. */
export interface Analysed {
  readonly acts: readonly Act[];
  readonly effect: Effect;
  readonly sql: FactContext | null;
  readonly hosts: readonly string[];
  readonly programs: readonly string[];
  readonly shell: readonly string[];
  readonly copies?: readonly Copy[];
}

/** What one message is about: the object that policies decide on. */
export interface Subject {
  readonly action: Action;
  readonly type: ObjectType;
  readonly name: string;
  /** under which it is pinned; null: it is not */
  readonly pinned: 'tool' | 'prompt' | null;
}

const maxNameChars = 4_096;
const maxToolChars = 256;
const maxLeaves = 20_000;
const maxUris = 256;

/** Throws ERR_PROTOCOL_VIOLATION when the message does not say what it is about. */
export function subjectOf({ method, params }: RequestMessage | NotificationMessage): Subject {
  switch (method) {
    case 'tools/call':
      return { action: 'mcp:call', type: 'Tool', name: named(params, 'name', maxToolChars), pinned: 'tool' };
    case 'prompts/get':
      return { action: 'mcp:prompt', type: 'Prompt', name: named(params, 'name', maxToolChars), pinned: 'prompt' };
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      // a revision without them only wants to hear that there is no such method
      if (member(params, 'uri') === undefined) return { action: 'mcp:method', type: 'Method', name: method, pinned: null };
      return { action: 'mcp:read', type: 'McpResource', name: named(params, 'uri', maxNameChars), pinned: null };
    case 'resources/read':
      return { action: 'mcp:read', type: 'McpResource', name: named(params, 'uri', maxNameChars), pinned: null };
    case 'completion/complete':
      return completed(member(params, 'ref'));
    default:
      return { action: 'mcp:method', type: 'Method', name: method, pinned: null };
  }
}

function completed(ref: JsonNode | undefined): Subject {
  switch (text(member(ref, 'type'))) {
    case 'ref/prompt':
      return { action: 'mcp:prompt', type: 'Prompt', name: named(ref, 'name', maxToolChars), pinned: 'prompt' };
    case 'ref/resource':
      return { action: 'mcp:read', type: 'McpResource', name: named(ref, 'uri', maxNameChars), pinned: null };
    default:
      throw fail('ERR_PROTOCOL_VIOLATION', { message: 'Invalid params: ref is neither prompt nor resource.' });
  }
}

function named(node: JsonNode | undefined, key: string, maxChars: number): string {
  const name = text(member(node, key));
  if (name === undefined || name === '' || name.length > maxChars) throw fail('ERR_PROTOCOL_VIOLATION', { message: `Invalid params: ${key} is no name.` });
  return name;
}

const silent = new Set(['initialize', 'server/discover', 'ping', 'subscriptions/listen']);
const reading = new Set(['resources/read', 'prompts/get', 'completion/complete', 'tasks/get', 'tasks/result']);

function effectOf(method: string, isReadOnly: boolean): Effect {
  if (silent.has(method) || method.startsWith('notifications/') || method.endsWith('/list')) return 'none';
  return reading.has(method) || (method === 'tools/call' && isReadOnly) ? 'read' : 'write';
}

/** A call is no more harmless than what its arguments say. */
function together(own: Effect, analysed: Effect): Effect {
  return own === 'read' && analysed !== 'none' && analysed !== 'read' ? analysed : own;
}

/** One message as policies see it. `isReadOnly`: people agreed that the tool changes nothing. */
export function factsOf(message: RequestMessage | NotificationMessage, subject: Subject, more: { isReadOnly: boolean; analysed: Analysed | null }): Facts {
  const { method } = message;
  const { isReadOnly, analysed } = more;
  const acts: Act[] = [act(subject), ...listened(message), ...(analysed?.acts ?? [])];
  return {
    acts,
    effect: together(effectOf(method, isReadOnly), analysed?.effect ?? 'none'),
    context: { ...(analysed?.sql ?? nothing), ...((analysed?.sql ?? null) === null && { kind: method }), call: callOf(message, isReadOnly, analysed) },
    template: subject.type === 'Method' ? method : `${method} ${subject.name}`,
  };
}

function act({ action, type, name }: Subject): Act {
  return { action, object: { type, path: [name] } };
}

/** Each resource that a listener wants to hear of is read by it. */
function listened({ method, params }: RequestMessage | NotificationMessage): Act[] {
  if (method !== 'subscriptions/listen') return [];
  const uris = member(member(params, 'notifications'), 'resourceSubscriptions');
  if (uris === undefined) return [];
  if (uris.kind !== 'array' || uris.items.length > maxUris) throw fail('ERR_PROTOCOL_VIOLATION', { message: 'Invalid params: resourceSubscriptions.' });
  return uris.items.map((item) => {
    const uri = text(item);
    if (uri === undefined || uri === '' || uri.length > maxNameChars)
      throw fail('ERR_PROTOCOL_VIOLATION', { message: 'Invalid params: resourceSubscriptions.' });
    return { action: 'mcp:read', object: { type: 'McpResource', path: [uri] } };
  });
}

const nothing: FactContext = { kind: 'call', statements: 0, has_where: false, tables: [], columns: [], functions: [], has_limit: false };
const none: readonly string[] = [];

function callOf({ method, params }: RequestMessage | NotificationMessage, isReadOnly: boolean, analysed: Analysed | null): CallContext {
  const texts: Record<string, string> = {};
  const numbers: Record<string, number> = {};
  for (const { pointer, node } of argumentLeaves(params)) {
    texts[pointer] = node.kind === 'string' || node.kind === 'number' ? node.text : written(node);
    const number = node.kind === 'number' ? integer(node.text) : null;
    if (number !== null) numbers[pointer] = number;
  }
  return {
    method,
    arguments: texts,
    numbers,
    hosts: analysed?.hosts ?? none,
    programs: analysed?.programs ?? none,
    shell: analysed?.shell ?? none,
    query: none,
    read_only: isReadOnly,
  };
}

/** The scalars of `params.arguments`, in the order of the text. Throws ERR_STATEMENT_TOO_LARGE. */
export function argumentLeaves(params: JsonNode | undefined): JsonLeaf[] {
  const given = member(params, 'arguments');
  if (given === undefined || given.kind === 'null') return [];
  if (given.kind !== 'object') throw fail('ERR_PROTOCOL_VIOLATION', { message: 'Invalid params: arguments is no object.' });
  const found: JsonLeaf[] = [];
  for (const leaf of leaves(given)) {
    if (found.length >= maxLeaves) throw fail('ERR_STATEMENT_TOO_LARGE', { message: 'The call has too many arguments.' });
    found.push(leaf);
  }
  return found;
}

const whole = /^-?\d{1,16}(\.0{1,16})?([eE]\+?\d{1,2})?$/;

/** Integers however they are written; null: none, or not to be told from its neighbours. */
function integer(written: string): number | null {
  if (!whole.test(written)) return null;
  const value = Number(written);
  return Number.isSafeInteger(value) ? value : null;
}

const maxKnown = 4_096;

/** Facts for lists and for messages without arguments: the same object for the same name, so that decisions are found again. */
export class KnownFacts {
  readonly #known = new Map<string, Facts>();

  /** `method` is that of the call an entry of a list stands for. */
  of(method: string, subject: Subject, isReadOnly: boolean): Facts {
    const key = `${method}\n${subject.action}\n${isReadOnly ? 'r' : 'w'}\n${subject.name}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= maxKnown) this.#known.clear();
    const made: Facts = {
      acts: [act(subject)],
      effect: effectOf(method, isReadOnly),
      context: {
        ...nothing,
        kind: method,
        call: callOf({ kind: 'notification', method, params: undefined, node: { kind: 'object', members: [] } }, isReadOnly, null),
      },
      template: subject.type === 'Method' ? method : `${method} ${subject.name}`,
    };
    this.#known.set(key, made);
    return made;
  }
}

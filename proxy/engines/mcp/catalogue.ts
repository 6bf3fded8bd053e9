import { createHash } from 'node:crypto';
import { isAgreed, type OfferedTool, type ToolPin } from '../../contract/tool-pin.ts';
import type { Clock } from '../../lib/clock.ts';
import { member, text, type JsonNode, type JsonObject } from '../../lib/json/node.ts';
import { canonicalDigestInput, written } from '../../lib/json/serialise.ts';
import { objectOf } from './envelope.ts';
import { paramHeaders, type ParamHeader } from './era.ts';

export type Pins = ReadonlyMap<`${ToolPin['kind']}:${string}`, ToolPin>;

/** What a server says of a tool or a prompt, as it came. */
export interface Definition {
  readonly name: string;
  /** SHA-256 of its JCS form, hex (mcp.md E9) */
  readonly digest: string;
  readonly node: JsonObject;
  readonly headers: readonly ParamHeader[];
}

export interface CatalogueGiven {
  readonly clock: Clock;
  /** as people agreed to them, now */
  pins(): Pins;
  offered(tools: readonly OfferedTool[]): void;
  mask(text: string): string;
}

/** Asks the server itself; gives all entries of a list. */
export type Ask = (method: 'tools/list' | 'prompts/list') => Promise<readonly JsonNode[]>;

type Kind = 'tool' | 'prompt';
interface Known {
  readonly definitions: Map<string, Definition>;
  /** 0: what is known may be old */
  freshUntil: number;
  /** an unknown name is asked for again then */
  askAgainAt: number;
  asking: Promise<void> | null;
}

const freshMs = 60_000;
/** names that nobody offers must not make us ask at every call */
const askAgainMs = 1_000;
const debounceMs = 200;
const maxDefinitions = 2_000;
const maxDefinitionChars = 131_072;
const offerAgainMs = 60_000;

/** What one server offers, and which of it people agreed to. */
export class Catalogue {
  readonly #given: CatalogueGiven;
  readonly #known: Readonly<Record<Kind, Known>> = { tool: unknown(), prompt: unknown() };
  readonly #waiting = new Map<string, OfferedTool>();
  readonly #told = new Map<string, { readonly digest: string; readonly at: number }>();
  #timer: NodeJS.Timeout | null = null;

  constructor(given: CatalogueGiven) {
    this.#given = given;
  }

  /** What the server offers under the name now; null: nothing. Rejects when it cannot be asked. */
  async find(kind: Kind, name: string, ask: Ask): Promise<Definition | null> {
    const known = this.#known[kind];
    const now = this.#given.clock.now();
    const found = known.definitions.get(name);
    const isStale = now >= known.freshUntil || (found === undefined && now >= known.askAgainAt);
    if (!isStale) return found ?? null;
    known.asking ??= this.#ask(kind, ask).finally(() => {
      known.asking = null;
    });
    await known.asking;
    return known.definitions.get(name) ?? null;
  }

  /** Entries that pass by in a list of the caller's. Gives them as definitions; undefined where one is none. */
  observe(kind: Kind, entries: readonly JsonNode[]): readonly (Definition | undefined)[] {
    const { definitions } = this.#known[kind];
    return entries.map((entry) => {
      const definition = definitionOf(kind, entry, definitions);
      if (definition === undefined) return undefined;
      if (definitions.size < maxDefinitions) definitions.set(definition.name, definition);
      this.#offer(kind, definition);
      return definition;
    });
  }

  /** The server said that its lists changed. */
  changed(): void {
    this.#known.tool.freshUntil = 0;
    this.#known.prompt.freshUntil = 0;
  }

  /** True when exactly this was agreed to. */
  isAgreed(kind: Kind, { name, digest }: Pick<Definition, 'name' | 'digest'>): boolean {
    return isAgreed(this.#given.pins().get(`${kind}:${name}`), digest);
  }

  /** People confirmed that the tool changes nothing. */
  isReadOnly(name: string): boolean {
    return this.#given.pins().get(`tool:${name}`)?.readOnly === true;
  }

  /** Instructions are read by models like a tool's description: true when these were agreed to. */
  instructionsAgreed(instructions: JsonNode, serverInfo: JsonNode | undefined): boolean {
    const node = objectOf({ instructions, ...(serverInfo !== undefined && { serverInfo }) });
    const definition = { name: '', digest: digestOf(node), node };
    if (isAgreed(this.#given.pins().get('server:'), definition.digest)) return true;
    this.#offer('server', definition);
    return false;
  }

  async #ask(kind: Kind, ask: Ask): Promise<void> {
    const entries = await ask(kind === 'tool' ? 'tools/list' : 'prompts/list');
    const known = this.#known[kind];
    const before = new Map(known.definitions);
    known.definitions.clear();
    for (const entry of entries.slice(0, maxDefinitions)) {
      const definition = definitionOf(kind, entry, before);
      // of two under one name nobody could say which one is called
      if (definition === undefined || known.definitions.has(definition.name)) continue;
      known.definitions.set(definition.name, definition);
      this.#offer(kind, definition);
    }
    const now = this.#given.clock.now();
    known.freshUntil = now + freshMs;
    known.askAgainAt = now + askAgainMs;
  }

  #offer(kind: ToolPin['kind'], { name, digest, node }: Pick<Definition, 'name' | 'digest' | 'node'>): void {
    const key = `${kind}:${name}` as const;
    const pin = this.#given.pins().get(key);
    const now = this.#given.clock.now();
    const told = this.#told.get(key);
    if (pin?.offered === digest || (told?.digest === digest && now < told.at + offerAgainMs)) return;
    if (this.#told.size >= 2 * maxDefinitions) this.#told.clear();
    this.#told.set(key, { digest, at: now });
    this.#waiting.set(key, { kind, name, offered: digest, offeredDefinition: this.#shown(node) });
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      const offered = [...this.#waiting.values()];
      this.#waiting.clear();
      this.#given.offered(offered);
    }, debounceMs).unref();
  }

  #shown(node: JsonObject): string {
    const plain = this.#given.mask(written(node));
    if (plain.length <= maxDefinitionChars) return plain;
    return written(objectOf({ tooLong: { kind: 'number', text: String(plain.length) }, name: member(node, 'name') ?? { kind: 'null' } }));
  }
}

function unknown(): Known {
  return { definitions: new Map(), freshUntil: 0, askAgainAt: 0, asking: null };
}

function definitionOf(kind: Kind, entry: JsonNode, before: ReadonlyMap<string, Definition>): Definition | undefined {
  const name = text(member(entry, 'name'));
  if (entry.kind !== 'object' || name === undefined || name === '' || name.length > 256) return undefined;
  const digest = digestOf(entry);
  const known = before.get(name);
  if (known?.digest === digest) return known;
  const schema = kind === 'tool' ? member(entry, 'inputSchema') : undefined;
  return { name, digest, node: entry, headers: schema?.kind === 'object' ? paramHeaders(schema) : [] };
}

function digestOf(node: JsonNode): string {
  return createHash('sha256').update(canonicalDigestInput(node)).digest('hex');
}

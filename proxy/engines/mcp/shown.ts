import type { Span } from '../../contract/operation.ts';
import { member, text, type JsonMember, type JsonNode, type JsonObject } from '../../lib/json/node.ts';
import { written } from '../../lib/json/serialise.ts';
import type { NotificationMessage, RequestMessage } from './envelope.ts';

/** How an argument is shown that was read as a statement: pointer → pieces. */
export type ShownArguments = ReadonlyMap<string, readonly Span[]>;

const none: ShownArguments = new Map();
/** members of `_meta` that say nothing of what is done */
export const ordinaryMeta: ReadonlySet<string> = new Set([
  'progressToken',
  'traceparent',
  'tracestate',
  'io.modelcontextprotocol/protocolVersion',
  'io.modelcontextprotocol/clientInfo',
  'io.modelcontextprotocol/clientCapabilities',
  'io.modelcontextprotocol/subscriptionId',
]);

/** One message for the record and for approvers: its method and parameters, each value by itself under the name it has. */
export function shownMessage(message: RequestMessage | NotificationMessage, shown: ShownArguments = none): readonly Span[] {
  const writer = new SpanWriter(shown);
  const { method, params } = message;
  if (params === undefined) return [{ kind: 'text', text: method }];
  const name = method === 'tools/call' || method === 'prompts/get' ? text(member(params, 'name')) : undefined;
  writer.text(name === undefined ? method : `${method} ${JSON.stringify(name)}`);
  for (const { key, value } of params.members) {
    if (key === 'name' && name !== undefined) continue;
    if (key === '_meta') writer.meta(value);
    else writer.parameter(key, value);
  }
  return writer.spans;
}

class SpanWriter {
  readonly spans: Span[] = [];
  readonly #shown: ShownArguments;

  constructor(shown: ShownArguments) {
    this.#shown = shown;
  }

  text(text: string): void {
    const last = this.spans.at(-1);
    if (last?.kind !== 'text') this.spans.push({ kind: 'text', text });
    else this.spans[this.spans.length - 1] = { kind: 'text', text: last.text + text };
  }

  /** `arguments` stand alone; other parameters have their name before them. */
  parameter(key: string, value: JsonNode): void {
    const isArguments = key === 'arguments';
    this.text(isArguments ? ' ' : ` ${key} `);
    this.#node(value, key, isArguments ? '' : null);
  }

  meta(meta: JsonNode): void {
    if (meta.kind !== 'object') return;
    const members = meta.members.filter(({ key }) => !ordinaryMeta.has(key));
    if (members.length > 0) this.parameter('_meta', { kind: 'object', members });
  }

  /** `pointer` null: outside of the arguments */
  #node(node: JsonNode, name: string, pointer: string | null): void {
    if (node.kind === 'object') this.#object(node, name, pointer);
    else if (node.kind === 'array') this.#array(node.items, name, pointer);
    else this.#scalar(node, name, pointer);
  }

  #object(node: JsonObject, name: string, pointer: string | null): void {
    const label = labelOf(node);
    this.text('{');
    for (const [at, { key, value }] of node.members.entries()) {
      this.text(`${at === 0 ? '' : ','}${JSON.stringify(key)}:`);
      const path = pointer === null ? null : `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      this.#node(value, label !== null && isValueName(key) ? label : isTelling(key) ? key : name, path);
    }
    this.text('}');
  }

  #array(items: readonly JsonNode[], name: string, pointer: string | null): void {
    this.text('[');
    for (const [at, item] of items.entries()) {
      if (at > 0) this.text(',');
      this.#node(item, name, pointer === null ? null : `${pointer}/${at}`);
    }
    this.text(']');
  }

  #scalar(node: JsonNode, name: string, pointer: string | null): void {
    const statement = pointer === null ? undefined : this.#shown.get(pointer);
    if (statement !== undefined) {
      this.text('"');
      this.spans.push(...statement);
      this.text('"');
      return;
    }
    const column = { schema: '', table: '', column: name };
    const plain = written(node);
    if (node.kind !== 'string') this.spans.push({ kind: 'value', text: plain, column });
    else {
      this.text('"');
      this.spans.push({ kind: 'value', text: plain.slice(1, -1), column });
      this.text('"');
    }
  }
}

/** `{"name": "cvv", "value": "123"}`: what the value is called stands beside it. */
function labelOf({ members }: JsonObject): string | null {
  const isLabel = ({ key, value }: JsonMember): boolean => /^(name|key|field|label|id)$/i.test(key) && value.kind === 'string';
  const label = members.find(isLabel);
  return label?.value.kind === 'string' ? label.value.text.slice(0, 100) : null;
}

function isValueName(key: string): boolean {
  return /^(value|val|content|data|text)$/i.test(key);
}

/** a name of its own: numbers of a list and the like say nothing, so the name around them stays */
function isTelling(key: string): boolean {
  return !/^(\d+|value|val|text|data|content|raw)$/i.test(key);
}

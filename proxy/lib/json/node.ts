/** A number as it is written: RFC 8259 sets no precision, so 17–19 digits must survive. */
export interface JsonNumber {
  readonly kind: 'number';
  readonly text: string;
}
export interface JsonString {
  readonly kind: 'string';
  readonly text: string;
}
export interface JsonMember {
  readonly key: string;
  readonly value: JsonNode;
}
export interface JsonArray {
  readonly kind: 'array';
  readonly items: readonly JsonNode[];
}
/** Members in the order of the text. */
export interface JsonObject {
  readonly kind: 'object';
  readonly members: readonly JsonMember[];
}
export type JsonScalar = JsonNumber | JsonString | { readonly kind: 'boolean'; readonly value: boolean } | { readonly kind: 'null' };
/** A JSON value without loss. */
export type JsonNode = JsonScalar | JsonArray | JsonObject;

export const jsonNull: JsonNode = { kind: 'null' };
export const jsonTrue: JsonNode = { kind: 'boolean', value: true };
export const jsonFalse: JsonNode = { kind: 'boolean', value: false };

/** The value under `key`; undefined when the node is no object or has no such member. */
export function member(node: JsonNode | undefined, key: string): JsonNode | undefined {
  if (node?.kind !== 'object') return undefined;
  for (const each of node.members) if (each.key === key) return each.value;
  return undefined;
}

/** The text of a string; undefined for everything else. */
export function text(node: JsonNode | undefined): string | undefined {
  return node?.kind === 'string' ? node.text : undefined;
}

export interface JsonLeaf {
  /** RFC 6901 */
  readonly pointer: string;
  readonly node: JsonScalar;
}

/** Every scalar with its pointer, in the order of the text. */
export function* leaves(node: JsonNode, pointer = ''): Generator<JsonLeaf> {
  if (node.kind === 'array') {
    for (const [index, item] of node.items.entries()) yield* leaves(item, `${pointer}/${index}`);
  } else if (node.kind === 'object') {
    for (const { key, value } of node.members) yield* leaves(value, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
  } else yield { pointer, node };
}

/**
 * The tree of a JavaScript value as JSON.stringify would write it: absent (`undefined`) members and functions are left out, numbers that are
 * not finite become null. Bigints are written whole.
 */
export function fromValue(value: unknown): JsonNode {
  switch (typeof value) {
    case 'string':
      return { kind: 'string', text: value };
    case 'boolean':
      return value ? jsonTrue : jsonFalse;
    case 'number':
      return Number.isFinite(value) ? { kind: 'number', text: JSON.stringify(value) } : jsonNull;
    case 'bigint':
      return { kind: 'number', text: String(value) };
    case 'object':
      return fromObject(value);
    default:
      return jsonNull;
  }
}

function fromObject(value: object | null): JsonNode {
  if (value === null) return jsonNull;
  if (Array.isArray(value)) return { kind: 'array', items: value.map(fromValue) };
  if ('toJSON' in value && typeof value.toJSON === 'function') return fromValue((value.toJSON as () => unknown)());
  const members: JsonMember[] = [];
  for (const [key, each] of Object.entries(value)) {
    if (each !== undefined && typeof each !== 'function') members.push({ key, value: fromValue(each) });
  }
  return { kind: 'object', members };
}

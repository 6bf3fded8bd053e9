import type { JsonArray, JsonMember, JsonNode, JsonObject } from '../lib/json/node.ts';
import { columnsBeside, columnsIn, holdsSchemas, isSchema, isSchemaValue, isValueKey, nameBefore, recordName } from './json-columns.ts';
import type { Columns } from './json-columns.ts';
import { concealerOf } from './json-conceal.ts';
import { hideNamed, looksNamed, named } from './json-labels.ts';
import type { Named } from './json-labels.ts';
import { digitsOf, maskNumber, truncateNumber } from './json-number.ts';
import { maskDeep, maskPayload } from './json-text.ts';
import type { Work } from './json-text.ts';
import type { Count } from './value.ts';

export interface JsonMaskOptions {
  /** pictures, sound and bytes of unknown kind: passed as they are, or replaced by an empty string */
  readonly media: 'drop' | 'pass';
  /** our own credentials, hidden wherever they are echoed; shorter ones than 4 characters are not searched for. Keep the same list for all messages. */
  readonly conceal: readonly string[];
}

/** texts are read again for each way they may be wrapped */
const readings = 64;
const leastBudget = 1_048_576;

/**
 * Masks card data and our credentials in every string, number and name of a JSON value. Types, the number of members and items, and lengths of strings
 * stay, so that the result fits the same schema; numbers stay numbers with zeros for what is hidden. The same node comes back when nothing is hidden.
 * `size`: bytes of the message, for the limit of work. Throws ERR_MASKING_FAILED when that is exceeded.
 */
export function maskJson(node: JsonNode, options: JsonMaskOptions, count: Count, size = leastBudget): { node: JsonNode; changed: boolean } {
  const work = workOf(options, count, size);
  const masked = work.tree(node, 0);
  return { node: masked, changed: masked !== node };
}

/** For one message or piece of `size` bytes. */
export function workOf(options: JsonMaskOptions, count: Count, size: number): Work {
  const work: Work = {
    count,
    concealer: concealerOf(options.conceal),
    media: options.media,
    budget: Math.max(size, leastBudget) * readings,
    tree: (inner, wraps) => new Walk(work, wraps).value(inner, free),
  };
  return work;
}

/** What is known about a value by where it stands. */
interface Place {
  readonly name: Named | null;
  /** the name came from a table or a record: then values without digits are left */
  readonly isLoose: boolean;
  readonly columns: Columns | null;
  /** the members are schemas of what their names say */
  readonly isSchemas: boolean;
  /** a schema of what `name` says: only what stands for values in it is hidden */
  readonly isSchema: boolean;
}
const free: Place = { name: null, isLoose: false, columns: null, isSchemas: false, isSchema: false };

class Walk {
  readonly #work: Work;
  readonly #wraps: number;

  constructor(work: Work, wraps: number) {
    this.#work = work;
    this.#wraps = wraps;
  }

  value(node: JsonNode, place: Place): JsonNode {
    switch (node.kind) {
      case 'string':
        return this.#string(node, place);
      case 'number':
        return this.#number(node, place);
      case 'array':
        return this.#array(node, place);
      case 'object':
        return this.#object(node, place);
      default:
        return node;
    }
  }

  #string(node: JsonNode & { kind: 'string' }, { name, isLoose }: Place): JsonNode {
    if (name !== null && (looksNamed(node.text, name) || (name.sure && !isLoose && node.text !== ''))) {
      const hidden = hideNamed(node.text, name);
      if (hidden === node.text) return node;
      this.#work.count(`label:${name.tag}`, 1);
      return { kind: 'string', text: hidden };
    }
    const masked = maskDeep(node.text, this.#work, this.#wraps);
    return masked === node.text ? node : { kind: 'string', text: masked };
  }

  #number(node: JsonNode & { kind: 'number' }, { name }: Place): JsonNode {
    const hidden = this.#hiddenNumber(node.text, name);
    return hidden === node.text ? node : { kind: 'number', text: hidden };
  }

  #hiddenNumber(text: string, name: Named | null): string {
    if (name !== null && (name.sure || looksNamed(digitsOf(text), name))) {
      const hidden = name.tag === 'sad' ? '0' : truncateNumber(text);
      if (hidden !== text) this.#work.count(`label:${name.tag}`, 1);
      return hidden;
    }
    const masked = maskNumber(text);
    if (masked !== null && masked !== text) {
      this.#work.count('detector:pan', 1);
      return masked;
    }
    let secrets = 0;
    this.#work.concealer.hide(text, (count) => (secrets += count));
    if (secrets === 0) return text;
    this.#work.count('secret', secrets);
    return '0';
  }

  #array(node: JsonArray, place: Place): JsonNode {
    const { columns } = place;
    const isRow = columns !== null && columns.length === node.items.length && node.items.every(isCell) && columnsIn(node) === null;
    // rows under a first row of names
    const header = columns === null && node.items.length > 1 && node.items[1]?.kind === 'array' ? columnsIn(node.items[0]) : null;
    const items = node.items.map((item, index) => {
      let inner = header !== null && index > 0 ? { ...place, columns: header } : place;
      const name = isRow ? (columns[index] ?? null) : nameBefore(node.items, index);
      if (name !== null && place.name === null) inner = { ...free, name, isLoose: true };
      return this.value(item, inner);
    });
    const masked = this.#digitGroups(items);
    return masked.some((item, index) => item !== node.items[index]) ? { kind: 'array', items: masked } : node;
  }

  /** `["4111", "1111", "1111", "1111"]` */
  #digitGroups(items: JsonNode[]): JsonNode[] {
    if (items.length < 3 || items.length > 19) return items;
    let text = '';
    for (const item of items) {
      if ((item.kind !== 'string' && item.kind !== 'number') || !/^\d{1,6}$/.test(item.text)) return items;
      if (items.length > 5 && item.kind === 'number') return items;
      text += text === '' ? item.text : ` ${item.text}`;
    }
    const groups = text.split(' ');
    if (groups.some((group) => group.length !== (items.length > 5 ? 1 : 4)) && !/^\d{4} \d{6} \d{4,5}$/.test(text)) return items;
    const hidden = maskDeep(text, this.#work, this.#wraps).split(' ');
    return items.map((item, index) => {
      const now = hidden[index] ?? '';
      if (!now.includes('*')) return item;
      return item.kind === 'number' ? { kind: 'number', text: '0' } : { kind: 'string', text: now };
    });
  }

  #object(node: JsonObject, place: Place): JsonNode {
    const record = recordName(node);
    const columns = columnsBeside(node.members) ?? place.columns;
    const members = node.members.map((each) => {
      const { key, value } = each;
      const inner = this.#placeOf(each, place, { record, columns });
      const masked = (inner.name === null ? this.#media(node, each) : null) ?? this.value(value, inner);
      const name = maskDeep(key, this.#work, this.#wraps);
      if (masked === value && name === key) return each;
      return { key: name, value: masked };
    });
    return members.some((each, index) => each !== node.members[index]) ? { kind: 'object', members: distinct(members, node.members) } : node;
  }

  #placeOf({ key, value }: JsonMember, place: Place, beside: { record: Named | null; columns: Columns | null }): Place {
    const isSchemas = value.kind === 'object' && holdsSchemas(key);
    const { columns } = beside;
    const name = named(key);
    if (place.isSchemas && isSchema(value)) return { ...free, name, isSchema: true };
    if (place.isSchema) return { ...free, name: isSchemaValue(key) ? place.name : null, isSchemas };
    if (name !== null) return { ...free, name, columns };
    if (place.name !== null) return { ...place, columns, isSchemas };
    if (beside.record !== null && isValueKey(key)) return { ...free, name: beside.record, isLoose: true, columns };
    return { ...free, columns, isSchemas };
  }

  /** Base64 of pictures and sound: `blob`, and `data` beside a type. Null for anything else, and where nothing was hidden. */
  #media(parent: JsonObject, { key, value }: JsonMember): JsonNode | null {
    if (value.kind !== 'string' || (key !== 'blob' && !(key === 'data' && isMedia(parent)))) return null;
    if (!/^[A-Za-z0-9+/_\s-]{2,}={0,2}\s*$/.test(value.text)) return null;
    const masked = maskPayload(value.text, this.#work, this.#wraps);
    return masked === value.text ? null : { kind: 'string', text: masked };
  }
}

/** A value of a row: a scalar, or what wraps one, as `{v: '123'}`. */
function isCell(node: JsonNode): boolean {
  if (node.kind === 'array') return false;
  return node.kind !== 'object' || (node.members.length <= 2 && node.members.every(({ value }) => value.kind !== 'array' && value.kind !== 'object'));
}

function isMedia({ members }: JsonObject): boolean {
  return members.some(
    ({ key, value }) => (key === 'type' && value.kind === 'string' && (value.text === 'image' || value.text === 'audio')) || key.toLowerCase() === 'mimetype',
  );
}

/** Two card numbers as names may look alike once masked: the later ones get a letter among their stars. */
function distinct(members: readonly JsonMember[], before: readonly JsonMember[]): readonly JsonMember[] {
  if (members.every(({ key }, index) => key === before[index]?.key)) return members;
  const seen = new Set(members.filter(({ key }, index) => key === before[index]?.key).map(({ key }) => key));
  return members.map((each, index) => {
    if (each.key === before[index]?.key) return each;
    let { key } = each;
    for (let again = 1; seen.has(key); again++) key = marked(each.key, again);
    seen.add(key);
    return { key, value: each.value };
  });
}

function marked(key: string, again: number): string {
  const mark = letters(again);
  const stars = Math.max(key.lastIndexOf('*') + 1, mark.length);
  return key.slice(0, stars - mark.length) + mark + key.slice(stars);
}

function letters(count: number): string {
  return count.toString(26).replaceAll(/[0-9]/g, (digit) => 'qrstuvwxyz'.charAt(Number(digit)));
}

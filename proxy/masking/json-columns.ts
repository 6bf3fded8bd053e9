import type { JsonMember, JsonNode, JsonObject } from '../lib/json/node.ts';
import { looksNamed, named } from './json-labels.ts';
import type { Named } from './json-labels.ts';

/** What each place of a row is called; null for names that say nothing. */
export type Columns = readonly (Named | null)[];

const nameKeys = new Set([
  'name',
  'key',
  'field',
  'label',
  'id',
  'column',
  'columnname',
  'column_name',
  'fieldname',
  'parameter',
  'property',
  'attribute',
  'k',
  'header',
  'title',
  'n',
]);
const valueKeys =
  /^(?:value|values|val|v|text|content|data|current|answer|defaultvalue|(?:string|number|int|integer|double|long|raw|display|formatted)_?value|s)$/;

/** `{name: 'cvv', value: '123'}`: what the member that says the name tells about the one that says the value. */
export function recordName(node: JsonObject): Named | null {
  for (const { key, value } of node.members) {
    const name = value.kind === 'string' ? named(value.text) : null;
    if (name !== null && nameKeys.has(key.toLowerCase())) return name;
  }
  return null;
}

export function isValueKey(key: string): boolean {
  return valueKeys.test(key.toLowerCase());
}

const maxColumns = 1024;

/** The names in an array of strings, or of objects that each say a name; null when none of them is of card data. */
export function columnsIn(node: JsonNode | undefined): Columns | null {
  if (node?.kind !== 'array' || node.items.length === 0 || node.items.length > maxColumns) return null;
  const columns: (Named | null)[] = [];
  for (const item of node.items) {
    if (item.kind === 'string') columns.push(named(item.text));
    else if (item.kind === 'object') columns.push(recordName(item));
    else return null;
  }
  return columns.some((column) => column !== null) ? columns : null;
}

/** `{columns: […], rows: [[…]]}`, `{schema: {fields: […]}, rows: […]}`: the names stand in a member, or in one of an object beside. */
export function columnsBeside(members: readonly JsonMember[]): Columns | null {
  for (const { value } of members) {
    const columns = columnsIn(value);
    if (columns !== null) return columns;
    if (value.kind !== 'object') continue;
    for (const inner of value.members) {
      const innerColumns = columnsIn(inner.value);
      if (innerColumns !== null) return innerColumns;
    }
  }
  return null;
}

/** `['cvv', '123']`: what an item that is a name tells about the scalar behind it. */
export function nameBefore(items: readonly JsonNode[], index: number): Named | null {
  const [before, item] = [items[index - 1], items[index]];
  if (before?.kind !== 'string' || (item?.kind !== 'string' && item?.kind !== 'number')) return null;
  const name = named(before.text);
  return name !== null && looksNamed(item.text, { ...name, sure: false }) ? name : null;
}

const schemaWords = new Set(
  (
    'type format title description pattern minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum multipleOf enum const default ' +
    'examples example items prefixItems properties required additionalProperties patternProperties anyOf oneOf allOf not if then else $ref $id ' +
    '$schema $defs definitions nullable readOnly writeOnly deprecated minItems maxItems uniqueItems contentEncoding contentMediaType enumNames $comment'
  ).split(' '),
);
const types = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null']);
const valueWords = new Set(['enum', 'const', 'default', 'examples', 'example', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']);

/** The names under these are names of what a schema describes. */
export function holdsSchemas(key: string): boolean {
  return key === 'properties' || key === '$defs' || key === 'definitions' || key === 'patternProperties';
}

/** A JSON Schema by all of its words: what describes a code is no code. */
export function isSchema(node: JsonNode): node is JsonObject {
  if (node.kind !== 'object') return false;
  return node.members.every(({ key, value }) => (key === 'type' ? isType(value) : schemaWords.has(key) || key.startsWith('x-')));
}

function isType(node: JsonNode): boolean {
  if (node.kind === 'string') return types.has(node.text);
  return node.kind === 'array' && node.items.every(isType);
}

/** Words of a schema whose values are values of what it describes. */
export function isSchemaValue(key: string): boolean {
  return valueWords.has(key) || key.startsWith('x-');
}

import { hasUnseen, visibleText } from '../../kit/visible.ts';

/** What a definition says, taken apart for reading. The words are the server's own: they are shown, never followed. */
export interface ReadDefinition {
  readonly title: string;
  readonly description: string;
  readonly arguments: readonly DefinedArgument[];
  /** what the server says of itself: “reads only”, “can destroy”, … */
  readonly hints: readonly string[];
  /** holds characters that cannot be seen; a reason for doubt by itself */
  readonly hasUnseen: boolean;
}

export interface DefinedArgument {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly description: string;
}

const maxArguments = 200;
const hintWords: readonly (readonly [hint: string, value: boolean, words: string])[] = [
  ['readOnlyHint', true, 'reads only'],
  ['readOnlyHint', false, 'changes something'],
  ['destructiveHint', true, 'can destroy'],
  ['destructiveHint', false, 'destroys nothing'],
  ['idempotentHint', true, 'the same call twice is one'],
  ['openWorldHint', true, 'reaches the outside'],
  ['openWorldHint', false, 'stays inside'],
];

/** `text`: JSON, or the beginning of it when it was cut. Null: it cannot be taken apart, and is shown as it is. */
export function readDefinition(text: string): ReadDefinition | null {
  const value = parsed(text);
  if (!isRecord(value)) return null;
  const annotations = isRecord(value['annotations']) ? value['annotations'] : {};
  return {
    title: visibleText(textOf(value['title']) || textOf(annotations['title'])),
    description: visibleText(textOf(value['description']) || textOf(value['instructions'])),
    arguments: argumentsOf(value),
    hints: hintWords.filter(([hint, wanted]) => annotations[hint] === wanted).map(([, , words]) => words),
    hasUnseen: hasUnseenWithin(value),
  };
}

/** Indented, with what cannot be seen by number. */
export function definitionText(text: string): string {
  const value = parsed(text);
  return visibleText(value === undefined ? text : JSON.stringify(value, null, 2));
}

function argumentsOf(value: Readonly<Record<string, unknown>>): readonly DefinedArgument[] {
  const prompt = value['arguments'];
  if (Array.isArray(prompt)) {
    return prompt
      .filter(isRecord)
      .slice(0, maxArguments)
      .map((each) => ({
        name: visibleText(textOf(each['name'])),
        type: 'text',
        required: each['required'] === true,
        description: visibleText(textOf(each['description'])),
      }));
  }
  const schema = value['inputSchema'];
  if (!isRecord(schema) || !isRecord(schema['properties'])) return [];
  const required: readonly unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
  return Object.entries(schema['properties'])
    .slice(0, maxArguments)
    .map(([name, property]) => ({
      name: visibleText(name),
      type: typeOf(property),
      required: required.includes(name),
      description: isRecord(property) ? visibleText(textOf(property['description'])) : '',
    }));
}

function typeOf(property: unknown): string {
  if (!isRecord(property)) return 'anything';
  if (Array.isArray(property['enum'])) return visibleText(`one of ${property['enum'].map((value) => JSON.stringify(value)).join(', ')}`).slice(0, 200);
  const type = property['type'];
  if (Array.isArray(type)) return visibleText(type.join(' or '));
  if (type === 'array') return `list of ${isRecord(property['items']) ? typeOf(property['items']) : 'anything'}`;
  return typeof type === 'string' ? visibleText(type) : 'anything';
}

/** Nested deeper than anything would be: no definition. */
const maxDepth = 64;

function hasUnseenWithin(value: unknown, depth = 0): boolean {
  if (depth > maxDepth) return true;
  if (typeof value === 'string') return hasUnseen(value);
  if (Array.isArray(value)) return value.some((item) => hasUnseenWithin(item, depth + 1));
  if (!isRecord(value)) return false;
  return Object.entries(value).some(([name, member]) => hasUnseen(name) || hasUnseenWithin(member, depth + 1));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

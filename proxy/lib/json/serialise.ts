import type { JsonNode } from './node.ts';

/** The text of a tree without white space, in UTF-8; numbers as they were written. */
export function serialise(node: JsonNode): Uint8Array {
  const parts: Uint8Array[] = [];
  const rest = collect(node, '', parts);
  const last = Buffer.from(rest);
  return parts.length === 0 ? last : Buffer.concat([...parts, last]);
}

const longText = 512;

/** Puts what can be put into `parts`, long strings each by itself; gives the text that stands behind them. */
function collect(node: JsonNode, before: string, parts: Uint8Array[]): string {
  if (node.kind === 'string' && node.text.length >= longText) {
    parts.push(Buffer.from(before), quoted(node.text));
    return '';
  }
  let text = before;
  if (node.kind === 'array') {
    text += '[';
    for (const [index, item] of node.items.entries()) text = collect(item, index === 0 ? text : `${text},`, parts);
    return `${text}]`;
  }
  if (node.kind !== 'object') return text + written(node);
  text += '{';
  for (const [index, { key, value }] of node.members.entries()) text = collect(value, `${text}${index === 0 ? '' : ','}${JSON.stringify(key)}:`, parts);
  return `${text}}`;
}

/** All that JSON.stringify escapes, but for line ends. Classes of few letters each: the engine searches for those many bytes at a time. */
const escaped = [/[\x00-\x09"\\]/, /[\x0b-\x15]/, /[\x16-\x1f]/];

/** As JSON.stringify says it: much faster for long texts of lines. */
function quoted(text: string): Uint8Array {
  const isPlain = text.isWellFormed() && !escaped.some((each) => each.test(text));
  return Buffer.from(isPlain ? `"${text.replaceAll('\n', '\\n')}"` : JSON.stringify(text));
}

/** The same as a string. */
export function written(node: JsonNode): string {
  switch (node.kind) {
    case 'string':
      return JSON.stringify(node.text);
    case 'number':
      return node.text;
    case 'boolean':
      return node.value ? 'true' : 'false';
    case 'null':
      return 'null';
    case 'array': {
      let text = '[';
      for (const item of node.items) text += text.length === 1 ? written(item) : `,${written(item)}`;
      return `${text}]`;
    }
    case 'object': {
      let text = '{';
      for (const { key, value } of node.members) text += `${text.length === 1 ? '' : ','}${JSON.stringify(key)}:${written(value)}`;
      return `${text}}`;
    }
  }
}

/**
 * RFC 8785 (JCS): names sorted by UTF-16 code units, numbers in the form of ECMAScript. A number that this form would change (more digits than a
 * double holds, or out of its range) keeps its own text, so that two different numbers never have one digest.
 */
export function canonicalDigestInput(node: JsonNode): Uint8Array {
  return Buffer.from(canonical(node));
}

function canonical(node: JsonNode): string {
  if (node.kind === 'number') return canonicalNumber(node.text);
  if (node.kind === 'array') return `[${node.items.map(canonical).join(',')}]`;
  if (node.kind !== 'object') return written(node);
  const members = node.members.toSorted((one, two) => (one.key < two.key ? -1 : one.key > two.key ? 1 : 0));
  return `{${members.map(({ key, value }) => `${JSON.stringify(key)}:${canonical(value)}`).join(',')}}`;
}

function canonicalNumber(text: string): string {
  const value = Number(text);
  if (!Number.isFinite(value)) return text;
  const form = Object.is(value, -0) ? '0' : String(value);
  return decimal(form) === decimal(text) ? form : text;
}

/** Digits without zeros at either end, and the exponent: equal for equal numbers however they are written. */
function decimal(text: string): string {
  const isNegative = text.startsWith('-');
  const [mantissa = '', exponent = '0'] = text
    .slice(isNegative ? 1 : 0)
    .toLowerCase()
    .split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const power = BigInt(exponent.replace('+', '')) - BigInt(fraction.length) + BigInt(digits.length - significant.length);
  return `${isNegative ? '-' : ''}${significant}e${power}`;
}

import type { Span } from '../../contract/operation.ts';
import type { JsonNode } from '../../lib/json/node.ts';
import type { HeaderList } from '../../wire/web/header-rules.ts';
import type { Field, TargetPath } from './target-path.ts';

/** values beyond this are shown as hidden, so texts are cut into pieces */
const pieceChars = 4_000;

/** A named value: the name says what it holds, as a column does. */
function named(name: string, text: string): Span {
  return name === '' ? { kind: 'value', text } : { kind: 'value', text, column: { schema: '', table: '', column: name } };
}

const words = (text: string): Span => ({ kind: 'text', text });

/** The request line as people read it. Segments and names are the caller's words, so they are values. */
export function lineSpans(method: string, { segments, path }: TargetPath, query: readonly Field[]): readonly Span[] {
  const spans: Span[] = [words(`${method} `)];
  for (const segment of segments) spans.push(words('/'), { kind: 'value', text: encodeURI(segment) });
  if (segments.length === 0 || path.endsWith('/')) spans.push(words('/'));
  if (query.length > 0) spans.push(words('?'), ...fieldSpans(query));
  return spans;
}

export function headerSpans(headers: HeaderList): readonly Span[] {
  return headers.flatMap(([name, value]) => [words(`\n${name}: `), named(name, value)]);
}

export function fieldSpans(fields: readonly Field[]): readonly Span[] {
  return fields.flatMap(({ name, value }, index) => {
    const spans: Span[] = index === 0 ? [] : [words('&')];
    spans.push({ kind: 'value', text: encodeURI(name) });
    if (value !== null) spans.push(words('='), named(name, value.replaceAll('&', '%26')));
    return spans;
  });
}

/** Pieces of at most `pieceChars`: digits that stand on both sides of a cut are compared by the core. */
export function textSpans(text: string): readonly Span[] {
  const spans: Span[] = [];
  for (let at = 0; at < text.length; at += pieceChars) spans.push({ kind: 'value', text: text.slice(at, at + pieceChars) });
  return spans;
}

/** JSON with every scalar as a value under the nearest name. */
export function jsonSpans(node: JsonNode): readonly Span[] {
  const spans: Span[] = [];
  write(node, '', spans);
  return spans;
}

function write(node: JsonNode, name: string, spans: Span[]): void {
  switch (node.kind) {
    case 'object':
      spans.push(words('{'));
      for (const [index, { key, value }] of node.members.entries()) {
        spans.push(words(index === 0 ? '' : ','), { kind: 'value', text: JSON.stringify(key) }, words(':'));
        write(value, key, spans);
      }
      spans.push(words('}'));
      return;
    case 'array':
      spans.push(words('['));
      for (const [index, item] of node.items.entries()) {
        if (index > 0) spans.push(words(','));
        write(item, name, spans);
      }
      spans.push(words(']'));
      return;
    case 'string':
      for (const { text } of textSpans(JSON.stringify(node.text))) spans.push(named(name, text));
      return;
    case 'number':
      spans.push(named(name, node.text));
      return;
    default:
      spans.push(words(node.kind === 'null' ? 'null' : String(node.value)));
  }
}

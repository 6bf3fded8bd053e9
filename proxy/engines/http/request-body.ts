import { isUtf8 } from 'node:buffer';
import { fail } from '../../contract/errors.ts';
import type { Span } from '../../contract/operation.ts';
import type { HttpResource } from '../../contract/resource.ts';
import { leaves, type JsonNode } from '../../lib/json/node.ts';
import { serialise } from '../../lib/json/serialise.ts';
import { parseJson } from '../../lib/json/strict-json.ts';
import type { MediaType } from '../../wire/web/header-rules.ts';
import { bodyKind, looksLikeText } from './media.ts';
import { joined, partsOf, type Part } from './multipart.ts';
import { fieldSpans, jsonSpans, textSpans } from './shown.ts';
import { encodedFields, fieldsOf, type Field } from './target-path.ts';

/** A request body as it is decided, shown and forwarded. */
export interface RequestBody {
  /** what is forwarded: written anew from what was understood */
  readonly bytes: Uint8Array;
  /** see CallContext */
  readonly arguments: Readonly<Record<string, string>>;
  readonly numbers: Readonly<Record<string, number>>;
  readonly spans: () => readonly Span[];
}

const nothing = { arguments: {}, numbers: {} };
export const noBody: RequestBody = { ...nothing, bytes: new Uint8Array(), spans: () => [] };

const jsonLimits = { maxDepth: 64, maxNodes: 50_000 };

/** Throws ERR_PROTOCOL_VIOLATION for what does not follow its label, ERR_BODY_REFUSED for what cannot be searched. */
export function requestBody(bytes: Buffer, media: MediaType, bodies: HttpResource['bodies']): RequestBody {
  if (bytes.length === 0) return noBody;
  if (media.charset !== '' && !['utf-8', 'utf8', 'us-ascii'].includes(media.charset)) {
    throw fail('ERR_BODY_REFUSED', { message: 'Request bodies must be UTF-8.' });
  }
  switch (bodyKind(media)) {
    case 'json':
      return jsonBody(parseJson(bytes, { ...jsonLimits, maxBytes: bodies.maxBytes }));
    case 'form':
      return formBody(bytes);
    case 'multipart':
      return multipartBody(partsOf(bytes, media.boundary), media, bodies);
    default:
      return looksLikeText(bytes) && isUtf8(bytes) ? textBody(bytes, bodies.maxBytes) : otherBody(bytes, bodies);
  }
}

function jsonBody(node: JsonNode): RequestBody {
  return { ...callOf(node), bytes: serialise(node), spans: () => jsonSpans(node) };
}

function callOf(node: JsonNode): Pick<RequestBody, 'arguments' | 'numbers'> {
  const found: Record<string, string> = {};
  const numbers: Record<string, number> = {};
  for (const { pointer, node: leaf } of leaves(node)) {
    found[pointer] = leaf.kind === 'null' ? 'null' : leaf.kind === 'boolean' ? String(leaf.value) : leaf.text;
    const number = leaf.kind === 'number' ? Number(leaf.text) : Number.NaN;
    if (Number.isSafeInteger(number)) numbers[pointer] = number;
  }
  return { arguments: found, numbers };
}

function formBody(bytes: Buffer): RequestBody {
  const fields = fieldsOf(bytes.toString('latin1'), 'form');
  return { arguments: argumentsOf(fields), numbers: {}, bytes: Buffer.from(encodedFields(fields)), spans: () => fieldSpans(fields) };
}

/** A name that stands there twice is an array: `/name/0`, `/name/1`. */
export function argumentsOf(fields: readonly Field[]): Readonly<Record<string, string>> {
  const byName = new Map<string, string[]>();
  for (const { name, value } of fields) byName.set(name, [...(byName.get(name) ?? []), value ?? '']);
  const found: Record<string, string> = {};
  for (const [name, values] of byName) {
    const pointer = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    for (const [index, value] of values.entries()) found[values.length === 1 ? pointer : `${pointer}/${index}`] = value;
  }
  return found;
}

/** A label of plain text hides no arguments: a target may read JSON whatever it is called. What only some would read is refused. */
function textBody(bytes: Buffer, maxBytes: number): RequestBody {
  const text = bytes.toString('utf8');
  const spans = (): readonly Span[] => textSpans(text);
  if (!/^\s*[[{]/.test(text) || !isLooseJson(text)) return { ...nothing, bytes, spans };
  return { ...callOf(parseJson(bytes, { ...jsonLimits, maxBytes })), bytes, spans };
}

/** JSON as lenient readers take it: with a name twice, or behind a byte order mark. */
function isLooseJson(text: string): boolean {
  try {
    JSON.parse(text.replace(/^\ufeff/, ''));
    return true;
  } catch {
    return false;
  }
}

function otherBody(bytes: Buffer, { other }: HttpResource['bodies']): RequestBody {
  if (other === 'refuse') throw fail('ERR_BODY_REFUSED');
  return { ...nothing, bytes, spans: () => [{ kind: 'value', text: `(${bytes.length} bytes)`, opaque: bytes }] };
}

function multipartBody(parts: readonly Part[], { boundary }: MediaType, bodies: HttpResource['bodies']): RequestBody {
  const read = parts.map((part) => ({ part, body: partBody(part, bodies) }));
  const fields = read.flatMap(({ part }) => (part.name === null || part.isFile ? [] : [{ name: part.name, value: part.body.toString('utf8') }]));
  return {
    arguments: argumentsOf(fields),
    numbers: {},
    bytes: joined(
      read.map(({ part, body }) => ({ headers: part.headers, body: Buffer.from(body.bytes) })),
      boundary,
    ),
    spans: () => read.flatMap(({ part, body }) => [...partHead(part), ...body.spans(), { kind: 'text', text: '\n' } as const]),
  };
}

function partBody(part: Part, bodies: HttpResource['bodies']): RequestBody {
  if (bodyKind(part.media) === 'multipart') throw fail('ERR_PROTOCOL_VIOLATION', { message: 'The multipart body is refused: a part is one itself.' });
  return requestBody(part.body, part.media, bodies);
}

function partHead({ headers }: Part): readonly Span[] {
  return headers.flatMap(([name, value]): Span[] => [
    { kind: 'text', text: `${name}: ` },
    { kind: 'value', text: value },
    { kind: 'text', text: '\n' },
  ]);
}

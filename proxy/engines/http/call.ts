import type { Action, Effect, Facts, Span } from '../../contract/operation.ts';
import type { Operation, Sink } from '../../pipeline/engine.ts';
import type { HeaderList } from '../../wire/web/header-rules.ts';
import type { RequestBody } from './request-body.ts';
import { headerSpans, lineSpans } from './shown.ts';
import { encodedFields, type Field, type TargetPath } from './target-path.ts';

export interface CallParts {
  readonly method: string;
  readonly target: TargetPath;
  readonly query: readonly Field[];
  /** those that reach the target */
  readonly headers: HeaderList;
  readonly body: RequestBody;
  readonly upgrade: boolean;
  /** may be asked about later: see Operation.returns */
  readonly returns: boolean;
  readonly sink: Sink;
}

/** What is forwarded, read back from the bytes that a permit gives. */
export interface Forwarded {
  readonly method: string;
  /** path and query */
  readonly path: string;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
}

const reading = new Set(['GET', 'HEAD', 'OPTIONS']);
/** they say who asks and in which form an answer is liked: an approval holds for the same request of another version of the client */
const unbound = new Set([
  'accept',
  'accept-charset',
  'accept-language',
  'baggage',
  'cache-control',
  'date',
  'pragma',
  'traceparent',
  'tracestate',
  'user-agent',
]);

/** One request as an operation: decided by method, path, names of the query and arguments of the body. */
export class CallOperation implements Operation {
  readonly by = 'client';
  readonly facts: Facts;
  readonly exact: readonly Uint8Array[];
  readonly sink: Sink;
  readonly returns?: true;
  readonly #parts: CallParts;

  constructor(parts: CallParts) {
    const { method, headers, body } = parts;
    this.#parts = parts;
    this.facts = factsOf(parts);
    this.exact = [headBytes(method, pathAndQuery(parts), headers), body.bytes];
    this.sink = parts.sink;
    if (parts.returns) this.returns = true;
  }

  /** only asked for where people are */
  get bound(): readonly Uint8Array[] {
    const { method, headers, body } = this.#parts;
    return [headBytes(method, pathAndQuery(this.#parts), boundHeaders(headers)), body.bytes];
  }

  shown(): readonly Span[] {
    const { method, target, query, headers, body } = this.#parts;
    const spans = body.spans();
    return [
      ...lineSpans(method, target, query),
      ...headerSpans(boundHeaders(headers)),
      ...(spans.length === 0 ? [] : [{ kind: 'text', text: '\n\n' } as const, ...spans]),
    ];
  }
}

/** The inverse of what `exact` was made by. */
export function forwardedOf([head = new Uint8Array(), body = new Uint8Array()]: readonly Uint8Array[]): Forwarded {
  const [line = '', ...lines] = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1').split('\n');
  const space = line.indexOf(' ');
  const headers = lines.map((each): [string, string] => {
    const colon = each.indexOf(':');
    return [each.slice(0, colon), each.slice(colon + 1)];
  });
  return { method: line.slice(0, space), path: line.slice(space + 1), headers, body };
}

function boundHeaders(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => !unbound.has(name));
}

/** Header values hold no line breaks: Node's parser has made sure. */
function headBytes(method: string, path: string, headers: HeaderList): Buffer {
  let text = `${method} ${path}`;
  for (const [name, value] of headers) text += `\n${name}:${value}`;
  return Buffer.from(text, 'latin1');
}

function pathAndQuery({ target, query }: CallParts): string {
  return query.length === 0 ? target.path : `${target.path}?${encodedFields(query)}`;
}

function factsOf({ method, target, query, body, upgrade }: CallParts): Facts {
  const isRead = !upgrade && reading.has(method);
  const action: Action = upgrade ? 'http:upgrade' : isRead ? 'http:read' : 'http:write';
  const effect: Effect = isRead ? 'read' : 'write';
  return {
    acts: [{ action, object: { type: 'Path', path: target.segments } }],
    effect,
    template: `${method} ${target.segments.length === 0 ? '/' : target.segments.map(templated).join('')}`,
    context: {
      kind: upgrade ? 'upgrade' : method.toLowerCase(),
      statements: 1,
      has_where: false,
      tables: [],
      columns: [],
      functions: [],
      has_limit: false,
      call: {
        method,
        arguments: body.arguments,
        numbers: body.numbers,
        hosts: [],
        programs: [],
        shell: [],
        query: query.length === 0 ? [] : [...new Set(query.map(({ name }) => name))].sort(),
        read_only: isRead,
      },
    },
  };
}

/** Words of the API stay; what may be a value does not. */
function templated(segment: string): string {
  return /^(?:v\d{1,3}|[A-Za-z][A-Za-z_-]{0,40})$/.test(segment) ? `/${segment}` : '/…';
}

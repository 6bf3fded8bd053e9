/** Names and values as they came, in order. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** RFC 9110 section 7.6.1, and what only concerns one connection */
const hopByHop = new Set([
  'close',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/**
 * What of a caller's request reaches a target, beside the headers that a broker writes itself. A list of what may pass, since a
 * target may trust any header that its proxies usually write: `x-forwarded-for`, `x-remote-user`, `x-original-url`.
 */
const passedRequest = new Set([
  'accept',
  'accept-charset',
  'accept-language',
  'api-version',
  'baggage',
  'cache-control',
  'content-disposition',
  'content-language',
  'content-location',
  'content-type',
  'date',
  'depth',
  'destination',
  'dnt',
  'idempotency-key',
  'if',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-event-id',
  'lock-token',
  'mime-version',
  'overwrite',
  'pragma',
  'prefer',
  'range',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-api-version',
  'x-correlation-id',
  'x-csrf-token',
  'x-idempotency-key',
  'x-requested-with',
  'x-xsrf-token',
]);
const passedFamilies =
  /^(anthropic|dropbox|elastic|github|kbn|notion|openai|ocp|odata|opc|sap|stripe)-[a-z0-9-]*$|^x-github-api-version$|^(soapaction|odata-version)$/;

/** never, whatever a list of an administrator says */
const neverPassed = /^(authorization|cookie2?|host|content-length|expect|origin|referer|forwarded|via|x-forwarded-.*|x-real-ip|x-postern-.*|proxy-.*|sec-.*)$/;

/** what a target writes of itself, or for a connection or a browser that it does not have */
const droppedResponse = new Set([
  ...hopByHop,
  'alt-svc',
  'clear-site-data',
  'content-length',
  'nel',
  'public-key-pins',
  'report-to',
  'reporting-endpoints',
  'server',
  'server-timing',
  'sourcemap',
  'strict-transport-security',
  'via',
  'x-powered-by',
  'x-sourcemap',
]);

/** Pairs of Node's flat list; names in lower case. */
export function headerPairs(raw: readonly string[]): HeaderList {
  const pairs: (readonly [string, string])[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) pairs.push([(raw[index] ?? '').toLowerCase(), raw[index + 1] ?? '']);
  return pairs;
}

/** The caller's headers that may reach a target. `more`: names an administrator adds. */
export function passedRequestHeaders(headers: HeaderList, more: readonly string[] = []): HeaderList {
  const named = connectionNames(headers);
  const added = more.length === 0 ? none : new Set(more.map((name) => name.toLowerCase()));
  return headers.filter(([name]) => !named.has(name) && mayPass(name, added));
}

function mayPass(name: string, added: ReadonlySet<string>): boolean {
  if (hopByHop.has(name) || neverPassed.test(name)) return false;
  return passedRequest.has(name) || passedFamilies.test(name) || added.has(name);
}

/** The target's headers that may reach a caller, without what says how long the body is. */
export function passedResponseHeaders(headers: HeaderList): HeaderList {
  const named = connectionNames(headers);
  return headers.filter(([name]) => !droppedResponse.has(name) && !named.has(name));
}

/** The only value of a header; null: it is missing or stands there twice. */
export function single(headers: HeaderList, wanted: string): string | null {
  let found: string | null = null;
  for (const [name, value] of headers) {
    if (name !== wanted) continue;
    if (found !== null) return null;
    found = value;
  }
  return found;
}

/** Name, value, name, value, …: as Node and undici take them. */
export function flat(headers: HeaderList): string[] {
  const names: string[] = [];
  for (const [name, value] of headers) names.push(name, value);
  return names;
}

const none: ReadonlySet<string> = new Set();
/** they name nothing that would pass */
const usualConnection = new Set(['keep-alive', 'Keep-Alive', 'close']);

function connectionNames(headers: HeaderList): ReadonlySet<string> {
  let named: Set<string> | null = null;
  for (const [name, value] of headers) {
    if (name !== 'connection' || usualConnection.has(value)) continue;
    named ??= new Set();
    for (const each of value.split(',')) named.add(each.trim().toLowerCase());
  }
  return named ?? none;
}

export interface MediaType {
  /** `type/subtype` in lower case; empty: none was given, or it makes no sense */
  readonly type: string;
  /** in lower case; empty: none */
  readonly charset: string;
  readonly boundary: string;
}

/** RFC 9110 section 8.3.1. */
export function mediaType(value: string | null): MediaType {
  const [first = '', ...parameters] = (value ?? '').split(';');
  const type = first.trim().toLowerCase();
  const valid = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+*-]+$/.test(type);
  return { type: valid ? type : '', charset: parameter(parameters, 'charset').toLowerCase(), boundary: parameter(parameters, 'boundary') };
}

function parameter(parameters: readonly string[], wanted: string): string {
  for (const each of parameters) {
    const equals = each.indexOf('=');
    if (equals < 0 || each.slice(0, equals).trim().toLowerCase() !== wanted) continue;
    const value = each.slice(equals + 1).trim();
    return /^".*"$/.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
  }
  return '';
}

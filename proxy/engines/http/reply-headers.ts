import { passedResponseHeaders, type HeaderList } from '../../wire/web/header-rules.ts';
import type { Upstream, UpstreamReply } from '../../wire/web/upstream.ts';

export interface ReplyPlace {
  readonly upstream: Pick<Upstream, 'origin' | 'base'>;
  /** the address of the resource here */
  readonly here: string;
  /** other resources have the same origin */
  readonly isShared: boolean;
}

/** Cookies and challenges would hand the caller what belongs to the target's account; ranges and digests speak of other bytes. */
const dropped = new Set([
  'accept-ranges',
  'authentication-info',
  'content-digest',
  'content-encoding',
  'content-md5',
  'content-range',
  'digest',
  'repr-digest',
  'service-worker-allowed',
  'set-cookie',
  'set-cookie2',
  'signature',
  'signature-input',
  'www-authenticate',
]);

/** A page of one target must not speak to the others with what the browser knows of its user: it gets no origin. */
const sandbox = ['content-security-policy', 'sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts'] as const;

/** The target's headers as the caller may have them, before their values are masked. */
export function replyHeaders({ headers }: UpstreamReply, place: ReplyPlace): HeaderList {
  const passed: [string, string][] = [];
  for (const [name, value] of passedResponseHeaders(headers)) {
    if (dropped.has(name) || name.startsWith('access-control-')) continue;
    if (name === 'location' || name === 'content-location') passed.push([name, relocated(value, place)]);
    // what is searched may be changed: the bytes are not those the target tagged
    else if (name === 'etag' && !value.startsWith('W/')) passed.push([name, `W/${value}`]);
    else passed.push([name, value]);
  }
  return place.isShared ? [...passed, sandbox] : passed;
}

/** If-Match compares strongly, so the mark that `replyHeaders` added is taken away again. */
export function strongIfMatch(headers: HeaderList): HeaderList {
  if (!headers.some(([name]) => name === 'if-match')) return headers;
  return headers.map(([name, value]): [string, string] => (name === 'if-match' ? [name, value.replaceAll(/(^|[\s,])W\//g, '$1')] : [name, value]));
}

/** Addresses below the target's own become addresses here; others stay. */
export function relocated(value: string, { upstream, here }: Pick<ReplyPlace, 'upstream' | 'here'>): string {
  const { origin, base } = upstream;
  if (!URL.canParse(value, `${origin}${base}/`)) return value;
  const url = new URL(value, `${origin}${base}/`);
  const isAbsolute = /^[a-z][a-z0-9+.-]*:|^\/\//i.test(value.trim());
  const isRooted = isAbsolute || value.startsWith('/');
  if (!isRooted || url.origin !== origin) return value;
  if (url.pathname !== base && !url.pathname.startsWith(`${base}/`)) return value;
  return `${here}${url.pathname.slice(base.length)}${url.search}${url.hash}`;
}

/** One text for the record: several values of one name are lines. */
export function headerRecord(headers: HeaderList): Record<string, string> {
  const record: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of headers) {
    const known = record[name];
    record[name] = known === undefined ? value : `${known}\n${value}`;
  }
  return record;
}

/** The inverse, without values that could not stand in a header. */
export function fromRecord(record: Readonly<Record<string, string>>): HeaderList {
  return Object.entries(record).flatMap(([name, values]) =>
    values.split('\n').flatMap((value): [string, string][] => (isHeaderValue(value) ? [[name, value]] : [])),
  );
}

export function isHeaderValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}

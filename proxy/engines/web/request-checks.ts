import type { IncomingMessage } from 'node:http';
import { fail, type ErrorCode } from '../../contract/errors.ts';
import { addressKey } from '../../lib/address-kind.ts';
import type { AppError } from '../../lib/errors.ts';

const methods = new Set(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']);
/** two of these would be read differently by two readers */
const onlyOnce = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
  'origin',
  'prefer',
  'range',
  'transfer-encoding',
  'upgrade',
]);
/** they let a target read another method or path than the one that was decided */
const overriding = /^x-(?:http-)?method(?:-override)?$|^x-(?:original|rewrite)-(?:url|uri|path)$|^x-original-method$/;
const maxTargetChars = 8_192;
const authority = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?\.?)(?::([1-9][0-9]{0,4}))?$/;

/** Why the request is refused before anything else is looked at; null: it is well formed. Node's parser has refused the rest. */
export function requestFault({ method = '', url = '', rawHeaders, headers, httpVersion }: IncomingMessage): AppError<ErrorCode> | null {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return violation('This HTTP version is not supported.');
  if (!methods.has(method)) return fail('ERR_FEATURE_REFUSED', { message: 'This HTTP method is refused.' });
  if (url.length > maxTargetChars) return fail('ERR_STATEMENT_TOO_LARGE', { message: 'The address is longer than this gateway accepts.' });
  if (headers.host === undefined) return violation('The header Host is missing.');
  return nameFault(rawHeaders) ?? lengthFault(headers, httpVersion);
}

function nameFault(rawHeaders: readonly string[]): AppError<ErrorCode> | null {
  let seen: Set<string> | null = null;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const { name, isOnlyOnce, isOverriding } = kindOf(rawHeaders[index] ?? '');
    if (isOverriding) return fail('ERR_FEATURE_REFUSED', { message: `The header ${name} is refused: method and path are those of the request line.` });
    if (!isOnlyOnce) continue;
    seen ??= new Set();
    if (seen.has(name)) return violation(`The header ${name} stands there twice.`);
    seen.add(name);
  }
  return null;
}

interface NameKind {
  /** in lower case */
  readonly name: string;
  readonly isOnlyOnce: boolean;
  readonly isOverriding: boolean;
}

/** names as clients write them; few, and no more than these are kept */
const kinds = new Map<string, NameKind>();
const maxKnownNames = 256;
const maxKnownChars = 64;

function kindOf(written: string): NameKind {
  const known = kinds.get(written);
  if (known !== undefined) return known;
  const name = written.toLowerCase();
  const kind = { name, isOnlyOnce: onlyOnce.has(name), isOverriding: overriding.test(name) };
  if (kinds.size < maxKnownNames && written.length <= maxKnownChars) kinds.set(written, kind);
  return kind;
}

function lengthFault(headers: IncomingMessage['headers'], httpVersion: string): AppError<ErrorCode> | null {
  const coding = headers['transfer-encoding'];
  const length = headers['content-length'];
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion !== '1.1')) return violation('The transfer coding is not supported.');
  if (coding !== undefined && length !== undefined) return violation('The request has two lengths.');
  return length === undefined || /^\d{1,15}$/.test(length) ? null : violation('The length is no number.');
}

/**
 * Path and query of a request target, as sent. Null: it is none of ours, or in a form that no client sends here. The absolute form is
 * good for the same host only.
 */
export function requestTarget(url: string, host: string): { path: string; search: string } | null {
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url);
  if (absolute !== null && (absolute[1] ?? '').toLowerCase() !== host.toLowerCase()) return null;
  const target = absolute === null ? url : (absolute[2] ?? '');
  if (!target.startsWith('/') || target.includes('#')) return null;
  const question = target.indexOf('?');
  return question < 0 ? { path: target, search: '' } : { path: target.slice(0, question), search: target.slice(question) };
}

/** hosts as clients write them that were found to be ours; few, since ports and spellings are */
const ours = new WeakMap<readonly string[], Set<string>>();
const maxKnownHosts = 64;

/** Whether a Host header is one of `names`: `host`, `*.domain` (one label) or an address with any port, or `host:port`; in lower case. */
export function isOurHost(host: string, names: readonly string[]): boolean {
  const known = ours.get(names) ?? new Set();
  if (known.has(host)) return true;
  const isOurs = isNamed(host, names);
  if (isOurs && known.size < maxKnownHosts) ours.set(names, known.add(host));
  return isOurs;
}

function isNamed(host: string, names: readonly string[]): boolean {
  const match = authority.exec(host.toLowerCase());
  if (match === null || Number(match[2] ?? 0) > 65_535) return false;
  const name = plain((match[1] ?? '').replace(/\.$/, ''));
  const wildcard = name.replace(/^[^.]*/, '*');
  const withPort = `${name}:${match[2] ?? '443'}`;
  return names.some((each) => {
    const known = plain(each.toLowerCase());
    return known === name || known === withPort || (known.startsWith('*.') && known === wildcard);
  });
}

/** An address in one notation, a name as it is. */
function plain(host: string): string {
  return addressKey(host.replace(/^\[|\]$/g, '')) ?? host;
}

/**
 * Against DNS rebinding and pages of other origins: Origin may be missing or that of the very address that was called. Browsers send
 * none with what a page merely shows; then they say whose page it is (Fetch Metadata), and only a person may come from elsewhere.
 */
export function isOurOrigin(headers: IncomingMessage['headers'], here: string): boolean {
  const { origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = headers;
  const isForeign = site === 'cross-site' || site === 'same-site';
  return (!isForeign || mode === 'navigate') && (origin === undefined || origin.toLowerCase() === here.toLowerCase());
}

function violation(message: string): AppError<ErrorCode> {
  return fail('ERR_PROTOCOL_VIOLATION', { message });
}

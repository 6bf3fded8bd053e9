import { fail } from '../../contract/errors.ts';

const maxCharacters = 2_048;
const ports: Readonly<Record<string, string>> = { http: '80', https: '443', ws: '80', wss: '443' };

interface Address {
  readonly scheme: string;
  /** lower case */
  readonly host: string;
  readonly port: string;
  /** begins with `/` */
  readonly path: string;
}

/**
 * Where an address leads: `scheme://host:port`. `allow`: as in the analyser of the resource. Throws ERR_STATEMENT_UNPARSEABLE for what two
 * parsers could read differently, ERR_ACCESS_DENIED for what no pattern allows.
 */
export function analyseUrl(text: string, allow: readonly string[]): string {
  const address = parsed(text);
  if (address === null) {
    throw fail('ERR_STATEMENT_UNPARSEABLE', {
      message: 'The address could be read in more than one way, so it is refused.',
      detail: 'url',
      hint: 'Write scheme, host and path plainly, without user, dot segments and encoded separators.',
    });
  }
  const { scheme, host, port } = address;
  if (!allow.some((pattern) => matches(pattern, address))) {
    throw fail('ERR_ACCESS_DENIED', { message: `The address ${scheme}://${host}:${port} is not one that this tool may be given.` });
  }
  return `${scheme}://${host}:${port}`;
}

interface Written {
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
}

/** RFC 3986, in the form that the WHATWG parser leaves as it is; null: anything else. */
function parsed(text: string): Address | null {
  const written = writtenParts(text);
  if (written === null || isAmbiguous(written.path)) return null;
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || url.hostname.endsWith('.') || url.pathname !== written.path) return null;
  const port = url.port === '' ? (ports[written.scheme] ?? '') : url.port;
  // numbers as addresses, encoded hosts, ports with zeros before them: the parser changes what it understood otherwise
  if (written.authority !== url.hostname && written.authority !== `${url.hostname}:${port}`) return null;
  return { scheme: written.scheme, host: url.hostname, port, path: url.pathname };
}

function writtenParts(text: string): Written | null {
  // printable ASCII without what parsers repair: space, quotes, backslash and the like
  if (text.length > maxCharacters || !/^[!#-;=?-[\]_a-z~]+$/i.test(text)) return null;
  const [, scheme = '', authority = '', path = '/'] = /^(https?|wss?):\/\/([^/?#@]+)(\/[^?#]*)?(?:\?[^#]*)?(?:#.*)?$/i.exec(text) ?? [];
  return authority === '' ? null : { scheme: scheme.toLowerCase(), authority: authority.toLowerCase(), path };
}

/** A server might decode these before, or after, it looks at the path. */
function isAmbiguous(path: string): boolean {
  return /%(?:2e|2f|5c|00|25)/i.test(path) || /\/\.{1,2}(?:\/|$)/.test(path) || /%(?![0-9a-f]{2})/i.test(path);
}

/** Scheme, host with one `*.` at its beginning, port (the scheme's own when there is none), path with one `*` at its end (any when there is none). */
function matches(pattern: string, address: Address): boolean {
  const [, scheme = '', any, host = '', written, path] =
    /^(https?|wss?):\/\/(\*\.)?([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(\/[^*?#]*\*?)?$/.exec(pattern.toLowerCase()) ?? [];
  const port = written ?? ports[scheme];
  if (host === '' || scheme !== address.scheme || port !== address.port) return false;
  const isHost = any === undefined ? host === address.host : address.host.endsWith(`.${host}`) && address.host.length > host.length + 1;
  return isHost && (path === undefined || isPath(pattern.slice(pattern.length - path.length), address.path));
}

function isPath(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}

import { reject, type Rejection } from './server-startup.ts';

/** What a client may ask for at startup; everything else is refused (CVE-2025-12819). */
export interface Accepted {
  readonly kind: 'accepted';
  readonly user: string;
  readonly database: string;
  readonly applicationName: string;
  /** for the target's StartupMessage, as values of named parameters: they never reach SQL text */
  readonly upstream: ReadonlyMap<string, string>;
}

/** Settings that change how values look or how long a statement may take, by lower-case name. */
const settings = new Map(
  [
    'DateStyle',
    'TimeZone',
    'IntervalStyle',
    'extra_float_digits',
    'bytea_output',
    'search_path',
    'statement_timeout',
    'lock_timeout',
    'idle_in_transaction_session_timeout',
    'idle_session_timeout',
    'transaction_timeout',
    'client_min_messages',
    'geqo',
    'jit',
    'default_transaction_read_only',
    'default_transaction_isolation',
    'default_transaction_deferrable',
  ].map((name) => [name.toLowerCase(), name]),
);

const ownNames = new Set(['user', 'database', 'application_name']);
const maxNameBytes = 63;
const encodings = new Map([
  ['utf8', 'UTF8'],
  ['utf-8', 'UTF8'],
  ['unicode', 'UTF8'],
  ['auto', 'UTF8'],
  ['sql_ascii', 'SQL_ASCII'],
]);

/** `parameters` as sent, without the `_pq_.` options */
export function acceptParameters(parameters: ReadonlyMap<string, string>): Accepted | Rejection {
  const user = parameters.get('user') ?? '';
  if (user === '') return reject('28000', 'no PostgreSQL user name specified in startup packet');
  const database = parameters.get('database') ?? '';
  const upstream = new Map<string, string>([['client_encoding', 'UTF8']]);
  for (const [name, value] of parameters) {
    const rejection = ownNames.has(name) ? null : name === 'options' ? acceptOptions(value, upstream) : acceptSetting(name, value, upstream);
    if (rejection !== null) return rejection;
  }
  const wanted = database === '' ? user : database;
  if (Buffer.byteLength(user) > maxNameBytes || Buffer.byteLength(wanted) > 2 * maxNameBytes + 1)
    return reject('42622', 'a name in the startup packet is too long');
  return { kind: 'accepted', user, database: wanted, applicationName: parameters.get('application_name') ?? '', upstream };
}

function acceptSetting(name: string, value: string, upstream: Map<string, string>): Rejection | null {
  const lower = name.toLowerCase();
  if (lower === 'replication') {
    const off = ['false', 'off', 'no', '0', 'f', 'n'].includes(value.toLowerCase());
    return off ? null : reject('0A000', 'replication connections are refused by the gateway', 'See docs/limits.md for what is supported and when.');
  }
  if (lower === 'client_encoding') {
    const encoding = encodings.get(value.replace(/^'(.*)'$/, '$1').toLowerCase());
    if (encoding === undefined) return reject('22023', `client_encoding "${printable(value)}" is refused by the gateway`, 'Use UTF8.');
    upstream.set('client_encoding', encoding);
    return null;
  }
  const known = settings.get(lower);
  if (known === undefined)
    return reject(
      '42704',
      `startup parameter "${printable(name)}" is refused by the gateway`,
      'Remove it from the connection string, or set it with SET after connecting.',
    );
  upstream.set(known, value);
  return null;
}

/** `-c name=value`, `-cname=value` and `--name=value`, with backslash escapes for blanks, as in libpq's `options`. */
function acceptOptions(value: string, upstream: Map<string, string>): Rejection | null {
  const words = splitOptions(value);
  for (let index = 0; index < words.length; index++) {
    let word = words[index] ?? '';
    if (word === '-c') word = `--${words[++index] ?? ''}`;
    else if (word.startsWith('-c')) word = `--${word.slice(2)}`;
    const match = /^--([A-Za-z_][A-Za-z0-9_.-]*)=(.*)$/s.exec(word);
    const name = match?.[1];
    if (name === undefined) return reject('42704', `startup option "${printable(word)}" is refused by the gateway`, 'Only `-c name=value` is read.');
    const setting = name.replaceAll('-', '_');
    if (ownNames.has(setting.toLowerCase())) return reject('42704', `startup option "${printable(setting)}" is refused by the gateway`);
    const rejection = acceptSetting(setting, match?.[2] ?? '', upstream);
    if (rejection !== null) return rejection;
  }
  return null;
}

function splitOptions(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + (char === '\\' ? text.charAt(++at) : char);
  }
  if (word !== null) words.push(word);
  return words;
}

/** What a client sent, as it may stand in a message. */
function printable(text: string): string {
  return text.slice(0, 63).replaceAll(/[^\x20-\x7e]/g, '?');
}

import type { Status } from '../../../proxy/contract/api-views.ts';

/** What a caller must say to reach a resource. */
export interface ConnectionWay {
  readonly id: 'psql' | 'url' | 'jdbc';
  readonly label: string;
  readonly text: string;
}

export interface Door {
  readonly host: string;
  readonly port: number;
  /** as the client must name it at this port */
  readonly database: string;
}

export const principalPlaceholder = '<service-account>';
const tokenPlaceholder = '<token>';
/** `DIR/tls/ca.crt` of the service, copied to the client */
const authorityFile = 'ca.crt';

const everywhere = new Set(['0.0.0.0', '::', '[::]', '*', '']);

/** A listener on every address is reached by the name under which the service is known here. */
export function reachableHost(listening: string, applianceUrl: string): string {
  if (!everywhere.has(listening)) return listening;
  try {
    return new URL(applianceUrl).hostname.replace(/^\[(.*)\]$/, '$1');
  } catch {
    return listening;
  }
}

interface Wanted {
  readonly name: string;
  readonly protocol: string;
  readonly database: string;
  readonly listenPort: number | null;
}

/** The shared port, where the database is the resource's name, and the resource's own, where it is the target's. Null: there is none. */
export function doorsOf(
  { name, protocol, database, listenPort }: Wanted,
  listeners: Status['listeners'],
  applianceUrl: string,
): { shared: Door | null; own: Door | null } {
  const listener = listeners.find((each) => each.protocol === protocol);
  if (listener === undefined) return { shared: null, own: null };
  const host = reachableHost(listener.host, applianceUrl);
  return {
    shared: { host, port: listener.port, database: name },
    // port 0 is chosen by the system at every start: there is nothing to copy
    own: listenPort === null || listenPort === 0 ? null : { host, port: listenPort, database },
  };
}

export function connectionWays({ host, port, database }: Door, principal: string): readonly ConnectionWay[] {
  const user = principal === '' ? principalPlaceholder : principal;
  const urlHost = host.includes(':') ? `[${host}]` : host;
  const path = encodeURIComponent(database);
  const tls = `sslmode=verify-full&sslrootcert=${authorityFile}`;
  const words = [`host=${word(host)}`, `port=${port}`, `user=${word(user)}`, `dbname=${word(database)}`, 'sslmode=verify-full', `sslrootcert=${authorityFile}`];
  return [
    { id: 'psql', label: 'psql', text: `psql ${shellQuoted(words.join(' '))}` },
    { id: 'url', label: 'URL', text: `postgresql://${user}:${tokenPlaceholder}@${urlHost}:${port}/${path}?${tls}` },
    { id: 'jdbc', label: 'JDBC', text: `jdbc:postgresql://${urlHost}:${port}/${path}?user=${user}&password=${tokenPlaceholder}&${tls}` },
  ];
}

/** A value of a libpq connection string. */
function word(value: string): string {
  return /^[A-Za-z0-9._:<>/-]+$/.test(value) ? value : `'${value.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}

function shellQuoted(text: string): string {
  return text.includes("'") ? `"${text.replaceAll(/["\\$`]/g, String.raw`\$&`)}"` : `'${text}'`;
}

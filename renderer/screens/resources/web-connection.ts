import type { Status } from '../../../proxy/contract/api-views.ts';
import { reachableHost } from './connection.ts';
import type { WebView } from './web-form.ts';

/** What a client is given. */
export interface WebWay {
  readonly id: 'curl' | 'config' | 'inspector';
  readonly label: string;
  readonly text: string;
}

/** Where callers reach it below the gateway. */
export function webPath(resource: WebView): string {
  if (resource.protocol === 'http') return `/http/${resource.name}/`;
  return resource.upstream.transport === 'group' ? `/mcp/group/${resource.name}` : `/mcp/${resource.name}`;
}

/** The shared port, and the resource's own, where the whole path is the target's. Null: nothing listens. */
export function webAddresses(resource: WebView, listeners: Status['listeners'], applianceUrl: string): { shared: string; own: string | null } | null {
  const listener = listeners.find(({ protocol }) => protocol === 'web');
  if (listener === undefined) return null;
  const host = reachableHost(listener.host, applianceUrl);
  const at = (port: number): string => `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const { listenPort } = resource;
  // port 0 is chosen by the system at every start: there is nothing to copy
  const own = listenPort === null || listenPort === 0 ? null : `${at(listenPort)}/`;
  return { shared: `${at(listener.port)}${webPath(resource)}`, own };
}

/** The token is never in them: it stands in a variable, or is asked for. */
export function webWays({ name, protocol }: Pick<WebView, 'name' | 'protocol'>, address: string): readonly WebWay[] {
  const header = `-H "Authorization: Bearer $POSTERN_TOKEN"`;
  if (protocol === 'http') return [{ id: 'curl', label: 'curl', text: `curl --cacert ca.crt ${header} '${address}'` }];
  const server = { type: 'http', url: address, headers: { Authorization: 'Bearer ${POSTERN_TOKEN}' } };
  return [
    { id: 'config', label: 'Client', text: JSON.stringify({ mcpServers: { [name]: server } }, null, 2) },
    {
      id: 'inspector',
      label: 'List',
      text: `NODE_EXTRA_CA_CERTS=ca.crt mcp-inspector --cli '${address}' --transport http --header "Authorization: Bearer $POSTERN_TOKEN" --method tools/list`,
    },
  ];
}

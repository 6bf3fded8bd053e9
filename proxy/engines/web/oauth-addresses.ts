import type { Resource } from '../../contract/resource.ts';

const name = '[a-z][a-z0-9._-]{0,62}';
const resourcePath = new RegExp(`^/(mcp/group|mcp|http)/(${name})$`);

/** Our own MCP server, which is no resource. */
const ownServer = 'postern';

/** The path of a resource here (`/mcp/tools`), or null for a path of another form. Says nothing of whether there is one. */
export function isResourcePath(path: string): boolean {
  return resourcePath.test(path);
}

/** The resource that an RFC 8707 indicator names, under our address `origin`; null: none of ours. */
export function resourceAt(indicator: string, origin: string, find: (name: string) => Resource | null): { name: string; uri: string } | null {
  const [, kind, wanted] = resourcePath.exec(pathBelow(indicator, origin) ?? '') ?? [];
  if (kind === undefined || wanted === undefined) return null;
  const uri = `${origin}/${kind}/${wanted}`;
  if (kind === 'mcp' && wanted === ownServer) return { name: wanted, uri };
  const resource = find(wanted);
  return resource !== null && kindOf(resource) === kind ? { name: wanted, uri } : null;
}

/** The path of an address of ours, without a slash at its end; null: it is not ours, or more than an address. */
function pathBelow(indicator: string, origin: string): string | null {
  const url = URL.parse(indicator);
  if (url?.origin !== new URL(origin).origin || url.username !== '' || url.password !== '' || /[?#]/.test(indicator)) return null;
  return url.pathname.replace(/\/$/, '');
}

function kindOf(resource: Resource): string {
  return resource.protocol === 'mcp' && resource.upstream.transport === 'group' ? 'mcp/group' : resource.protocol;
}

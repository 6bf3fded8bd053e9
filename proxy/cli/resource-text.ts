import type { ResourceView } from '../contract/api-views.ts';
import type { HttpCredential, McpUpstream } from '../contract/resource.ts';
import { targetText } from '../contract/resource-target.ts';
import { fields, table } from './output.ts';

export function resourceTable(items: readonly ResourceView[]): string {
  return table(
    ['NAME', 'PROTOCOL', 'TARGET', 'DATABASE', 'ACCOUNT', 'OWN PORT'],
    items.map((resource) => {
      const { name, protocol, account, listenPort } = resource;
      const database = resource.protocol === 'postgres' ? resource.database : '–';
      return [name, protocol, targetText(resource), database, account, listenPort === null ? '–' : String(listenPort)];
    }),
  );
}

export function resourceText(resource: ResourceView): string {
  const { name, protocol, account, listenPort, recording, id, createdAt } = resource;
  return fields({
    name,
    protocol,
    target: targetText(resource),
    ...ownFields(resource),
    account,
    'own port': listenPort,
    'recorded bytes per operation': recording.maxBytesPerOperation,
    created: createdAt,
    id,
  });
}

type Lines = Record<string, string | number | boolean | null>;

function ownFields(resource: ResourceView): Lines {
  switch (resource.protocol) {
    case 'postgres':
      return { database: resource.database, tls: resource.tls.mode };
    case 'http':
      return {
        ...reachFields(resource),
        'bodies seen whole up to': resource.bodies.maxBytes,
        'bodies that cannot be searched': resource.bodies.other === 'pass' ? 'passed on' : 'refused',
      };
    case 'mcp':
      return {
        ...upstreamFields(resource.upstream),
        'images and sound': resource.media === 'pass' ? 'passed on' : 'dropped',
        'read as more than data': resource.analysers.map(({ tool, pointer, reads }) => `${tool}${pointer} as ${reads.as}`).join(', ') || 'nothing',
      };
  }
}

function upstreamFields(upstream: McpUpstream): Lines {
  switch (upstream.transport) {
    case 'group':
      return { transport: 'group' };
    case 'stdio':
      return {
        transport: 'stdio',
        credential: upstream.credential.type === 'none' ? 'none' : `${upstream.credential.type} ${upstream.credential.variable}`,
        sandbox: upstream.sandbox,
        network: upstream.network,
        'may read': upstream.readable.join(', ') || 'nothing',
        'may write': upstream.writable.join(', ') || 'nothing',
        'pinned files': upstream.integrity.length,
      };
    default:
      return { transport: upstream.transport, ...reachFields(upstream) };
  }
}

function reachFields({ credential, ca, allowLocal }: { credential: HttpCredential; ca?: string | undefined; allowLocal: boolean }): Lines {
  return {
    credential: credentialText(credential),
    trusts: ca === undefined ? "the system's authorities" : 'its own authority only',
    'local addresses': allowLocal,
  };
}

function credentialText(credential: HttpCredential): string {
  switch (credential.type) {
    case 'header':
      return `header ${credential.header}: ${credential.prefix}`.trim();
    case 'oauth-client-credentials':
      return `OAuth client ${credential.clientId} at ${credential.tokenUrl}`;
    default:
      return credential.type;
  }
}

import type { ResourceView } from './api-views.ts';
import type { McpUpstream } from './resource.ts';

/** Where it is, in one line for people. */
export function targetText(resource: ResourceView): string {
  switch (resource.protocol) {
    case 'postgres':
      return `${resource.host}:${String(resource.port)}`;
    case 'http':
      return resource.url;
    case 'mcp':
      return upstreamText(resource.upstream);
  }
}

function upstreamText(upstream: McpUpstream): string {
  switch (upstream.transport) {
    case 'streamable-http':
    case 'sse':
      return upstream.url;
    case 'stdio':
      return [upstream.command, ...upstream.args].join(' ');
    case 'group':
      return upstream.members.join(' + ');
  }
}

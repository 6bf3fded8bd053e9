import { describe, expect, it } from 'vitest';
import type { WebView } from './web-form.ts';
import { webAddresses, webPath, webWays } from './web-connection.ts';

const common = { id: 'res_a', account: 'service', recording: { maxBytesPerOperation: 0 }, createdAt: '2026-01-01T00:00:00.000Z' };
const orders: WebView = {
  ...common,
  name: 'orders',
  protocol: 'http',
  listenPort: 9_000,
  url: 'https://api.internal',
  allowLocal: false,
  credential: { type: 'none' },
  bodies: { maxBytes: 1_024, other: 'refuse' },
};
const group: WebView = {
  ...common,
  name: 'all',
  protocol: 'mcp',
  listenPort: null,
  upstream: { transport: 'group', members: ['files'] },
  analysers: [],
  media: 'drop',
};

describe('where callers reach an API or a server', () => {
  it('is below the gateway, by the kind of the resource', () => {
    expect(webPath(orders)).toBe('/http/orders/');
    expect(webPath(group)).toBe('/mcp/group/all');
    const own: WebView = { ...group, name: 'files', upstream: { transport: 'sse', url: 'https://x', allowLocal: false, credential: { type: 'none' } } };
    expect(webPath(own)).toBe('/mcp/files');
  });

  it('is the listener of the gateway, under the name the service is known by here', () => {
    const listeners = [
      { protocol: 'postgres', host: '0.0.0.0', port: 6_432 },
      { protocol: 'web', host: '0.0.0.0', port: 8_444 },
    ];
    expect(webAddresses(orders, listeners, 'https://[fd00::1]:8443')).toEqual({
      shared: 'https://[fd00::1]:8444/http/orders/',
      own: 'https://[fd00::1]:9000/',
    });
    expect(webAddresses(group, listeners.slice(0, 1), 'https://gw:8443')).toBeNull();
  });

  it('holds no token, and is JSON where a client reads JSON', () => {
    const [config] = webWays(group, 'https://gw:8444/mcp/group/all');
    expect(JSON.parse(config?.text ?? '')).toEqual({
      mcpServers: { all: { type: 'http', url: 'https://gw:8444/mcp/group/all', headers: { Authorization: 'Bearer ${POSTERN_TOKEN}' } } },
    });
  });
});

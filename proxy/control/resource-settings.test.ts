import { describe, expect, it } from 'vitest';
import type { McpUpstream, Resource } from '../contract/resource.ts';
import { AppError } from '../lib/errors.ts';
import { assertReferences } from './resource-references.ts';
import { asksForSecret, wholeResource } from './resource-settings.ts';

const base = {
  id: 'res_a',
  name: 'api',
  account: 'service',
  listenPort: null,
  recording: { maxBytesPerOperation: 1_024 },
  createdAt: '2026-01-01T00:00:00.000Z',
  secret: null,
};
const http = (more: object = {}) => ({ ...base, protocol: 'http' as const, url: 'https://api.example.com/v1', ...more });
const child: McpUpstream = {
  transport: 'stdio',
  command: '/usr/bin/server',
  args: [],
  environment: {},
  credential: { type: 'none' },
  directory: null,
  integrity: [],
  sandbox: 'required',
  network: false,
  readable: [],
  writable: [],
};
const mcp = (upstream: object, more: object = {}) => ({ ...base, protocol: 'mcp' as const, upstream, ...more });

/** `path: message` of each fault. */
function faultsOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return (error.faults ?? []).map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}

describe('a whole resource', () => {
  it('has what is usual where nothing was said', () => {
    expect(wholeResource(http())).toMatchObject({ allowLocal: false, credential: { type: 'none' }, bodies: { other: 'refuse' } });
    expect(wholeResource(mcp(child))).toMatchObject({ media: 'drop', analysers: [] });
  });

  it('refuses members of another protocol, and names those that are missing', () => {
    expect(faultsOf(() => wholeResource(http({ database: 'x', upstream: child })))).toEqual([
      'database: does not belong to a resource of protocol http',
      'upstream: does not belong to a resource of protocol http',
    ]);
    expect(faultsOf(() => wholeResource({ ...base, protocol: 'http' }))).toEqual(['url: a resource of protocol http needs it']);
  });

  it.each([
    'http://127.0.0.1:9/',
    'http://localhost/',
    'http://a.localhost./',
    'http://0x7f.1/',
    'http://2130706433/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://169.254.1.1/',
  ])('refuses %s unless local addresses are allowed', (url) => {
    expect(faultsOf(() => wholeResource(http({ url })))).toHaveLength(1);
    expect(faultsOf(() => wholeResource(http({ url, allowLocal: true })))).toEqual([]);
  });

  it.each(['http://169.254.169.254/latest', 'http://[fd00:ec2::254]/', 'http://100.100.100.200/', 'http://0.0.0.0/'])('never takes %s', (url) => {
    expect(faultsOf(() => wholeResource(http({ url, allowLocal: true })))).toHaveLength(1);
  });

  it('looks at where tokens are got, too', () => {
    const credential = {
      type: 'oauth-client-credentials',
      tokenUrl: 'http://169.254.169.254/token',
      clientId: 'c',
      authentication: 'client_secret_basic',
      scope: '',
      resource: '',
    };
    expect(faultsOf(() => wholeResource(http({ credential, secret: 'sec_a' })))).toEqual([
      'credential.tokenUrl: a metadata service of a cloud is never a target',
    ]);
  });

  it('refuses private keys among what can be read back', () => {
    const key = '-----BEGIN EC PRIVATE KEY-----\nx\n-----END EC PRIVATE KEY-----';
    expect(faultsOf(() => wholeResource(mcp({ ...child, environment: { KEY: key } })))[0]).toMatch(/^upstream\.environment\.KEY: holds a private key/);
    expect(faultsOf(() => wholeResource(mcp({ ...child, args: [key] })))[0]).toMatch(/^upstream\.args\.0: holds a private key/);
  });

  it('refuses what is no certificate', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(faultsOf(() => wholeResource(http({ ca: pem })))).toEqual(['ca: is no certificate in PEM form']);
  });

  it.each([
    ['/usr/bin/npx', ['server']],
    ['/usr/local/bin/uvx', []],
    ['/usr/bin/node', ['/usr/lib/node_modules/npm/bin/npx-cli.js', 'server']],
    ['/usr/bin/env', ['A=b', '-i', 'npx', 'server']],
    ['/bin/sh', ['-c', 'npx server']],
    ['/usr/bin/python3', ['-m', 'pipx', 'run']],
  ])('refuses the package runner %s %j', (command, args) => {
    expect(faultsOf(() => wholeResource(mcp({ ...child, command, args })))[0]).toMatch(/fetches and runs what others publish/);
  });

  it.each([
    ['/usr/bin/node', ['/srv/npm/server.js']],
    ['/usr/bin/server', ['npx']],
  ])('takes %s %j', (command, args) => {
    expect(faultsOf(() => wholeResource(mcp({ ...child, command, args })))).toEqual([]);
  });

  it.each(['postern', 'group'])('keeps the name %s for the gateway, of MCP only', (name) => {
    expect(faultsOf(() => wholeResource(mcp(child, { name })))).toEqual(['name: this name is taken by a path of the gateway itself']);
    expect(faultsOf(() => wholeResource(http({ name })))).toEqual([]);
  });

  it('knows which ask for a secret', () => {
    const asks = (settings: ReturnType<typeof http> | ReturnType<typeof mcp>): boolean => asksForSecret(wholeResource({ ...settings, secret: 'sec_a' }));
    expect([asks(http()), asks(http({ credential: { type: 'basic' } })), asks(mcp(child)), asks(mcp({ transport: 'group', members: ['a'] }))]).toEqual([
      false,
      true,
      false,
      false,
    ]);
    expect(asks(mcp({ ...child, credential: { type: 'file', variable: 'KEY' } }))).toBe(true);
  });
});

describe('references', () => {
  const server = (name: string, more: object = {}): Resource => wholeResource({ ...mcp(child), name, id: `res_${name}`, ...more });
  const group = (name: string, members: string[]): Resource => server(name, { upstream: { transport: 'group', members } });

  it.each([
    [['missing'], 'there is no MCP resource missing'],
    [['a', 'a'], 'is named twice'],
    [['other'], 'other is a group itself'],
    [['b__c'], 'cannot be told from the names of its tools'],
    [['b_'], 'cannot be told from the names of its tools'],
  ])('of a group to %j are refused', (members, why) => {
    const all = [server('a'), server('b__c'), server('b_'), group('other', ['a']), group('all', members)];
    expect(faultsOf(() => assertReferences(all, 'all')).join()).toContain(why);
  });

  it('of an analyser must be to a database', () => {
    const analysed = server('a', { analysers: [{ tool: '*', pointer: '/sql', reads: { as: 'sql', resource: 'b', database: 'x' } }] });
    expect(faultsOf(() => assertReferences([analysed, server('b')], 'a'))).toEqual(['analysers.0.reads.resource: there is no PostgreSQL resource b']);
  });

  it('keep what they name from being removed, or from becoming a group', () => {
    expect(() => assertReferences([group('all', ['a'])], 'a')).toThrow(/is named by all/);
    expect(() => assertReferences([group('all', ['a']), group('a', ['b']), server('b')], 'a')).toThrow(/is named by all/);
    expect(() => assertReferences([group('all', ['a']), server('a')], 'a')).not.toThrow();
  });
});

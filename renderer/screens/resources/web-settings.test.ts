import { describe, expect, it } from 'vitest';
import type { ResourceView } from '../../../proxy/contract/api-views.ts';
import { asksForSecret, emptyAnalyser, emptyWebForm, isKey, webFormOf, type WebForm } from './web-form.ts';
import { endsWebSessions, servedWebFaults, webCreationOf, webFaults, webSettingsOf } from './web-settings.ts';

const asNew = { isNew: true, wantsSecret: true };
const http: WebForm = { ...emptyWebForm('http'), name: 'orders', url: 'https://api.internal/v1', secret: 'key' };
const child: WebForm = { ...emptyWebForm('mcp'), name: 'files', transport: 'stdio', command: '/opt/files/server' };
const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';

describe('the form of an HTTP API or an MCP server', () => {
  it('finds nothing wrong with what can be taken', () => {
    expect(webFaults(http, asNew)).toEqual({});
    expect(webFaults(child, asNew)).toEqual({});
    expect(webFaults({ ...emptyWebForm('mcp'), name: 'all', transport: 'group', members: ['files'] }, asNew)).toEqual({});
  });

  it.each([
    ['url', { url: 'ftp://api' }],
    ['url', { url: 'https://user:pass@api' }],
    ['header', { header: 'X Api' }],
    ['secret', { secret: ' ' }],
    ['maxBodyKib', { maxBodyKib: '' }],
    ['recordKib', { recordKib: '-1' }],
    ['listenPort', { listenPort: '70000' }],
    ['ca', { ca: 'nonsense' }],
    ['name', { name: 'Orders' }],
    ['account', { account: '' }],
    ['certificate', { credential: 'mtls' }],
    ['clientId', { credential: 'oauth-client-credentials', tokenUrl: 'https://login.internal' }],
  ] as const)('finds fault with %s %o', (field, change) => {
    expect(Object.keys(webFaults({ ...http, ...change }, asNew))).toEqual([field]);
  });

  it.each([
    ['command', { command: 'npx' }],
    ['environment', { environment: 'A=1\nno value' }],
    ['variable', { childCredential: 'environment', secret: 's' }],
    ['integrity', { integrity: 'abc  /opt/x' }],
    ['readable', { readable: 'relative/path' }],
    ['analysers.1', { analysers: [{ ...emptyAnalyser, tool: 'run', pointer: '/cmd', as: 'command' }, emptyAnalyser] }],
  ] as const)('of a server on this machine: finds fault with %s %o', (field, change) => {
    expect(Object.keys(webFaults({ ...child, ...change }, asNew))).toEqual([field]);
  });

  it('takes no private key for a certificate', () => {
    expect(webFaults({ ...http, ca: `${pem}\n-----BEGIN PRIVATE KEY-----` }, asNew)['ca']).toContain('private key');
  });

  it('sends a secret only where the target asks for one', () => {
    expect(webCreationOf(http)).toMatchObject({ password: 'key' });
    expect(webCreationOf({ ...http, credential: 'none' })).not.toHaveProperty('password');
    expect(webCreationOf({ ...child, secret: 'left over' })).not.toHaveProperty('password');
    expect(asksForSecret({ ...child, childCredential: 'file' })).toBe(true);
    expect(isKey({ ...http, credential: 'mtls' })).toBe(true);
    expect(isKey({ ...child, credential: 'mtls' })).toBe(false);
  });

  it('keeps arguments as they were written, and takes what sha256sum writes', () => {
    const sum = 'AB'.repeat(32);
    const { upstream } = webSettingsOf({ ...child, args: '--flag\n\n  two words\n', environment: 'A=b=c', integrity: `${sum}  /opt/x y\n${sum} */opt/z` });
    expect(upstream).toMatchObject({
      args: ['--flag', '', '  two words'],
      environment: { A: 'b=c' },
      integrity: [
        { sha256: sum.toLowerCase(), path: '/opt/x y' },
        { sha256: sum.toLowerCase(), path: '/opt/z' },
      ],
    });
  });

  it('goes there and back', () => {
    const form: WebForm = {
      ...child,
      args: 'a\n b',
      environment: 'A=1',
      integrity: `${'ab'.repeat(32)}  /opt/files/server`,
      readable: '/srv',
      network: true,
      childCredential: 'environment',
      variable: 'KEY',
      analysers: [
        { ...emptyAnalyser, tool: 'query', pointer: '/sql', resource: 'payments', database: 'shop' },
        { ...emptyAnalyser, tool: 'get', pointer: '/url', as: 'url', allow: 'https://a.example\nhttps://b.example' },
      ],
    };
    const view = { id: 'res_a', name: 'files', createdAt: '2026-01-01T00:00:00.000Z', ...webSettingsOf(form) } as ResourceView;
    expect(view.protocol === 'mcp' && webFormOf(view)).toEqual(form);
  });

  it('puts what the service found at the field it was typed in', () => {
    const found = ['upstream.command', 'upstream.credential.variable', 'upstream.readable.2', 'analysers.1.reads.resource', 'upstream.members.0', 'password'];
    const faults = servedWebFaults(
      found.map((path) => ({ path, message: 'x' })),
      'mcp',
    );
    expect(Object.keys(faults)).toEqual(['command', 'variable', 'readable', 'analysers.1', 'members', 'secret']);
    expect(servedWebFaults([{ path: 'credential.tokenUrl', message: 'is no address' }], 'http')).toEqual({ tokenUrl: 'is no address' });
  });

  it('says that sessions end when the target is another one, and not for the recording', () => {
    expect(endsWebSessions(http, { ...http, recordKib: '1', listenPort: '9000' })).toBe(false);
    expect(endsWebSessions(http, { ...http, url: 'https://other' })).toBe(true);
    expect(endsWebSessions(child, { ...child, network: true })).toBe(true);
  });
});

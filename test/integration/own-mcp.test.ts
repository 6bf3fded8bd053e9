import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveCounting, type CountingServer } from '../fixtures/mcp/counting-server.ts';
import { putPolicies, tokenFor } from '../support/appliance.ts';
import { Approvers } from '../support/approvers.ts';
import { allEvents } from '../support/audit-events.ts';
import { sdk2, type McpUser } from '../support/mcp-clients.ts';
import { overHttp, startMcpService, type McpService } from '../support/mcp-service.ts';
import { Wire } from '../support/mcp-wire.ts';
import { until } from '../support/until.ts';

const policies = `
@id("helpers") permit (principal in Group::"helpers", action in [Action::"connect", Action::"mcp:method", Action::"mcp:call"], resource);
@id("join") @approve("approvers:1") permit (principal, action == Action::"access:request", resource == Group::"helpers");
`;

let server: CountingServer;
let service: McpService;
let approvers: Approvers;
beforeAll(async () => {
  [server, service] = await Promise.all([serveCounting(), startMcpService()]);
  await service.add('tools', overHttp(server.url));
  await service.agree('tools');
  const { appliance } = service;
  await appliance.json(['service-account', 'create', 'watcher', '--owner', 'Test owner', '--purpose', 'Reads the log']);
  await putPolicies(appliance, policies);
  approvers = new Approvers(appliance);
  await approvers.add('alice', 'alice@example.com', ['approvers']);
}, 180_000);
afterAll(async () => {
  approvers.remove();
  await service.stop();
  await server.close();
});

async function use<T>(act: (user: McpUser) => Promise<T>, token = service.token): Promise<T> {
  const user = await sdk2({ ...service.place('postern'), token }, 'auto');
  return act(user).finally(() => user.close());
}

async function result(user: McpUser, tool: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
  const answer = await user.call(tool, args);
  expect([tool, answer.isError ?? false, answer.content]).toEqual([tool, false, answer.content]);
  return (answer.structuredContent as { result: unknown }).result;
}

describe('our own MCP server', () => {
  it('is the way from nothing to a call: ask, be approved, reach', async () => {
    await use(async (user) => {
      expect(await result(user, 'what_may_i_reach')).toEqual({ resources: [] });
      await expect(sdk2(service.place('tools'), 'modern')).rejects.toThrow();
      const asked = (await result(user, 'request_access', { group: 'helpers', seconds: 600, reason: 'a refund of order 7' })) as { id: string };
      expect(await result(user, 'my_requests')).toMatchObject({ requests: [{ id: asked.id, status: 'pending' }] });
      expect(await approvers.decide('approve', asked.id, 'alice')).toMatchObject({ code: 0 });
      expect(await result(user, 'show_my_request', { id: asked.id })).toMatchObject({ id: asked.id });
      await until('it is granted', async () => JSON.stringify(await result(user, 'what_may_i_reach')).includes('"tools"'));
      expect(await result(user, 'what_may_i_reach')).toEqual({ resources: [{ name: 'tools', protocol: 'mcp', at: '/mcp/tools' }] });
    });
    const helper = await until('the gateway heard of it', async () => sdk2(service.place('tools'), 'modern').catch(() => null));
    expect((await helper.call('read_order', { id: 'o1' })).isError ?? false).toBe(false);
    await helper.close();
  });

  it('speaks both eras', async () => {
    for (const era of ['legacy', 'modern'] as const) {
      const user = await sdk2(service.place('postern'), era);
      expect((await user.listTools()).map(({ name }) => name)).toContain('what_may_i_reach');
      await user.close();
    }
  });

  it('shows no tool of an auditor to who is none, and does not run one', async () => {
    await use(async (user) => {
      const names = (await user.listTools()).map(({ name }) => name);
      expect(names.toSorted()).toEqual(['my_requests', 'request_access', 'show_my_request', 'what_may_i_reach']);
      await expect(user.call('search_audit_events', {})).rejects.toThrow(/search_audit_events/);
    });
  });

  it('lets an auditor search, and records that they did', async () => {
    const token = await tokenFor(service.appliance, 'watcher', ['--role', 'auditor']);
    await use(async (user) => {
      const found = (await result(user, 'search_audit_events', { code: 'grant.created' })) as { items: { header: { code: string } }[] };
      expect(found.items.map(({ header }) => header.code)).toEqual(['grant.created']);
    }, token);
    const read = (await allEvents(service.appliance)).filter(({ header }) => JSON.stringify(header).includes('watcher'));
    expect(read.map(({ header }) => String(header['code'])).some((code) => code.startsWith('audit.'))).toBe(true);
  });

  it('gives nobody the requests of somebody else', async () => {
    const token = await tokenFor(service.appliance, 'watcher');
    const { requests } = await use(async (user) => (await result(user, 'my_requests')) as { requests: { id: string }[] });
    const [mine] = requests;
    await use(async (user) => {
      expect(await result(user, 'my_requests')).toEqual({ requests: [] });
      expect((await user.call('show_my_request', { id: mine?.id })).isError).toBe(true);
    }, token);
  });

  it('asks every request who it is, and believes nobody who calls himself a gateway', async () => {
    const wire = new Wire(service.place('postern'));
    const forged = {
      'x-postern-client': '203.0.113.9',
      'x-postern-forwarder': 'x'.repeat(43),
      'x-forwarded-for': '203.0.113.9',
      'x-postern-principal': 'watcher',
    };
    for (const [authorization, status] of [
      [undefined, 401],
      ['Bearer nobody-known-here', 401],
      [`Bearer ${service.token}`, 200],
    ] as const) {
      const answer = await wire.modern('tools/list', {}, { headers: { ...forged, authorization } });
      expect([authorization?.slice(0, 12), answer.status]).toEqual([authorization?.slice(0, 12), status]);
    }
    expect((await wire.modern('tools/list', {}, { headers: { origin: 'https://evil.example' } })).status).toBe(403);
    const { text } = await wire.modern('tools/list', {}, { headers: forged });
    expect(text).not.toContain('search_audit_events');
    // the same at the door of the control plane itself
    const direct = new Wire({ ...service.place('postern'), url: `${service.appliance.controlUrl}/mcp/postern` });
    expect((await direct.modern('tools/list', {}, { headers: { ...forged, authorization: undefined } })).status).toBe(401);
    await direct.modern('tools/call', { name: 'request_access', arguments: { group: 'nowhere', seconds: 600, reason: 'from where?' } }, { headers: forged });
    // this one leaves a record with an address in it
    const watcher = await tokenFor(service.appliance, 'watcher');
    const search = { name: 'search_audit_events', arguments: { code: 'grant.created' } };
    expect((await direct.modern('tools/call', search, { headers: { ...forged, authorization: `Bearer ${watcher}` } })).status).toBe(200);
    const events = JSON.stringify((await allEvents(service.appliance)).map(({ header }) => header));
    expect(events).not.toContain('203.0.113.9');
    expect(events).toContain('control:POST /mcp/postern');
    direct.close();
    wire.close();
  });
});

import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { serveEverything, type RunningFixture } from '../fixtures/mcp/everything-http.ts';
import type { Found } from '../support/debian-packages.ts';
import { inspector, mcpRemote, sdk1, sdk2, type McpPlace, type McpUser } from '../support/mcp-clients.ts';
import { overHttp, startMcpService, type McpService } from '../support/mcp-service.ts';
import { skipBecause } from '../support/skip.ts';
import { thirdParty, type ThirdParty } from '../support/third-party.ts';

let found: Found<ThirdParty>;
beforeAll(async () => {
  found = await thirdParty('mcp');
});

function kitOf(context: TestContext): ThirdParty {
  if (found.found === undefined) skipBecause(context, found.why);
  return found.found;
}

const clients: Readonly<Record<string, (kit: ThirdParty, place: McpPlace) => Promise<McpUser>>> = {
  'SDK 1.32': sdk1,
  'SDK 2.4, as it comes': (_kit, place) => sdk2(place, 'legacy'),
  'SDK 2.4, which looks what the server has': (_kit, place) => sdk2(place, 'auto'),
  'SDK 2.4, 2026-07-28 only': (_kit, place) => sdk2(place, 'modern'),
  'mcp-remote': mcpRemote,
  'mcp-remote, which looks what the server has': (kit, place) => mcpRemote(kit, place, 'auto'),
};

/** What anybody does with a server. */
async function use(client: McpUser): Promise<void> {
  const tools = await client.listTools();
  expect(tools.map(({ name }) => name)).toContain('test_simple_text');
  expect((await client.call('test_echo', { message: 'hello' })).content).toEqual([{ type: 'text', text: 'hello' }]);
  expect((await client.call('test_error_handling', {})).isError).toBe(true);
  expect(JSON.stringify(await client.read('test://template/7/data'))).toContain('Data for ID: 7');
  expect(JSON.stringify(await client.prompt('test_prompt_with_arguments', { arg1: 'one', arg2: 'two' }))).toContain("arg1='one', arg2='two'");
}

async function inspected(kit: ThirdParty, place: McpPlace): Promise<void> {
  const listed = await inspector(kit, place, ['--method', 'tools/list']);
  expect(listed).toMatchObject({ code: 0 });
  expect(listed.out).toContain('"test_simple_text"');
  const called = await inspector(kit, place, ['--method', 'tools/call', '--tool-name', 'test_echo', '--tool-arg', 'message=hello']);
  expect(called).toMatchObject({ code: 0 });
  expect(called.out).toContain('"hello"');
}

describe('clients of others work with the fixture itself', () => {
  let fixture: RunningFixture;
  beforeAll(async () => {
    fixture = await serveEverything();
  });
  afterAll(() => fixture.close());

  it.for(Object.entries(clients))('%s', async ([, connect], context) => {
    const client = await connect(kitOf(context), { url: fixture.url });
    await use(client).finally(() => client.close());
  });

  it('mcp-inspector --cli', (context) => inspected(kitOf(context), { url: fixture.url }));
});

describe('clients of others work through the service, and notice it by what is masked only', () => {
  const pan = '4111111111111111';
  let fixture: RunningFixture;
  let service: McpService;
  beforeAll(async () => {
    [fixture, service] = await Promise.all([serveEverything(), startMcpService()]);
    await service.add('tools', overHttp(fixture.url));
    await service.agree('tools');
  });
  afterAll(async () => {
    await service.stop();
    await fixture.close();
  });

  it.for(Object.entries(clients))('%s', async ([, connect], context) => {
    const client = await connect(kitOf(context), service.place('tools'));
    try {
      await use(client);
      const [answer] = (await client.call('test_echo', { message: `card ${pan}, please` })).content;
      expect(answer?.text).not.toContain(pan);
      expect(answer?.text).toMatch(/^card 411111\D{6}1111, please$/);
    } finally {
      await client.close();
    }
  });

  it('mcp-inspector --cli', async (context) => {
    await inspected(kitOf(context), service.place('tools'));
    const shown = await inspector(kitOf(context), service.place('tools'), [
      '--method',
      'tools/call',
      '--tool-name',
      'test_echo',
      '--tool-arg',
      `message=card ${pan}`,
    ]);
    expect(shown.out).not.toContain(pan);
    expect(shown.out).toMatch(/411111\D{6}1111/);
  });

  it.for(Object.entries(clients))('%s is turned away with a token of nobody', async ([, connect], context) => {
    await expect(connect(kitOf(context), { ...service.place('tools'), token: 'nobody' })).rejects.toThrow();
  });
});

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { serveEverything, type RunningFixture } from '../fixtures/mcp/everything-http.ts';
import type { Found } from '../support/debian-packages.ts';
import { serverConformance, type Revision } from '../support/mcp-conformance.ts';
import { forwarder, type Forwarder } from '../support/mcp-forwarder.ts';
import { overHttp, overStdio, startMcpService, type McpService } from '../support/mcp-service.ts';
import { skipBecause } from '../support/skip.ts';
import { thirdParty, type ThirdParty } from '../support/third-party.ts';

/** The suite's own numbers: a run that finds other scenarios is another suite. */
const scenarios: Readonly<Record<Revision, number>> = { '2025-11-25': 30, '2026-07-28': 37 };
const revisions: readonly Revision[] = ['2025-11-25', '2026-07-28'];

let kit: Found<ThirdParty>;
beforeAll(async () => {
  kit = await thirdParty('mcp');
});

async function conforms(context: TestContext, url: string, revision: Revision): Promise<void> {
  if (kit.found === undefined) skipBecause(context, kit.why);
  const { required, passed, failures } = await serverConformance(kit.found, url, revision);
  expect(failures).toEqual([]);
  expect(passed).toEqual(required);
  expect(passed).toHaveLength(scenarios[revision]);
}

describe('the official MCP conformance suite', () => {
  let fixture: RunningFixture;
  let open: Forwarder;
  beforeAll(async () => {
    fixture = await serveEverything();
    open = await forwarder({ target: fixture.url });
  });
  afterAll(async () => {
    await open.close();
    await fixture.close();
  });

  it.for(revisions)('passes directly: what the gateway is measured against, %s', (revision, context) => conforms(context, fixture.url, revision));
  it.for(revisions)('passes through the forwarder of the tests, which adds a token and no fault, %s', (revision, context) =>
    conforms(context, open.url, revision),
  );
});

describe('the official MCP conformance suite through the service, with policy, masking and recording on', () => {
  const upstreams = { http: 'everything-http', stdio: 'everything-stdio' } as const;
  let fixture: RunningFixture;
  let service: McpService;
  const ways: Forwarder[] = [];
  beforeAll(async () => {
    [fixture, service] = await Promise.all([serveEverything(), startMcpService()]);
    await service.add(upstreams.http, overHttp(fixture.url));
    await service.add(upstreams.stdio, overStdio(join(import.meta.dirname, '../fixtures/mcp/everything-stdio.ts')));
    for (const resource of Object.values(upstreams)) expect(await service.agree(resource)).toContain('test_simple_text');
  });
  afterAll(async () => {
    for (const way of ways) await way.close();
    await service.stop();
    await fixture.close();
  });

  const cases = revisions.flatMap((revision) => (['http', 'stdio'] as const).map((upstream) => [revision, upstream] as const));
  it.for(cases)('passes whole: %s, server behind %s', async ([revision, upstream], context) => {
    const { url, token, ca } = service.place(upstreams[upstream]);
    const way = await forwarder({ target: url, token, ca });
    ways.push(way);
    await conforms(context, way.url, revision);
  });
});

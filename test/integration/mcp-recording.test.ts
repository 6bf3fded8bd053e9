import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveCounting, type CountingServer } from '../fixtures/mcp/counting-server.ts';
import { allEvents, askControl } from '../support/audit-events.ts';
import { githubJob, JobIssuer } from '../support/job-issuer.ts';
import { overHttp, startMcpService, type McpService } from '../support/mcp-service.ts';
import { Wire } from '../support/mcp-wire.ts';
import { until } from '../support/until.ts';

const pan = '4539578763621486';
const policies = `@id("all") permit (principal, action, resource);
@id("no-run") @message("not from a pipeline") forbid (principal, action == Action::"mcp:call", resource == Tool::"tools/run")
when { context.arguments.hasTag("/command") && context.arguments.getTag("/command") like "rm*" };`;

interface Entry {
  readonly kind: string;
  readonly operation: string;
  readonly at: string;
  readonly data: string;
}

/** One operation as its recording tells of it. */
interface Recorded {
  readonly command: string;
  /** of the exchange, before the first body */
  readonly notes: readonly Readonly<Record<string, unknown>>[];
  readonly payload: string;
  readonly outcome: Readonly<Record<string, unknown>>;
}

let server: CountingServer;
let service: McpService;
let issuer: JobIssuer;
let wire: Wire;

beforeAll(async () => {
  [server, service, issuer] = await Promise.all([serveCounting(), startMcpService({ policies }), JobIssuer.start()]);
  const { appliance } = service;
  await service.add('tools', overHttp(server.url));
  await service.agree('tools');
  await appliance.json(['service-account', 'create', 'deploy', '--owner', 'Test owner', '--purpose', 'Tests of pipelines']);
  const conditions = 'repository_id=4711,environment=production,ref~refs/heads/*';
  await appliance.json(['trust-rule', 'add', 'shop', '--issuer', issuer.url, '--local', '--github', conditions, '--service-account', 'deploy']);
  wire = new Wire({ ...service.place('tools'), token: await issuer.mint(service.place('tools').url, githubJob) });
});
afterAll(async () => {
  wire.close();
  await service.stop();
  await issuer.stop();
  await server.close();
});

async function newestSession(): Promise<string> {
  const { items } = await askControl<{ items: { id: string }[] }>(service.appliance, '/v1/sessions?limit=1&principal=deploy');
  return items[0]?.id ?? '';
}

/** `postern sessions replay --json`, by operation. */
async function replayed(session: string): Promise<Recorded[]> {
  const { out, code, err } = await service.appliance.cli(['--json', 'sessions', 'replay', session]);
  expect([code, err]).toEqual([0, '']);
  const entries = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry);
  return [...Map.groupBy(entries, ({ operation }) => operation).values()].map((all) => {
    const ofKind = (kind: string): string[] => all.filter((entry) => entry.kind === kind).map(({ data }) => data);
    const lines = ofKind('frames').map((data) => Buffer.from(data, 'base64').toString('utf8'));
    const isNote = (line: string): boolean => line.startsWith('{"dir":');
    return {
      command: ofKind('command').join(''),
      notes: lines.filter(isNote).map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>),
      payload: lines.filter((line) => !isNote(line)).join('\n'),
      outcome: JSON.parse(ofKind('outcome').at(-1) ?? '{}') as Readonly<Record<string, unknown>>,
    };
  });
}

describe('a session of a pipeline', () => {
  it('can be replayed message by message: what was asked, masked, what came, how it ended and how long it took', async () => {
    expect((await wire.modern('tools/list')).last.result).toBeDefined();
    const asked = { name: 'refund', arguments: { payment: 'p1', card: pan, cvv: '917', note: 'order 7' } };
    expect((await wire.modern('tools/call', asked)).text).toContain('refund ran');
    expect((await wire.modern('tools/call', { name: 'run', arguments: { command: 'rm' } })).text).toContain('not from a pipeline');
    expect((await wire.modern('resources/read', { uri: 'count://public/one' })).last.result).toBeDefined();
    const session = await newestSession();
    const all = await until('it is stored', async () => {
      const found = await replayed(session);
      return found.filter(({ outcome }) => outcome['code'] !== undefined).length >= 4 && found;
    });
    const call = all.find(({ command }) => command.startsWith('tools/call "refund"'));
    expect(call?.command).toBe('tools/call "refund" {"payment":"p1","card":"453957******1486","cvv":"********","note":"order 7"}');
    expect(call?.notes).toMatchObject([
      { dir: 'request', method: 'tools/call', path: 'refund' },
      { dir: 'response', status: 200, millis: expect.any(Number) as number },
    ]);
    expect(call?.payload).toContain('refund ran, call 1');
    expect(call?.outcome).toMatchObject({ code: 'operation.settled', outcome: 'success', durationMicros: expect.any(Number) as number });
    expect(Number(call?.outcome['durationMicros'])).toBeGreaterThan(0);
    const refused = all.find(({ command }) => command.startsWith('tools/call "run"'));
    expect(refused?.outcome).toMatchObject({ code: 'operation.refused', policies: ['no-run'] });
    expect(refused?.payload).toBe('');
    expect(all.map(({ command }) => command.split(' ')[0])).toEqual(expect.arrayContaining(['tools/list', 'resources/read']) as string[]);
    expect(JSON.stringify(all)).not.toContain(pan);
  });

  it('says on every event which run and which job it was', async () => {
    const session = await newestSession();
    const events = (await allEvents(service.appliance)).map(({ header }) => header).filter((header) => header['session'] === session);
    const codes = new Set(events.map((header) => String(header['code'])));
    for (const code of ['session.started', 'operation.intended', 'operation.refused', 'operation.settled']) expect(codes).toContain(code);
    const acted = events.filter((header) => String(header['code']).startsWith('operation.') || header['code'] === 'session.started');
    for (const header of acted)
      expect(header['actor']).toMatchObject({ name: 'deploy', run: { run_id: '9000000001', run_attempt: '1', repository: 'acme/shop' } });
  });

  it('can be read by people, with its run', async () => {
    const { out } = await service.appliance.cli(['sessions', 'replay', await newestSession()]);
    for (const part of ['tools/call "refund"', '453957******1486', 'refund ran, call 1', '9000000001']) expect(out).toContain(part);
  });

  it('ends within a second when its trust rule is disabled', async () => {
    const waiting = wire.modern('tools/call', { name: 'wait', arguments: {} }).then(
      () => Date.now(),
      () => Date.now(),
    );
    await until('it runs', () => server.waiting() === 1);
    await service.appliance.json(['trust-rule', 'disable', 'shop']);
    const disabled = Date.now();
    expect((await waiting) - disabled).toBeLessThan(1_000);
    await until('the server was told', () => server.waiting() === 0, 1_000);
    expect((await wire.modern('tools/list')).status).toBe(401);
  });
});

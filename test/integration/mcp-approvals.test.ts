import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { serveCounting, type CountingServer } from '../fixtures/mcp/counting-server.ts';
import { putPolicies, tokenFor } from '../support/appliance.ts';
import { ControlApi, SigningApprover, type Answer, type RequestShown } from '../support/approval-client.ts';
import type { Found } from '../support/debian-packages.ts';
import { sdk1, sdk2, type ToolAnswer } from '../support/mcp-clients.ts';
import { overHttp, startMcpService, type McpService } from '../support/mcp-service.ts';
import { Wire, type WireAnswer } from '../support/mcp-wire.ts';
import { skipBecause } from '../support/skip.ts';
import { thirdParty, type ThirdParty } from '../support/third-party.ts';
import { until } from '../support/until.ts';

const pan = '4539578763621486';
const policies = (more = ''): string => `
@id("begin") permit (principal, action in [Action::"connect", Action::"mcp:method", Action::"mcp:read", Action::"mcp:prompt"], resource);
@id("read") permit (principal, action == Action::"mcp:call", resource == Tool::"tools/read_order");
@id("refund") @approve("approvers:1") @description("Money leaves the house.") @expires("10m")
permit (principal, action == Action::"mcp:call", resource == Tool::"tools/refund");
@id("run") @approve("approvers:1") @expires("60s")
permit (principal, action == Action::"mcp:call", resource == Tool::"tools/run");
${more}`;

let found: Found<ThirdParty>;
let server: CountingServer;
let service: McpService;
let api: ControlApi;
let alice: SigningApprover;
let mallory: SigningApprover;
let stranger: string;

type Send = (note: string, more?: Readonly<Record<string, unknown>>) => Promise<WireAnswer>;
/** what a caller does that comes back: it waits for its answer for three quarters of a minute, all at once */
const rounds = new Map<string, { readonly send: Send; readonly first: Promise<WireAnswer> }>();
const wires: Wire[] = [];
let patient: Promise<ToolAnswer>;
let begunAt: number;
let impatient: Promise<{ answer: ToolAnswer; after: number }>;
let older: Awaited<ReturnType<typeof sdk1>> | null = null;

beforeAll(async () => {
  found = await thirdParty('mcp');
  [server, service] = await Promise.all([serveCounting(), startMcpService({ policies: policies() })]);
  await service.add('tools', overHttp(server.url));
  // lists show what may be called; to be agreed to it must be offered
  await putPolicies(service.appliance, '@id("all") permit (principal, action, resource);');
  await service.agree('tools');
  await putPolicies(service.appliance, policies());
  await service.appliance.json(['service-account', 'create', 'other', '--owner', 'Test owner', '--purpose', 'Is somebody else', '--group', 'everybody']);
  stranger = await tokenFor(service.appliance, 'other');
  api = new ControlApi(service.appliance);
  alice = await SigningApprover.add(api, 'alice', ['approvers']);
  mallory = await SigningApprover.add(api, 'mallory', ['others']);
  begunAt = Date.now();
  patient = sdk2(service.place('tools'), 'modern').then((user) => user.call('refund', { note: 'three minutes' }).finally(() => user.close()));
  patient.catch(() => undefined);
  impatient = withoutProgress();
  impatient.catch(() => undefined);
  for (const note of ['altered', 'foreign', 'changed', 'twice']) begin(note, 'modern');
  for (const note of ['again', 'parallel']) begin(note, 'legacy');
}, 180_000);

afterAll(async () => {
  for (const wire of wires) wire.close();
  await older?.close();
  api.close();
  await service.stop();
  await server.close();
});

function begin(note: string, era: 'legacy' | 'modern'): void {
  const wire = new Wire(service.place('tools'));
  wires.push(wire);
  const session = era === 'legacy' ? wire.legacy() : null;
  const send: Send = async (text, more = {}) => {
    const params = { name: 'refund', arguments: { payment: 'p1', note: text }, ...more };
    return session === null ? wire.modern('tools/call', params) : (await session)('tools/call', params);
  };
  const first = send(note);
  first.catch(() => undefined);
  rounds.set(note, { send, first });
}

/** What most clients are today: they neither come back by themselves nor ask for progress. */
async function withoutProgress(): Promise<{ answer: ToolAnswer; after: number }> {
  if (found.found === undefined) return { answer: { content: [] }, after: 0 };
  older = await sdk1(found.found, service.place('tools'));
  const from = Date.now();
  const answer = await older.call('refund', { payment: 'p1', note: 'older' });
  return { answer, after: Date.now() - from };
}

function round(note: string): { readonly send: Send; readonly first: Promise<WireAnswer> } {
  const known = rounds.get(note);
  if (known === undefined) throw new Error(`no round ${note}`);
  return known;
}

/** The request about the call with this note. */
function asked(note: string): Promise<RequestShown> {
  return until(`a request about ${note}`, async () => {
    const all = await api.requests('pending');
    return all.find(({ canonical }) => canonical.subject.command?.includes(`"${note}"`));
  });
}

async function statusOf(id: string): Promise<string | undefined> {
  return (await api.requests()).find((request) => request.id === id)?.status;
}

async function approve(note: string): Promise<RequestShown> {
  const request = await asked(note);
  expect(await alice.decide(request, 'approve')).toMatchObject({ status: 200 });
  return request;
}

const refused = ({ status }: Answer): boolean => status >= 400;

function runs(note: string): number {
  return server.calls.filter((call) => call.arguments['note'] === note).length;
}

function textOf({ content }: Pick<ToolAnswer, 'content'>): string {
  return content.map(({ text }) => text ?? '').join(' ');
}

const isPending = ({ text }: WireAnswer): boolean => text.includes('input_required') || text.includes('ERR_APPROVAL_REQUIRED');

describe('a call that people decide', () => {
  it('waits in a stock client of 2026-07-28 and runs once they approved', async () => {
    const user = await sdk2(service.place('tools'), 'modern');
    const answer = user.call('refund', { payment: 'p1', note: 'quick', card: pan, cvv: '917' });
    const request = await asked('quick');
    expect(runs('quick')).toBe(0);
    const { out } = await service.appliance.cli(['requests', 'show', request.id]);
    for (const part of ['tools', 'refund', '"payment":"p1"', '453957******1486', 'Money leaves the house.', 'agent']) expect(out).toContain(part);
    expect(out).not.toContain(pan);
    expect(out).not.toContain('917"');
    await approve('quick');
    expect(textOf(await answer)).toContain('refund ran');
    expect(runs('quick')).toBe(1);
    // what arrived is what was sent, not what was shown
    expect(server.calls.at(-1)?.arguments['card']).toBe(pan);
    expect(await statusOf(request.id)).toBe('used');
    await user.close();
  });

  it('that they deny is told in words, and never runs', async () => {
    for (const era of ['modern', 'legacy'] as const) {
      const user = await sdk2(service.place('tools'), era);
      const answer = user.call('refund', { note: `denied ${era}` });
      const request = await asked(`denied ${era}`);
      expect(await alice.decide(request, 'deny')).toMatchObject({ status: 200 });
      const told = await answer;
      expect(told).toMatchObject({ isError: true, _meta: { 'postern/error': { code: 'ERR_NOT_APPROVED', request: request.id } } });
      expect(textOf(told)).toContain('looked at it');
      expect(runs(`denied ${era}`)).toBe(0);
      await user.close();
    }
  });

  it('is held for an older client that wants to hear of its progress', async () => {
    const user = await sdk2(service.place('tools'), 'legacy');
    const heard: string[] = [];
    // without a sign of life this client gives up after twelve seconds
    const answer = user.call(
      'refund',
      { note: 'with progress' },
      { timeout: 12_000, resetTimeoutOnProgress: true, onprogress: ({ message = '' }) => heard.push(message) },
    );
    const { id } = await asked('with progress');
    await sleep(15_000);
    await approve('with progress');
    expect(textOf(await answer)).toContain('refund ran');
    expect(heard.length).toBeGreaterThan(1);
    expect(heard[0]).toContain(id);
    await user.close();
  });

  it.each(['modern', 'legacy'] as const)('is withdrawn when its caller leaves (%s)', async (era) => {
    const note = `left ${era}`;
    const wire = new Wire(service.place('tools'));
    const leaving = new AbortController();
    const params = { name: 'refund', arguments: { note } };
    const sent =
      era === 'modern'
        ? wire.modern('tools/call', params, { signal: leaving.signal })
        : (await wire.legacy())('tools/call', params, { signal: leaving.signal });
    sent.catch(() => undefined);
    const request = await asked(note);
    leaving.abort();
    await until('it is withdrawn', async () => (await statusOf(request.id)) === 'withdrawn');
    expect(refused(await alice.decide(request, 'approve'))).toBe(true);
    expect(runs(note)).toBe(0);
    wire.close();
  });

  it('is not approved by who is not asked, and not twice', async () => {
    const user = await sdk2(service.place('tools'), 'modern');
    const answer = user.call('refund', { note: 'who decides' });
    const request = await asked('who decides');
    expect(refused(await mallory.decide(request, 'approve'))).toBe(true);
    expect(runs('who decides')).toBe(0);
    await approve('who decides');
    await answer;
    expect(refused(await alice.decide(request, 'approve'))).toBe(true);
    await user.close();
  });
});

describe('a call whose client came back', () => {
  const state = async (note: string): Promise<string> => {
    const { last } = await round(note).first;
    expect(last.result).toMatchObject({ resultType: 'input_required', requestState: expect.any(String) as string });
    return String(last.result?.['requestState']);
  };

  it('without progress an older client is told within 50 s, and the same call runs once after approval', async (context: TestContext) => {
    if (found.found === undefined) skipBecause(context, found.why);
    const { answer, after } = await impatient;
    expect(after).toBeGreaterThan(40_000);
    expect(after).toBeLessThan(55_000);
    const request = await asked('older');
    expect(answer).toMatchObject({ isError: true, _meta: { 'postern/error': { code: 'ERR_APPROVAL_REQUIRED', request: request.id } } });
    expect(textOf(answer)).toContain(request.id);
    await approve('older');
    expect(runs('older')).toBe(0);
    expect(textOf((await older?.call('refund', { payment: 'p1', note: 'older' })) ?? { content: [] })).toContain('refund ran');
    expect(runs('older')).toBe(1);
    expect(await statusOf(request.id)).toBe('used');
  });

  it('with a state that was altered is refused', async () => {
    const given = await state('altered');
    const flipped = given.slice(0, -2) + (given.endsWith('A') ? 'BB' : 'AA');
    const other = await state('foreign');
    await approve('altered');
    for (const requestState of [flipped, `${given}=`, given.slice(0, 40), 'pst1.', other]) {
      const { last } = await round('altered').send('altered', { requestState });
      expect(last.error).toMatchObject({ code: -32602, data: { code: 'ERR_INVALID_INPUT' } });
    }
    expect(runs('altered')).toBe(0);
    const { text } = await round('altered').send('altered', { requestState: given });
    expect(text).toContain('refund ran');
    expect(runs('altered')).toBe(1);
  });

  it('with the state of somebody else is refused, and so is the call of somebody else', async () => {
    const requestState = await state('foreign');
    await approve('foreign');
    const wire = new Wire({ ...service.place('tools'), token: stranger });
    wires.push(wire);
    const params = { name: 'refund', arguments: { payment: 'p1', note: 'foreign' } };
    expect((await wire.modern('tools/call', { ...params, requestState })).last.error).toMatchObject({ code: -32602 });
    // without the state it is a call of their own, which somebody is asked about
    const leaving = new AbortController();
    const own = wire.modern('tools/call', params, { signal: leaving.signal }).catch(() => undefined);
    await asked('foreign');
    expect(runs('foreign')).toBe(0);
    leaving.abort();
    await own;
    expect((await round('foreign').send('foreign', { requestState })).text).toContain('refund ran');
  });

  it('with other arguments than were approved does not run', async () => {
    const requestState = await state('changed');
    await approve('changed');
    const { send } = round('changed');
    const changed = await send('changed', { arguments: { payment: 'p2', note: 'changed' }, requestState });
    expect(changed.last.error).toMatchObject({ code: -32602 });
    const [wire, leaving] = [new Wire(service.place('tools')), new AbortController()];
    const other = wire.modern('tools/call', { name: 'refund', arguments: { payment: 'p1', note: 'changed', cents: 1 } }, { signal: leaving.signal });
    other.catch(() => undefined);
    await asked('changed');
    expect(runs('changed')).toBe(0);
    leaving.abort();
    expect((await send('changed', { requestState })).text).toContain('refund ran');
    expect(server.calls.filter(({ arguments: given }) => given['note'] === 'changed')).toEqual([
      { name: 'refund', arguments: { payment: 'p1', note: 'changed' } },
    ]);
    wire.close();
  });

  it.each([
    ['twice', 'modern'],
    ['parallel', 'legacy'],
  ])('several times at once runs once: the approval is used up (%s)', async (note, era) => {
    const requestState = era === 'modern' ? await state(note) : undefined;
    expect(isPending(await round(note).first)).toBe(true);
    await approve(note);
    const leaving = new AbortController();
    const answers: string[] = [];
    const all = Array.from({ length: 6 }, async () => {
      const wire = new Wire(service.place('tools'));
      wires.push(wire);
      const params = { name: 'refund', arguments: { payment: 'p1', note }, ...(requestState !== undefined && { requestState }) };
      const sent = { signal: leaving.signal };
      const answer = era === 'modern' ? wire.modern('tools/call', params, sent) : (await wire.legacy())('tools/call', params, sent);
      answers.push((await answer).text);
    });
    for (const each of all) each.catch(() => undefined);
    await until('one of them ran', () => answers.some((text) => text.includes('refund ran')));
    await sleep(2_000);
    expect(runs(note)).toBe(1);
    leaving.abort();
    await Promise.allSettled(all);
    expect(runs(note)).toBe(1);
    expect(answers.filter((text) => text.includes('refund ran'))).toHaveLength(1);
  });

  it('after the approval was used asks again', async () => {
    const { first, send } = round('again');
    expect(isPending(await first)).toBe(true);
    const request = await approve('again');
    expect((await send('again')).text).toContain('refund ran');
    const third = send('again');
    const next = await asked('again');
    expect(next.id).not.toBe(request.id);
    expect(runs('again')).toBe(1);
    await alice.decide(next, 'deny');
    expect((await third).text).toContain('ERR_NOT_APPROVED');
  });
});

describe('an approval that comes late', () => {
  it('of three minutes is waited for by a stock client, with nothing set', { timeout: 300_000 }, async () => {
    await asked('three minutes');
    await sleep(Math.max(0, begunAt + 182_000 - Date.now()));
    expect(runs('three minutes')).toBe(0);
    await approve('three minutes');
    expect(textOf(await patient)).toContain('refund ran');
    expect(runs('three minutes')).toBe(1);
  });

  it('than it was good for does not come about', { timeout: 120_000 }, async () => {
    const wire = new Wire(service.place('tools'));
    const given = wire.modern('tools/call', { name: 'run', arguments: { command: 'late' } });
    const request = await asked('late');
    const requestState = String((await given).last.result?.['requestState']);
    await until('it expired', async () => (await statusOf(request.id)) === 'expired', 30_000);
    expect(refused(await alice.decide(request, 'approve'))).toBe(true);
    const leaving = new AbortController();
    const again = wire.modern('tools/call', { name: 'run', arguments: { command: 'late' }, requestState }, { signal: leaving.signal });
    const outcome = await Promise.race([again.then(({ text }) => text), asked('late').then(({ id: next }) => next)]);
    expect(outcome).not.toBe(request.id);
    expect(server.calls.some(({ name }) => name === 'run')).toBe(false);
    leaving.abort();
    await again.catch(() => undefined);
    wire.close();
  });

  it('after the policies were changed is not asked for any more', async () => {
    const wire = new Wire(service.place('tools'));
    const answer = wire.modern('tools/call', { name: 'refund', arguments: { note: 'changed policy' } });
    const request = await asked('changed policy');
    await putPolicies(service.appliance, policies('@id("none") forbid (principal, action == Action::"mcp:call", resource == Tool::"tools/refund");'));
    await until('it is withdrawn', async () => (await statusOf(request.id)) === 'withdrawn');
    expect((await answer).text).toMatch(/"isError":true|"error"/);
    expect(runs('changed policy')).toBe(0);
    wire.close();
  });
});

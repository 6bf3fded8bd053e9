import fc from 'fast-check';
import { policyToJson } from '@cedar-policy/cedar-wasm/nodejs';
import { describe, expect, it } from 'vitest';
import type { Act, Facts } from '../contract/operation.ts';
import { type ScopeRequest, decideAct, standingOf } from './decide.ts';
import { explain } from './explain.ts';
import type { CompiledPolicies } from './compile.ts';
import { headOf } from './head.ts';
import { everything, readsOf } from './reads.ts';
import { compiledOrThrow, createPolicy } from './policy.ts';
import { alone, createScope } from './scope.ts';
import { createSlices } from './slices.ts';

const request: ScopeRequest = { principal: { name: 'ci', groups: ['readers'] }, resource: 'payments', database: 'shop', account: 'app', origin: '10.0.0.7' };
const select = (name: string, schema = 'public'): Act => ({ action: 'sql:select', object: { type: 'Table', path: [schema, name] } });
const remove = (name: string): Act => ({ action: 'sql:delete', object: { type: 'Table', path: ['public', name] } });

function facts(acts: readonly Act[], more: Partial<Facts['context']> = {}): Facts {
  return { acts, effect: 'write', context: { ...alone('sql:select'), ...more }, template: '' };
}

function deciding(text: string, clock = { now: () => 0 }) {
  const slices = createSlices(compiledOrThrow([{ name: 'p.cedar', text }]));
  const inForce = { version: 'v1', slices };
  return createScope(request, { clock, onFault: unexpected, inForce: () => inForce });
}

function unexpected(fault: unknown): void {
  throw new Error('a fault while deciding', { cause: fault });
}

const readers = '@id("read") permit(principal in Group::"readers", action == Action::"sql:select", resource is Table);';

describe('a decision', () => {
  it('denies what nothing permits and says which act', () => {
    expect(deciding(readers).decide(facts([remove('orders')]))).toEqual({
      permitted: false,
      policies: [],
      message: 'no policy permits sql:delete on table public.orders',
      hint: 'Ask the administrator; `postern policy explain` shows the deciding policies.',
      policyVersion: 'v1',
    });
  });

  it('permits and names the permits', () => {
    expect(deciding(readers).decide(facts([select('a'), select('b')]))).toEqual({
      permitted: true,
      policies: ['read'],
      message: '',
      hint: '',
      policyVersion: 'v1',
    });
  });

  it('needs every act permitted', () => {
    const scope = deciding(readers);
    expect(scope.decide(facts([select('a'), remove('a')])).permitted).toBe(false);
    expect(scope.decide(facts([remove('a'), select('a')])).permitted).toBe(false);
  });

  it('lets a forbid win and shows its message and hint', () => {
    const scope = deciding(
      `${readers} @id("no-keys") @message("keys are not for reading") @hint("ask security") forbid(principal, action, resource is Table) when { resource.name == "keys" };`,
    );
    expect(scope.decide(facts([select('keys')]))).toMatchObject({
      permitted: false,
      policies: ['no-keys'],
      message: 'sql:select on table public.keys: keys are not for reading',
      hint: 'ask security',
    });
  });

  it('refuses when a forbid cannot be evaluated, which Cedar would skip', () => {
    const scope = deciding(
      `${readers} @id("broken") forbid(principal, action in Action::"sql", resource) when { context.statements * 9223372036854775807 < 0 };`,
    );
    expect(scope.decide(facts([select('a')], { statements: 2 }))).toMatchObject({ permitted: false, policies: ['broken'] });
  });

  it('asks for the connection when a command is proven to touch nothing, and for code on the database when it is not', () => {
    const connect = deciding('@id("in") permit(principal, action == Action::"connect", resource is Database);');
    const execute = deciding('@id("run") permit(principal, action == Action::"sql:execute", resource is Database);');
    for (const effect of ['none', 'read'] as const) {
      expect(connect.decide({ ...facts([]), effect })).toMatchObject({ permitted: true, policies: ['in'] });
      expect(execute.decide({ ...facts([]), effect }).permitted).toBe(false);
    }
    for (const effect of ['write', 'unknown'] as const) {
      expect(connect.decide({ ...facts([]), effect }).permitted).toBe(false);
      expect(execute.decide({ ...facts([]), effect })).toMatchObject({ permitted: true, policies: ['run'] });
    }
  });

  it('matches an object of unknown schema by its database only', () => {
    const inSchema = deciding('permit(principal, action, resource in Schema::"payments/shop/public");');
    expect(inSchema.decide(facts([select('orders')])).permitted).toBe(true);
    expect(inSchema.decide(facts([select('orders', '?')])).permitted).toBe(false);
    expect(deciding('permit(principal, action, resource in Database::"payments/shop");').decide(facts([select('orders', '?')])).permitted).toBe(true);
  });

  it('is not fooled by a slash inside a name', () => {
    const scope = deciding('permit(principal, action, resource == Table::"payments/shop/public/orders");');
    expect(scope.decide(facts([select('orders')])).permitted).toBe(true);
    expect(scope.decide(facts([{ action: 'sql:select', object: { type: 'Table', path: ['public/orders', ''] } }])).permitted).toBe(false);
    expect(deciding('permit(principal, action, resource in Schema::"payments/shop/public");').decide(facts([select('x', 'public/a')])).permitted).toBe(false);
  });

  it('refuses when deciding itself fails, tells the operator, and tries again', () => {
    const faults: unknown[] = [];
    const slices = createSlices(compiledOrThrow([{ name: 'p.cedar', text: readers }]));
    let isBroken = true;
    const failing = {
      ...slices,
      of: (...asked: Parameters<typeof slices.of>) => {
        if (isBroken) throw new Error('out of memory');
        return slices.of(...asked);
      },
    };
    const inForce = { version: '1', slices: failing };
    const scope = createScope(request, { clock: { now: () => 0 }, onFault: (fault) => faults.push(fault), inForce: () => inForce });
    const same = facts([select('a')]);
    expect(scope.decide(same)).toMatchObject({ permitted: false, message: 'the policies could not be evaluated' });
    expect(faults).toHaveLength(1);
    isBroken = false;
    expect(scope.decide(same).permitted).toBe(true);
  });

  it('refuses more objects than it will look at', () => {
    expect(deciding(readers).decide(facts(Array.from({ length: 257 }, (_, index) => select(`t${index}`)))).permitted).toBe(false);
  });

  it.each([
    ['10.0.0.7', true],
    ['::ffff:10.0.0.7', true],
    ['10.1.0.7', false],
    ['fe80::1%eth0', false],
    ['', false],
    ['unix', false],
  ])('applies networks to the address %s', (origin, permitted) => {
    const slices = createSlices(
      compiledOrThrow([{ name: 'p.cedar', text: 'permit(principal, action, resource) when { context.source_ip.isInRange(ip("10.0.0.0/16")) };' }]),
    );
    const inForce = { version: '1', slices };
    const scope = createScope({ ...request, origin }, { clock: { now: () => 0 }, onFault: unexpected, inForce: () => inForce });
    expect(scope.permits('connect', { type: 'Database', path: [] }).permitted).toBe(permitted);
  });
});

describe('the cache', () => {
  const office = 'permit(principal, action == Action::"sql:select", resource) when { context.now < datetime("2026-01-01T12:00:00Z") };';

  it('answers the same facts with the same decision', () => {
    const scope = deciding(readers);
    const same = facts([select('a')]);
    expect(scope.decide(same)).toBe(scope.decide(same));
  });

  it('keeps nothing that depends on the time', () => {
    let now = Date.parse('2026-01-01T11:59:59.999Z');
    const scope = deciding(office, { now: () => now });
    const same = facts([select('a')]);
    expect(scope.decide(same).permitted).toBe(true);
    now += 1;
    expect(scope.decide(same).permitted).toBe(false);
  });

  it.each([
    'context has now && context.now < datetime("2026-01-01T12:00:00Z")',
    '[context].contains(context) && context.now < datetime("2026-01-01T12:00:00Z")',
  ])('sees the time behind %s', (condition) => {
    let now = 0;
    const scope = deciding(`permit(principal, action, resource) when { ${condition} };`, { now: () => now });
    expect(scope.permits('connect', { type: 'Database', path: [] }).permitted).toBe(true);
    now = Date.parse('2027-01-01T00:00:00Z');
    expect(scope.permits('connect', { type: 'Database', path: [] }).permitted).toBe(false);
  });

  it('does not carry a verdict from one command to another that differs in what a policy reads', () => {
    const scope = deciding('permit(principal, action == Action::"sql:delete", resource) when { context.has_where };');
    expect(scope.decide(facts([remove('a')], { has_where: true })).permitted).toBe(true);
    expect(scope.decide(facts([remove('a')])).permitted).toBe(false);
  });
});

describe('createPolicy', () => {
  const caller = {
    issuer: 'postern',
    subject: 'svc_a',
    name: 'ci',
    kind: 'service-account',
    groups: ['readers'],
    granted: [],
    credential: 'tok_a',
    method: 'scram-sha-256',
    resources: [],
    networks: [],
    expiresAt: 0,
  } as const;
  const resource = {
    id: 'res_a',
    name: 'payments',
    protocol: 'postgres',
    host: 'h',
    port: 1,
    database: 'shop',
    account: 'app',
    secret: 'sec_a',
    tls: { mode: 'disable' },
    listenPort: null,
    recording: { maxBytesPerOperation: 0 },
    createdAt: '2026-01-01T00:00:00Z',
  } as const;
  const session = { caller, resource, database: 'shop', account: 'app', origin: '127.0.0.1' };

  it('denies everything before the first update', () => {
    const { port } = createPolicy();
    expect(port.version).toBe('none');
    expect(port.scope(session).decide(facts([select('a')]))).toMatchObject({ permitted: false, message: 'no policies are loaded yet', policyVersion: 'none' });
  });

  it('changes live scopes at once, and keeps the old set when the new one is invalid', () => {
    const policy = createPolicy();
    const scope = policy.port.scope(session);
    const same = facts([select('a')]);
    policy.update('1', [{ name: 'a.cedar', text: readers }]);
    expect(scope.decide(same)).toMatchObject({ permitted: true, policyVersion: '1' });
    expect(() => {
      policy.update('2', [{ name: 'a.cedar', text: 'permit(' }]);
    }).toThrow(/a\.cedar:1:/);
    expect(policy.port.version).toBe('1');
    expect(scope.decide(same)).toMatchObject({ permitted: true, policyVersion: '1' });
    policy.update('3', [{ name: 'a.cedar', text: readers }]);
    expect(scope.decide(same)).toMatchObject({ permitted: true, policyVersion: '3' });
    policy.update('4', []);
    expect(scope.decide(same)).toMatchObject({ permitted: false, policyVersion: '4' });
  });

  it('keeps two policy decision points apart', () => {
    const one = createPolicy();
    const two = createPolicy();
    one.update('1', [{ name: 'a.cedar', text: readers }]);
    two.update('1', []);
    expect(two.port.scope(session).decide(facts([select('a')])).permitted).toBe(false);
    expect(one.port.scope(session).decide(facts([select('a')])).permitted).toBe(true);
  });
});

describe('explain', () => {
  it('shows each act, the deciding policies with their texts, and the context', () => {
    const compiled = compiledOrThrow([{ name: 'p.cedar', text: readers }]);
    const explained = explain(compiled, request, { facts: facts([select('a'), remove('b')], { has_where: true }), now: 0 });
    expect(explained).toMatchObject({
      permitted: false,
      message: 'no policy permits sql:delete on table public.b',
      acts: [
        {
          action: 'sql:select',
          object: 'Table::"payments/shop/public/a"',
          permitted: true,
          policies: [{ name: 'read', effect: 'permit', file: 'p.cedar', line: 1, text: readers }],
        },
        { action: 'sql:delete', object: 'Table::"payments/shop/public/b"', permitted: false, policies: [] },
      ],
      context: { has_where: true, source_ip: { __extn: { fn: 'ip', arg: '10.0.0.7' } } },
    });
  });
});

const effect = fc.constantFrom('permit', 'forbid');
const principal = fc.constantFrom(
  'principal',
  'principal in Group::"readers"',
  'principal in Group::"writers"',
  'principal == ServiceAccount::"ci"',
  'principal is ServiceAccount in Group::"readers"',
);
const action = fc.constantFrom(
  'action',
  'action == Action::"sql:select"',
  'action in Action::"sql:write"',
  'action in [Action::"sql:delete", Action::"connect"]',
  'action in Action::"sql"',
);
const object = fc.constantFrom(
  'resource',
  'resource is Table',
  'resource in Resource::"payments"',
  'resource in Resource::"other"',
  'resource in Schema::"payments/shop/public"',
  'resource == Table::"payments/shop/public/a"',
  'resource is Table in Schema::"payments/shop/s2"',
  'resource in Database::"payments/shop"',
  'resource == Database::"payments/shop"',
);
const condition = fc.constantFrom(
  '',
  ' when { context.has_where }',
  ' unless { context.has_limit }',
  ' when { context.tables.contains("public.a") }',
  ' when { principal.name == "ci" }',
);
const policyText = fc.tuple(effect, principal, action, object, condition).map(([e, p, a, o, c]) => `${e}(${p}, ${a}, ${o})${c};`);
const act = fc.oneof(
  fc
    .tuple(fc.constantFrom('sql:select', 'sql:delete', 'sql:insert'), fc.constantFrom('public', 's2', '?'), fc.constantFrom('a', 'b'))
    .map(([name, schema, table]): Act => ({ action: name, object: { type: 'Table', path: [schema, table] } })),
  fc.constant<Act>({ action: 'connect', object: { type: 'Database', path: [] } }),
);
const command = fc
  .record({ has_where: fc.boolean(), has_limit: fc.boolean(), tables: fc.subarray(['public.a', 'public.b']) })
  .map((some) => ({ ...alone('sql:select'), ...some }));

/** Random policies named by their place; some could never apply, which validation would refuse and deciding must bear. */
function compiled(texts: readonly string[]): CompiledPolicies {
  const policies = texts.map((text, index) => {
    const answer = policyToJson(text);
    if (answer.type === 'failure') throw new Error(text);
    const { json } = answer;
    return { name: `p${index}`, effect: json.effect, file: 'f', line: 1, text, message: '', hint: '', approve: null, head: headOf(json), reads: readsOf(json) };
  });
  return { policies, byName: new Map(policies.map((policy) => [policy.name, policy])) };
}

function judge(set: CompiledPolicies, asked: Act, context: Facts['context']) {
  const slices = createSlices(set);
  try {
    const { permitted, policies } = decideAct(slices, standingOf(request), { act: asked, command: context, now: 0 });
    return { permitted, policies };
  } finally {
    slices.release();
  }
}

describe('properties', () => {
  it('a slice with the context it reads decides as all policies with all of it, for the same reasons', () => {
    const whole = () => true;
    fc.assert(
      fc.property(fc.array(policyText, { maxLength: 12 }), act, command, (texts, asked, context) => {
        const set = compiled(texts);
        const all = { head: { principal: whole, action: whole, resource: whole }, reads: everything };
        const unsliced = set.policies.map((policy) => ({ ...policy, ...all }));
        expect(judge(set, asked, context)).toEqual(judge({ ...set, policies: unsliced }, asked, context));
      }),
      { numRuns: 150 },
    );
  });

  it('no added permit overturns a forbid, and no added forbid permits', () => {
    fc.assert(
      fc.property(fc.array(policyText, { maxLength: 8 }), policyText, act, command, (texts, added, asked, context) => {
        const before = judge(compiled(texts), asked, context);
        const after = judge(compiled([...texts, added]), asked, context);
        const forbidden = !before.permitted && before.policies.length > 0;
        if (forbidden || (added.startsWith('forbid') && !before.permitted)) expect(after.permitted).toBe(false);
        if (before.permitted && added.startsWith('permit')) expect(after.permitted).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('a command is permitted exactly when each of its acts is, in any order', () => {
    fc.assert(
      fc.property(fc.array(policyText, { maxLength: 8 }), fc.array(act, { minLength: 1, maxLength: 5 }), command, (texts, acts, context) => {
        const set = compiled(texts);
        const slices = createSlices(set);
        const inForce = { version: '1', slices };
        const scope = createScope(request, { clock: { now: () => 0 }, onFault: unexpected, inForce: () => inForce });
        const each = acts.every((asked) => judge(set, asked, context).permitted);
        const together = { acts, effect: 'write', context, template: '' } as const;
        expect(scope.decide(together).permitted).toBe(each);
        expect(scope.decide({ ...together, acts: acts.toReversed() }).permitted).toBe(each);
        slices.release();
      }),
      { numRuns: 100 },
    );
  });
});

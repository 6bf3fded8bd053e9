import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Act, Facts } from '../contract/operation.ts';
import type { Decision, PolicyScope } from '../pipeline/ports.ts';
import { createPolicy } from './policy.ts';
import { alone } from './scope.ts';
import { besideOf, newShadow } from './shadow.ts';

const caller = {
  issuer: 'postern',
  subject: 'svc_a',
  name: 'ci',
  kind: 'service-account',
  groups: [],
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

const act = (action: Act['action'], table = 'a'): Act => ({ action, object: { type: 'Table', path: ['public', table] } });
const facts = (...acts: Act[]): Facts => ({ acts, effect: 'write', context: alone('sql:select'), template: '' });
const file = (text: string) => [{ name: 'p.cedar', text }];

const all = 'permit(principal, action, resource);';
const noDeletes = `${all} forbid(principal, action == Action::"sql:delete", resource);`;
const asksForDeletes =
  'permit(principal, action == Action::"sql:select", resource); @approve("dba:1") permit(principal, action == Action::"sql:delete", resource);';

function policyOf(text: string, beside: string | null) {
  const faults: unknown[] = [];
  const policy = createPolicy({ clock: { now: () => 0 }, onFault: (fault) => faults.push(fault) });
  policy.update('v1', file(text));
  policy.beside(beside === null ? null : { version: 's1', files: file(beside) });
  return { policy, scope: policy.port.scope(session), faults };
}

describe('shadow policies', () => {
  it('say what they would have done where that differs, and decide nothing', () => {
    const { scope } = policyOf(all, noDeletes);
    expect(scope.decide(facts(act('sql:delete')))).toMatchObject({ permitted: true, policyVersion: 'v1', shadow: { would: 'refuse', version: 's1' } });
    expect(scope.decide(facts(act('sql:select')))).not.toHaveProperty('shadow');
    const strict = policyOf(noDeletes, all).scope;
    expect(strict.decide(facts(act('sql:delete')))).toMatchObject({ permitted: false, shadow: { would: 'forward' } });
    const asking = policyOf(asksForDeletes, all).scope;
    expect(asking.decide(facts(act('sql:delete')))).toMatchObject({ permitted: true, approve: { group: 'dba' }, shadow: { would: 'forward' } });
    const asked = policyOf(all, asksForDeletes).scope.decide(facts(act('sql:delete')));
    expect(asked).toMatchObject({ permitted: true, shadow: { would: 'hold' } });
    expect(asked).not.toHaveProperty('approve');
  });

  it('leave every decision as it would be without them', () => {
    const action = fc.constantFrom<Act['action']>('sql:select', 'sql:delete', 'sql:update', 'sql:ddl');
    const set = fc.constantFrom(all, noDeletes, asksForDeletes, 'forbid(principal, action, resource);', '');
    fc.assert(
      fc.property(set, set, fc.array(fc.tuple(action, fc.constantFrom('a', 'b')), { minLength: 1, maxLength: 4 }), (text, beside, acts) => {
        const command = facts(...acts.map(([name, table]) => act(name, table)));
        const decided = policyOf(text, beside).scope.decide(command);
        expect({ ...decided, shadow: undefined }).toEqual(policyOf(text, null).scope.decide(command));
      }),
      { numRuns: 60 },
    );
  });

  it('follow a change at once, for live scopes too, and leave the version in force alone', () => {
    const { policy, scope } = policyOf(all, null);
    const command = facts(act('sql:delete'));
    const plain = scope.decide(command);
    expect(plain).not.toHaveProperty('shadow');
    policy.beside({ version: 's1', files: file(noDeletes) });
    const first = scope.decide(command);
    expect(first).toMatchObject({ permitted: true, shadow: { version: 's1' } });
    // equal decisions are the same object: what is made of them is cached by identity
    expect(scope.decide(command)).toBe(first);
    policy.beside({ version: 's2', files: file(`${noDeletes}// again`) });
    expect(scope.decide(command)).toMatchObject({ shadow: { version: 's2' } });
    policy.beside(null);
    expect(scope.decide(command)).toBe(plain);
    expect(policy.port.version).toBe('v1');
  });

  it('that cannot be taken are none', () => {
    const { policy, scope, faults } = policyOf(all, noDeletes);
    policy.beside({ version: 's2', files: file('permit(') });
    expect(faults).toHaveLength(1);
    expect(scope.decide(facts(act('sql:delete')))).toMatchObject({ permitted: true });
    expect(scope.decide(facts(act('sql:delete')))).not.toHaveProperty('shadow');
  });

  it('that throw, or say so, give no result', () => {
    const decision: Decision = { permitted: true, policies: ['all'], message: '', hint: '', policyVersion: 'v1' };
    const scopeOf = (decide: () => Decision): PolicyScope => ({ decide, permits: decide, possible: () => true });
    const shadow = newShadow({
      version: 's1',
      slices: { narrow: () => [], of: () => expect.fail('asked'), possible: () => expect.fail('asked'), release: () => undefined },
    });
    const throwing = besideOf(
      scopeOf(() => decision),
      scopeOf(() => expect.fail('beside')),
      () => shadow,
    );
    expect(throwing.decide(facts())).toBe(decision);
    const faulty = scopeOf(() => {
      shadow.faults += 1;
      return { ...decision, permitted: false };
    });
    const scope = besideOf(
      scopeOf(() => decision),
      faulty,
      () => shadow,
    );
    expect(scope.decide(facts())).toBe(decision);
    expect(scope.permits('connect', { type: 'Database', path: [] })).toBe(decision);
  });

  it('that are slow rest', () => {
    const decision: Decision = { permitted: true, policies: [], message: '', hint: '', policyVersion: 'v1' };
    let asked = 0;
    const possible = (): boolean => true;
    const slow = (): Decision => {
      asked += 1;
      const end = performance.now() + 60;
      while (performance.now() < end);
      return { ...decision, permitted: false };
    };
    const shadow = newShadow({
      version: 's1',
      slices: { narrow: () => [], of: () => expect.fail('asked'), possible: () => expect.fail('asked'), release: () => undefined },
    });
    const scope = besideOf({ decide: () => decision, permits: () => decision, possible }, { decide: slow, permits: slow, possible }, () => shadow);
    expect(scope.decide(facts())).toMatchObject({ permitted: true, shadow: { would: 'refuse' } });
    for (let again = 0; again < 20; again++) expect(scope.decide(facts())).toBe(decision);
    expect(asked).toBe(1);
  });
});

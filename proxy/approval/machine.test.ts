import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { ApprovalRequest, type SignedDecision } from '../contract/approval-request.ts';
import type { Approver } from '../contract/user.ts';
import { isTerminal, mayFollow } from '../store/request-lifecycle.ts';
import { accessSeconds, decide, expire, use, whyNotDecide, withdraw } from './machine.ts';

const start = Date.UTC(2026, 0, 1);
const lifeMs = 60_000;
/** the last moment a date can have */
const lastMoment = Date.UTC(9999, 11, 31);
const iso = (at: number): string => new Date(at).toISOString();

function request(needed = 1, more: Partial<ApprovalRequest> = {}): ApprovalRequest {
  return {
    id: 'req_abc',
    status: 'pending',
    canonical: {
      v: 1,
      id: 'req_abc',
      principal: { issuer: 'postern', subject: 'svc_ci', name: 'ci-runner', credential: 'tok_a' },
      subject: { kind: 'access', joins: 'migrators', seconds: 600 },
      terms: { group: 'dba', needed, mode: 'hold', expiresInSeconds: lifeMs / 1_000, risk: 'normal', ownerDecides: false },
      policies: ['p'],
      policyVersion: 'pol_a',
      createdAt: iso(start),
      expiresAt: iso(start + lifeMs),
      nonce: 'n'.repeat(43),
      checkpoint: '',
    },
    reason: 'because',
    ticket: '',
    barred: ['Owner@Example.com'],
    gateway: 'gateway-a',
    decisions: [],
    closedAt: null,
    closedReason: null,
    ...more,
  };
}

function person(id: string, human: string, more: Partial<Approver> = {}): Approver {
  const key = { id: `key_${id}`, algorithm: 'ed25519', publicKey: 'p'.repeat(43), enrolledAt: iso(start) } as const;
  return { id: `usr_${id}`, name: `person-${id}`, human, groups: ['dba'], disabled: false, key, ...more };
}

function decision(approver: Approver, verdict: 'approve' | 'deny', at: number): SignedDecision {
  const signature = { type: 'ed25519', key: approver.key?.id ?? 'key_none', signature: 's'.repeat(86) } as const;
  return { request: 'req_abc', verdict, approver: approver.id, human: approver.human, reason: '', at: iso(at), signature };
}

const good = [person('a', 'ann'), person('b', 'bob'), person('c', 'cid')];
const other = person('d', '  ANN ');
const wide = person('e', 'ａｎｎ');
const wrong = [
  person('f', 'owner@example.com'),
  person('g', 'fay', { groups: ['other'] }),
  person('h', 'hal', { disabled: true }),
  person('i', 'ian', { key: null }),
  person('j', 'jon', { name: 'ci-runner' }),
];
const people = [...good, other, wide, ...wrong];
const humans = new Map<string, string>([...good.map(({ id, human }) => [id, human] as const), [other.id, 'ann'], [wide.id, 'ann']]);

type Step =
  | { readonly kind: 'decide'; readonly who: number; readonly verdict: 'approve' | 'deny'; readonly skew: number }
  | { readonly kind: 'withdraw' | 'expire' | 'use' | 'restart' }
  | { readonly kind: 'wait'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('decide' as const),
      who: fc.nat(people.length - 1),
      verdict: fc.constantFrom<('approve' | 'deny')[]>('approve', 'approve', 'approve', 'approve', 'deny'),
      skew: fc.constantFrom(0, 0, 0, -61_000, 300_000, 300_001, -300_001),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('expire' as const, 'use' as const, 'use' as const, 'restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('withdraw' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 1_000, lifeMs - 1, lifeMs, 10 * lifeMs, -1_000) }) },
);

/** What must be true, kept beside the machine and written in other words. */
class Model {
  readonly approved = new Set<string>();
  denied = false;
  uses = 0;
  now = start;
}

function take(current: ApprovalRequest, what: Step, model: Model): ApprovalRequest {
  switch (what.kind) {
    case 'wait':
      model.now += what.ms;
      return current;
    case 'restart':
      return JSON.parse(JSON.stringify(current)) as ApprovalRequest; // what the state stores
    case 'withdraw':
      return withdraw(current, { now: model.now, reason: 'because' });
    case 'expire':
      return expire(current, model.now);
    case 'use':
      return use(current, model.now);
    case 'decide': {
      const approver = people[what.who] ?? null;
      if (approver === null) return current;
      return decide(current, decision(approver, what.verdict, model.now + what.skew), { now: model.now, approver });
    }
  }
}

/** Broken rules throw here: plain comparisons, because there are many. */
function hold(condition: boolean, rule: string): void {
  if (!condition) throw new Error(rule);
}

function judge(before: ApprovalRequest, after: ApprovalRequest, { what, model }: { what: Step; model: Model }): void {
  if (after === before || what.kind === 'restart' || what.kind === 'wait') return;
  hold(!isTerminal(before.status), 'a terminal state was left');
  hold(mayFollow(before, after), 'the state would refuse it');
  const isOver = model.now >= start + lifeMs;
  hold(isOver === (after.status === 'expired'), 'after its time it only expires, and not before');
  if (what.kind === 'decide') judgeDecision(after, what, model);
  if (after.status === 'used') {
    model.uses += 1;
    hold(model.approved.size >= after.canonical.terms.needed && !model.denied, 'used without enough humans');
    hold(model.uses === 1, 'used twice');
  }
}

function judgeDecision(after: ApprovalRequest, what: Extract<Step, { kind: 'decide' }>, model: Model): void {
  const human = humans.get(people[what.who]?.id ?? '');
  hold(human !== undefined, 'somebody decided who may not');
  hold(!model.approved.has(human ?? ''), 'a human counted twice');
  hold(Math.abs(what.skew) <= 300_000, 'a wrong clock was believed');
  if (what.verdict === 'approve') model.approved.add(human ?? '');
  else model.denied = true;
  hold((after.status === 'denied') === model.denied, 'one denial denies');
  hold((after.status === 'approved') === (!model.denied && model.approved.size >= after.canonical.terms.needed), 'approved when enough did, and only then');
}

/** Every step, legal or not; then time runs out. */
function live(needed: number, steps: readonly Step[]): ApprovalRequest {
  const model = new Model();
  let current = request(needed);
  for (const what of steps) {
    let next = current;
    try {
      next = take(current, what, model);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : String(error);
      hold(code === 'ERR_CONFLICT' || code === 'ERR_FORBIDDEN', `it threw ${String(code)}`);
    }
    judge(current, next, { what, model });
    current = next;
  }
  if (!isTerminal(current.status)) {
    const ended = expire(current, lastMoment);
    hold(mayFollow(current, ended) && ended.status === 'expired', 'it stuck');
    current = ended;
  }
  return current;
}

describe('the machine', () => {
  test('any interleaving: no use without N humans, none twice, no way back, no way to stick', { timeout: 60_000 }, () => {
    const ends = new Set<string>();
    // refusals are thrown by the hundred thousand, and nobody reads where
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 9 }), (needed, steps) => {
        ends.add(live(needed, steps).status);
      }),
      { numRuns: 100_000 },
    );
    Error.stackTraceLimit = stackTraceLimit;
    expect([...ends].sort()).toEqual(['denied', 'expired', 'used', 'withdrawn']);
  });

  test('every state it reaches fits the contract', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 9 }), (needed, steps) => {
        expect(ApprovalRequest.parse(live(needed, steps))).toBeTruthy();
      }),
      { numRuns: 300 },
    );
  });

  it('expires at the very moment, not one before', () => {
    const end = start + lifeMs;
    const [ann] = good;
    if (ann === undefined) throw new Error('no approver');
    const late = { now: end, approver: ann };
    expect(() => decide(request(), decision(ann, 'approve', end), late)).toThrow(expect.objectContaining({ code: 'ERR_CONFLICT' }) as Error);
    const approved = decide(request(), decision(ann, 'approve', end - 1), { ...late, now: end - 1 });
    expect(approved.status).toBe('approved');
    expect(() => expire(approved, end - 1)).toThrow();
    expect(use(approved, end - 1).status).toBe('used');
    expect(() => use(approved, end)).toThrow(expect.objectContaining({ code: 'ERR_CONFLICT' }) as Error);
    expect(expire(approved, end)).toMatchObject({ status: 'expired', closedAt: iso(end) });
  });

  it.each(wrong)('does not let $id decide, and says why', (approver) => {
    for (const verdict of ['approve', 'deny'] as const)
      expect(() => decide(request(), decision(approver, verdict, start), { now: start, approver })).toThrow(
        expect.objectContaining({ code: 'ERR_FORBIDDEN' }) as Error,
      );
    expect(whyNotDecide(request(), { now: start, approver })).not.toBeNull();
  });

  it('refuses decisions of somebody else, on something else, by another key, at another time', () => {
    const [ann, bob] = good;
    if (ann === undefined || bob === undefined) throw new Error('no approver');
    const mine = decision(ann, 'approve', start);
    const refused: [SignedDecision, Approver | null][] = [
      [mine, bob],
      [mine, null],
      [{ ...mine, request: 'req_other' }, ann],
      [{ ...mine, human: 'bob' }, ann],
      [{ ...mine, signature: { ...mine.signature, key: 'key_old' } }, ann],
      [{ ...mine, at: iso(start - 60_001) }, ann],
      [{ ...mine, at: iso(start + 300_001) }, ann],
      [{ ...mine, seconds: 601 }, ann],
      [{ ...mine, verdict: 'deny', seconds: 60 }, ann],
    ];
    for (const [text, approver] of refused)
      expect(() => decide(request(), text, { now: start, approver })).toThrow(expect.objectContaining({ code: 'ERR_FORBIDDEN' }) as Error);
    expect(decide(request(), mine, { now: start, approver: ann }).status).toBe('approved');
    expect(decide(request(), { ...mine, seconds: 600 }, { now: start, approver: ann }).status).toBe('approved');
  });
});

test('an access lasts as long as the most careful of those who approved allowed', () => {
  const [ann, bob] = good;
  if (ann === undefined || bob === undefined) throw new Error('no approver');
  const [mine, other] = [decision(ann, 'approve', start), decision(bob, 'approve', start)];
  expect([accessSeconds(600, []), accessSeconds(600, [mine, other])]).toEqual([600, 600]);
  expect(accessSeconds(600, [{ ...mine, seconds: 300 }, other, { ...other, seconds: 60 }])).toBe(60);
});

describe('mayFollow', () => {
  const [ann, bob] = good;
  if (ann === undefined || bob === undefined) throw new Error('no approver');
  const pending = request(2);
  const once = decide(pending, decision(ann, 'approve', start), { now: start, approver: ann });
  const approved = decide(once, decision(bob, 'approve', start), { now: start, approver: bob });

  it('lets requests be made and take their steps', () => {
    expect([mayFollow(null, pending), mayFollow(pending, once), mayFollow(once, approved), mayFollow(approved, use(approved, start))]).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  it('refuses other matter, lost or changed decisions, too few humans, and every way out of an end', () => {
    const used = use(approved, start);
    const illegal: [ApprovalRequest | null, ApprovalRequest][] = [
      [null, once],
      [null, { ...pending, id: 'req_other' }],
      [once, { ...approved, canonical: { ...approved.canonical, nonce: 'm'.repeat(43) } }],
      [once, { ...approved, canonical: { ...approved.canonical, terms: { ...approved.canonical.terms, needed: 1 } } }],
      [once, { ...approved, barred: [] }],
      [once, { ...approved, gateway: 'gateway-b' }],
      [once, { ...approved, decisions: approved.decisions.slice(1) }],
      [once, { ...approved, decisions: [approved.decisions[1], approved.decisions[1]] as SignedDecision[] }],
      [once, { ...once, status: 'approved' }],
      [pending, { ...once, status: 'approved' }],
      [pending, { ...pending, status: 'used', closedAt: iso(start) }],
      [once, { ...approved, status: 'pending' }],
      [approved, { ...used, closedAt: null }],
      [approved, { ...used, decisions: once.decisions }],
      [used, approved],
      [used, used],
      [used, { ...used, status: 'withdrawn' }],
    ];
    for (const [before, after] of illegal) expect([after.status, mayFollow(before, after)]).toEqual([after.status, false]);
  });
});

import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ApprovalRequest, SignedDecision } from '../contract/approval-request.ts';
import type { Approver } from '../contract/user.ts';
import { decisionBytes } from '../proof/decision.ts';
import { approvalFault, barredFault, isSigned, secondsFault } from './quorum.ts';

const start = Date.UTC(2026, 0, 1);
const iso = (at: number): string => new Date(at).toISOString();

interface Person {
  readonly approver: Approver;
  readonly key: KeyObject;
}

function person(id: string, human: string, more: Partial<Approver> = {}): Person {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = { id: `key_${id}`, algorithm: 'ed25519', publicKey: publicKey.export({ format: 'jwk' }).x ?? '', enrolledAt: iso(start) } as const;
  return { approver: { id: `usr_${id}`, name: `person-${id}`, human, groups: ['dba'], disabled: false, key, ...more }, key: privateKey };
}

const ann = person('a', 'ann');
const annAgain = person('b', ' ＡＮＮ');
const bob = person('c', 'bob');
const everybody = [ann, annAgain, bob].map(({ approver }) => approver);

const request: ApprovalRequest = {
  id: 'req_abc',
  status: 'approved',
  canonical: {
    v: 1,
    id: 'req_abc',
    principal: { issuer: 'postern', subject: 'svc_ci', name: 'ci-runner', credential: 'tok_a' },
    subject: { kind: 'access', joins: 'migrators', seconds: 600 },
    terms: { group: 'dba', needed: 2, mode: 'hold', expiresInSeconds: 60, risk: 'normal', ownerDecides: false },
    policies: ['ask'],
    policyVersion: 'pol_a',
    createdAt: iso(start),
    expiresAt: iso(start + 60_000),
    nonce: 'n'.repeat(43),
    checkpoint: '',
  },
  reason: '',
  ticket: '',
  barred: [],
  gateway: 'gateway-a',
  decisions: [],
  closedAt: null,
  closedReason: null,
};

function decision({ approver, key }: Person, more: Partial<Pick<SignedDecision, 'verdict' | 'human' | 'at' | 'seconds'>> = {}): SignedDecision {
  const said = { verdict: 'approve' as const, human: approver.human, reason: 'fine', at: iso(start), ...more };
  const signature = sign(null, decisionBytes({ request: request.canonical, approver: approver.id, ...said }), key).toString('base64url');
  return { request: request.id, approver: approver.id, ...said, signature: { type: 'ed25519', key: approver.key?.id ?? '', signature } };
}

const faultOf = (decisions: readonly SignedDecision[], more: Partial<{ approvers: readonly Approver[]; barred: readonly string[]; now: number }> = {}) =>
  approvalFault({ ...request, decisions: [...decisions] }, { approvers: everybody, barred: [], now: start, ...more });
const two = [decision(ann), decision(bob)];

describe('a signature', () => {
  it('holds for the very text, key and request it was made for', async () => {
    const good = decision(ann);
    expect(await isSigned(request, good, ann.approver)).toBe(true);
    const { canonical } = request;
    for (const changed of [{ policyVersion: 'pol_b' }, { id: 'req_b' }, { nonce: 'm'.repeat(43) }, { subject: { ...canonical.subject, seconds: 601 } }])
      expect(await isSigned({ canonical: { ...canonical, ...changed } }, good, ann.approver)).toBe(false);
    for (const changed of [{ reason: 'other' }, { verdict: 'deny' as const }, { human: 'bob' }, { at: iso(start + 1) }])
      expect(await isSigned(request, { ...good, ...changed }, ann.approver)).toBe(false);
    expect(await isSigned(request, good, { ...ann.approver, key: null })).toBe(false);
    expect(await isSigned(request, good, { ...ann.approver, key: bob.approver.key })).toBe(false);
    const renamed = bob.approver.key === null ? null : { ...bob.approver.key, id: 'key_a' };
    expect(await isSigned(request, good, { ...ann.approver, key: renamed })).toBe(false);
  });
});

describe('a shorter access', () => {
  const operation = { kind: 'operation', resource: 'payments' } as unknown as ApprovalRequest['canonical']['subject']; // nothing else of it is looked at
  const shorter = decision(ann, { seconds: 300 });

  it('is signed: no other length, and none at all, holds for it', async () => {
    expect(await isSigned(request, shorter, ann.approver)).toBe(true);
    for (const changed of [
      { ...shorter, seconds: 301 },
      { ...shorter, seconds: undefined },
      { ...decision(ann), seconds: 300 },
    ]) {
      expect(await isSigned(request, changed, ann.approver)).toBe(false);
      expect(await faultOf([changed, decision(bob)])).toBe('A signature does not hold.');
    }
    expect(await faultOf([shorter, decision(bob)])).toBeNull();
  });

  it('leaves out what is not said, so that earlier signatures stay good', () => {
    const said = { request: {}, verdict: 'approve', approver: 'usr_a', human: 'ann', reason: '', at: iso(start) } as const;
    expect(decisionBytes({ ...said, seconds: undefined })).toEqual(decisionBytes(said));
    expect(new TextDecoder().decode(decisionBytes(said))).not.toContain('seconds');
  });

  it('is never a longer one, a denial, or a command', async () => {
    expect(await faultOf([decision(ann, { seconds: 601 }), decision(bob)])).toBe('An approver may shorten an access, not lengthen it.');
    expect(secondsFault(request, decision(ann, { seconds: 600 }))).toBeNull();
    expect(secondsFault(request, decision(ann, { seconds: 300, verdict: 'deny' }))).toBe('Only the approval of an access can shorten it.');
    expect(secondsFault({ canonical: { ...request.canonical, subject: operation } }, shorter)).toBe('Only the approval of an access can shorten it.');
  });
});

describe('a quorum', () => {
  it('is as many distinct humans as the terms ask for', async () => {
    expect(await faultOf(two)).toBeNull();
    expect(await faultOf([])).toBe('0 of 2 people approved.');
    expect(await faultOf([decision(ann)])).toBe('1 of 2 people approved.');
    expect(await faultOf([decision(ann), decision(ann)])).toBe('1 of 2 people approved.');
  });

  it('counts two accounts of one human once', async () => {
    expect(await faultOf([decision(ann), decision(annAgain)])).toBe('1 of 2 people approved.');
    expect(await faultOf([decision(ann), decision(annAgain), decision(bob)])).toBeNull();
  });

  it('is over with the request, and at a time nobody can read', async () => {
    expect(await faultOf(two, { now: start + 59_999 })).toBeNull();
    for (const now of [start + 60_000, Number.NaN]) expect(await faultOf(two, { now })).toBe('The approval has expired.');
  });

  it('is none with a denial, a stranger, or a signature that does not hold', async () => {
    expect(await faultOf([...two, decision(annAgain, { verdict: 'deny' })])).toBe('The request was denied.');
    expect(await faultOf(two, { approvers: [ann.approver] })).toBe('An approver is no longer known.');
    expect(await faultOf([decision(ann), { ...decision(bob), reason: 'other' }])).toBe('A signature does not hold.');
    expect(await faultOf([decision(ann), decision(bob, { human: 'cid' })])).toBe('A signature does not hold.');
    expect(await faultOf(two, { approvers: [ann.approver, { ...bob.approver, key: null }] })).toBe('A signature does not hold.');
  });

  it('holds nobody who is disabled, left the group, or may not decide on it', async () => {
    const withBob = (more: Partial<Approver>) => faultOf(two, { approvers: [ann.approver, { ...bob.approver, ...more }] });
    expect(await withBob({ disabled: true })).toBe('This approver is disabled.');
    expect(await withBob({ groups: ['other'] })).toBe('Only members of group dba decide on this.');
    for (const name of [' BOB', 'Person-C']) expect(await faultOf(two, { barred: [name] })).toBe('Nobody decides on their own request.');
  });
});

describe('who may decide', () => {
  it('is a member of the group', () => {
    expect(barredFault(ann.approver, 'dba', ['bob'])).toBeNull();
    expect(barredFault(ann.approver, 'owners', [])).toBe('Only members of group owners decide on this.');
  });
});

import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CanonicalRequest, SignedDecision } from '../../proxy/contract/approval-request.ts';
import { utf8 } from '../../proxy/proof/bytes.ts';
import { decisionBytes } from '../../proxy/proof/decision.ts';
import type { EnrolledAppliance } from '../appliances/enrolled-appliance.ts';
import type { DecisionInput } from '../contract/bridge.ts';
import { decide, type DecidingPorts } from './deciding.ts';
import { digestOfShown } from './shown-request.ts';

const canonical: CanonicalRequest = {
  v: 1,
  id: 'req_abc',
  principal: { issuer: 'postern', subject: 'svc_ci', name: 'ci-runner', credential: 'tok_a' },
  subject: { kind: 'access', joins: 'migrators', seconds: 600 },
  terms: { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 60, risk: 'normal', ownerDecides: false },
  policies: ['ask'],
  policyVersion: 'pol_a',
  createdAt: '2026-11-21T10:00:00.000Z',
  expiresAt: '2026-11-21T10:01:00.000Z',
  nonce: 'n'.repeat(43),
  checkpoint: '',
};
const pair = generateKeyPairSync('ed25519');
const clock: DecidingPorts['clock'] = { now: () => Date.parse('2026-11-21T10:00:10.000Z'), after: () => () => undefined };

let served: CanonicalRequest;
let sent: SignedDecision[];
let freshSignIns: number;

/** A service that shows `served` and keeps what it is sent. */
const appliance = {
  record: { id: 'a1', userId: 'usr_a', keyId: 'key_a' },
  keys: {
    user: () => ({ human: 'ann' }),
    signIn: () => {
      freshSignIns++;
      return Promise.resolve();
    },
    approver: () => ({ signText: (bytes: Uint8Array) => sign(null, bytes, pair.privateKey).toString('base64url') }),
  },
  call: (name: string, input: { decision?: SignedDecision }) => {
    if (name === 'showRequest') return Promise.resolve({ request: { id: served.id, canonical: served } });
    if (input.decision !== undefined) sent.push(input.decision);
    return Promise.resolve({});
  },
} as unknown as EnrolledAppliance;

function deciding(change: Partial<DecisionInput> = {}, distrust: string | null = null): Promise<unknown> {
  const input: DecisionInput = { appliance: 'a1', request: 'req_abc', shown: digestOfShown(canonical), verdict: 'approve', reason: '', ...change };
  return decide(input, appliance, { clock, distrust: () => distrust });
}

beforeEach(() => {
  served = canonical;
  sent = [];
  freshSignIns = 0;
});

describe('a decision', () => {
  it('is signed over exactly the request that was on the screen', async () => {
    await deciding({ verdict: 'deny', reason: 'not today' });
    const [{ signature, ...said } = expect.fail('nothing was sent')] = sent;
    const bytes = decisionBytes({ ...said, request: canonical });
    expect(said.verdict).toBe('deny');
    expect(verify(null, bytes, createPublicKey(pair.privateKey), Buffer.from(signature.signature, 'base64url'))).toBe(true);
    expect(verify(null, utf8('another text'), createPublicKey(pair.privateKey), Buffer.from(signature.signature, 'base64url'))).toBe(false);
  });

  it('is not signed when the service shows another request than the screen did', async () => {
    served = { ...canonical, subject: { kind: 'access', joins: 'migrators', seconds: 86_400 } };
    await expect(deciding()).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    served = { ...canonical, id: 'req_other' };
    await expect(deciding({ shown: digestOfShown(served) })).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    expect(sent).toEqual([]);
  });

  it('is not made at a service whose log was rolled back or forked', async () => {
    await expect(deciding({}, 'the log was rolled back.')).rejects.toMatchObject({ code: 'ERR_VERIFICATION_FAILED' });
    expect(sent).toEqual([]);
  });

  it('to deny needs a reason', async () => {
    for (const reason of ['', '  ', 'no', ' a  '])
      await expect(deciding({ verdict: 'deny', reason })).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT', faults: [{ path: 'reason' }] });
    expect(sent).toEqual([]);
  });

  it('may shorten an access and never lengthen it', async () => {
    await expect(deciding({ seconds: 601 })).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
    await deciding({ seconds: 300 });
    expect(sent.map(({ seconds }) => seconds)).toEqual([300]);
  });

  it('of high risk is preceded by a fresh sign-in, to approve', async () => {
    served = { ...canonical, terms: { ...canonical.terms, risk: 'high' } };
    await deciding({ shown: digestOfShown(served), verdict: 'deny', reason: 'not today' });
    expect(freshSignIns).toBe(0);
    await deciding({ shown: digestOfShown(served) });
    expect(freshSignIns).toBe(1);
  });
});

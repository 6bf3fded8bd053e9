import type { ApprovalRequest, CanonicalRequest, SignedDecision } from '../../../proxy/contract/approval-request.ts';

type Operation = Extract<CanonicalRequest['subject'], { kind: 'operation' }>;

export function operation(change: Partial<Operation> = {}): Operation {
  return {
    kind: 'operation',
    resource: 'payments',
    account: 'app',
    database: 'payments',
    searchPath: '"$user", public',
    origin: '127.0.0.1:40000',
    session: 'ses_a',
    command: 'delete from orders where id = 7',
    hidden: [],
    digest: 'A'.repeat(43),
    acts: ['sql:delete public.orders', 'sql:select public.orders'],
    ...change,
  };
}

export function request(change: Partial<ApprovalRequest> = {}, subject: CanonicalRequest['subject'] = operation()): ApprovalRequest {
  return {
    id: 'req_a',
    status: 'pending',
    canonical: {
      v: 1,
      id: 'req_a',
      principal: { issuer: 'postern', subject: 'svc_a', name: 'release-bot', credential: 'tok_a' },
      subject,
      terms: { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 600, risk: 'normal', ownerDecides: false },
      policies: ['ask-before-delete'],
      policyVersion: 'v1',
      createdAt: '2026-01-01T10:00:00.000Z',
      expiresAt: '2026-01-01T10:10:00.000Z',
      nonce: 'B'.repeat(43),
      checkpoint: '',
    },
    reason: '',
    ticket: '',
    barred: [],
    gateway: 'one',
    decisions: [],
    closedAt: null,
    closedReason: null,
    ...change,
  };
}

export function decision(change: Partial<SignedDecision> = {}): SignedDecision {
  return {
    request: 'req_a',
    verdict: 'approve',
    approver: 'usr_a',
    human: 'bob@example.com',
    reason: '',
    at: '2026-01-01T10:01:00.000Z',
    signature: { type: 'ed25519', key: 'key_a', signature: 'C'.repeat(86) },
    ...change,
  };
}

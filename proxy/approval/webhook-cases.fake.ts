import { createHmac } from 'node:crypto';
import type { ApprovalRequest, Grant } from '../contract/approval-request.ts';
import type { Webhook } from '../contract/webhook.ts';
import { newId } from '../lib/ids.ts';
import type { Taken } from './webhook-receiver.fake.ts';

const at = '2026-03-01T09:00:00.000Z';
const digest = 'a'.repeat(43);

export const command = "update payments.cards set limit_eur = 900 where holder = 'Marple'";
export const mark = 'mArKmArK';

export interface Words {
  readonly reason?: string;
  readonly ticket?: string;
  readonly principal?: string;
  readonly resource?: string;
  readonly command?: string;
}

/** A held operation; `words` go where people and clients choose the text. */
export function requestOf(words: Words = {}): ApprovalRequest {
  const { reason = 'month end', ticket = 'CHG-1', principal = 'billing', resource = 'payments' } = words;
  const subject = {
    kind: 'operation' as const,
    resource,
    account: 'app_writer',
    database: 'paymentsdb',
    searchPath: 'secretschema',
    origin: '10.0.0.9',
    session: newId('ses'),
    command: words.command ?? command,
    hidden: [{ position: 1, type: 'text', mark }],
    digest,
    acts: ['sql:update payments.cards'],
  };
  const terms = { group: 'dba', needed: 2, mode: 'hold' as const, expiresInSeconds: 600, risk: 'normal' as const, ownerDecides: false };
  const id = newId('req');
  return {
    id,
    status: 'pending',
    canonical: {
      v: 1,
      id,
      principal: { issuer: 'postern', subject: newId('svc'), name: principal, credential: newId('tok') },
      subject,
      terms,
      policies: ['writes-need-two'],
      policyVersion: 'v1',
      createdAt: at,
      expiresAt: '2026-03-01T09:10:00.000Z',
      nonce: digest,
      checkpoint: '',
    },
    reason,
    ticket,
    barred: [],
    gateway: 'gateway-1',
    decisions: [],
    closedAt: null,
    closedReason: null,
  };
}

export function accessOf(): ApprovalRequest {
  const request = requestOf();
  return { ...request, canonical: { ...request.canonical, subject: { kind: 'access', joins: 'night-shift', seconds: 3_600 } } };
}

export function grantOf(reason = 'the night batch is stuck'): Grant {
  const names = { principal: newId('svc'), principalName: 'billing', group: 'night-shift' };
  return { id: newId('gra'), ...names, request: null, reason, createdAt: at, expiresAt: '2026-03-01T10:00:00.000Z', revokedAt: null, review: null };
}

export function webhookOf(url: string, more: Partial<Webhook> = {}): Webhook {
  return { id: newId('hook'), name: 'chat', url, format: 'json', secret: newId('sec'), createdAt: at, ...more };
}

/** What a receiver does: Standard Webhooks from its specification, nothing of ours. */
export function verifies({ headers, body }: Taken, key: string): boolean {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => String(headers[name]));
  const mac = createHmac('sha256', Buffer.from(key.slice('whsec_'.length), 'base64'));
  mac.update([id, timestamp, body].join('.'));
  return (signatures ?? '').split(' ').includes(`v1,${mac.digest('base64')}`);
}

import { createHmac, randomBytes } from 'node:crypto';
import { fail } from '../contract/errors.ts';
import { Secret } from '../lib/secret.ts';

const keyBytes = 32;
const prefix = 'whsec_';

/** 32 random bytes as Standard Webhooks writes them: `whsec_` and base64. */
export function newWebhookKey(): Secret<string> {
  return new Secret(prefix + randomBytes(keyBytes).toString('base64'));
}

/**
 * The headers of one attempt, after Standard Webhooks 1.0: HMAC-SHA-256 over `id.timestamp.body`. `id` stays the same over retries, `at`
 * (milliseconds since the epoch) is this attempt's. Throws ERR_VAULT_DAMAGED when the key is none of ours.
 */
export function signedHeaders(key: Secret<string>, sent: { id: string; at: number; body: string }): Record<string, string> {
  const text = key.reveal();
  if (!/^whsec_[A-Za-z0-9+/]{43}=$/.test(text)) throw fail('ERR_VAULT_DAMAGED', { detail: 'a webhook key is malformed' });
  const timestamp = String(Math.floor(sent.at / 1_000));
  const bytes = Buffer.from(text.slice(prefix.length), 'base64');
  const signature = createHmac('sha256', bytes).update(`${sent.id}.${timestamp}.${sent.body}`).digest('base64');
  bytes.fill(0);
  return { 'webhook-id': sent.id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

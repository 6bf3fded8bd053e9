import { afterEach, beforeEach, expect, it } from 'vitest';
import { verifies } from '../../approval/webhook-cases.fake.ts';
import { WebhookReceiver } from '../../approval/webhook-receiver.fake.ts';
import { Webhooks } from '../../approval/webhooks.ts';
import { approvalApi } from '../../contract/api-approvals.ts';
import { fail } from '../../contract/errors.ts';
import { Webhook } from '../../contract/webhook.ts';
import type { Secret } from '../../lib/secret.ts';
import { maskText } from '../../masking/text.ts';
import { positionOf } from '../../store/position.ts';
import type { Change, Commit, ContextOf, EventFields } from '../context.ts';
import { webhookHandlers } from './webhooks.ts';

type Context = ContextOf<'createWebhook'> & ContextOf<'deleteWebhook'> & ContextOf<'testWebhook'>;

const clock = { now: () => Date.UTC(2026, 2, 1) };
let receiver: WebhookReceiver;
let stored: Webhook[];
let vault: Map<string, Secret<string>>;
let events: { code: string; affected: string; text: string }[];
let webhooks: Webhooks;
let handlers: ReturnType<typeof webhookHandlers>;

/** The event first, then what it does: as Changes has it. */
const commit = async (code: string, change: Change): Promise<void> => {
  events.push({ code, affected: change.affected, text: JSON.stringify(change.value) });
  if (code === 'webhook.created') stored.push(Webhook.parse(change.value));
  if (code === 'webhook.deleted') stored = stored.filter(({ id }) => id !== (change.value as Webhook).id);
  await change.effect?.(positionOf(events.length));
};

const context = {
  exclusive: (work: (commit: Commit<never>) => Promise<unknown>) => work(commit),
  record: (code: string, { affected, ...rest }: EventFields) => {
    events.push({ code, affected, text: JSON.stringify(rest) });
    return Promise.resolve(positionOf(events.length));
  },
} as unknown as Context;

const settings = (more: object = {}) => ({ name: 'chat', url: receiver.url, format: 'json' as const, ...more });

beforeEach(async () => {
  receiver = await WebhookReceiver.listen();
  [stored, events] = [[], []];
  vault = new Map<string, Secret<string>>();
  webhooks = new Webhooks({
    clock,
    receivers: () => stored,
    key: ({ secret }) => {
      const key = vault.get(secret);
      return key ? Promise.resolve(key) : Promise.reject(fail('ERR_VAULT_LOCKED'));
    },
    mask: maskText,
    givenUp: () => undefined,
    log: () => undefined,
  });
  handlers = webhookHandlers({
    clock,
    webhooks,
    state: { snapshot: () => Promise.reject(fail('ERR_INTERNAL')) as never, secretVersion: () => 1 },
    secrets: {
      put: async (_at, { id, value }) => void vault.set(id, value),
      delete: async (_at, id) => void vault.delete(id),
      lease: () => Promise.reject(fail('ERR_INTERNAL')),
      release: () => undefined,
      rotate: () => Promise.resolve(0),
    },
  });
});

afterEach(async () => {
  await webhooks.stop();
  await receiver[Symbol.asyncDispose]();
});

it('creating shows the key once; what is tested is signed with it', async () => {
  const created = await handlers.createWebhook(settings(), context);
  expect(approvalApi.createWebhook.output.parse(created).key).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(events.map(({ code, affected }) => [code, affected])).toStrictEqual([
    ['secret.stored', 'webhook:chat'],
    ['webhook.created', 'webhook:chat'],
  ]);
  const listed = approvalApi.listWebhooks.output.parse(await handlers.listWebhooks({ limit: 10 }, context));
  expect(listed.items).toHaveLength(1);
  for (const text of [JSON.stringify(events), JSON.stringify(listed)]) expect(text).not.toContain('whsec_');
  expect(await handlers.testWebhook({ name: 'chat' }, context)).toStrictEqual({ delivered: true, detail: 'The receiver answered 200.' });
  const [got] = receiver.taken;
  expect(got && verifies(got, created.key)).toBe(true);
  expect(events.at(-1)).toMatchObject({ code: 'webhook.tested', affected: 'webhook:chat', text: expect.stringContaining('"outcome":"success"') as string });
});

it('a test that fails says why, and is recorded as a failure', async () => {
  await handlers.createWebhook(settings(), context);
  receiver.answer = () => 404;
  expect(await handlers.testWebhook({ name: 'chat' }, context)).toStrictEqual({ delivered: false, detail: 'The receiver answered 404.' });
  expect(events.at(-1)?.text).toContain('"outcome":"failure"');
  vault.clear();
  await expect(handlers.testWebhook({ name: 'chat' }, context)).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
});

it('a name is used once, an address holds no password, and there are at most 32', async () => {
  await handlers.createWebhook(settings(), context);
  await expect(handlers.createWebhook(settings(), context)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  const withPassword = receiver.url.replace('://', '://me:secret@');
  await expect(handlers.createWebhook(settings({ name: 'other', url: withPassword }), context)).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' });
  for (let count = 1; count < 32; count++) await handlers.createWebhook(settings({ name: `chat${String(count)}` }), context);
  await expect(handlers.createWebhook(settings({ name: 'one-more' }), context)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  expect(stored).toHaveLength(32);
});

it('deleting takes the key out of the vault and the counters with it', async () => {
  await handlers.createWebhook(settings(), context);
  expect(vault.size).toBe(1);
  expect(await handlers.deleteWebhook({ name: 'chat' }, context)).toStrictEqual({ done: true });
  expect(vault.size).toBe(0);
  expect(events.slice(-2).map(({ code }) => code)).toStrictEqual(['webhook.deleted', 'secret.deleted']);
  await expect(handlers.deleteWebhook({ name: 'chat' }, context)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  await expect(handlers.testWebhook({ name: 'chat' }, context)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
});

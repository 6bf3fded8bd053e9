import type { Output } from '../../contract/api.ts';
import { fail } from '../../contract/errors.ts';
import type { Webhook } from '../../contract/webhook.ts';
import { newWebhookKey } from '../../approval/webhook-signature.ts';
import type { Webhooks } from '../../approval/webhooks.ts';
import { newId } from '../../lib/ids.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { pageOf } from './paging.ts';

type Names = 'listWebhooks' | 'createWebhook' | 'deleteWebhook' | 'testWebhook';
type Receivers = Pick<Webhooks, 'all' | 'deliveries' | 'test' | 'forget'>;
type Ports = Pick<ControlPorts, 'state' | 'clock' | 'secrets'> & { readonly webhooks: Receivers };
type View = Output<'listWebhooks'>['items'][number];

const keyPurpose = 'webhook-key';
const maxWebhooks = 32;

export function webhookHandlers(ports: Ports): Pick<Handlers, Names> {
  return { ...changeHandlers(ports), ...deliveryHandlers(ports) };
}

function changeHandlers({ state, clock, secrets, webhooks }: Ports): Pick<Handlers, 'createWebhook' | 'deleteWebhook'> {
  return {
    createWebhook: (settings, { exclusive }) =>
      exclusive(async (commit) => {
        assertAddress(settings.url);
        assertRoom(webhooks.all(), settings.name);
        const webhook: Webhook = { id: newId('hook'), ...settings, secret: newId('sec'), createdAt: new Date(clock.now()).toISOString() };
        const affected = `webhook:${webhook.name}`;
        const secret = { id: webhook.secret, version: 1 };
        const key = newWebhookKey();
        await commit('secret.stored', { affected, value: secret, effect: (at) => secrets.put(at, { ...secret, purpose: keyPurpose, value: key }) });
        await commit('webhook.created', { affected, value: webhook });
        return { ...viewOf(webhook, webhooks), key: key.reveal() };
      }),
    deleteWebhook: ({ name }, { exclusive }) =>
      exclusive(async (commit) => {
        const webhook = needWebhook(webhooks, name);
        const affected = `webhook:${name}`;
        const secret = { id: webhook.secret, version: state.secretVersion(webhook.secret) };
        await commit('webhook.deleted', { affected, value: webhook });
        webhooks.forget(webhook.id);
        await commit('secret.deleted', { affected, value: secret, effect: (at) => secrets.delete(at, webhook.secret) });
        return { done: true };
      }),
  };
}

function deliveryHandlers({ webhooks }: Ports): Pick<Handlers, 'listWebhooks' | 'testWebhook'> {
  return {
    listWebhooks: (input) =>
      pageOf(
        webhooks.all().map((webhook) => viewOf(webhook, webhooks)),
        ({ name }) => name,
        input,
      ),
    testWebhook: async ({ name }, { record }) => {
      const { delivered, detail } = await webhooks.test(needWebhook(webhooks, name));
      await record('webhook.tested', { affected: `webhook:${name}`, outcome: delivered ? 'success' : 'failure', reason: detail });
      return { delivered, detail };
    },
  };
}

function needWebhook(webhooks: Receivers, name: string): Webhook {
  const webhook = webhooks.all().find((candidate) => candidate.name === name);
  if (!webhook) throw fail('ERR_NOT_FOUND', { message: `There is no webhook ${name}.` });
  return webhook;
}

function assertRoom(existing: readonly Webhook[], name: string): void {
  if (existing.some((webhook) => webhook.name === name)) throw fail('ERR_CONFLICT');
  if (existing.length >= maxWebhooks) throw fail('ERR_CONFLICT', { message: `There are ${String(maxWebhooks)} webhooks already.` });
}

/** A user name or password in the address would be stored outside the vault, and fetch refuses it. */
function assertAddress(address: string): void {
  const { username, password } = new URL(address);
  if (username !== '' || password !== '') throw fail('ERR_INVALID_INPUT', { message: 'The address must not hold a user name or a password.' });
}

function viewOf({ secret: _, ...webhook }: Webhook, webhooks: Receivers): View {
  const { delivered, waiting, dead } = webhooks.deliveries(webhook.id);
  return { ...webhook, delivered, waiting, dead: [...dead] };
}

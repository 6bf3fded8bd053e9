import { mkdtempDisposable } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { fail } from '../contract/errors.ts';
import type { Webhook } from '../contract/webhook.ts';
import { ensureServerTls } from '../control/certificates.ts';
import { Secret } from '../lib/secret.ts';
import { maskText } from '../masking/text.ts';
import { grantOf, requestOf, verifies, webhookOf } from './webhook-cases.fake.ts';
import { WebhookReceiver } from './webhook-receiver.fake.ts';
import { newWebhookKey, signedHeaders } from './webhook-signature.ts';
import { Webhooks, type WebhooksOptions } from './webhooks.ts';

let now: number;
let receiver: WebhookReceiver;
let keys: Map<string, Secret<string>>;
let hooks: Webhook[];
let lost: { event: string; error: string }[];
let lostIds: string[];
let timers: { ms: number; run: () => void }[];
let logged: string[];
let webhooks: Webhooks;

const minutes = (count: number): number => count * 60_000;

function make(more: Partial<WebhooksOptions> = {}): Webhooks {
  return new Webhooks({
    clock: { now: () => now },
    receivers: () => hooks,
    key: ({ id }) => {
      const key = keys.get(id);
      return key ? Promise.resolve(key) : Promise.reject(fail('ERR_VAULT_LOCKED'));
    },
    mask: maskText,
    givenUp: ({ event, error, delivery }) => {
      lost.push({ event, error });
      lostIds.push(delivery);
    },
    log: (line) => logged.push(line),
    after: (ms, run) => {
      const timer = { ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    random: () => 0,
    timeoutMs: 2_000,
    ...more,
  });
}

function addHook(url: string, more: Partial<Webhook> = {}): Webhook {
  const hook = webhookOf(url, more);
  hooks.push(hook);
  keys.set(hook.id, newWebhookKey());
  return hook;
}

/** The rest before the next try, and time moves on by it. */
async function nextTry(): Promise<number> {
  await vi.waitFor(() => {
    expect(timers).toHaveLength(1);
  });
  const [timer] = timers.splice(0);
  now += timer?.ms ?? 0;
  timer?.run();
  return timer?.ms ?? 0;
}

async function taken(count: number): Promise<void> {
  await vi.waitFor(
    () => {
      expect(receiver.taken.length).toBe(count);
    },
    { timeout: 5_000 },
  );
}

async function settled(id: string): Promise<void> {
  await vi.waitFor(
    () => {
      expect(webhooks.deliveries(id).waiting).toBe(0);
    },
    { timeout: 15_000 },
  );
}

const eventsTaken = (): string[] => receiver.taken.map(({ body }) => (JSON.parse(body) as { event: string }).event);

beforeEach(async () => {
  now = Date.UTC(2026, 2, 1, 9);
  keys = new Map();
  [hooks, lost, lostIds, timers, logged] = [[], [], [], [], []];
  receiver = await WebhookReceiver.listen();
  webhooks = make();
});

afterEach(async () => {
  await webhooks.stop();
  await receiver[Symbol.asyncDispose]();
});

it('every delivery is signed as Standard Webhooks says, with the receiver’s own key', async () => {
  const [first, second] = [addHook(receiver.url), addHook(`${receiver.url}/other`, { format: 'slack' })];
  webhooks.tell('approval-request.created', requestOf());
  await taken(2);
  for (const [hook, path] of [
    [first, '/hook'],
    [second, '/hook/other'],
  ] as const) {
    const got = receiver.taken.find((each) => each.path === path);
    if (!got) throw new Error('nothing came');
    const key = keys.get(hook.id)?.reveal() ?? '';
    expect(verifies(got, key)).toBe(true);
    expect(verifies(got, newWebhookKey().reveal())).toBe(false);
    expect(verifies({ ...got, body: `${got.body} ` }, key)).toBe(false);
    expect(got.headers['webhook-timestamp']).toBe(String(now / 1_000));
    expect(got.headers['content-type']).toBe('application/json');
  }
  await settled(first.id);
  expect(webhooks.deliveries(first.id)).toStrictEqual({ delivered: 1, waiting: 0, dead: [] });
});

it('openssl makes the same signature', () => {
  // openssl: printf 'msg_x.1674087231.{}' | openssl dgst -sha256 -hmac "$(printf '0123456789abcdef0123456789abcdef')" -binary | base64
  const key = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
  expect(signedHeaders(new Secret(key), { id: 'msg_x', at: 1_674_087_231_999, body: '{}' })).toStrictEqual({
    'webhook-id': 'msg_x',
    'webhook-timestamp': '1674087231',
    'webhook-signature': 'v1,z1f4IoWa8pw2w/7Y9n37bMNBQAeGy8u7cWEGPzLVDNs=',
  });
  expect(() => signedHeaders(new Secret('whsec_short'), { id: 'msg_x', at: 0, body: '' })).toThrow(expect.objectContaining({ code: 'ERR_VAULT_DAMAGED' }));
});

it('500, then 200: the same delivery comes again with the same id and a new time', async () => {
  const hook = addHook(receiver.url);
  receiver.answer = () => (receiver.taken.length === 1 ? 500 : 200);
  webhooks.tell('approval-request.created', requestOf());
  expect(await nextTry()).toBe(5_000);
  await settled(hook.id);
  const [first, second] = receiver.taken;
  if (!first || !second) throw new Error('two were expected');
  expect(second.body).toBe(first.body);
  expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
  expect(Number(second.headers['webhook-timestamp']) - Number(first.headers['webhook-timestamp'])).toBe(5);
  expect(verifies(second, keys.get(hook.id)?.reveal() ?? '')).toBe(true);
  expect(webhooks.deliveries(hook.id)).toStrictEqual({ delivered: 1, waiting: 0, dead: [] });
  expect(lost).toStrictEqual([]);
});

it('order is kept while the first one is tried again', async () => {
  const hook = addHook(receiver.url);
  receiver.answer = () => (receiver.taken.length === 1 ? 503 : 200);
  const request = requestOf();
  webhooks.tell('approval-request.created', request);
  webhooks.tell('approval-request.decided', request);
  webhooks.tell('approval-request.approved', { ...request, status: 'approved' });
  webhooks.tell('approval-request.used', { ...request, status: 'used' });
  await nextTry();
  await settled(hook.id);
  const created = 'approval-request.created';
  expect(eventsTaken()).toStrictEqual([created, created, 'approval-request.decided', 'approval-request.approved', 'approval-request.used']);
  expect(webhooks.deliveries(hook.id).delivered).toBe(4);
});

it('after the last try it is a dead letter, recorded once, and the next one has its turn', async () => {
  const hook = addHook(receiver.url);
  receiver.answer = ({ body }) => (body.includes('grant') ? 200 : 500);
  webhooks.tell('approval-request.created', requestOf());
  webhooks.tell('access.broke-glass', grantOf());
  const rests: number[] = [];
  for (let count = 0; count < 5; count++) rests.push(await nextTry());
  await settled(hook.id);
  expect(rests).toStrictEqual([5_000, 30_000, minutes(2), minutes(10), minutes(60)]);
  expect(receiver.taken).toHaveLength(7);
  expect(lost).toStrictEqual([{ event: 'approval-request.created', error: 'The receiver answered 500.' }]);
  const { delivered, dead } = webhooks.deliveries(hook.id);
  expect(delivered).toBe(1);
  expect(dead).toStrictEqual([{ at: new Date(now).toISOString(), event: 'approval-request.created', error: 'The receiver answered 500.' }]);
});

it('rests are longer by up to a fifth, by chance', async () => {
  webhooks = make({ random: () => 0.999_999 });
  addHook(receiver.url);
  receiver.answer = () => 500;
  webhooks.tell('approval-request.created', requestOf());
  expect(await nextTry()).toBe(6_000);
});

it('410 gives up at once', async () => {
  const hook = addHook(receiver.url);
  receiver.answer = () => 410;
  webhooks.tell('approval-request.created', requestOf());
  await settled(hook.id);
  expect(timers).toHaveLength(0);
  expect(receiver.taken).toHaveLength(1);
  expect(lost).toStrictEqual([{ event: 'approval-request.created', error: 'The receiver answered 410.' }]);
});

it('a receiver that never answers is a failure after the deadline', async () => {
  webhooks = make({ timeoutMs: 100 });
  const hook = addHook(receiver.url);
  receiver.answer = () => null;
  expect(await webhooks.test(hook)).toStrictEqual({ delivered: false, gone: false, detail: 'No answer within 100 ms.' });
  webhooks.tell('approval-request.created', requestOf());
  expect(await nextTry()).toBe(5_000);
});

it('an endless answer is cut off, and its status counts', async () => {
  const hook = addHook(receiver.url);
  let stopped = false;
  receiver.answer = (_taken, response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    response.once('close', () => (stopped = true));
    more();
    return null;
  };
  expect(await webhooks.test(hook)).toMatchObject({ delivered: true });
  await vi.waitFor(() => {
    expect(stopped).toBe(true);
  });
});

it('a redirect is not followed', async () => {
  const hook = addHook(receiver.url);
  receiver.answer = (_taken, response) => {
    response.writeHead(307, { location: `${receiver.url}/elsewhere` }).end();
    return null;
  };
  expect(await webhooks.test(hook)).toStrictEqual({ delivered: false, gone: false, detail: 'The receiver answered 307; redirects are not followed.' });
  expect(receiver.taken.map(({ path }) => path)).toStrictEqual(['/hook']);
});

it('what cannot be reached, and a certificate nobody vouches for, are failures without the address in their text', async () => {
  const { port } = new URL(receiver.url);
  await receiver[Symbol.asyncDispose]();
  expect(await webhooks.test(addHook(`http://127.0.0.1:${port}/T0KEN`))).toMatchObject({ delivered: false, detail: 'No connection: ECONNREFUSED.' });
  await using directory = await mkdtempDisposable(join(tmpdir(), 'webhooks-'));
  const server = createServer(await ensureServerTls(directory.path, ['localhost']), (_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const untrusted = await webhooks.test(addHook(`https://localhost:${String((server.address() as AddressInfo).port)}/T0KEN`));
  server.close();
  expect(untrusted).toMatchObject({ delivered: false, detail: expect.stringMatching(/^No connection: [A-Z_]*(CERT|SIGNATURE|ISSUER)[A-Z_]*\.$/) as string });
  receiver = await WebhookReceiver.listen();
});

it('at most four are under way at the same time', async () => {
  const held: (() => void)[] = [];
  receiver.answer = (_taken, response) => {
    held.push(() => response.writeHead(200).end());
    return null;
  };
  for (let count = 0; count < 9; count++) addHook(receiver.url, { name: `chat${String(count)}` });
  webhooks.tell('approval-request.created', requestOf());
  for (let done = 0; done < 9; done++) {
    await vi.waitFor(() => {
      expect(held.length).toBeGreaterThan(0);
    });
    held.shift()?.();
  }
  await taken(9);
  expect(receiver.peak).toBe(4);
});

it('one receiver that is down does not hold up another', async () => {
  addHook(`${receiver.url}/down`);
  const up = addHook(receiver.url);
  receiver.answer = ({ path }) => (path.endsWith('down') ? 500 : 200);
  for (let count = 0; count < 5; count++) webhooks.tell('approval-request.created', requestOf());
  await settled(up.id);
  expect(webhooks.deliveries(up.id).delivered).toBe(5);
});

it('a queue holds 1000: the oldest is given up first, never the one under way', async () => {
  const hook = addHook(receiver.url);
  const held: (() => void)[] = [];
  receiver.answer = (_taken, response) => {
    if (receiver.taken.length > 1) return 200;
    held.push(() => response.writeHead(200).end());
    return null;
  };
  const requests = Array.from({ length: 1_003 }, () => requestOf());
  webhooks.tell('approval-request.created', requests[0] ?? requestOf());
  await taken(1);
  for (const request of requests.slice(1)) webhooks.tell('approval-request.created', request);
  expect(webhooks.deliveries(hook.id).waiting).toBe(1_000);
  expect(lost).toHaveLength(3);
  held[0]?.();
  await settled(hook.id);
  const ids = receiver.taken.map(({ body }) => (JSON.parse(body) as { request: { id: string } }).request.id);
  expect(ids).toStrictEqual([requests[0], ...requests.slice(4)].map((request) => request?.id));
  // each one is either delivered or given up
  expect(new Set([...lostIds, ...receiver.taken.map(({ headers }) => headers['webhook-id'])]).size).toBe(1_003);
  expect(webhooks.deliveries(hook.id).dead.map(({ error }) => error)).toStrictEqual(Array<string>(3).fill('Too many deliveries wait.'));
});

it('a full queue does not wake a resting receiver; at most 100 dead letters are kept', async () => {
  const hook = addHook(receiver.url);
  receiver.answer = () => 500;
  webhooks.tell('approval-request.created', requestOf());
  await vi.waitFor(() => {
    expect(timers).toHaveLength(1);
  });
  for (let count = 0; count < 1_150; count++) webhooks.tell('approval-request.decided', requestOf());
  expect(timers).toHaveLength(1);
  expect(receiver.taken).toHaveLength(1);
  expect(lost).toHaveLength(151);
  expect(webhooks.deliveries(hook.id).dead).toHaveLength(100);
  // the new first one has all its tries
  receiver.answer = () => 200;
  await nextTry();
  await settled(hook.id);
});

it('without a key nothing is sent, and it is tried again', async () => {
  const hook = addHook(receiver.url);
  const key = keys.get(hook.id) ?? newWebhookKey();
  keys.delete(hook.id);
  await expect(webhooks.test(hook)).rejects.toMatchObject({ code: 'ERR_VAULT_LOCKED' });
  webhooks.tell('approval-request.created', requestOf());
  expect(await nextTry()).toBe(5_000);
  expect(receiver.taken).toHaveLength(0);
  keys.set(hook.id, key);
  await nextTry();
  await taken(1);
});

it('what waits for a removed receiver is dropped', async () => {
  const hook = addHook(receiver.url);
  receiver.answer = () => 500;
  webhooks.tell('approval-request.created', requestOf());
  await vi.waitFor(() => {
    expect(timers).toHaveLength(1);
  });
  hooks = [];
  webhooks.forget(hook.id);
  expect(timers).toHaveLength(0);
  expect(webhooks.deliveries(hook.id)).toStrictEqual({ delivered: 0, waiting: 0, dead: [] });
  expect(lost).toStrictEqual([]);
});

it('stopping breaks off what is under way, and nothing is told afterwards', async () => {
  addHook(receiver.url);
  receiver.answer = () => null;
  webhooks.tell('approval-request.created', requestOf());
  await taken(1);
  const startedAt = performance.now();
  await webhooks.stop();
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  webhooks.tell('approval-request.created', requestOf());
  expect(receiver.taken).toHaveLength(1);
});

it('telling never throws', async () => {
  webhooks = make({
    mask: () => {
      throw new Error('broken');
    },
  });
  addHook(receiver.url);
  webhooks.tell('approval-request.created', requestOf());
  expect(logged).toStrictEqual(['webhooks: approval-request.created is not told: broken']);
  webhooks = make({
    givenUp: () => {
      throw new Error('no log');
    },
  });
  receiver.answer = () => 410;
  webhooks.tell('approval-request.created', requestOf());
  await vi.waitFor(() => {
    expect(logged).toHaveLength(2);
  });
  expect(receiver.taken).toHaveLength(1);
});

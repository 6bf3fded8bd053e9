import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from '../contract/errors.ts';
import type { Secret } from '../lib/secret.ts';
import { demoCards } from './payments-cards.ts';

/**
 * The demo's JSON API, a careless one: it shows full card numbers to whoever has its one key. `GET /v1/orders`,
 * `/v1/orders/ID`, `/v1/orders/ID/receipt` (text), `/v1/feed` (server-sent events); `POST /v1/orders/ID/refunds`.
 */
export interface OrdersApi {
  /** without a slash at its end */
  readonly url: string;
  stop(): Promise<void>;
}

interface Order {
  readonly id: number;
  readonly customer: string;
  readonly amount_cents: number;
  readonly currency: string;
  readonly card: { readonly brand: string; readonly number: string; readonly cvv: string; readonly expires: string };
  readonly refunds: { readonly amount_cents: number; readonly reason: string }[];
}

const orderCount = 200;
const maxBodyBytes = 65_536;
const feedEvents = 20;
const feedMs = 500;
const requestTimeoutMs = 30_000;

export async function startOrdersApi({ port = 0, key }: { port?: number; key: Secret<string> }): Promise<OrdersApi> {
  const orders = new Map(ordersOf().map((order) => [order.id, order]));
  const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    void answer(request, response, { orders, key }).catch(() => {
      response.destroy();
    });
  });
  const taken = await listen(server, port);
  return {
    url: `http://127.0.0.1:${String(taken)}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function ordersOf(): Order[] {
  return demoCards()
    .slice(0, orderCount)
    .map(({ id, customer, pan, cvv, expMonth, expYear, brand }) => ({
      id,
      customer: `customer-${String(customer)}`,
      amount_cents: 1_000 + ((id * 7_919) % 90_000),
      currency: 'EUR',
      card: { brand, number: pan, cvv, expires: `${String(expYear)}-${String(expMonth).padStart(2, '0')}` },
      refunds: [],
    }));
}

interface Shop {
  readonly orders: ReadonlyMap<number, Order>;
  readonly key: Secret<string>;
}

async function answer(request: IncomingMessage, response: ServerResponse, { orders, key }: Shop): Promise<void> {
  if (!holds(request.headers.authorization, key)) {
    send(response, 401, { error: 'The key of the orders API is needed.' });
    return;
  }
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://orders');
  const isRead = request.method === 'GET';
  if (isRead && pathname === '/v1/orders') send(response, 200, { orders: [...orders.values()].slice(0, limitOf(searchParams)) });
  else if (isRead && pathname === '/v1/feed') await feed(response, [...orders.values()]);
  else await answerOrder(request, response, { pathname, orders });
}

async function answerOrder(
  request: IncomingMessage,
  response: ServerResponse,
  { pathname, orders }: Pick<Shop, 'orders'> & { pathname: string },
): Promise<void> {
  const [, id, part = ''] = /^\/v1\/orders\/(\d{1,6})(?:\/(receipt|refunds))?$/.exec(pathname) ?? [];
  const order = orders.get(Number(id));
  if (order === undefined) {
    send(response, 404, { error: 'There is nothing here.' });
    return;
  }
  const what = `${request.method ?? ''} ${part}`;
  if (what === 'POST refunds') await refund(request, response, order);
  else if (what === 'GET receipt') sendText(response, receiptOf(order));
  else if (what === 'GET ') send(response, 200, order);
  else send(response, 405, { error: 'This cannot be done here.' });
}

function holds(authorization: string | undefined, key: Secret<string>): boolean {
  const given = Buffer.from(authorization ?? '');
  const wanted = Buffer.from(`Bearer ${key.reveal()}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function limitOf(query: URLSearchParams): number {
  const limit = Number(query.get('limit') ?? 20);
  return Number.isInteger(limit) && limit > 0 ? Math.min(limit, orderCount) : 20;
}

function receiptOf({ id, customer, amount_cents: cents, currency, card }: Order): string {
  return `Receipt for order ${String(id)} of ${customer}\nAmount ${(cents / 100).toFixed(2)} ${currency}\nCard   ${card.brand} ${card.number}, valid thru ${card.expires}\n`;
}

async function refund(request: IncomingMessage, response: ServerResponse, order: Order): Promise<void> {
  const wanted = wantedRefund(await bodyOf(request));
  if (wanted === null || wanted.amount_cents > order.amount_cents) {
    send(response, 422, { error: 'A refund needs amount_cents, at most those of the order, and a reason.' });
    return;
  }
  order.refunds.push(wanted);
  send(response, 201, { order: order.id, ...wanted, card: order.card.number });
}

function wantedRefund(text: string): { amount_cents: number; reason: string } | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('amount_cents' in value) || !('reason' in value)) return null;
    const { amount_cents: cents, reason } = value;
    if (typeof cents !== 'number' || !Number.isInteger(cents) || cents < 1 || typeof reason !== 'string') return null;
    return { amount_cents: cents, reason };
  } catch {
    return null;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw fail('ERR_INVALID_INPUT', { message: 'The body is too long.' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** One order each half second, as it would come in. */
async function feed(response: ServerResponse, orders: readonly Order[]): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  for (const { id, card, amount_cents: cents } of orders.slice(0, feedEvents)) {
    if (response.destroyed) return;
    response.write(`id: ${String(id)}\nevent: order\ndata: ${JSON.stringify({ id, amount_cents: cents, card: card.number })}\n\n`);
    await sleep(feedMs);
  }
  response.end();
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body, null, 2)}\n`);
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port }, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

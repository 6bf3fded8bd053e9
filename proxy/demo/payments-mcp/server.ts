import { McpServer, type CallToolResult } from '@modelcontextprotocol/server';
import { CfWorkerJsonSchemaValidator } from '@modelcontextprotocol/server/validators/cf-worker';
import { writeFile } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { z } from 'zod';
import type { Ledger, Payment } from './ledger.ts';

export interface PaymentsOptions {
  readonly ledger: Ledger;
  /** where `export_ledger` may write; null: nowhere */
  readonly exportDir: string | null;
}

const statement = 'payments://statement/2026-10';

const Brand = z.enum(['visa', 'mastercard', 'amex', 'discover', 'jcb']);
const PaymentId = z.string().regex(/^pay_\d{4}$/);
const Payments = z.object({
  payments: z.array(
    z.object({
      payment_id: z.string(),
      holder: z.string(),
      brand: z.string(),
      card_number: z.string(),
      cvv: z.string(),
      paid_on: z.string(),
      currency: z.string(),
      amount_cents: z.int(),
      refunded_cents: z.int(),
    }),
  ),
  total: z.int(),
});

/**
 * The demo's MCP server for payments, written as careless servers are: it shows whole card numbers and CVVs, in text and in
 * structured content, and leaves it to others who may see them. Speaks both eras.
 */
export function paymentsServer(options: PaymentsOptions): McpServer {
  const server = new McpServer(
    { name: 'payments', title: 'Payments', version: '1.0.0' },
    {
      instructions: 'Payments of October 2026: search them, refund them, export the ledger.',
      // the default validator makes code from schemas
      jsonSchemaValidator: new CfWorkerJsonSchemaValidator(),
    },
  );
  registerSearch(server, options);
  registerRefund(server, options);
  registerExport(server, options);
  registerStatement(server, options);
  registerLetter(server, options);
  return server;
}

function registerSearch(server: McpServer, { ledger }: PaymentsOptions): void {
  const config = {
    title: 'Search payments',
    description: 'Finds payments by card holder and brand, with the card they were made with.',
    inputSchema: z.strictObject({
      holder: z.string().min(1).max(80).optional().describe('Any part of the name'),
      brand: Brand.optional(),
      limit: z.int().min(1).max(50).default(10).describe('How many at most'),
    }),
    outputSchema: Payments,
    annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  };
  server.registerTool('search_payments', config, ({ holder, brand, limit }) => {
    const { found, total } = ledger.search({ holder, brand, limit });
    const lines = found.map(
      (payment) => `${payment.paid_on}  ${payment.payment_id}  ${amount(payment)}  ${payment.holder}, card ${payment.card_number}, CVV ${payment.cvv}`,
    );
    const structuredContent = { payments: found.map((payment) => ({ ...payment })), total };
    return { content: [{ type: 'text', text: [`${found.length} of ${total} payments:`, ...lines].join('\n') }], structuredContent };
  });
}

function registerRefund(server: McpServer, { ledger }: PaymentsOptions): void {
  const config = {
    title: 'Refund a payment',
    description: 'Pays money back to the card of a payment, in whole or in part. It cannot be taken back.',
    inputSchema: z.strictObject({
      payment_id: PaymentId,
      amount_cents: z.int().min(1).max(10_000_000),
      reason: z.string().min(1).max(200),
    }),
    outputSchema: z.object({ payment_id: z.string(), refunded_cents: z.int(), left_cents: z.int() }),
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  };
  server.registerTool('refund_payment', config, (refund) => {
    const after = ledger.refund(refund);
    if (typeof after === 'string') return refused(after);
    const left_cents = after.amount_cents - after.refunded_cents;
    const text = `Refunded ${money(refund.amount_cents, after.currency)} of ${after.payment_id} to card ${after.card_number}. Left: ${money(left_cents, after.currency)}.`;
    return { content: [{ type: 'text', text }], structuredContent: { payment_id: after.payment_id, refunded_cents: after.refunded_cents, left_cents } };
  });
}

function registerExport(server: McpServer, { ledger, exportDir }: PaymentsOptions): void {
  const config = {
    title: 'Export the ledger',
    description: 'Writes amounts and refunds, without cards, as CSV to a new file in the export folder.',
    inputSchema: z.strictObject({ path: z.string().min(1).max(255).describe('Name of the file, relative to the export folder') }),
    outputSchema: z.object({ path: z.string(), rows: z.int(), bytes: z.int() }),
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  };
  server.registerTool('export_ledger', config, async ({ path }) => {
    if (exportDir === null) return refused('This server was started without an export folder.');
    const full = resolve(exportDir, path);
    const within = relative(exportDir, full);
    if (within === '' || within.startsWith('..') || isAbsolute(within)) return refused('The file must lie in the export folder.');
    const rows = ledger.all().map((payment) => [payment.payment_id, payment.paid_on, payment.currency, payment.amount_cents, payment.refunded_cents].join(','));
    const csv = `${['payment_id,paid_on,currency,amount_cents,refunded_cents', ...rows].join('\n')}\n`;
    const fault = await writeFile(full, csv, { flag: 'wx', mode: 0o600 }).then(
      () => null,
      () => 'The file could not be written: it exists already, or its folder does not.',
    );
    if (fault !== null) return refused(fault);
    const written = { path: within, rows: rows.length, bytes: Buffer.byteLength(csv) };
    return { content: [{ type: 'text', text: `${written.rows} rows written to ${within}.` }], structuredContent: written };
  });
}

function registerStatement(server: McpServer, { ledger }: PaymentsOptions): void {
  const config = { title: 'Statement of October 2026', description: 'Every payment of the month with its card', mimeType: 'text/csv' };
  server.registerResource('statement-2026-10', statement, config, () => {
    const rows = ledger
      .all()
      .map((payment) => [payment.paid_on, payment.payment_id, payment.holder, payment.card_number, payment.cvv, amount(payment)].join(','));
    return { contents: [{ uri: statement, mimeType: 'text/csv', text: ['paid_on,payment_id,holder,card_number,cvv,amount', ...rows].join('\n') }] };
  });
}

function registerLetter(server: McpServer, { ledger }: PaymentsOptions): void {
  const config = {
    title: 'Dispute letter',
    description: 'Drafts the answer to a customer who disputes a payment.',
    argsSchema: z.object({ payment_id: z.string().max(40).describe('The disputed payment, such as pay_0001') }),
  };
  server.registerPrompt('dispute-letter', config, ({ payment_id }) => {
    const payment = ledger.find(payment_id);
    const facts =
      payment === null
        ? `There is no payment ${payment_id}: ask the customer for its number.`
        : `${payment.holder} disputes ${amount(payment)} of ${payment.paid_on}, paid with ${payment.brand} card ${payment.card_number}.`;
    return { messages: [{ role: 'user', content: { type: 'text', text: `${facts} Write a short and friendly letter that asks what went wrong.` } }] };
  });
}

function refused(text: string): CallToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}

function amount(payment: Payment): string {
  return money(payment.amount_cents, payment.currency);
}

function money(cents: number, currency: string): string {
  return `${(cents / 100).toFixed(2)} ${currency}`;
}

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { demoCards } from '../payments-cards.ts';

const card = demoCards()[0];
const script = join(import.meta.dirname, 'index.ts');

describe('the payments server of the demo, started as the gateway starts it', () => {
  let exports: string;
  let client: Client;
  beforeEach(async () => {
    exports = mkdtempSync(join(tmpdir(), 'postern-payments-mcp-'));
    client = await started('auto');
  });
  afterEach(async () => {
    await client.close();
    rmSync(exports, { recursive: true });
  });

  async function started(mode: 'auto' | 'legacy'): Promise<Client> {
    const made = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
    const args = ['--disallow-code-generation-from-strings', script, '--exports', exports];
    await made.connect(new StdioClientTransport({ command: process.execPath, args, env: {}, stderr: 'inherit' }));
    return made;
  }

  it('says what each tool does, and has a schema for what it gives', async () => {
    const { tools } = await client.listTools();
    expect(tools.map(({ name, annotations }) => [name, annotations?.readOnlyHint, annotations?.destructiveHint])).toEqual([
      ['search_payments', true, undefined],
      ['refund_payment', false, true],
      ['export_ledger', false, false],
    ]);
    for (const tool of tools) expect(tool.outputSchema).toMatchObject({ type: 'object' });
  });

  it('shows cards in text, structure, statement and letter', async () => {
    const found = await client.callTool({ name: 'search_payments', arguments: { limit: 1 } });
    const { content } = await client
      .getPrompt({ name: 'dispute-letter', arguments: { payment_id: 'pay_0001' } })
      .then(({ messages }) => messages[0] ?? { content: null });
    const { contents } = await client.readResource({ uri: 'payments://statement/2026-10' });
    const shown = [found.content, found.structuredContent, content, contents].map((part) => JSON.stringify(part));
    for (const part of shown) expect(part).toContain(card?.pan);
    expect(JSON.stringify(found.structuredContent)).toContain(`"cvv":"${card?.cvv ?? '-'}"`);
  });

  it('refunds once what there is, in both eras', async () => {
    for (const era of ['auto', 'legacy'] as const) {
      const other = await started(era);
      const amount_cents = 1 + 198 + (7_919 % 49_800);
      const refund = () => other.callTool({ name: 'refund_payment', arguments: { payment_id: 'pay_0001', amount_cents, reason: 'test' } });
      expect((await refund()).structuredContent).toEqual({ payment_id: 'pay_0001', refunded_cents: amount_cents, left_cents: 0 });
      expect(await refund()).toMatchObject({ isError: true, content: [{ text: 'Of payment pay_0001, 0 cents can still be refunded.' }] });
      await other.close();
    }
  });

  it('exports amounts without cards, to a new file in its folder only', async () => {
    const exported = async (path: string): Promise<boolean> => (await client.callTool({ name: 'export_ledger', arguments: { path } })).isError !== true;
    expect(await exported('ledger.csv')).toBe(true);
    const csv = readFileSync(join(exports, 'ledger.csv'), 'utf8');
    expect(csv.split('\n')).toHaveLength(402);
    expect(csv).not.toContain(card?.pan);
    for (const path of ['ledger.csv', '../ledger.csv', '/tmp/ledger.csv', '.', 'a\u0000b']) expect(await exported(path)).toBe(false);
  });
});

import { expect, it } from 'vitest';
import { exchangeText } from './exchange-text.ts';
import { replayText } from './replay.ts';

const line = (value: object): string => JSON.stringify(value);
const textOf = (...frames: string[]): string | null => exchangeText(frames.map((frame) => Buffer.from(frame)));
const request = line({ dir: 'request', method: 'GET', path: '/v1/orders?limit=1', headers: {}, bytes: 0 });
const response = (status = 200): string => line({ dir: 'response', status, headers: { 'Content-Type': 'application/json' }, millis: 12 });

it('lays out a JSON body', () => {
  expect(textOf(request, response(), '{"a":', '[1]}')).toBe(
    '  GET /v1/orders?limit=1\n  ← 200 application/json, 12 ms\n    {\n      "a": [\n        1\n      ]\n    }\n',
  );
});

it('a body that looks like a record is a body', () => {
  const text = textOf(request, response(), response(500));
  expect(text).toContain('← 200');
  expect(text).not.toContain('← 500');
});

it('shows messages after an upgrade, and bytes only as their count', () => {
  const messages = [line({ dir: 'message', by: 'client', text: 'hi\u001b[2J', bytes: 5 }), line({ dir: 'message', by: 'target', text: null, bytes: 9 })];
  expect(textOf(request, response(101), ...messages)).toMatch(/→ hi\\u001b\[2J\n {2}← \(9 bytes\)\n$/);
});

it('cuts long bodies and long lines', () => {
  const text = textOf(request, response(), 'x\n'.repeat(500)) ?? '';
  expect(text).toContain('… and 300 more lines');
  expect(textOf(request, response(), 'y'.repeat(5_000))).toContain('(5000 characters)');
});

it('messages without such a record are shown as they are', async () => {
  async function* entries() {
    await Promise.resolve();
    yield {
      at: '2026-11-01T00:00:00.000Z',
      kind: 'frames' as const,
      operation: 'opr_a',
      data: Buffer.from('{"jsonrpc":"2.0"}').toString('base64'),
      more: false,
    };
  }
  let text = '';
  for await (const piece of replayText(entries())) text += piece;
  expect(text).toBe('    {\n      "jsonrpc": "2.0"\n    }\n');
});

it('is nothing for rows of a database', () => {
  expect(textOf('T\u0000\u0000\u0000\u0006\u0000\u0000')).toBeNull();
});

it('the calls of a session that overlap are told apart, with the run they belong to', async () => {
  const at = '2026-11-01T00:00:00.000Z';
  const entry = (kind: 'command' | 'frames' | 'outcome', operation: string, data: string) => ({ at, kind, operation, data, more: false });
  const settled = JSON.stringify({ code: 'operation.settled', outcome: 'success', actor: { run: { issuer: 'https://ci.example', job: '7' } } });
  async function* entries() {
    yield* [entry('command', 'opr_a', 'mcp:call first'), entry('command', 'opr_b', 'mcp:call second')];
    for (const frame of [request, response(), '"one"']) yield entry('frames', 'opr_a', Buffer.from(frame).toString('base64'));
    for (const frame of [request, response(), '"two"']) yield entry('frames', 'opr_b', Buffer.from(frame).toString('base64'));
    await Promise.resolve();
    yield* [entry('outcome', 'opr_b', settled), entry('outcome', 'opr_a', settled)];
  }
  let text = '';
  for await (const piece of replayText(entries())) text += piece;
  expect(text.indexOf('"two"')).toBeLessThan(text.indexOf('"one"'));
  expect(text).toContain('run: issuer https://ci.example, job 7');
});

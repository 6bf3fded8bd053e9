import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { McpResource } from '../contract/resource.ts';
import type { ToolPin } from '../contract/tool-pin.ts';
import { positionOf } from './position.ts';
import type { StateCode } from './reduce.ts';
import { openState, type State } from './state.ts';

let directory: string;
let state: State;
let position: number;

const server: McpResource = {
  id: 'res_tools',
  name: 'tools',
  protocol: 'mcp',
  account: 'none',
  listenPort: null,
  recording: { maxBytesPerOperation: 1_024 },
  createdAt: '2026-01-01T00:00:00.000Z',
  upstream: { transport: 'streamable-http', url: 'https://tools.example/mcp', allowLocal: false, credential: { type: 'none' } },
  secret: null,
  analysers: [],
  media: 'drop',
};
const pin = (more: Partial<ToolPin> = {}): ToolPin => ({
  id: 'pin_a',
  resource: 'tools',
  kind: 'tool',
  name: 'refund',
  offered: 'a'.repeat(64),
  offeredDefinition: '{"name":"refund"}',
  approved: null,
  approvedDefinition: null,
  readOnly: false,
  seenAt: '2026-01-01T00:00:00.000Z',
  decidedAt: null,
  decidedBy: null,
  rejected: false,
  ...more,
});
const decided = { decidedAt: '2026-01-01T00:01:00.000Z', decidedBy: 'admin' };
const agreed = pin({ ...decided, approved: 'a'.repeat(64), approvedDefinition: '{"name":"refund"}', readOnly: true });
const changed = { offered: 'b'.repeat(64), offeredDefinition: '{"name":"refund","x":1}' };

function apply(code: StateCode, value: unknown): void {
  state.check(code, value);
  expect(state.applyEvent(positionOf(position++), { code, body: JSON.stringify(value) })).toBe(true);
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-pins-'));
  state = openState(join(directory, 'state.db'));
  position = 0;
  apply('resource.created', server);
});
afterEach(() => {
  state.close();
  rmSync(directory, { recursive: true, force: true });
});

it('keeps what was agreed to while a server offers something else', () => {
  apply('tool.offered', pin());
  apply('tool.approved', agreed);
  apply('tool.offered', { ...agreed, ...changed });
  expect(state.read.toolPins.on(pin())).toMatchObject({ approved: 'a'.repeat(64), offered: 'b'.repeat(64) });
  expect(state.snapshot().toolPins).toMatchObject([{ approved: 'a'.repeat(64), offered: 'b'.repeat(64), offeredDefinition: '', approvedDefinition: null }]);
});

it('lets no offer agree to itself', () => {
  for (const more of [agreed, pin({ readOnly: true }), pin({ rejected: true }), pin({ resource: 'nothing' })]) {
    expect(() => state.check('tool.offered', more)).toThrow();
  }
  apply('tool.offered', pin());
  expect(() => state.check('tool.offered', pin({ id: 'pin_b' }))).toThrow();
  expect(() => state.check('tool.offered', pin({ ...changed, approved: 'b'.repeat(64) }))).toThrow();
  expect(() => state.check('tool.offered', pin({ ...changed, readOnly: true }))).toThrow();
  expect(() => state.check('tool.offered', pin({ name: 'other' }))).toThrow();
});

it('takes decisions on what is offered, and on nothing else', () => {
  expect(() => state.check('tool.approved', agreed)).toThrow();
  apply('tool.offered', pin());
  for (const code of ['tool.approved', 'tool.rejected'] as const) {
    expect(() => state.check(code, { ...agreed, ...changed, approved: changed.offered, approvedDefinition: changed.offeredDefinition })).toThrow();
    expect(() => state.check(code, pin())).toThrow();
  }
  expect(() => state.check('tool.approved', { ...agreed, approved: 'b'.repeat(64) })).toThrow();
  apply('tool.rejected', pin({ ...decided, rejected: true }));
  expect(state.read.toolPins.find('pin_a')?.rejected).toBe(true);
});

it('forgets what was agreed to with the server, whatever takes its name', () => {
  apply('tool.offered', pin());
  apply('tool.approved', agreed);
  apply('resource.updated', { ...server, media: 'pass' });
  expect(state.read.toolPins.of('tools')).toHaveLength(1);
  apply('resource.updated', { ...server, name: 'renamed' });
  expect(state.read.toolPins.all()).toStrictEqual([]);
  apply('tool.offered', pin({ resource: 'renamed' }));
  apply('resource.deleted', { ...server, name: 'renamed' });
  expect(state.read.toolPins.all()).toStrictEqual([]);
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { OfferedTool } from '../contract/tool-pin.ts';
import { maskText } from '../masking/text.ts';
import { positionOf } from '../store/position.ts';
import { openState, type State } from '../store/state.ts';
import type { Change, ContextOf } from './context.ts';
import { toolHandlers } from './handlers/tools.ts';
import { wholeResource } from './resource-settings.ts';
import { ToolOffers } from './tool-offers.ts';

let now = Date.UTC(2026, 10, 1);
const clock = { now: () => now };
let state: State;
let directory: string;
let offers: ToolOffers;
let handlers: ReturnType<typeof toolHandlers>;
let codes: string[];
let lines: string[];

const commit = (code: string, { value }: Change): Promise<void> => {
  state.check(code as 'tool.offered', value);
  state.applyEvent(positionOf(state.read.cursor + 1), { code: code as 'tool.offered', body: JSON.stringify(value) });
  codes.push(code);
  return Promise.resolve();
};
const exclusive = <T>(work: (commit: never) => Promise<T>): Promise<T> => work(commit as never);
const context = { exclusive, caller: { actor: { name: 'olivia' } } } as unknown as ContextOf<'decideTool'>;

const tool = (name: string, hash: string, definition = '{}'): OfferedTool => ({ kind: 'tool', name, offered: hash.repeat(64), offeredDefinition: definition });
const pin = (name: string) => state.read.toolPins.on({ resource: 'tools', kind: 'tool', name });
const listed = (wanted: 'quarantined' | 'agreed' | 'rejected') =>
  (handlers.listTools({ state: wanted, limit: 100 }, {} as never) as { items: { name: string }[] }).items.map(({ name }) => name);
const decide = (name: string, decision: 'approve' | 'reject', offered = pin(name)?.offered ?? '') =>
  handlers.decideTool({ id: pin(name)?.id ?? 'pin_none', decision, offered, readOnly: true }, context);

beforeEach(async () => {
  [codes, lines] = [[], []];
  directory = mkdtempSync(join(tmpdir(), 'postern-offers-'));
  state = openState(join(directory, 'state.db'));
  const upstream = { transport: 'group', members: ['a'] };
  const resource = {
    id: 'res_a',
    name: 'tools',
    account: 'service',
    listenPort: null,
    recording: { maxBytesPerOperation: 0 },
    createdAt: '2026-01-01T00:00:00.000Z',
  };
  await commit('resource.created', { affected: '', value: wholeResource({ ...resource, protocol: 'mcp', secret: null, upstream }) });
  offers = new ToolOffers({ clock, read: state.read, exclusive, mask: maskText, log: (line) => lines.push(line) });
  handlers = toolHandlers({ clock, read: state.read });
  codes = [];
});

afterEach(() => {
  state.close();
  rmSync(directory, { recursive: true, force: true });
});

it('what is new is quarantined, what is known costs nothing, what changed is quarantined again', async () => {
  await offers.offer('tools', [tool('a', '1'), tool('b', '1')]);
  await offers.offer('tools', [tool('a', '1'), tool('b', '1')]);
  expect(codes).toEqual(['tool.offered', 'tool.offered']);
  await decide('a', 'approve');
  expect([listed('agreed'), listed('quarantined')]).toEqual([['a'], ['b']]);
  expect(pin('a')).toMatchObject({ readOnly: true, decidedBy: 'olivia' });
  await offers.offer('tools', [tool('a', '2')]);
  expect(pin('a')).toMatchObject({ approved: '1'.repeat(64), offered: '2'.repeat(64) });
  expect(listed('agreed')).toEqual([]);
  // as it was agreed to
  await offers.offer('tools', [tool('a', '1')]);
  expect(listed('agreed')).toEqual(['a']);
});

it('a decision on what is no longer offered is refused', async () => {
  await offers.offer('tools', [tool('a', '1')]);
  await offers.offer('tools', [tool('a', '2')]);
  await expect(decide('a', 'approve', '1'.repeat(64))).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  await expect(decide('missing', 'approve', '1'.repeat(64))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
});

it('refusing a change keeps what was agreed to; refusing just that agrees to nothing', async () => {
  await offers.offer('tools', [tool('a', '1')]);
  await decide('a', 'approve');
  await offers.offer('tools', [tool('a', '2')]);
  await decide('a', 'reject');
  expect([listed('rejected'), listed('agreed')]).toEqual([['a'], []]);
  await offers.offer('tools', [tool('a', '1')]);
  expect(listed('agreed')).toEqual(['a']);
  await decide('a', 'reject');
  await offers.offer('tools', [tool('a', '3')]);
  await offers.offer('tools', [tool('a', '1')]);
  expect(listed('agreed')).toEqual([]);
});

it('what a server writes is masked and cut', async () => {
  await offers.offer('tools', [tool('a', '1', `{"description":"like 4111 1111 1111 1111"}`), tool('b', '1', 'x'.repeat(200_000)), tool('n'.repeat(300), '1')]);
  expect(pin('a')?.offeredDefinition).not.toContain('1111 1111 1111');
  expect(pin('b')?.offeredDefinition).toHaveLength(131_072);
  expect(state.read.toolPins.of('tools')).toHaveLength(2);
});

it('a server that changes all the time is not heard all the time, and never has more than 512', async () => {
  for (let round = 0; round < 150; round += 1) await offers.offer('tools', [tool('a', (round % 2).toString())]);
  expect(codes).toHaveLength(100);
  expect(lines[0]).toMatch(/more than 100 times a minute/);
  for (let minute = 0; minute < 8; minute += 1) {
    now += 60_000;
    await offers.offer(
      'tools',
      Array.from({ length: 1_000 }, (_, index) => tool(`t${String(index)}`, '1')),
    );
  }
  expect(state.read.toolPins.of('tools')).toHaveLength(512);
});

it('what is no MCP resource offers nothing', async () => {
  await offers.offer('gone', [tool('a', '1')]);
  expect(codes).toEqual([]);
});

import { expect, test } from 'vitest';
import type { ToolPin } from '../../../proxy/contract/tool-pin.ts';
import { definitionText, readDefinition } from './definition.ts';
import { readPlace, writePlace } from './place-of-tools.ts';
import { inOrder, serversOf, stateOf } from './tool-state.ts';

const one = 'a'.repeat(64);
const other = 'b'.repeat(64);
const pin = (change: Partial<ToolPin> = {}): ToolPin => ({
  id: 'pin_a',
  resource: 'files',
  kind: 'tool',
  name: 'read_file',
  offered: one,
  offeredDefinition: '{}',
  approved: null,
  approvedDefinition: null,
  readOnly: false,
  seenAt: '2026-01-01T10:00:00.000Z',
  decidedAt: null,
  decidedBy: null,
  rejected: false,
  ...change,
});

test('only exactly what was agreed to is agreed', () => {
  expect(stateOf(pin())).toBe('new');
  expect(stateOf(pin({ approved: one }))).toBe('agreed');
  expect(stateOf(pin({ approved: other }))).toBe('changed');
  expect(stateOf(pin({ approved: one, rejected: true }))).toBe('rejected');
});

test('what waits comes first, and is counted by server', () => {
  const pins = [pin({ id: 'pin_b', resource: 'a', approved: one }), pin({ id: 'pin_c', resource: 'z', approved: other }), pin({ id: 'pin_d', name: 'x' })];
  expect(inOrder(pins).map(({ id }) => id)).toEqual(['pin_d', 'pin_c', 'pin_b']);
  expect(serversOf(pins)).toEqual([
    { server: 'a', all: 1, waiting: 0 },
    { server: 'files', all: 1, waiting: 1 },
    { server: 'z', all: 1, waiting: 1 },
  ]);
});

test('a definition is taken apart: words, arguments, what it says of itself', () => {
  const read = readDefinition(
    JSON.stringify({
      name: 'refund',
      description: 'Pays back.',
      inputSchema: { properties: { cents: { type: 'integer', description: 'how much' }, why: { enum: ['twice', 'lost'] } }, required: ['cents'] },
      annotations: { readOnlyHint: false, destructiveHint: true },
    }),
  );
  expect(read?.arguments).toEqual([
    { name: 'cents', type: 'integer', required: true, description: 'how much' },
    { name: 'why', type: 'one of "twice", "lost"', required: false, description: '' },
  ]);
  expect(read?.hints).toEqual(['changes something', 'can destroy']);
  expect(read?.hasUnseen).toBe(false);
});

test('what hides in a definition is shown by number, also in the name of an argument', () => {
  const text = JSON.stringify({ description: 'Adds.', inputSchema: { properties: { 'a\u200b': {} } } });
  expect(readDefinition(text)?.hasUnseen).toBe(true);
  expect(definitionText(text)).toContain('"a\\u{200b}"');
});

test('one that was cut is shown as it is', () => {
  expect(readDefinition('{"description":"Rea')).toBeNull();
  expect(definitionText('{"description":"Rea')).toBe('{"description":"Rea');
});

test('the place goes there and back', () => {
  const place = { state: 'quarantined', server: 'files', search: 'a/b', tool: 'pin_a' } as const;
  expect(readPlace(writePlace(place))).toEqual(place);
  expect(readPlace([])).toEqual({ state: 'all', server: '', search: '', tool: null });
});

import { expect, test } from 'vitest';
import { hasEnded, liveOperations } from './live-operations.ts';

const event = (
  index: number,
  header: Record<string, string | number>,
  body: string | null = null,
): { index: number; header: Record<string, string | number>; body: string | null } => ({
  index,
  header: { at: `2026-01-01T10:00:0${index}.000Z`, ...header },
  body,
});

test('an intent and its end are one line', () => {
  const events = [
    event(0, { code: 'session.started' }),
    event(1, { code: 'operation.intended', operation: 'opr_a', outcome: 'pending', seq: 1, request: 'req_a' }, 'select 1'),
    event(2, { code: 'recording.committed' }),
    event(3, { code: 'operation.intended', operation: 'opr_b', outcome: 'pending', seq: 2 }, 'select 2'),
    event(4, { code: 'operation.settled', operation: 'opr_a', outcome: 'success', rows: 1, durationMicros: 900, seq: 1 }),
  ];
  expect(liveOperations(events).map(({ id, command, outcome, note, request }) => [id, command, outcome.state, note, request])).toEqual([
    ['event 0', null, 'indeterminate', 'The session began.', null],
    ['opr_a', 'select 1', 'success', '', 'req_a'],
    ['opr_b', 'select 2', 'pending', '', null],
  ]);
  expect(hasEnded(events)).toBe(false);
  expect(hasEnded([event(5, { code: 'session.ended' })])).toBe(true);
});

test('what it does not know is shown by its code', () => {
  expect(liveOperations([event(0, { code: 'session.moved', reason: 'why' })])[0]?.note).toBe('session.moved (why)');
});

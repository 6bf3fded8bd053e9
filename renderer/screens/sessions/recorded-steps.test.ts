import { expect, test } from 'vitest';
import type { RecordingEntry, SessionView } from '../../../proxy/contract/api-views.ts';
import { toBase64 } from '../../../proxy/proof/bytes.ts';
import { pauseAfter, searchSteps } from './playback.ts';
import { StepBuilder, type Step } from './recorded-steps.ts';
import { recordingText } from './recording-text.ts';
import { bytesOf, complete, description, row } from './wire.fake.ts';

const entry = (kind: RecordingEntry['kind'], data: string, change: Partial<RecordingEntry> = {}): RecordingEntry => ({
  at: '2026-01-01T10:00:00.000Z',
  kind,
  operation: 'opr_a',
  data,
  more: false,
  ...change,
});
const result = bytesOf(description(['id', 'pan']), row(['1', '411111******1111']), complete('SELECT 1'));
const settled = '{"code":"operation.settled","outcome":"success","rows":1,"bytes":9,"durationMicros":1250,"masked":{"pan":1}}';

function built(...entries: RecordingEntry[]): readonly Step[] {
  const builder = new StepBuilder();
  for (const each of entries) builder.add(each);
  return builder.steps();
}

test('puts together what was cut into pieces', () => {
  const [step] = built(
    entry('command', 'select * ', { more: true }),
    entry('command', 'from cards'),
    entry('frames', toBase64(result.subarray(0, 20)), { more: true }),
    entry('frames', toBase64(result.subarray(20))),
    entry('outcome', settled),
  );
  expect(step?.command).toBe('select * from cards');
  expect(step?.frames()).toMatchObject({ damaged: false, sets: [{ columns: ['id', 'pan'], rows: [['1', '411111******1111']], tag: 'SELECT 1' }] });
  expect(step?.outcome).toMatchObject({ state: 'success', rows: 1, durationMs: 1.25, masked: [['pan', 1]] });
});

test('operations that ran at once are kept apart', () => {
  const steps = built(entry('command', 'select 1'), entry('command', 'select 2', { operation: 'opr_b' }), entry('outcome', settled));
  expect(steps.map(({ command, outcome }) => [command, outcome === null])).toEqual([
    ['select 1', false],
    ['select 2', true],
  ]);
});

test('what was cut off at the cap is said, and is no damage', () => {
  const cut = toBase64(result.subarray(0, result.length - 3));
  const [step] = built(entry('command', 'x'), entry('frames', cut), entry('truncated', '{"bytes":512,"writes":2}'));
  expect(step?.truncated).toEqual({ bytes: 512, writes: 2 });
  expect(step?.frames().damaged).toBe(false);
  expect(built(entry('frames', cut))[0]?.frames().damaged).toBe(true);
  expect(built(entry('frames', '???'))[0]?.frames().damaged).toBe(true);
});

test('an outcome that cannot be read is no success', () => {
  expect(built(entry('outcome', 'nonsense'))[0]?.outcome?.state).toBe('indeterminate');
  expect(built(entry('outcome', '{"code":"operation.refused","outcome":"failure","error":"ERR_ACCESS_DENIED"}'))[0]?.outcome).toMatchObject({
    state: 'refused',
    why: 'No policy permits this. (ERR_ACCESS_DENIED)',
  });
});

test('a step stays the same object until something is added to it', () => {
  const builder = new StepBuilder();
  builder.add(entry('command', 'a'));
  const [first] = builder.steps();
  builder.add(entry('command', 'b', { operation: 'opr_b' }));
  expect(builder.steps()[0]).toBe(first);
});

test('the search looks at commands and at rows', () => {
  const steps = built(entry('command', 'select * from cards'), entry('frames', toBase64(result)), entry('command', 'commit', { operation: 'opr_b' }));
  expect(searchSteps(steps, 'CARDS')).toEqual([0]);
  expect(searchSteps(steps, '411111 select')).toEqual([0]);
  expect(searchSteps(steps, '')).toEqual([0, 1]);
  expect(searchSteps(steps, 'nothing')).toEqual([]);
});

test('plays at the pace of the session, faster on demand, and skips long pauses', () => {
  const steps = ['10:00:00.000', '10:00:02.000', '11:00:00.000'].map((time) => ({ at: `2026-01-01T${time}Z` }));
  expect(pauseAfter(steps, 0, '1')).toBe(2_000);
  expect(pauseAfter(steps, 0, '4')).toBe(500);
  expect(pauseAfter(steps, 1, '1')).toBe(30_000);
  expect(pauseAfter(steps, 1, 'max')).toBe(120);
  expect(pauseAfter(steps, 2, '1')).toBeNull();
});

test('the text holds what is shown, and says when it is not all', () => {
  const session: SessionView = {
    id: 'ses_a',
    state: 'ended',
    principal: 'release-bot',
    resource: 'payments',
    database: 'payments',
    account: 'app',
    address: '127.0.0.1',
    startedAt: '2026-01-01T10:00:00.000Z',
    endedAt: null,
    operations: 1,
    reason: null,
    recordingRoot: null,
  };
  const text = recordingText(session, built(entry('command', 'select\u001b[2J'), entry('frames', toBase64(result)), entry('outcome', settled)), {
    complete: false,
    search: '',
  });
  expect(text).toContain('> select\\u{1b}[2J');
  expect(text).toContain('  1 | 411111******1111\n  SELECT 1\n= success: 1 row · 1.3 ms · 1 value masked');
  expect(text).toContain('not all of it');
});

test('records of an exchange are told apart without line breaks, also when one goes on in the next entry', () => {
  const request = '{"dir":"request","method":"tools/call","path":"search","headers":{},"bytes":9}';
  const response = '{"dir":"response","status":200,"headers":{},"millis":3}';
  const text = (part: string): string => toBase64(new TextEncoder().encode(part));
  const [step] = built(
    entry('command', 'tools/call'),
    entry('frames', text(request.slice(0, 20)), { more: true }),
    entry('frames', text(request.slice(20))),
    entry('frames', text(response)),
    entry('frames', text('{"result":{}}')),
  );
  expect(step?.exchange()).toMatchObject({ method: 'tools/call', path: 'search', reply: { status: 200 }, said: [{ isJson: true }] });
  expect(step?.bytes).toBe(request.length + response.length + 13);
});

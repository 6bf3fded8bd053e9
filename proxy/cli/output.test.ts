import { expect, test } from 'vitest';
import { api } from '../contract/api.ts';
import { fail } from '../contract/errors.ts';
import type { RecordingEntry } from '../contract/api-views.ts';
import { seconds } from './arguments.ts';
import { addressOf } from '../contract/api-call.ts';
import { errorText, table, visible } from './output.ts';
import { replayText } from './replay.ts';

test('stored text cannot drive the terminal: escapes, newlines and direction overrides are shown', () => {
  expect(visible('a\u001b[2Jb\nc\u202edE\u009b\u2028')).toBe('a\\u001b[2Jb\\nc\\u202edE\\u009b\\u2028');
  expect(
    table(
      ['A', 'B'],
      [
        ['x\u0007', 'long'],
        ['y', 'z'],
      ],
    ),
  ).toBe('A        B\nx\\u0007  long\ny        z\n');
});

test('an error shows code, message, each fault with its place, and the hint', () => {
  const error = fail('ERR_POLICY_INVALID', { message: 'bad', hint: 'look', faults: [{ path: 'a.cedar', line: 3, column: 7, message: 'unknown action' }] });
  expect(errorText(error)).toBe('ERR_POLICY_INVALID: bad\n  a.cedar:3:7: unknown action\nHint: look\n');
});

test('names never leave their segment of the path, and only GET and DELETE use the query', () => {
  expect(addressOf(api.showResource, { name: 'a/../b?x#y' }).path).toBe('/v1/resources/a%2F..%2Fb%3Fx%23y');
  expect(addressOf(api.listTokens, { serviceAccount: 'a&b', limit: 5, cursor: undefined })).toEqual({
    path: '/v1/tokens?serviceAccount=a%26b&limit=5',
    body: undefined,
  });
  expect(addressOf(api.killSession, { id: 'ses_a', reason: 'because' })).toEqual({ path: '/v1/sessions/ses_a/kill', body: '{"reason":"because"}' });
});

test('durations', () => {
  expect(['90s', '15m', '8h', '30d'].map(seconds)).toEqual([90, 900, 28_800, 2_592_000]);
  for (const text of ['', '1', '-1s', '1.5h', '1w']) expect(() => seconds(text)).toThrow('Write it as');
});

function frame(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const cell = (text: string): Buffer => Buffer.concat([Buffer.from([0, 0, 0, text.length]), Buffer.from(text)]);

async function replayed(entries: RecordingEntry[]): Promise<string> {
  let text = '';
  // an async iterable out of a list
  for await (const piece of replayText(
    (async function* () {
      yield* await Promise.resolve(entries);
    })(),
  ))
    text += piece;
  return text;
}

test('replay shows the command, its rows and its outcome; pieces of an entry are put together', async () => {
  const frames = Buffer.concat([
    frame('T', int16(2), Buffer.from('id\0'), Buffer.alloc(18), Buffer.from('pan\0'), Buffer.alloc(18)),
    frame('D', int16(2), cell('7'), Buffer.from([255, 255, 255, 255])),
  ]);
  const entry = (kind: RecordingEntry['kind'], data: string, more = false): RecordingEntry => ({
    at: '2026-01-01T00:00:00.000Z',
    kind,
    operation: 'opr_a',
    data,
    more,
  });
  const text = await replayed([
    entry('command', 'select id,', true),
    entry('command', ' pan\u001b'),
    entry('frames', frames.subarray(0, 11).toString('base64'), true),
    entry('frames', frames.subarray(11).toString('base64')),
    entry('outcome', '{"code":"operation.settled","outcome":"success","rows":1,"bytes":42,"durationMicros":1500,"masked":{"detector:pan":2}}'),
    entry('outcome', '{"code":"operation.refused","outcome":"failure","error":"ERR_ACCESS_DENIED","acts":["sql:ddl public.t"],"policies":["no-ddl"]}'),
    entry('outcome', 'not JSON\u001b'),
  ]);
  const outcomes = [
    '= success: 1 rows, 42 bytes, 1.5 ms; masked: detector:pan 2',
    '= refused: ERR_ACCESS_DENIED, sql:ddl public.t (policies: no-ddl)',
    '= not JSON\\u001b',
  ];
  expect(text).toBe(`\n2026-01-01T00:00:00.000Z  opr_a\n> select id, pan\\u001b\n  id | pan\n  7 | NULL\n${outcomes.join('\n')}\n`);
});

test('replay of frames that are cut or lie about their length ends quietly', async () => {
  const lying = Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3]);
  const cut = frame('D', int16(1), Buffer.from([0, 0, 0, 200, 65]));
  for (const bytes of [lying, cut, Buffer.alloc(3), Buffer.from('T\0\0\0\u0005x')]) {
    expect(typeof (await replayed([{ at: '2026-01-01T00:00:00.000Z', kind: 'frames', operation: 'opr_a', data: bytes.toString('base64'), more: false }]))).toBe(
      'string',
    );
  }
});

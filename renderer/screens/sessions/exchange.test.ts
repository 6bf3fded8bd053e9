import { expect, test } from 'vitest';
import { decodeExchange } from './exchange.ts';

const line = (value: object): string => `${JSON.stringify(value)}\n`;
const request = (change: object = {}): string => line({ dir: 'request', method: 'GET', path: '/v1/orders', headers: { accept: 'a' }, bytes: 0, ...change });
const response = (status = 200): string => line({ dir: 'response', status, headers: { 'content-type': 'application/json' }, millis: 12 });
const decoded = (text: string) => decodeExchange(new TextEncoder().encode(text));

test('a request, its answer, and the body laid out', () => {
  expect(decoded(`${request()}${response()}{"a":[1]}`)).toEqual({
    method: 'GET',
    path: '/v1/orders',
    sentBytes: 0,
    sentHeaders: [['accept', 'a']],
    reply: { status: 200, millis: 12, headers: [['content-type', 'application/json']] },
    said: [{ by: 'target', text: '{\n  "a": [\n    1\n  ]\n}', bytes: 9, isJson: true }],
    dropped: 0,
  });
});

test('a body that looks like a record is a body', () => {
  const exchange = decoded(request() + response() + response(500));
  expect(exchange?.reply?.status).toBe(200);
  expect(exchange?.said).toHaveLength(1);
});

test('messages of MCP, one behind the other, are told apart, also with braces in their words', () => {
  const said = decoded(`${request({ method: 'tools/call', path: 'x' })}${response()}{"a":"}{\\""}{"b":{}}\n{"c":1}`)?.said;
  expect(said?.map(({ text }) => JSON.parse(text ?? '') as unknown)).toEqual([{ a: '}{"' }, { b: {} }, { c: 1 }]);
});

test('events of a stream are its messages', () => {
  const said = decoded(`${request()}${response()}event: message\ndata: {"a":1}\n\n: alive\n\nevent: tick\ndata: now\ndata: then\n\n`)?.said;
  expect(said?.map(({ text }) => text)).toEqual(['{\n  "a": 1\n}', 'tick: now\nthen']);
});

test('after an upgrade each message says who sent it; of bytes only the count is there', () => {
  const messages = line({ dir: 'message', by: 'client', text: 'hi\u202e', bytes: 5 }) + line({ dir: 'message', by: 'target', text: null, bytes: 9 });
  expect(decoded(request() + response(101) + messages)?.said).toEqual([
    { by: 'client', text: 'hi\\u{202e}', bytes: 5, isJson: false },
    { by: 'target', text: null, bytes: 9, isJson: false },
  ]);
});

test('one that was cut, and one without an answer', () => {
  expect(decoded(request())?.reply).toBeNull();
  expect(decoded(`${request()}${response()}{"a":`)?.said).toEqual([{ by: 'target', text: '{"a":', bytes: 5, isJson: false }]);
});

test('rows of a database are no exchange', () => {
  expect(decodeExchange(Uint8Array.from([0x54, 0, 0, 0, 6, 0, 0]))).toBeNull();
  expect(decoded('{"dir":"response"}')).toBeNull();
});

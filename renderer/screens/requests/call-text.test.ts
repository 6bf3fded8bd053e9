import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isCall, laidOut } from './call-text.ts';
import { hiddenRanges } from './command-lines.ts';

test('the arguments of a tool stand below each other', () => {
  expect(laidOut('tools/call "refund" {"id":"pay_3","cents":<hidden>,"to":{"pan":"411111******1111"},"tags":[]}')).toBe(
    'tools/call "refund" {\n  "id": "pay_3",\n  "cents": <hidden>,\n  "to": {\n    "pan": "411111******1111"\n  },\n  "tags": []\n}',
  );
});

test('braces and commas within quotes are words', () => {
  expect(laidOut('tools/call "x" {"a":"{,}\\"["}')).toBe('tools/call "x" {\n  "a": "{,}\\"["\n}');
});

test('the line of a request over HTTP stays whole', () => {
  expect(laidOut('POST /v1/orders?f[x]=1,2\naccept: text/html,*/*\n\n{"a":1}')).toBe('POST /v1/orders?f[x]=1,2\naccept: text/html,*/*\n\n{\n  "a": 1\n}');
});

test('adds blanks alone: nothing is lost, and hidden values keep their order', () => {
  const bare = (text: string): string => text.replaceAll(/\s+/g, '');
  fc.assert(
    fc.property(fc.json(), (json) => {
      const command = `tools/call "x" ${json.replaceAll(/\d+/g, '411111******1111')}`;
      expect(bare(laidOut(command))).toBe(bare(command));
      expect(hiddenRanges(laidOut(command), [])).toHaveLength(hiddenRanges(command, []).length);
    }),
  );
});

test('tells a call from a command by what was signed', () => {
  expect(isCall(['mcp:call refund_payment', 'sql:select public.orders of payments/payments'])).toBe(true);
  expect(isCall(['sql:select public.orders'])).toBe(false);
});

import { describe, expect, it } from 'vitest';
import { facts } from '../../test/support/memory-ports.ts';
import { canonicalJson } from '../proof/canonical.ts';
import { actLabels, OperationHeaders } from './headers.ts';

const identity = {
  actor: { issuer: 'postern', subject: 'svc_"x', name: 'ünï', kind: 'service-account', credential: 'tok_1' },
  origin: '::1',
  affected: 'pay',
  session: 'ses_a',
  account: 'app',
  database: 'd"b',
} as const;
const decision = { permitted: true, policies: ['a', 'b'], message: '', hint: '', policyVersion: 'v"1' };

it('an act on another resource says on which', () => {
  const object = { type: 'Table', path: ['public', 'orders'] } as const;
  const acts = [
    { action: 'sql:delete', object: { ...object, on: { resource: 'payments', database: 'shop' } } },
    { action: 'sql:delete', object },
  ] as const;
  expect(actLabels(acts, (text) => text)).toEqual(['sql:delete public.orders of payments/shop', 'sql:delete public.orders']);
});

describe('operation headers', () => {
  const headers = new OperationHeaders(identity, (text) => text);

  it('are canonical JSON already', () => {
    const shape = { ...facts('t'), acts: [{ action: 'sql:select', object: { type: 'Table', path: ['public', 'o"r'] } }] } as const;
    const intent = { millis: 1_700_000_000_000, operation: 'opr_a_1', seq: 1, body: 'abc' };
    const intended = headers.intended(shape, decision, { ...intent, request: undefined });
    const approved = headers.intended(shape, decision, { ...intent, request: 'req_a' });
    const shadowed = headers.intended(shape, { ...decision, shadow: { would: 'refuse', version: 's"1' } }, { ...intent, request: undefined });
    const settled = headers.settled({
      millis: 1,
      operation: 'opr_a_1',
      seq: 1,
      rows: 2,
      bytes: 3,
      micros: 4,
      masked: '{"x":1}',
      outcome: 'failure',
      error: 'bad "thing"',
    });
    for (const text of [intended, approved, shadowed, settled]) expect(text).toBe(canonicalJson(JSON.parse(text) as Parameters<typeof canonicalJson>[0]));
    expect(JSON.parse(intended)).toMatchObject({ acts: ['sql:select public.o"r'], at: '2023-11-14T22:13:20.000Z', outcome: 'pending', policies: ['a', 'b'] });
    expect(JSON.parse(approved)).toMatchObject({ request: 'req_a' });
    expect(JSON.parse(shadowed)).toEqual({ ...(JSON.parse(intended) as object), shadow: 'refuse', shadowVersion: 's"1' });
    expect(JSON.parse(settled)).toMatchObject({ outcome: 'failure', error: 'bad "thing"', masked: { x: 1 } });
  });
});

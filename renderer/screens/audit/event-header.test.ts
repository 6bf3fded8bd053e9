import { expect, test } from 'vitest';
import { codeGroups, fieldsOf, fits, jsonLines } from './event-header.ts';
import { noFilters } from './place-of-audit.ts';

const event = {
  index: 3,
  header: {
    v: 1,
    code: 'operation.settled',
    at: '2026-11-21T10:00:00.000Z',
    actor: { issuer: 'postern', subject: 'sva_a', name: 'release-bot', kind: 'service-account', credential: 'tok_a' },
    origin: '127.0.0.1',
    outcome: 'success',
    affected: 'payments',
    durationMicros: 1_500,
    masked: { 'detector:pan': 2 },
    novelty: true,
  },
  body: '{"command":"select 1"}',
};

test('a header is shown whole, the six fields of PCI DSS 10.2.2 first', () => {
  const fields = fieldsOf(event.header);
  expect(fields.slice(0, 6).map(({ id }) => id)).toEqual(['actor', 'code', 'at', 'outcome', 'origin', 'affected']);
  expect(fields.slice(0, 6).every(({ pci }) => pci !== '')).toBe(true);
  expect(Object.fromEntries(fields.map(({ id, value }) => [id, value]))).toMatchObject({
    durationMicros: '1.5 ms',
    masked: 'detector:pan: 2',
    novelty: 'true',
  });
  expect(fields.length).toBe(Object.keys(event.header).length);
});

test('a new event is shown only where the search would have found it', () => {
  expect(fits(event, noFilters)).toBe(true);
  expect(fits(event, { ...noFilters, principal: 'release-bot', resource: 'payments', text: 'select 1', from: '2026-11-21T09:00:00Z' })).toBe(true);
  for (const other of [{ code: 'session.started' }, { principal: 'release' }, { outcome: 'failure' }, { to: '2026-11-21T09:00:00Z' }, { text: 'select 2' }])
    expect(fits(event, { ...noFilters, ...other })).toBe(false);
});

test('every code is in one group, and a page is exported line by line', () => {
  expect(codeGroups.find(({ group }) => group === 'approval request')?.codes).toContain('approval-request.denied');
  expect(
    jsonLines([event, event])
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([event, event]);
});

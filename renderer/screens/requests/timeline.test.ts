import { expect, test } from 'vitest';
import { decision, request } from './cases.fake.ts';
import { thresholdText, timelineOf } from './timeline.ts';

test('tells what happened, oldest first, with everybody’s words', () => {
  const moments = timelineOf(
    request({
      status: 'withdrawn',
      reason: 'duplicate',
      decisions: [decision({ reason: 'fine', seconds: 1_800 })],
      closedAt: '2026-01-01T10:02:00.000Z',
      closedReason: 'policies changed',
    }),
  );
  expect(moments).toEqual([
    { at: '2026-01-01T10:00:00.000Z', kind: 'asked', who: 'release-bot', did: 'asked', words: 'duplicate' },
    { at: '2026-01-01T10:01:00.000Z', kind: 'approved', who: 'bob@example.com', did: 'approved for 30 min', words: 'fine' },
    { at: '2026-01-01T10:02:00.000Z', kind: 'closed', who: '', did: 'It was withdrawn: the command did not run', words: 'policies changed' },
  ]);
});

test('a denial is its own end', () => {
  const closedAt = '2026-01-01T10:01:00.000Z';
  expect(timelineOf(request({ status: 'denied', decisions: [decision({ verdict: 'deny', reason: 'no' })], closedAt })).map(({ did }) => did)).toEqual([
    'asked',
    'denied',
  ]);
});

test('says how many approvals are missing; one human counts once', () => {
  const two = { ...request().canonical, terms: { ...request().canonical.terms, needed: 2 } };
  expect(thresholdText(request())).toBe('0 of 1 approval by the group dba.');
  expect(thresholdText(request({ canonical: two }))).toBe('0 of 2 approvals by the group dba; each must be a different person.');
  const twice = [decision(), decision({ human: 'BOB@example.com ', approver: 'usr_b' })];
  expect(thresholdText(request({ canonical: two, decisions: twice }))).toBe('1 of 2 approvals by the group dba; the next must be a different person.');
  expect(thresholdText(request({ canonical: two, decisions: [decision(), decision({ human: 'eve' })] }))).toBe('2 of 2 approvals by the group dba.');
});

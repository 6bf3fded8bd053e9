import { describe, expect, it } from 'vitest';
import { verdictOf, type Explanation } from './verdict.ts';

const asked = { principal: 'ci', resource: 'payments', statement: 'select 1' };
const terms = {
  group: 'dba',
  needed: 2,
  policy: 'delete',
  mode: 'hold',
  expiresInSeconds: 900,
  risk: 'normal',
  ownerMayDecide: false,
} as unknown as Explanation['approve'];
const yes: Explanation = { permitted: true, policyVersion: 'pol_a', message: '', hint: '', approve: null, acts: [] };

describe('a verdict', () => {
  it('permits', () => {
    expect(verdictOf(yes, asked).sentence).toBe('ci may run this on payments.');
    expect(verdictOf(yes, { ...asked, statement: ' ' }).sentence).toBe('ci may connect to payments.');
  });

  it('asks people', () => {
    expect(verdictOf({ ...yes, approve: terms }, asked)).toMatchObject({
      tone: 'wait',
      sentence: 'ci may run this on payments once 2 people of dba have approved.',
    });
  });

  it('refuses with the reason', () => {
    expect(verdictOf({ ...yes, permitted: false, message: 'every row would be changed' }, asked)).toMatchObject({
      tone: 'bad',
      sentence: 'ci may not run this on payments: every row would be changed.',
    });
    expect(verdictOf({ ...yes, permitted: false }, asked).sentence).toBe('ci may not run this on payments: no policy permits it.');
  });
});

import { describe, expect, it } from 'vitest';
import { RequestStates } from './request-state.ts';

const round = { request: 'req_a', owner: 'me', digest: 'd', expiresAt: 1_000, requestState: '"theirs"', inputResponses: null };

describe('a sealed state', () => {
  it('is opened by its owner for the same call, and by nobody else', () => {
    let now = 0;
    const states = new RequestStates({ now: () => now });
    const sealed = states.seal(round) ?? '';
    expect(states.isOurs(sealed)).toBe(true);
    expect(states.isOurs('theirs')).toBe(false);
    expect(sealed).not.toContain('req_a');
    expect(states.open(sealed, round)).toEqual(round);
    expect(states.open(sealed, { owner: 'you', digest: 'd' })).toBeNull();
    expect(states.open(sealed, { owner: 'me', digest: 'other' })).toBeNull();
    expect(new RequestStates({ now: () => 0 }).open(sealed, round)).toBeNull();
    now = 1_000;
    expect(states.open(sealed, round)).toBeNull();
  });

  it('is refused however it is altered', () => {
    const states = new RequestStates({ now: () => 0 });
    const sealed = states.seal(round) ?? '';
    for (let at = 5; at < sealed.length; at += 3) {
      const other = sealed.charAt(at) === 'A' ? 'B' : 'A';
      expect(states.open(sealed.slice(0, at) + other + sealed.slice(at + 1), round)).toBeNull();
    }
    for (const state of ['pst1.', `${sealed}=`, sealed.slice(0, -4), `${sealed}AAAA`]) expect(states.open(state, round)).toBeNull();
  });
});

import { describe, expect, it } from 'vitest';
import { daysFault, emptyTokenForm, networkFault, secondsOf, tokenInput, tokenState } from './token-form.ts';

describe('a new token', () => {
  it('lives a day unless something else is chosen', () => {
    expect(secondsOf(emptyTokenForm)).toBe(86_400);
    expect(secondsOf({ ...emptyTokenForm, lifetime: '3600' })).toBe(3_600);
  });

  it('lives at most 366 days', () => {
    const custom = { ...emptyTokenForm, lifetime: 'custom' } as const;
    expect(secondsOf({ ...custom, days: '366' })).toBe(31_622_400);
    for (const days of ['367', '0', '', '1.5', 'x']) {
      expect(daysFault({ ...custom, days })).toContain('366');
      expect(tokenInput('ci', { ...custom, days })).toBeNull();
    }
  });

  it('is asked for as it was typed', () => {
    expect(tokenInput('ci', { ...emptyTokenForm, resources: ['payments'], networks: ['10.0.0.0/8'], roles: ['auditor'] })).toEqual({
      serviceAccount: 'ci',
      expiresInSeconds: 86_400,
      resources: ['payments'],
      networks: ['10.0.0.0/8'],
      roles: ['auditor'],
    });
  });
});

describe('networks', () => {
  it.each(['10.0.0.0/8', '192.168.1.7/32', '0.0.0.0/0', 'fd00::/8', '::1/128', '2001:db8:1:2:3:4:5:6/64'])('takes %s', (network) => {
    expect(networkFault(network)).toBeUndefined();
  });

  it.each(['10.0.0.0', '10.0.0/8', '10.0.0.256/8', '10.0.0.0/33', '10.0.0.0/', '010.0.0.0/8', '1::2::3/64', 'fd00::/129', 'db.internal/8', '10.0.0.0/8/9'])(
    'refuses %s',
    (network) => {
      expect(networkFault(network)).toContain('CIDR');
    },
  );
});

describe('the state of a token', () => {
  const expiresAt = '2026-01-02T00:00:00Z';
  it('is revoked before it is expired', () => {
    const now = Date.parse('2026-01-03T00:00:00Z');
    expect(tokenState({ expiresAt, revokedAt: null }, now)).toBe('expired');
    expect(tokenState({ expiresAt, revokedAt: '2026-01-01T00:00:00Z' }, now)).toBe('revoked');
    expect(tokenState({ expiresAt, revokedAt: null }, Date.parse('2026-01-01T00:00:00Z'))).toBe('live');
  });
});

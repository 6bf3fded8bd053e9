import { expect, it } from 'vitest';
import { SignIns } from '../../proxy/approval/sign-in.ts';
import { mintToken } from '../../proxy/identity/token.ts';
import { LogLines } from './log-lines.ts';

const clock = { now: () => Date.parse('2026-11-21T10:00:00Z') };

it('keeps no token and no one-time code of the lines, as this version makes them', () => {
  const account = { id: 'svc_a', name: 'ci', owner: 'ann', purpose: 'tests', groups: [], disabled: false, createdAt: '2026-11-21T10:00:00Z', scramSalt: '' };
  const { token } = mintToken(account, { expiresAt: clock.now() + 1_000, resources: [], networks: [], roles: [] }, clock);
  const user = { id: 'usr_a', name: 'ann', human: 'ann', groups: [], roles: [], disabled: false, createdAt: '2026-11-21T10:00:00Z', key: null };
  const signIns = new SignIns({ clock, service: 'vm/postern/a', users: { find: () => user, named: () => user } });
  const signIn = signIns.issue({ user, key: 'key_a' });
  const secrets = [token.reveal(), signIn.token.reveal(), `postern-enrol:${'eyJ1cmwi'.repeat(20)}`];
  const lines = new LogLines();
  lines.add(secrets.map((secret) => `  ${secret}\n`).join(''));
  expect(lines.lines).toEqual(['  [hidden token]', '  [hidden token]', '  postern-enrol:[hidden]']);
});

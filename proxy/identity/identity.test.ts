import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Grant } from '../contract/approval-request.ts';
import type { ServiceAccount, Token } from '../contract/principal.ts';
import { Token as TokenSchema } from '../contract/principal.ts';
import { Secret } from '../lib/secret.ts';
import { createIdentity } from './identity.ts';
import { scramVerifier, verifyScram } from './scram.ts';
import { mintToken, newScramSalt, type TokenScope } from './token.ts';

const hour = 3_600_000;
const clock = { time: 0, now: () => clock.time };
const pepper = new Secret<Uint8Array>(Buffer.alloc(32, 9));
const authMessage = 'n=runner,r=abc,r=abcdef,s=x,i=4096,c=biws,r=abcdef';
let identity: ReturnType<typeof createIdentity>;
let version: number;

beforeEach(() => {
  clock.time = Date.UTC(2026, 0, 1);
  identity = createIdentity(clock, pepper);
  version = 0;
});

function account(name: string, more: Partial<ServiceAccount> = {}): ServiceAccount {
  return {
    id: `svc_${name}`,
    name,
    owner: 'ops team',
    purpose: 'tests',
    groups: ['ci'],
    disabled: false,
    createdAt: '2026-01-01T00:00:00Z',
    scramSalt: newScramSalt(),
    ...more,
  };
}

function mint(principal: ServiceAccount, scope: Partial<TokenScope> = {}): { token: Secret<string>; record: Token } {
  return mintToken(principal, { expiresAt: clock.time + hour, resources: [], networks: [], roles: [], ...scope }, clock);
}

function publish(serviceAccounts: ServiceAccount[], tokens: Token[], grants: Grant[] = []): void {
  version += 1;
  identity.update({ version, serviceAccounts, tokens, grants, trustRules: [] });
}

/** The client's side of RFC 5802. */
function proofOf(token: string, salt: Uint8Array): { proof: Buffer; serverSignature: string } {
  const salted = pbkdf2Sync(token, salt, 4096, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const signature = createHmac('sha256', createHash('sha256').update(clientKey).digest()).update(authMessage).digest();
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
  const serverKey = createHmac('sha256', salted).update('Server Key').digest();
  return { proof, serverSignature: createHmac('sha256', serverKey).update(authMessage).digest('base64') };
}

function login(user: string, token: string, origin = '127.0.0.1'): ReturnType<ReturnType<typeof identity.port.scram>['verify']> {
  const exchange = identity.port.scram(user, origin);
  return exchange.verify(authMessage, proofOf(token, exchange.salt).proof);
}

describe('SCRAM', () => {
  it('agrees with the example of RFC 7677', () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
    const message = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`;
    const match = verifyScram([scramVerifier('pencil', salt)], message, Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64'));
    expect(match === null ? null : Buffer.from(match.serverSignature).toString('base64')).toBe('6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  });

  it('knows a caller by any of several tokens and proves itself', () => {
    const runner = account('runner');
    const minted = [mint(runner), mint(runner, { resources: ['payments'] })];
    publish(
      [runner, account('other')],
      minted.map((each) => each.record),
    );
    for (const { token, record } of minted) {
      const { salt } = identity.port.scram('runner', '127.0.0.1');
      const result = login('runner', token.reveal());
      expect(result?.caller).toEqual({
        issuer: 'postern',
        subject: 'svc_runner',
        name: 'runner',
        kind: 'service-account',
        groups: ['ci'],
        granted: [],
        credential: record.id,
        method: 'scram-sha-256',
        resources: record.resources,
        networks: [],
        expiresAt: clock.time + hour,
      });
      expect(Buffer.from(result?.serverSignature ?? []).toString('base64')).toBe(proofOf(token.reveal(), salt).serverSignature);
    }
    expect(login('other', minted[0]?.token.reveal() ?? '')).toBeNull();
  });

  it('refuses any other proof', () => {
    const runner = account('runner');
    const { token, record } = mint(runner);
    publish([runner], [record]);
    const exchange = identity.port.scram('runner', '127.0.0.1');
    const { proof } = proofOf(token.reveal(), exchange.salt);
    expect(exchange.verify(authMessage, proof)).not.toBeNull();
    expect(exchange.verify(`${authMessage}x`, proof)).toBeNull();
    expect(exchange.verify(authMessage, Buffer.concat([proof, Buffer.alloc(1)]))).toBeNull();
    expect(exchange.verify(authMessage, new Uint8Array(0))).toBeNull();
    fc.assert(
      fc.property(fc.nat(31), fc.integer({ min: 1, max: 255 }), (index, change) => {
        const wrong = Buffer.from(proof);
        wrong[index] = (wrong[index] ?? 0) ^ change;
        expect(exchange.verify(authMessage, wrong)).toBeNull();
      }),
    );
  });

  it('shows the same stable salt for a name nobody has, and never lets it in', () => {
    publish([account('runner')], []);
    const first = identity.port.scram('ghost', '127.0.0.1');
    expect(first.salt).toEqual(createIdentity(clock, pepper).port.scram('ghost', '10.0.0.1').salt);
    expect(first.salt).toHaveLength(16);
    expect(first.iterations).toBe(4096);
    expect(first.salt).not.toEqual(identity.port.scram('ghost2', '127.0.0.1').salt);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (proof) => {
        expect(first.verify(authMessage, proof)).toBeNull();
      }),
    );
  });

  it('does not show by its salt that the tokens of a principal have expired or are for another network', () => {
    const runner = account('runner');
    publish([runner], [mint(runner, { networks: ['10.0.0.0/8'] }).record]);
    const salt = identity.port.scram('runner', '10.0.0.1').salt;
    expect(identity.port.scram('runner', '192.0.2.1').salt).toEqual(salt);
    clock.time += 2 * hour;
    expect(identity.port.scram('runner', '10.0.0.1').salt).toEqual(salt);
  });

  it('tries the eight newest tokens', () => {
    const runner = account('runner');
    const minted = Array.from({ length: 9 }, () => {
      clock.time += 1000;
      return mint(runner);
    });
    publish(
      [runner],
      minted.map((each) => each.record),
    );
    expect(login('runner', minted[0]?.token.reveal() ?? '')).toBeNull();
    for (const { token } of minted.slice(1)) expect(login('runner', token.reveal())).not.toBeNull();
  });

  // CVE-2026-91164: address ranges enforced for one kind of credential only; CVE-2025-2291: expiry not checked at use
  it.each(['scram', 'bearer'] as const)('and bearer use apply expiry, revocation, disabling and networks alike: %s', (method) => {
    const runner = account('runner');
    const { token, record } = mint(runner, { networks: ['10.0.0.0/8'] });
    const enter = (origin: string): boolean =>
      (method === 'scram' ? login('runner', token.reveal(), origin) : identity.verifyBearer(token.reveal(), origin)) !== null;
    publish([runner], [record]);
    expect([enter('10.1.1.1'), enter('::ffff:10.1.1.1'), enter('192.0.2.1'), enter('')]).toEqual([true, true, false, false]);
    publish([{ ...runner, disabled: true }], [record]);
    expect(enter('10.1.1.1')).toBe(false);
    publish([runner], [{ ...record, revokedAt: '2026-01-01T00:00:00Z' }]);
    expect(enter('10.1.1.1')).toBe(false);
    publish([], [record]);
    expect(enter('10.1.1.1')).toBe(false);
    publish([runner], [record]);
    expect(enter('10.1.1.1')).toBe(true);
    clock.time += hour;
    expect(enter('10.1.1.1')).toBe(false);
  });

  it('refuses a token revoked while the exchange was under way', () => {
    const runner = account('runner');
    const { token, record } = mint(runner);
    publish([runner], [record]);
    const exchange = identity.port.scram('runner', '127.0.0.1');
    publish([runner], [{ ...record, revokedAt: '2026-01-01T00:00:00Z' }]);
    expect(exchange.verify(authMessage, proofOf(token.reveal(), exchange.salt).proof)).toBeNull();
  });

  it('opens no resource with a token of the control API', () => {
    const runner = account('runner');
    const { token, record } = mint(runner, { roles: ['administrator'] });
    publish([runner], [record]);
    expect(login('runner', token.reveal())).toBeNull();
    expect(identity.verifyBearer(token.reveal(), '127.0.0.1')?.roles).toEqual(['administrator']);
  });
});

describe('revocation', () => {
  it('gives the reason a live session has to end', () => {
    const runner = account('runner');
    const { token, record } = mint(runner, { resources: ['payments'], networks: ['127.0.0.0/8'] });
    publish([runner], [record]);
    const caller = login('runner', token.reveal())?.caller;
    if (caller === undefined) throw new Error('no login');
    const reasonAfter = (accounts: ServiceAccount[], tokens: Token[]): string | null => {
      publish(accounts, tokens);
      return identity.port.revoked(caller);
    };
    expect(reasonAfter([runner], [record])).toBeNull();
    expect(reasonAfter([runner], [{ ...record, revokedAt: '2026-01-01T00:00:00Z' }])).toBe('the token was revoked');
    expect(reasonAfter([{ ...runner, disabled: true }], [record])).toBe('the service account was disabled');
    expect(reasonAfter([], [record])).toBe('the token or its service account was deleted');
    expect(reasonAfter([runner], [])).toBe('the token or its service account was deleted');
    expect(reasonAfter([runner], [{ ...record, resources: ['other'] }])).toBe('the resources of the token were changed');
    expect(reasonAfter([runner], [{ ...record, networks: ['10.0.0.0/8'] }])).toBe('the networks of the token were changed');
    expect(reasonAfter([{ ...runner, groups: [] }], [record])).toBe('the service account was changed');
    publish([runner], [record]);
    clock.time += hour;
    expect(identity.port.revoked(caller)).toBe('the token has expired');
  });

  it('is not undone by an older snapshot', () => {
    const runner = account('runner');
    const { token, record } = mint(runner);
    publish([runner], [record]);
    publish([runner], [{ ...record, revokedAt: '2026-01-01T00:00:00Z' }]);
    identity.update({ version: 1, serviceAccounts: [runner], tokens: [record], grants: [], trustRules: [] });
    expect(login('runner', token.reveal())).toBeNull();
  });

  it('ends what rests on a grant with the grant, and nothing else', () => {
    const runner = account('runner');
    const { token, record } = mint(runner);
    const grant: Grant = {
      id: 'gra_a',
      principal: runner.id,
      principalName: 'runner',
      group: 'prod-dba',
      request: null,
      reason: 'incident',
      createdAt: '2026-01-01T00:00:00.000Z',
      expiresAt: new Date(clock.time + hour / 2).toISOString(),
      revokedAt: null,
      review: null,
    };
    publish([runner], [record]);
    const before = login('runner', token.reveal())?.caller;
    publish([runner], [record], [grant]);
    const during = login('runner', token.reveal())?.caller;
    expect(during).toMatchObject({ groups: [...runner.groups, 'prod-dba'], granted: ['prod-dba'] });
    if (before === undefined || during === undefined) throw new Error('no login');
    expect([identity.port.revoked(before), identity.port.revoked(during)]).toEqual([null, null]);
    publish([runner], [record], [{ ...grant, revokedAt: grant.createdAt }]);
    expect([identity.port.revoked(before), identity.port.revoked(during)]).toEqual([null, 'the grant of group prod-dba has ended']);
    publish([runner], [record], [{ ...grant, expiresAt: new Date(clock.time).toISOString() }]);
    expect(identity.port.revoked(during)).toBe('the grant of group prod-dba has ended');
    expect(login('runner', token.reveal())?.caller.groups).toEqual(runner.groups);
  });
});

describe('tokens', () => {
  it('are letters, unique, and nowhere in their records', () => {
    const runner = account('runner');
    const seen = new Set<string>();
    for (let count = 0; count < 20; count += 1) {
      const { token, record } = mint(runner);
      expect(token.reveal()).toMatch(/^postern_[A-Za-z]{8}_[A-Za-z]{52}$/);
      expect(TokenSchema.parse(record)).toEqual(record);
      expect(JSON.stringify(record)).not.toContain(token.reveal().slice(-52));
      expect(inspect({ token }) + JSON.stringify({ token }) + String(token)).not.toContain('postern_');
      seen.add(token.reveal());
    }
    expect(seen.size).toBe(20);
  });

  it('use every letter of the random bytes', () => {
    const runner = account('runner');
    const scope = { expiresAt: clock.time + hour, resources: [], networks: [], roles: [] };
    const zero = mintToken(runner, scope, clock, (size) => new Uint8Array(size)).token.reveal();
    for (let index = 0; index < 52; index += 1) {
      const one = mintToken(runner, scope, clock, (size) => Uint8Array.from({ length: size }, (_, at) => (at === index ? 31 : 0))).token.reveal();
      expect(one.slice(-52)).not.toBe(zero.slice(-52));
    }
  });

  it('are not minted expired or for what is no network', () => {
    expect(() => mint(account('runner'), { expiresAt: clock.time })).toThrow('future');
    expect(() => mint(account('runner'), { expiresAt: Number.NaN })).toThrow('future');
    expect(() => mint(account('runner'), { networks: ['10.0.0.0/99'] })).toThrow('not a network');
  });
});

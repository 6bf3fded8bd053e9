import { createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { exportJWK, importPKCS8, SignJWT } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Caller, ServiceAccount } from '../contract/principal.ts';
import { TrustRule } from '../contract/trust-rule.ts';
import { Secret } from '../lib/secret.ts';
import { maskText } from '../masking/text.ts';
import { isLike } from './claims.ts';
import { createIdentity, type Identity } from './identity.ts';
import type { FetchJson } from './issuer-keys.ts';
import { publicKeySet } from './key-set.ts';
import { mintToken, newScramSalt } from './token.ts';
import { faultsOf } from './trust-faults.ts';

const issuer = 'https://token.actions.githubusercontent.com';
const here = 'https://gateway:8444/mcp/payments';
const clock = { time: 0, now: () => clock.time };
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const privateKey = await importPKCS8(pem(pair.privateKey), 'RS256');

let identity: Identity;
let version: number;
let asked: string[];
/** what the issuer publishes: kid → key */
let published: Record<string, typeof pair.publicKey>;
let metadata: object;

function pem(key: typeof pair.privateKey): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

const fetchJson: FetchJson = async (url) => {
  asked.push(url);
  if (url === `${issuer}/.well-known/openid-configuration`) return metadata;
  if (url === `${issuer}/jwks`) {
    return { keys: await Promise.all(Object.entries(published).map(async ([kid, key]) => ({ ...(await exportJWK(key)), kid, alg: 'RS256', use: 'sig' }))) };
  }
  throw new Error('there is no such document');
};

const account: ServiceAccount = {
  id: 'svc_deploy',
  name: 'deploy',
  owner: 'ops team',
  purpose: 'tests',
  groups: ['ci'],
  disabled: false,
  createdAt: '2026-01-01T00:00:00Z',
  scramSalt: newScramSalt(),
};

const rule = (more: Partial<TrustRule> = {}): TrustRule =>
  TrustRule.parse({
    id: 'tru_a',
    name: 'payments-ci',
    issuer,
    platform: 'github',
    keys: { from: 'issuer', allowLocal: false },
    algorithms: ['RS256'],
    conditions: [{ claim: 'repository_id', test: { is: 'one-of', values: ['4711'] } }],
    serviceAccount: account.id,
    recorded: ['run_id', 'repository'],
    resources: ['payments'],
    networks: [],
    tokenSeconds: 900,
    disabled: false,
    createdAt: '2026-01-01T00:00:00.000Z',
    changedAt: '2026-01-01T00:00:00.000Z',
    ...more,
  });

function publish(rules: TrustRule[], accounts: ServiceAccount[] = [account], tokens: Parameters<Identity['update']>[0]['tokens'] = []): void {
  version += 1;
  identity.update({ version, serviceAccounts: accounts, tokens, grants: [], trustRules: rules });
}

interface Made {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  readonly key?: Parameters<SignJWT['sign']>[0];
}

/** A job's token as the platform makes it. */
function token({ claims = {}, header = {}, key = privateKey }: Made = {}): Promise<string> {
  const now = Math.floor(clock.time / 1_000);
  const all: Record<string, unknown> = {
    iss: issuer,
    sub: 'repo:acme/shop',
    aud: here,
    iat: now,
    nbf: now,
    exp: now + 300,
    jti: randomUUID(),
    repository_id: '4711',
    ...claims,
  };
  return new SignJWT(Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)))
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: 'one', ...header })
    .sign(key);
}

async function bearer(text: string, audience = [here], origin = '127.0.0.1'): Promise<Caller | null> {
  const found = await identity.port.bearer(text, origin, audience);
  return 'refused' in found ? null : found;
}

async function refusal(made: Made, wanted: { audience: string[]; named?: string } = { audience: [here] }): Promise<string> {
  const verdict = await identity.assertion(await token(made), '127.0.0.1', wanted);
  return 'refused' in verdict ? verdict.refused : 'it was taken';
}

beforeEach(() => {
  clock.time = Date.UTC(2026, 0, 2);
  version = 0;
  asked = [];
  published = { one: pair.publicKey };
  metadata = { issuer, jwks_uri: `${issuer}/jwks` };
  identity = createIdentity(clock, new Secret<Uint8Array>(Buffer.alloc(32, 9)), { fetchJson, mask: maskText });
  publish([rule()]);
});

describe('a workload’s own token', () => {
  it('makes the caller that the rule names, with its run', async () => {
    const jti = randomUUID();
    const caller = await bearer(await token({ claims: { jti, run_id: 99, repository: 'acme/shop' } }));
    expect(caller).toMatchObject({
      subject: 'svc_deploy',
      name: 'deploy',
      groups: ['ci'],
      method: 'jwt',
      trustRule: 'tru_a',
      resources: ['payments'],
      run: { issuer, subject: 'repo:acme/shop', jti, run_id: '99', repository: 'acme/shop' },
      expiresAt: clock.time + 300_000,
    });
    expect(caller?.credential).toMatch(/^jwt:[\w-]{32}$/);
  });

  it('comes with every call, and is one credential', async () => {
    const text = await token();
    const [first, second] = [await bearer(text), await bearer(text)];
    expect(first?.credential).toBe(second?.credential);
    expect(asked).toHaveLength(2);
  });

  it('shows no card number in what it says of its run, however it is cut', async () => {
    const claims = { repository: `${'x'.repeat(290)} 4111111111111111`, run_id: '4111111111111111' };
    const caller = await bearer(await token({ claims }));
    expect(JSON.stringify(caller?.run)).not.toMatch(/4111111111|41111111$/);
    expect(caller?.run?.['run_id']).toContain('411111');
  });

  it.each<[string, Made, string]>([
    ['audience of another', { claims: { aud: 'https://gateway:8444/mcp/other' } }, 'made out to somebody else'],
    ['an audience besides ours', { claims: { aud: [here, 'https://elsewhere.example'] } }, 'made out to somebody else'],
    ['another repository of the same name', { claims: { repository_id: '4712' } }, 'conditions of payments-ci do not hold'],
    ['no repository id', { claims: { repository_id: undefined } }, 'conditions of payments-ci do not hold'],
    ['a repository id that is a list of lists', { claims: { repository_id: [['4711']] } }, 'conditions of payments-ci do not hold'],
    ['one that has expired', { claims: { exp: Date.UTC(2026, 0, 2) / 1_000 } }, 'expired'],
    ['one without an end', { claims: { exp: undefined } }, 'lacks'],
    ['one without a beginning', { claims: { iat: undefined } }, 'lacks'],
    ['one that is good for long', { claims: { exp: Date.UTC(2026, 0, 2) / 1_000 + 3_601 } }, 'more than an hour'],
    ['one from the future', { claims: { iat: Date.UTC(2026, 0, 2) / 1_000 + 61 } }, 'not good yet'],
    ['one not good yet', { claims: { nbf: Date.UTC(2026, 0, 2) / 1_000 + 61 } }, 'not good yet'],
    ['an access token of the issuer', { header: { typ: 'at+jwt' } }, 'something else'],
    ['an issuer that only begins like it', { claims: { iss: `${issuer}.evil.example` } }, 'no rule trusts its issuer'],
    ['another kid', { header: { kid: '../../one' } }, 'made its signature'],
    ['a header we do not know', { header: { crit: ['b64'], b64: true } }, 'header is not understood'],
  ])('refuses %s', async (_name, made, why) => {
    expect(await refusal(made)).toContain(why);
    expect(await bearer(await token(made))).toBeNull();
  });

  it('refuses keys that come with the token, and the public key as a shared secret', async () => {
    const foreign = await importPKCS8(pem(other.privateKey), 'RS256');
    const jwk = await exportJWK(other.publicKey);
    expect(await refusal({ key: foreign })).toContain('made its signature');
    expect(await refusal({ key: foreign, header: { jwk, jku: 'https://evil.example/jwks' } })).toContain('made its signature');
    expect(await refusal({ key: foreign, header: { jwk, kid: undefined } })).toContain('made its signature');
    const shared = Buffer.from(createPublicKey(pem(pair.privateKey)).export({ type: 'spki', format: 'pem' }) as string);
    expect(await refusal({ key: shared, header: { alg: 'HS256' } })).toContain('made its signature');
    const [, payload] = (await token()).split('.');
    const none = `${Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url')}.${payload ?? ''}.`;
    expect([await bearer(none), await bearer(`${none}AA`)]).toStrictEqual([null, null]);
    expect(asked.some((url) => url.includes('evil'))).toBe(false);
  });

  it('keeps to the algorithms of the rule', async () => {
    publish([rule({ algorithms: ['ES256'] })]);
    expect(await refusal({})).toContain('made its signature');
  });

  it('refuses a change of any byte', async () => {
    const text = await token();
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.constantFrom('A', 'Q', 'g', 'w', '.'), async (at, char) => {
        // the last letter of a segment may hold bits that stand for nothing
        fc.pre(text[at] !== char && text[at] !== '.' && text[at + 1] !== '.' && at !== text.length - 1);
        expect(await bearer(text.slice(0, at) + char + text.slice(at + 1))).toBeNull();
      }),
      { numRuns: 60 },
    );
  });

  it('asks an issuer for its keys only for what could be good, and seldom', async () => {
    for (let round = 0; round < 5; round += 1) await refusal({ claims: { repository_id: '1' } });
    expect(asked).toStrictEqual([]);
    for (let round = 0; round < 5; round += 1) await refusal({ header: { kid: `unknown-${String(round)}` } });
    expect(asked).toHaveLength(2);
    published = { two: other.publicKey };
    clock.time += 60_001;
    const rotated = { key: await importPKCS8(pem(other.privateKey), 'RS256'), header: { kid: 'two' } };
    expect(await refusal(rotated)).toBe('it was taken');
    expect(asked).toHaveLength(4);
  });

  it('refuses keys of an issuer that speaks for another', async () => {
    metadata = { issuer: 'https://other.example', jwks_uri: `${issuer}/jwks` };
    expect(await refusal({})).toContain('made its signature');
    clock.time += 60_001;
    metadata = { issuer, jwks_uri: 'http://169.254.169.254/jwks' };
    expect(await refusal({})).toContain('made its signature');
    expect(asked).not.toContain('http://169.254.169.254/jwks');
  });

  it('does not choose between rules that both take it, unless one is named', async () => {
    publish([rule(), rule({ id: 'tru_b', name: 'second' })]);
    expect(await refusal({})).toContain('payments-ci, second would all take it');
    expect(await refusal({}, { audience: [here], named: 'second' })).toBe('it was taken');
    expect(await refusal({}, { audience: [here], named: 'a-client-id' })).toContain('would all take it');
  });

  it('keeps to the networks of the rule', async () => {
    publish([rule({ networks: ['10.0.0.0/8'] })]);
    const text = await token();
    expect([await bearer(text, [here], '127.0.0.1'), (await bearer(text, [here], '10.1.1.1'))?.name]).toStrictEqual([null, 'deploy']);
  });
});

describe('what rests on a rule', () => {
  it('ends with it', async () => {
    const caller = await bearer(await token());
    if (caller === null) throw new Error('no caller');
    const after = (rules: TrustRule[], accounts?: ServiceAccount[]): string | null => {
      publish(rules, accounts);
      return identity.port.revoked(caller);
    };
    expect(after([rule()])).toBeNull();
    expect(after([rule({ disabled: true })])).toBe('the trust rule was disabled');
    expect(after([])).toBe('the trust rule was deleted');
    expect(after([rule({ changedAt: '2026-01-02T00:00:00.001Z' })])).toBe('the trust rule was changed');
    expect(after([rule()], [{ ...account, disabled: true }])).toBe('the service account was disabled');
    expect(after([rule()], [{ ...account, groups: [] }])).toBe('the service account was changed');
    expect(after([rule()], [])).toBe('the service account was deleted');
    expect(after([rule()])).toBeNull();
    clock.time += 300_000;
    expect(identity.port.revoked(caller)).toBe('the token of the workload has expired');
  });

  it('takes tokens got in exchange with it, also after it was enabled again', async () => {
    const minted = mintToken(account, { expiresAt: clock.time + 900_000, resources: ['payments'], networks: [], roles: [] }, clock);
    const record = { ...minted.record, trustRule: 'tru_a', run: { issuer, subject: 's', jti: 'j' } };
    publish([rule()], [account], [record]);
    const caller = await bearer(minted.token.reveal());
    expect(caller).toMatchObject({ method: 'bearer', trustRule: 'tru_a', run: { jti: 'j' } });
    if (caller === null) throw new Error('no caller');
    for (const [rules, why] of [
      [[], 'the trust rule was deleted'],
      [[rule({ disabled: true })], 'the trust rule was disabled'],
      [[rule({ changedAt: new Date(clock.time).toISOString() })], 'the trust rule was changed'],
    ] as const) {
      publish([...rules], [account], [record]);
      expect([identity.port.revoked(caller), await bearer(minted.token.reveal())]).toStrictEqual([why, null]);
    }
  });

  it('opens no resource with a token of the control API', async () => {
    const minted = mintToken(account, { expiresAt: clock.time + 900_000, resources: [], networks: [], roles: ['auditor'] }, clock);
    publish([rule()], [account], [minted.record]);
    expect([await bearer(minted.token.reveal()), identity.verifyBearer(minted.token.reveal(), '127.0.0.1')?.roles]).toStrictEqual([null, ['auditor']]);
  });
});

describe('a client that signs for itself', () => {
  it('is known by its own key alone', async () => {
    const jwks = publicKeySet(JSON.stringify({ keys: [await exportJWK(pair.publicKey)] }));
    publish([rule({ platform: 'client', issuer: 'nightly', keys: { from: 'uploaded', jwks }, conditions: [] })]);
    const own = { iss: 'nightly', sub: 'nightly' };
    expect(await refusal({ claims: own, header: { kid: undefined } })).toBe('it was taken');
    expect(await refusal({ claims: own, header: { typ: 'client-authentication+jwt' } })).toBe('it was taken');
    expect(await refusal({ claims: { ...own, sub: 'somebody' } })).toContain('do not hold');
    expect(await refusal({ claims: own, key: await importPKCS8(pem(other.privateKey), 'RS256') })).toContain('made its signature');
    expect(asked).toStrictEqual([]);
  });
});

describe('uploaded keys', () => {
  it('are public, known and long enough', async () => {
    const good = await exportJWK(pair.publicKey);
    const kept = JSON.parse(publicKeySet(JSON.stringify({ keys: [{ ...good, kid: 'a', x5c: ['MII'], alg: 'RS256' }] }))) as { keys: object[] };
    expect(kept.keys).toStrictEqual([{ kty: 'RSA', n: good.n, e: good.e, kid: 'a', alg: 'RS256', use: 'sig' }]);
    const short = await exportJWK(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey);
    for (const [keys, why] of [
      [await exportJWK(pair.privateKey), 'holds a secret'],
      [{ kty: 'oct', k: 'AAAA' }, 'holds a secret'],
      [{ ...good, use: 'enc' }, 'not for signatures'],
      [{ ...good, alg: 'RS512' }, 'no signature of algorithm RS512'],
      [short, '2048'],
      [{ kty: 'EC', crv: 'secp256k1', x: 'AA', y: 'AA' }, 'only RSA'],
      [{ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }, 'no key'],
    ] as const) {
      expect(() => publicKeySet(JSON.stringify({ keys: [keys] }))).toThrow(why);
    }
    for (const text of ['', '{}', '{"keys":[]}', '[1]', 'null']) expect(() => publicKeySet(text)).toThrow('no set of keys');
  });
});

describe('a rule', () => {
  const oneOf = (claim: string, value: string) => ({ claim, test: { is: 'one-of' as const, values: [value] } });
  const like = (claim: string, pattern: string) => ({ claim, test: { is: 'like' as const, pattern } });

  it.each([
    ['github', [oneOf('repository', 'acme/shop')], 'can be changed'],
    ['github', [like('sub', 'repo:acme/**')], 'can be changed'],
    ['github', [oneOf('job_workflow_ref', 'acme/ci/.github/workflows/a.yml@refs/heads/main')], 'not who called it'],
    ['github', [like('repository_id', '**')], 'can be changed'],
    ['github', [], 'can be changed'],
    ['gitlab', [oneOf('project_path', 'acme/shop')], 'project_id'],
    ['kubernetes', [like('sub', 'system:serviceaccount:**')], 'one namespace'],
    ['other', [like('sub', '**')], 'everybody'],
  ] as const)('of %s with %j is refused', (platform, conditions, why) => {
    expect(faultsOf({ ...rule(), platform, conditions: [...conditions] })[0]?.message).toContain(why);
  });

  it.each([
    ['github', [oneOf('repository_id', '1')]],
    ['github', [oneOf('repository_owner_id', '1'), like('job_workflow_ref', 'acme/**')]],
    ['gitlab', [oneOf('project_id', '1'), oneOf('ref_protected', 'true')]],
    ['kubernetes', [like('sub', 'system:serviceaccount:shop:*')]],
    ['other', [like('sub', 'spiffe://acme.example/ci/**')]],
  ] as const)('of %s with %j is taken', (platform, conditions) => {
    expect(faultsOf({ ...rule(), platform, conditions: [...conditions] })).toStrictEqual([]);
  });

  it('asks its issuer over https only', () => {
    const of = (address: string, allowLocal = false) => faultsOf({ ...rule(), issuer: address, keys: { from: 'issuer', allowLocal } }).length;
    expect([of('https://idp.example'), of('http://127.0.0.1:1', true)]).toStrictEqual([0, 0]);
    expect([of('http://idp.example'), of('file:///etc', true), of('https://a@idp.example'), of('https://idp.example?x'), of('idp')]).toStrictEqual([
      1, 1, 1, 1, 1,
    ]);
  });
});

describe('patterns', () => {
  it('stop at / and : unless they are doubled', () => {
    for (const [text, pattern, fits] of [
      ['refs/heads/main', 'refs/heads/*', true],
      ['refs/heads/a/b', 'refs/heads/*', false],
      ['refs/heads/a/b', 'refs/heads/**', true],
      ['a:b', 'a*b', false],
      ['ab', 'a*b', true],
      ['', '*', true],
      ['', '', true],
      ['*', 'x', false],
      ['repo:acme/shop:ref', 'repo:acme/shop:*', true],
      ['repo:acme/shop-evil:ref', 'repo:acme/shop:*', false],
    ] as const)
      expect([text, pattern, isLike(text, pattern)]).toStrictEqual([text, pattern, fits]);
  });

  it('agree with the expression they stand for', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '/', ':', '*', '.'), maxLength: 12 });
    fc.assert(
      fc.property(letters, letters, (text, pattern) => {
        const source = pattern.replaceAll(/\*\*|[\s\S]/g, (part) => (part === '**' ? '[^]*' : part === '*' ? '[^/:]*' : part.replace(/[.*]/, '\\$&')));
        expect(isLike(text, pattern)).toBe(new RegExp(`^${source}$`).test(text));
      }),
    );
  });

  it('cost no more than length times length', () => {
    const begun = performance.now();
    expect(isLike('a'.repeat(16_000), `${'*a'.repeat(249)}b`)).toBe(false);
    expect(performance.now() - begun).toBeLessThan(5_000);
  });
});

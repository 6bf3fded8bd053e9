import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { User } from '../contract/user.ts';
import { Secret } from '../lib/secret.ts';
import { signInBytes } from '../proof/decision.ts';
import { SignIns, type SignInAttempt } from './sign-in.ts';

const service = 'postern.example/office';
const refused = { code: 'ERR_UNAUTHENTICATED' };
let now = Date.UTC(2026, 0, 1);
let people: User[] = [];
let signIns: SignIns;
let key: KeyObject;

function person(name: string): { user: User; privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const x = publicKey.export({ format: 'jwk' }).x ?? '';
  const at = new Date(now).toISOString();
  const user: User = {
    id: `usr_${name}`,
    name,
    human: name,
    groups: [],
    roles: [],
    disabled: false,
    createdAt: at,
    key: { id: `key_${name}`, algorithm: 'ed25519', publicKey: x, enrolledAt: at },
  };
  return { user, privateKey };
}

function attempt(more: Partial<SignInAttempt> & { service?: string } = {}): SignInAttempt {
  const said = { user: 'ann', at: new Date(now).toISOString(), nonce: randomBytes(32).toString('base64url'), ...more };
  const signature = sign(null, signInBytes({ service: more.service ?? service, user: said.user, at: said.at, nonce: said.nonce }), key).toString('base64url');
  return { user: said.user, at: said.at, nonce: said.nonce, signature: more.signature ?? signature };
}

const change = (more: Partial<User>): void => {
  people = people.map((user) => ({ ...user, ...more }));
};

beforeEach(() => {
  now = Date.UTC(2026, 0, 1);
  const { user, privateKey } = person('ann');
  people = [user];
  key = privateKey;
  const users = { find: (id: string) => people.find((one) => one.id === id) ?? null, named: (name: string) => people.find((one) => one.name === name) ?? null };
  signIns = new SignIns({ clock: { now: () => now }, service, users });
});

async function signedIn(): Promise<Secret<string>> {
  return signIns.issue(await signIns.verify(attempt())).token;
}

test('a signature of the enrolled key gives a token for eight hours', async () => {
  const verified = await signIns.verify(attempt());
  const { token, expiresAt } = signIns.issue(verified);
  expect(token.reveal()).toMatch(/^pau_[a-zA-Z]{52}$/);
  expect(expiresAt - now).toBe(8 * 3_600_000);
  expect(signIns.find(token)).toMatchObject({ user: { name: 'ann' }, key: 'key_ann', signedInAt: now });
  now = expiresAt - 1;
  expect(signIns.find(token)?.revoked()).toBeNull();
  const found = signIns.find(token);
  now = expiresAt;
  expect([found?.revoked(), signIns.find(token)]).toEqual(['the sign-in has expired', null]);
});

test('another service, name, time, key or a second use of the nonce is refused, all alike', async () => {
  const other = person('bob');
  people.push(other.user);
  const nonce = randomBytes(32).toString('base64url');
  await signIns.verify(attempt({ nonce }));
  for (const bad of [
    attempt({ service: 'postern.example/other' }),
    attempt({ user: 'bob' }),
    attempt({ user: 'nobody' }),
    attempt({ at: new Date(now - 60_001).toISOString() }),
    attempt({ at: new Date(now + 60_001).toISOString() }),
    attempt({ signature: 'A'.repeat(86) }),
    { ...attempt(), nonce: randomBytes(32).toString('base64url') },
    attempt({ nonce }),
  ])
    await expect(signIns.verify(bad)).rejects.toMatchObject(refused);
  await expect(signIns.verify(attempt({ at: new Date(now - 60_000).toISOString() }))).resolves.toMatchObject({ key: 'key_ann' });
  change({ key: null });
  await expect(signIns.verify(attempt())).rejects.toMatchObject(refused);
});

test('a nonce cannot be used again while its time could still be believed', async () => {
  const late = attempt({ at: new Date(now + 60_000).toISOString() });
  await signIns.verify(late);
  now += 120_000;
  await expect(signIns.verify(late)).rejects.toMatchObject(refused);
});

test.each([
  ['disabled', () => change({ disabled: true })],
  ['deleted', () => people.splice(0)],
  ['given another key', () => change({ key: person('ann2').user.key })],
  ['without a key', () => change({ key: null })],
] as const)('the token ends when the user is %s, and does not come back', async (_, end) => {
  const token = await signedIn();
  const found = signIns.find(token);
  const before = people;
  end();
  expect(found?.revoked()).not.toBeNull();
  expect(signIns.find(token)).toBeNull();
  people = before.map((user) => ({ ...user, disabled: false }));
  expect(found?.revoked()).not.toBeNull();
});

test('a role that was taken away ends what was begun with it, and the sign-in goes on with the others', async () => {
  change({ roles: ['administrator', 'auditor'] });
  const token = await signedIn();
  const before = signIns.find(token);
  expect(before?.revoked()).toBeNull();
  change({ roles: ['auditor'] });
  expect([before?.revoked(), signIns.find(token)?.user.roles, signIns.find(token)?.revoked()]).toEqual(['a role was taken away', ['auditor'], null]);
  change({ roles: ['auditor', 'administrator'] });
  expect(signIns.find(token)?.revoked()).toBeNull();
});

test('signing out ends this token and no other', async () => {
  const [mine, other] = [await signedIn(), await signedIn()];
  const found = signIns.find(mine);
  found?.end();
  expect([found?.revoked(), signIns.find(mine), signIns.find(other)?.revoked()]).toEqual(['the sign-in has ended', null, null]);
});

test('a user has at most twenty sign-ins: the oldest ends', async () => {
  const tokens: Secret<string>[] = [];
  for (let count = 0; count < 21; count++) tokens.push(await signedIn());
  expect(tokens.map((token) => signIns.find(token) !== null)).toEqual([false, ...Array.from({ length: 20 }, () => true)]);
});

test('nothing else is a token', async () => {
  await signedIn();
  for (const text of ['', 'pau_', `pau_${'a'.repeat(52)}`, `postern_${'a'.repeat(8)}_${'a'.repeat(52)}`]) expect(signIns.find(new Secret(text))).toBeNull();
});

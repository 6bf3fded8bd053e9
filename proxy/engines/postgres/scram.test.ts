import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Authenticator } from '../../pipeline/engine.ts';
import { Secret } from '../../lib/secret.ts';
import { ScramClient, ScramKeys, ScramServer } from './scram.ts';

// RFC 7677 section 3
const vector = {
  user: 'user',
  password: 'pencil',
  nonce: 'rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal: 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};
const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64');
const clientFirst = `n,,n=user,r=${vector.nonce}`;

const identify: Authenticator = {
  bearer: () => Promise.resolve(null),
  scram: () => ({
    salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
    iterations: 4096,
    verify: (authMessage, clientProof) => {
      expect(authMessage).toBe(`n=user,r=${vector.nonce},${vector.serverFirst},${vector.clientFinal.split(',p=')[0] ?? ''}`);
      const caller = {
        issuer: 'postern',
        subject: 'svc_user',
        name: 'user',
        kind: 'service-account',
        groups: [],
        granted: [],
        credential: 'tok_x',
        method: 'scram-sha-256',
        resources: [],
        networks: [],
        expiresAt: 0,
      } as const;
      return Promise.resolve(proof.equals(clientProof) ? { caller, serverSignature: Buffer.from(vector.serverFinal.slice(2), 'base64') } : null);
    },
  }),
};

const client = (password = vector.password): ScramClient => new ScramClient(new Secret(password), new ScramKeys(), vector.nonce);

describe('SCRAM-SHA-256 towards a target', () => {
  it('is RFC 7677 byte for byte', async () => {
    const scram = client();
    expect(scram.first('user')).toBe(clientFirst);
    expect(await scram.respond(vector.serverFirst, 'user')).toBe(vector.clientFinal);
    expect(() => {
      scram.finish(vector.serverFinal);
    }).not.toThrow();
  });

  it.each([
    ['a nonce that is not ours', 'r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
    ['our nonce with nothing added', `r=${vector.nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['a nonce of a kilobyte', `r=${vector.nonce}${'x'.repeat(1024)},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['a huge message', `r=${vector.nonce}x,s=${'A'.repeat(100_000)},i=4096`],
    ['a billion iterations', `r=${vector.nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000000000`],
    ['one iteration', `r=${vector.nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1`],
    ['no salt', `r=${vector.nonce}x,i=4096`],
    ['a salt that is no base64', `r=${vector.nonce}x,s=??,i=4096`],
    ['an extension first', `m=x,r=${vector.nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['nothing', ''],
  ])('refuses %s', async (_name, message) => {
    await expect(client().respond(message)).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
  });

  it.each([
    ['a wrong signature', `v=${Buffer.alloc(32).toString('base64')}`],
    ['an error', 'e=other-error'],
    ['a short one', 'v=AAAA'],
  ])('refuses the end with %s', async (_name, message) => {
    const scram = client();
    await scram.respond(vector.serverFirst, 'user');
    expect(() => {
      scram.finish(message);
    }).toThrow();
  });

  it('refuses an end that comes before the challenge', () => {
    expect(() => {
      client().finish(vector.serverFinal);
    }).toThrow();
  });

  it('survives any challenge', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (message) => {
        await expect(client().respond(message)).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
      }),
    );
  });
});

describe('SCRAM-SHA-256 towards a client', () => {
  const server = (): ScramServer => new ScramServer(identify, 'user', () => vector.serverNonce);

  it('is RFC 7677 byte for byte', async () => {
    const scram = server();
    expect(scram.challenge(clientFirst)).toBe(vector.serverFirst);
    expect(await scram.verify(vector.clientFinal)).toMatchObject({ final: vector.serverFinal, caller: { name: 'user' } });
  });

  it('gives no caller for a wrong proof', async () => {
    const scram = server();
    scram.challenge(clientFirst);
    const wrong = vector.clientFinal.replace(/p=.*/, `p=${Buffer.alloc(32).toString('base64')}`);
    expect(await scram.verify(wrong)).toBeNull();
  });

  it.each([
    ['channel binding', `p=tls-server-end-point,,n=user,r=${vector.nonce}`],
    ['another name', `n,a=root,n=user,r=${vector.nonce}`],
    ['a long nonce', `n,,n=user,r=${'x'.repeat(300)}`],
    ['no nonce', 'n,,n=user'],
    ['a mandatory extension', `n,,m=x,n=user,r=${vector.nonce}`],
  ])('refuses a first message with %s', (_name, message) => {
    expect(() => server().challenge(message)).toThrow();
  });

  it.each([
    ['another nonce', vector.clientFinal.replace('hNlF', 'hNlG')],
    ['another channel binding', vector.clientFinal.replace('biws', 'eSws')],
    ['a short proof', vector.clientFinal.replace(/p=.*/, 'p=AAAA')],
    ['no proof', 'c=biws,r=x'],
  ])('refuses a final message with %s', async (_name, message) => {
    const scram = server();
    scram.challenge(clientFirst);
    await expect(scram.verify(message)).rejects.toMatchObject({ code: 'ERR_PROTOCOL_VIOLATION' });
  });

  it('refuses a final message without a first', async () => {
    await expect(server().verify(vector.clientFinal)).rejects.toMatchObject({ code: 'ERR_PROTOCOL_VIOLATION' });
  });
});

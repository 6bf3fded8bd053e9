import { hash } from 'node:crypto';
import type { EnrolmentCode } from '../contract/enrolment-code.ts';
import { fail } from '../contract/errors.ts';
import type { User } from '../contract/user.ts';
import { AppError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import { enrolmentBytes } from '../proof/decision.ts';
import { prepareKeyFile, SigningKey } from './approver-key.ts';
import { callSignIn } from './approver.ts';
import { Client } from './client.ts';
import { authorityOf } from './pinned-authority.ts';

export interface Enrolling {
  /** where the key is kept */
  readonly path: string;
  readonly replace: boolean;
  /** null: the key is kept unencrypted */
  readonly passphrase: () => Promise<Secret<string> | null>;
}

/** The code is spent last, when everything that can fail on this machine has been tried. */
export async function enrol(code: EnrolmentCode, { path, replace, passphrase: ask }: Enrolling): Promise<User> {
  const caPem = await authorityOf(code.url, code.ca);
  const file = await prepareKeyFile(path, replace);
  try {
    const passphrase = await ask();
    const key = SigningKey.make();
    const user = await enrolKey({ ...code, caPem }, key);
    if (user.key?.publicKey !== key.publicKey)
      throw fail('ERR_VERIFICATION_FAILED', { message: 'The service enrolled another key than the one it was given.', hint: 'Tell an administrator at once.' });
    const place = { url: code.url, caPem, service: code.service, user: user.name, userId: user.id, keyId: user.key.id };
    await file.save(await key.stored(place, passphrase));
    return user;
  } finally {
    await file.discard();
  }
}

async function enrolKey(code: EnrolmentCode & { caPem: string }, key: SigningKey): Promise<User> {
  const { url, caPem } = code;
  const proof = key.sign(enrolmentBytes(hash('sha256', code.code, 'base64url'), key.publicKey));
  try {
    return await new Client({ url, ca: caPem, token: undefined }).call('enrol', { code: code.code, publicKey: key.publicKey, proof });
  } catch (error) {
    if (!isUncertain(error)) throw error;
    // the answer was lost, perhaps after the key was enrolled: whoever can sign in is enrolled
    const signedIn = await callSignIn(code, key).catch(() => null);
    if (signedIn === null) throw error;
    return signedIn.user;
  }
}

function isUncertain(error: unknown): boolean {
  return error instanceof AppError && (error.code === 'ERR_CONTROL_UNAVAILABLE' || error.code === 'ERR_TIMEOUT');
}

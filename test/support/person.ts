import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import type { ControlApi } from './approval-client.ts';

interface Code {
  readonly url: string;
  readonly ca: string;
  readonly service: string;
  readonly user: string;
  readonly code: string;
}

/** What an enrolment code or a link to the console says. */
export function codeOf(text: string): Code {
  const [, encoded = ''] = /postern-enrol:([A-Za-z0-9_-]+)/.exec(text) ?? [];
  return JSON.parse(Buffer.from(encoded, 'base64url').toString()) as Code;
}

/** Whoever enrols with a code, and signs in as often as they like: a browser without the screen. */
export class Person {
  readonly #api: ControlApi;
  readonly #code: Code;
  readonly #key: KeyObject;

  private constructor(api: ControlApi, code: Code, key: KeyObject) {
    this.#api = api;
    this.#code = code;
    this.#key = key;
  }

  /** Gives the status of the enrolment with it: 200, or why not. */
  static async enrol(api: ControlApi, text: string): Promise<{ status: number; person: Person }> {
    const code = codeOf(text);
    const { publicKey: made, privateKey } = generateKeyPairSync('ed25519');
    const publicKey = made.export({ format: 'jwk' }).x ?? '';
    const said = { code: createHash('sha256').update(code.code).digest('base64url'), publicKey, type: 'postern-enrolment', v: 1 };
    const proof = sign(null, Buffer.from(JSON.stringify(said)), privateKey).toString('base64url');
    const { status } = await api.call('POST', '/v1/enrolments', { body: { code: code.code, publicKey, proof } });
    return { status, person: new Person(api, code, privateKey) };
  }

  async signIn(): Promise<string> {
    const { user, service } = this.#code;
    const signIn = { user, at: new Date().toISOString(), nonce: randomBytes(32).toString('base64url') };
    const said = { at: signIn.at, nonce: signIn.nonce, service, type: 'postern-sign-in', user, v: 1 };
    const signature = sign(null, Buffer.from(JSON.stringify(said)), this.#key).toString('base64url');
    const { status, body } = await this.#api.call('POST', '/v1/sign-in', { body: { ...signIn, signature } });
    if (status !== 200) throw new Error(`${user} could not sign in: ${JSON.stringify(body)}`);
    return (body as { token: string }).token; // what the API promises
  }
}

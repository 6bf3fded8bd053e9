import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { saslprep } from '@mongodb-js/saslprep';
import { fail } from '../../contract/errors.ts';
import type { Authenticator, ScramExchange } from '../../pipeline/engine.ts';
import type { Caller } from '../../contract/principal.ts';
import type { Secret } from '../../lib/secret.ts';

/** SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. */

export const mechanism = 'SCRAM-SHA-256';
/** caps against a hostile peer: nonces and messages are short in every real client and server */
const maxNonce = 256;
const maxMessage = 2048;
const minIterations = 4096;
const maxIterations = 600_000;
const derive = promisify(pbkdf2);

/** The attributes of a message (`r=…,s=…`), in order. Null when it is not one. */
function attributes(message: string): readonly (readonly [string, string])[] | null {
  if (message.length > maxMessage) return null;
  const pairs: [string, string][] = [];
  for (const part of message.split(',')) {
    if (part.charAt(1) !== '=') return null;
    pairs.push([part.charAt(0), part.slice(2)]);
  }
  return pairs;
}

function isNonce(text: string): boolean {
  return text.length > 0 && text.length <= maxNonce && /^[\x21-\x2b\x2d-\x7e]+$/.test(text);
}

function base64(text: string): Buffer | null {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0 ? Buffer.from(text, 'base64') : null;
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest();
}

interface FirstMessage {
  readonly gs2: string;
  readonly bare: string;
  readonly nonce: string;
}

function parseClientFirst(message: string): FirstMessage {
  const match = /^([nyp])(?:=[A-Za-z0-9.-]+)?,,(.*)$/.exec(message);
  const gs2 = match?.[1];
  const bare = match?.[2];
  if (gs2 === undefined || bare === undefined) throw malformed();
  if (gs2 === 'p') throw fail('ERR_PROTOCOL_VIOLATION', { message: 'SCRAM channel binding was not offered.' });
  const [user, nonce] = attributes(bare) ?? [];
  if (user?.[0] !== 'n' || nonce?.[0] !== 'r' || !isNonce(nonce[1])) throw malformed();
  return { gs2: `${gs2},,`, bare, nonce: nonce[1] };
}

function parseClientFinal(message: string): { withoutProof: string; binding: string; nonce: string; proof: Buffer } {
  const at = message.lastIndexOf(',p=');
  const withoutProof = message.slice(0, Math.max(at, 0));
  const [binding, nonce] = attributes(withoutProof) ?? [];
  const proof = base64(message.slice(at + 3));
  if (at < 0 || binding?.[0] !== 'c' || nonce?.[0] !== 'r' || proof?.length !== 32) throw malformed();
  return { withoutProof, binding: binding[1], nonce: nonce[1], proof };
}

function malformed(): Error {
  return fail('ERR_PROTOCOL_VIOLATION', { message: 'The SCRAM message is malformed.' });
}

/** The gateway's side of one exchange. */
export class ScramServer {
  readonly #exchange: ScramExchange;
  readonly #nonce: () => string;
  #first: FirstMessage | null = null;
  #serverFirst = '';
  #fullNonce = '';

  constructor(identify: Authenticator, user: string, nonce: () => string = freshNonce) {
    this.#exchange = identify.scram(user);
    this.#nonce = nonce;
  }

  /** client-first-message → server-first-message. The name inside is not read: the startup message has said it. */
  challenge(message: string): string {
    const first = parseClientFirst(message);
    this.#first = first;
    this.#fullNonce = first.nonce + this.#nonce();
    this.#serverFirst = `r=${this.#fullNonce},s=${Buffer.from(this.#exchange.salt).toString('base64')},i=${String(this.#exchange.iterations)}`;
    return this.#serverFirst;
  }

  /** client-final-message → server-final-message and the caller; null when the proof is not valid. */
  async verify(message: string): Promise<{ caller: Caller; final: string } | null> {
    const first = this.#first;
    const { withoutProof, binding, nonce, proof } = parseClientFinal(message);
    if (binding !== Buffer.from(first?.gs2 ?? '').toString('base64') || nonce !== this.#fullNonce || first === null) throw malformed();
    const verified = await this.#exchange.verify(`${first.bare},${this.#serverFirst},${withoutProof}`, proof);
    if (verified === null) return null;
    return { caller: verified.caller, final: `v=${Buffer.from(verified.serverSignature).toString('base64')}` };
  }
}

export function freshNonce(): string {
  return randomBytes(18).toString('base64');
}

interface Keys {
  readonly client: Buffer;
  readonly stored: Buffer;
  readonly server: Buffer;
}

const cacheSize = 256;

/** Derived keys per password, salt and iterations: PBKDF2 costs more than a whole connection otherwise. */
export class ScramKeys {
  readonly #cache = new Map<string, Keys>();
  // cache entries are found by a keyed digest, so that no copy of a password stays behind
  readonly #key = randomBytes(32);

  async get(password: Secret<string>, salt: Buffer, iterations: number): Promise<Keys> {
    const prepared = prepare(password.reveal());
    const name = createHmac('sha256', this.#key)
      .update(`${String(iterations)}:${salt.toString('base64')}:${prepared}`, 'utf8')
      .digest('base64');
    const cached = this.#cache.get(name);
    if (cached !== undefined) return cached;
    const salted = await derive(prepared, salt, iterations, 32, 'sha256');
    const client = hmac(salted, 'Client Key');
    const keys = { client, stored: createHash('sha256').update(client).digest(), server: hmac(salted, 'Server Key') };
    const oldest = this.#cache.size >= cacheSize ? this.#cache.keys().next().value : undefined;
    if (oldest !== undefined) this.#cache.delete(oldest);
    this.#cache.set(name, keys);
    return keys;
  }
}

/** PostgreSQL takes a password as it is when SASLprep refuses it. */
function prepare(password: string): string {
  try {
    return saslprep(password);
  } catch {
    return password;
  }
}

/** Our side towards a target; the target must prove that it knows the password, too. */
export class ScramClient {
  readonly #password: Secret<string>;
  readonly #keys: ScramKeys;
  readonly #nonce: string;
  #signature: Buffer | null = null;

  constructor(password: Secret<string>, keys: ScramKeys, nonce: string = freshNonce()) {
    this.#password = password;
    this.#keys = keys;
    this.#nonce = nonce;
  }

  /** client-first-message; PostgreSQL ignores the name in it. `user` is for the RFC's test vector. */
  first(user = ''): string {
    return `n,,n=${user},r=${this.#nonce}`;
  }

  /** server-first-message → client-final-message */
  async respond(message: string, user = ''): Promise<string> {
    const { nonce, salt, iterations } = parseServerFirst(message, this.#nonce);
    const keys = await this.#keys.get(this.#password, salt, iterations);
    const withoutProof = `c=biws,r=${nonce}`;
    const authMessage = `n=${user},r=${this.#nonce},${message},${withoutProof}`;
    const proof = Buffer.from(keys.client);
    const signature = hmac(keys.stored, authMessage);
    for (let at = 0; at < proof.length; at++) proof.writeUInt8(proof.readUInt8(at) ^ signature.readUInt8(at), at);
    this.#signature = hmac(keys.server, authMessage);
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** Throws unless the server-final-message proves knowledge of the password. */
  finish(message: string): void {
    const [first] = attributes(message) ?? [];
    const signature = first?.[0] === 'v' ? base64(first[1]) : null;
    if (this.#signature === null || signature?.length !== 32 || !timingSafeEqual(signature, this.#signature)) throw hostile('signature');
  }
}

/** r=, s= and i= in this order; `own`: our part of the nonce */
function parseServerFirst(message: string, own: string): { nonce: string; salt: Buffer; iterations: number } {
  const pairs = attributes(message) ?? [];
  const [nonce = '', salt = '', iterations = ''] = pairs.map(([name, value], index) => (name === 'rsi'.charAt(index) ? value : ''));
  if (!isNonce(nonce) || !nonce.startsWith(own) || nonce.length === own.length) throw hostile('nonce');
  const saltBytes = base64(salt);
  if (saltBytes === null || saltBytes.length === 0) throw hostile('salt');
  return { nonce, salt: saltBytes, iterations: acceptableCount(iterations) };
}

function acceptableCount(text: string): number {
  const count = /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : 0;
  if (count < minIterations || count > maxIterations) throw hostile('iteration count');
  return count;
}

function hostile(what: string): Error {
  return fail('ERR_TARGET_UNREACHABLE', { detail: `SCRAM: the target's ${what} is not acceptable` });
}

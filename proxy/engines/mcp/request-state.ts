import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';

/** What a caller comes back with while people decide. It proves that the rounds belong together; the approval itself rests on the bytes. */
const Round = z.strictObject({
  request: z.string(),
  /** whose: issuer, subject and resource */
  owner: z.string(),
  /** of what is asked for, base64url */
  digest: z.string(),
  /** milliseconds since the epoch */
  expiresAt: z.number(),
  /** the JSON that the caller's own round carried, to be forwarded once it is approved */
  requestState: z.string().nullable(),
  inputResponses: z.string().nullable(),
});
export type Round = z.infer<typeof Round>;

const mark = 'pst1.';
const ivBytes = 12;
const tagBytes = 16;
/** of what is sealed: the state travels in headers of nobody, but it must not be a way to store things */
const maxSealedBytes = 262_144;

/** Seals states with a key that lives and dies with this process, as what waits for people does. */
export class RequestStates {
  readonly #key = randomBytes(32);
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Null: too long. */
  seal(round: Round): string | null {
    const plain = Buffer.from(JSON.stringify(round));
    if (plain.length > maxSealedBytes) return null;
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv);
    const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
    return mark + Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
  }

  /** True for what only `seal` makes; other states are the server's own. */
  isOurs(state: string): boolean {
    return state.startsWith(mark);
  }

  /** Null: altered, expired, or another's. */
  open(state: string, { owner, digest }: Pick<Round, 'owner' | 'digest'>): Round | null {
    if (state.length > 2 * maxSealedBytes) return null;
    const bytes = Buffer.from(state.slice(mark.length), 'base64url');
    if (bytes.length <= ivBytes + tagBytes || mark + bytes.toString('base64url') !== state) return null;
    const round = this.#decrypted(bytes);
    return round !== null && round.owner === owner && round.digest === digest && round.expiresAt > this.#clock.now() ? round : null;
  }

  #decrypted(bytes: Buffer): Round | null {
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
      decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
      const plain = Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]);
      return Round.parse(JSON.parse(plain.toString('utf8')));
    } catch {
      return null;
    }
  }
}

import { randomBytes } from 'node:crypto';

type Prefix = 'ses' | 'opr' | 'svc' | 'res' | 'tok' | 'sec' | 'gwy' | 'pol' | 'req' | 'usr' | 'key' | 'inv' | 'gra' | 'hook' | 'wit' | 'tru' | 'pin';

/** A prefixed, branded identifier: `ses_…`. */
export type Id<P extends Prefix> = `${P}_${string}`;
export type SessionId = Id<'ses'>;
export type OperationId = Id<'opr'>;

// letters only: an identifier must never look like a run of card digits
const alphabet = 'abcdefghijkmnpqrstuvwxyzACDEFGHJ';

/** 20 letters of 5 bits: 100 bits, unguessable, and never a run of digits. */
export function newId<P extends Prefix>(prefix: P): Id<P> {
  let id = '';
  for (const byte of randomBytes(20)) id += alphabet.charAt(byte & 31);
  return `${prefix}_${id}`;
}

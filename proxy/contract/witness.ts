import { z } from 'zod';
import { ServiceAccount } from './principal.ts';

/** A device that keeps the newest checkpoint it saw and cosigns it (C2SP tlog-cosignature). */
export const Witness = z.strictObject({
  id: z.string().startsWith('wit_'),
  name: ServiceAccount.shape.name,
  /** id of the user whose device it is; it goes with them */
  user: z.string().startsWith('usr_'),
  /** C2SP verifier key: `name+id+base64(0x04 || Ed25519 public key)` */
  key: z.string().max(300),
  registeredAt: z.iso.datetime(),
  /** the newest cosigned checkpoint; `at` by the clock of the device; null: none yet */
  last: z.strictObject({ size: z.int().min(0), at: z.iso.datetime(), cosignature: z.string().max(500) }).nullable(),
});
export type Witness = z.infer<typeof Witness>;

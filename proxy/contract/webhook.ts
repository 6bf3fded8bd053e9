import { z } from 'zod';
import { ServiceAccount } from './principal.ts';

/** A receiver of notifications. The key its bodies are signed with lies in the vault. */
export const Webhook = z.strictObject({
  id: z.string().startsWith('hook_'),
  name: ServiceAccount.shape.name,
  url: z.url({ protocol: /^https?$/ }).max(500),
  format: z.enum(['json', 'slack', 'teams']),
  /** vault id of the key */
  secret: z.string().startsWith('sec_'),
  createdAt: z.iso.datetime(),
});
export type Webhook = z.infer<typeof Webhook>;

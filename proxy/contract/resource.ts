import { z } from 'zod';

export const Protocol = z.enum(['postgres']);
export type Protocol = z.infer<typeof Protocol>;

export const TargetTls = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('disable') }),
  /** `ca`: PEM; without it the system's roots. `serverName` overrides the name checked. */
  z.strictObject({ mode: z.literal('verify-full'), ca: z.string().max(262_144).optional(), serverName: z.string().max(253).optional() }),
]);

/** A configured thing one can reach. The credential lives in the vault under `secret`. */
export const Resource = z.strictObject({
  id: z.string().startsWith('res_'),
  name: z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/),
  protocol: Protocol,
  host: z.string().min(1).max(253),
  port: z.int().min(1).max(65_535),
  /** the target's own database when the caller names none */
  database: z.string().min(1).max(63),
  account: z.string().min(1).max(63),
  secret: z.string().startsWith('sec_'),
  tls: TargetTls,
  /** a port of its own, where `dbname` is the target's; null: shared port only */
  listenPort: z.int().min(0).max(65_535).nullable(),
  recording: z.strictObject({
    /** masked result bytes kept per operation; the rest is counted */
    maxBytesPerOperation: z.int().min(0).max(1_073_741_824),
  }),
  createdAt: z.iso.datetime(),
});
export type Resource = z.infer<typeof Resource>;

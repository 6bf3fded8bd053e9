import { z } from 'zod';
import { Run } from './run.ts';

const name = z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/, 'lower-case letters, digits, dot, dash and underscore; at most 63');

export const Group = z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/);

/** A non-human principal with an owner (PCI DSS 8.6). */
export const ServiceAccount = z.strictObject({
  id: z.string().startsWith('svc_'),
  name,
  owner: z.string().min(3).max(200),
  purpose: z.string().min(3).max(500),
  groups: z.array(Group).max(64),
  disabled: z.boolean(),
  createdAt: z.iso.datetime(),
  /** the one SCRAM salt of this principal, base64; RFC 5802 */
  scramSalt: z.string(),
});
export type ServiceAccount = z.infer<typeof ServiceAccount>;

/** A scoped token as stored: the token itself is shown once, at creation, and never kept. */
export const Token = z.strictObject({
  id: z.string().startsWith('tok_'),
  serviceAccount: z.string().startsWith('svc_'),
  /** SHA-256 of the token, base64url; tokens carry 256 random bits */
  hash: z.string(),
  expiresAt: z.iso.datetime(),
  createdAt: z.iso.datetime(),
  revokedAt: z.iso.datetime().nullable(),
  /** resource names it is good for; empty means every resource */
  resources: z.array(z.string()).max(256),
  /** source networks in CIDR form; empty means any */
  networks: z.array(z.string()).max(64),
  /** control-plane roles it carries; empty for callers of resources */
  roles: z.array(z.enum(['administrator', 'auditor'])).max(2),
  /** got in exchange for a workload's own token: which run that was, and by which rule */
  run: Run.optional(),
  trustRule: z.string().optional(),
  verifiers: z.strictObject({
    scram: z.strictObject({ iterations: z.int().min(4096), storedKey: z.string(), serverKey: z.string() }),
  }),
});
export type Token = z.infer<typeof Token>;

/** Who is calling: made by the identity port only. */
export interface Caller {
  readonly issuer: 'postern';
  readonly subject: string;
  readonly name: string;
  readonly kind: 'service-account';
  /** its own and the granted ones */
  readonly groups: readonly string[];
  /** groups it was in by a grant when it called; it loses what rests on one with the grant */
  readonly granted: readonly string[];
  /** the credential used: token id; for a workload's own token `jwt:` and a digest of issuer and `jti` */
  readonly credential: string;
  readonly method: 'scram-sha-256' | 'bearer' | 'jwt';
  /** what a workload's own token said of the run it belongs to */
  readonly run?: Run;
  /** the rule by which that token was trusted */
  readonly trustRule?: string;
  readonly resources: readonly string[];
  readonly networks: readonly string[];
  /** milliseconds since the epoch; the session ends then */
  readonly expiresAt: number;
}

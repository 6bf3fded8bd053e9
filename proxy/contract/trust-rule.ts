import { z } from 'zod';
import { ServiceAccount } from './principal.ts';

const Claim = z.string().regex(/^[A-Za-z0-9_:./-]{1,100}$/);
const Value = z.string().min(1).max(500);

/** One condition on a claim of a workload's token; all of a rule must hold. */
export const ClaimCondition = z.strictObject({
  /** a claim's name; `/` goes into objects */
  claim: Claim,
  test: z.discriminatedUnion('is', [
    z.strictObject({ is: z.literal('one-of'), values: z.array(Value).min(1).max(64) }),
    /** `*` stands for any run of characters but `/` and `:`, `**` for any */
    z.strictObject({ is: z.literal('like'), pattern: Value }),
  ]),
});
export type ClaimCondition = z.infer<typeof ClaimCondition>;

/**
 * Who outside may come as which service account: tokens of an issuer (GitHub Actions, GitLab CI, Kubernetes, any OpenID provider)
 * or assertions signed by a client's own key (RFC 7523), by conditions on claims that nobody but the issuer sets.
 */
export const TrustRule = z.strictObject({
  id: z.string().regex(/^tru_[A-Za-z]{1,40}$/),
  name: ServiceAccount.shape.name,
  /** `iss` of the tokens, compared whole; of a client's assertion: its client id */
  issuer: z.string().min(1).max(500),
  platform: z.enum(['github', 'gitlab', 'kubernetes', 'client', 'other']),
  keys: z.discriminatedUnion('from', [
    /** fetched from the issuer's `jwks_uri`. `ca`: PEM of its authority; absent: the system's roots */
    z.strictObject({ from: z.literal('issuer'), ca: z.string().max(262_144).optional(), allowLocal: z.boolean() }),
    /** RFC 7517, public keys only */
    z.strictObject({ from: z.literal('uploaded'), jwks: z.string().max(65_536) }),
  ]),
  /** JWS algorithms that are taken; none symmetric */
  algorithms: z
    .array(z.enum(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']))
    .min(1)
    .max(5),
  conditions: z.array(ClaimCondition).max(32),
  /** service account id */
  serviceAccount: z.string().startsWith('svc_'),
  /** claims written to each event of the run */
  recorded: z.array(Claim).max(16),
  /** resource names its tokens are good for; empty: every resource */
  resources: z.array(z.string()).max(256),
  /** source networks in CIDR form; empty: any */
  networks: z.array(z.string()).max(64),
  /** of tokens of ours got in exchange */
  tokenSeconds: z.int().min(60).max(3_600),
  disabled: z.boolean(),
  createdAt: z.iso.datetime(),
  /** tokens of ours that were got in exchange before are no longer good */
  changedAt: z.iso.datetime(),
});
export type TrustRule = z.infer<typeof TrustRule>;

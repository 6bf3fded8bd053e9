import { z } from 'zod';
import { Group } from './principal.ts';

const Id = (prefix: string) => z.string().regex(new RegExp(`^${prefix}_[A-Za-z]{1,40}$`));
export const RequestId = Id('req');
const Text = (max: number) => z.string().max(max);
const Digest = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
export const maxShownChars = 262_144;

/** What policy asks of people: `@approve("dba:2")` with `@request`, `@expires`, `@risk` and `@owner` beside it. */
export const ApprovalTerms = z.strictObject({
  group: Group,
  /** distinct humans of the group who must approve */
  needed: z.int().min(1).max(9),
  /** `hold`: the live session waits; `retry`: refused with the request's id, and the same command runs once after approval */
  mode: z.enum(['hold', 'retry']),
  /** from the request to the last moment it may be used */
  expiresInSeconds: z.int().min(10).max(86_400),
  /** low: short enough and harmless enough for a notification; high: a fresh sign-in of the approver is needed */
  risk: z.enum(['low', 'normal', 'high']),
  /** the owner of the requesting service account may decide, too */
  ownerDecides: z.boolean(),
});
export type ApprovalTerms = z.infer<typeof ApprovalTerms>;

/**
 * A value that the masked command does not show whole. `mark` is a keyed digest of all hidden values of the command, cut to
 * 48 bits, under a key that only lives in the gateway's memory: two requests of one principal have equal marks when all their
 * hidden values are equal, and nobody can try values against them later.
 */
export const HiddenValue = z.strictObject({ position: z.int().min(0), type: Text(60), mark: z.string().regex(/^[A-Za-z0-9_-]{8}$/) });
export type HiddenValue = z.infer<typeof HiddenValue>;

const Operation = z.strictObject({
  kind: z.literal('operation'),
  resource: Text(100),
  account: Text(200),
  database: Text(200),
  /** as the target reported it; `unknown` when it does not */
  searchPath: Text(1_000),
  origin: Text(100),
  session: Id('ses'),
  /** the masked command, whole */
  command: Text(maxShownChars),
  hidden: z.array(HiddenValue).max(10_000),
  /** HMAC-SHA-256 of the exact bytes and binds under a key made for this request, base64url */
  digest: Digest,
  acts: z.array(Text(200)).max(65),
});
const Access = z.strictObject({
  kind: z.literal('access'),
  /** the group that is joined for a time */
  joins: Group,
  seconds: z.int().min(60).max(86_400),
});

/**
 * What an approver signs: everything that decides what will happen. Made by control from what the gateway saw; the gateway
 * compares it with what it holds before it forwards. Canonical JSON (RFC 8785) of this object is the signed text.
 */
export const CanonicalRequest = z.strictObject({
  v: z.literal(1),
  id: RequestId,
  principal: z.strictObject({ issuer: Text(200), subject: Text(200), name: Text(200), credential: Text(100) }),
  subject: z.discriminatedUnion('kind', [Operation, Access]),
  terms: ApprovalTerms,
  /** ids of the policies that ask */
  policies: z.array(Text(200)).max(1_000),
  policyVersion: Text(100),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  nonce: Digest,
  /** origin, size and root hash of the newest checkpoint when it was made; empty: there is none yet */
  checkpoint: Text(500),
});
export type CanonicalRequest = z.infer<typeof CanonicalRequest>;

/** What a gateway asks with; control adds id's companions: times, nonce, checkpoint. */
export const RequestDraft = CanonicalRequest.omit({ v: true, createdAt: true, expiresAt: true, nonce: true, checkpoint: true });
export type RequestDraft = z.infer<typeof RequestDraft>;
/** What the policies that decide nothing would have done instead. */
export const ShadowNote = z.strictObject({ would: z.enum(['forward', 'refuse', 'hold']), version: z.string().max(128) });
export type ShadowNote = z.infer<typeof ShadowNote>;

export const AskedRequest = z.strictObject({
  draft: RequestDraft,
  reason: Text(500),
  ticket: Text(100),
  rowEstimate: z.int().min(0).optional(),
  /** for the header of the event alone: no part of the request */
  shadow: ShadowNote.optional(),
});
export type AskedRequest = z.infer<typeof AskedRequest>;

/** How a decision is proven. `key` is the id of the approver's enrolled key; WebAuthn joins here. */
export const DecisionSignature = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ed25519'), key: Id('key'), signature: z.string().regex(/^[A-Za-z0-9_-]{86}$/) }),
]);
export type DecisionSignature = z.infer<typeof DecisionSignature>;

export const Verdict = z.enum(['approve', 'deny']);
export const SignedDecision = z.strictObject({
  request: RequestId,
  verdict: Verdict,
  /** user id */
  approver: Id('usr'),
  /** who that is, whatever the account: N-of-M counts humans */
  human: Text(200),
  reason: Text(500),
  /** accesses only: shorter than asked for, in seconds; the shortest of all approvals counts */
  seconds: z.int().min(60).max(86_400).optional(),
  at: z.iso.datetime(),
  signature: DecisionSignature,
});
export type SignedDecision = z.infer<typeof SignedDecision>;

export const RequestStatus = z.enum(['pending', 'approved', 'denied', 'expired', 'withdrawn', 'used']);
export type RequestStatus = z.infer<typeof RequestStatus>;

/** A held operation or an access that asks for people, as stored: the whole history of it. */
export const ApprovalRequest = z.strictObject({
  id: RequestId,
  status: RequestStatus,
  canonical: CanonicalRequest,
  /** the requester's own words, if there are any; not signed */
  reason: Text(500),
  ticket: Text(100),
  /** the target's own estimate of the rows it touches, not signed; absent: not to be had without running anything */
  rowEstimate: z.int().min(0).optional(),
  /** humans who may not decide: the owner of the service account, unless policy lets them */
  barred: z.array(Text(200)).max(16),
  /** the gateway that holds it; only this one can use it */
  gateway: Text(100),
  decisions: z.array(SignedDecision).max(32),
  closedAt: z.iso.datetime().nullable(),
  /** why it was withdrawn */
  closedReason: Text(500).nullable(),
});
export type ApprovalRequest = z.infer<typeof ApprovalRequest>;

/** A group membership for a time. */
export const Grant = z.strictObject({
  id: Id('gra'),
  /** service account id */
  principal: Text(100),
  principalName: Text(200),
  group: Group,
  /** null: break-glass */
  request: RequestId.nullable(),
  reason: z.string().min(3).max(500),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  revokedAt: z.iso.datetime().nullable(),
  /** break-glass only: who looked at it afterwards, and what they found */
  review: z.strictObject({ by: Text(200), at: z.iso.datetime(), finding: Text(1_000) }).nullable(),
});
export type Grant = z.infer<typeof Grant>;

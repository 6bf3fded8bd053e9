import { z } from 'zod';
import { route } from './api-route.ts';
import { AuditEventView, Done, Instant, Name, Page, pageOf, PolicyFiles, PolicySet } from './api-views.ts';
import { User } from './user.ts';

/** What the control app and the console need besides the administration of things. */

const administrator = ['administrator'] as const;
const both = ['administrator', 'auditor'] as const;
const readers = ['administrator', 'auditor', 'approver'] as const;
const everybody = ['administrator', 'auditor', 'approver', 'caller'] as const;

const nothing = z.strictObject({});
const SessionId = z.string().regex(/^ses_[a-zA-Z]{1,40}$/);
const WitnessId = z.string().regex(/^wit_[a-zA-Z]{1,40}$/);
const Base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/);

/** What a view must read again. One word per list of things, not per route. */
export const Topic = z.enum([
  'requests',
  'grants',
  'sessions',
  'service-accounts',
  'resources',
  'policies',
  'masking-rules',
  'users',
  'webhooks',
  'witnesses',
  'audit',
  'status',
  'tools',
  'trust-rules',
]);
export type Topic = z.infer<typeof Topic>;

const Hour = z.strictObject({
  /** beginning of the hour, UTC */
  from: Instant,
  permitted: z.int(),
  refused: z.int(),
  /** approval requests that were made */
  held: z.int(),
  /** values hidden in replies */
  masked: z.int(),
});

export const Overview = z.strictObject({
  /** the last 24 hours, oldest first, also those in which nothing happened */
  hours: z.array(Hour).length(24),
  waitingRequests: z.int(),
  liveSessions: z.int(),
  unreviewedBreakGlass: z.int(),
  /** null: nobody has cosigned yet */
  lastWitness: z.strictObject({ name: z.string(), at: Instant, size: z.int() }).nullable(),
  disk: z.strictObject({
    freeBytes: z.int(),
    /** what the data directory takes */
    usedBytes: z.int(),
    /** at the growth of the last day; null: it does not grow, or is too young to say */
    fullAt: Instant.nullable(),
  }),
});
export type Overview = z.infer<typeof Overview>;

/** A device that keeps the newest checkpoint it saw and cosigns it (C2SP tlog-cosignature). */
export const WitnessView = z.strictObject({
  id: WitnessId,
  name: Name,
  /** name of the user whose device it is */
  user: z.string(),
  /** C2SP verifier key: `name+id+base64(0x04 || Ed25519 public key)` */
  key: z.string().max(300),
  registeredAt: Instant,
  /** the newest cosigned checkpoint; null: none yet */
  last: z.strictObject({ size: z.int(), at: Instant, cosignature: z.string().max(500) }).nullable(),
});
export type WitnessView = z.infer<typeof WitnessView>;

export const PolicyVersionView = z.strictObject({ version: z.string(), at: Instant, by: z.string(), files: z.int(), index: z.int() });

/** An operation on which the shadow policies would have decided otherwise. */
export const ShadowResult = z.strictObject({
  index: z.int(),
  at: Instant,
  principal: z.string(),
  resource: z.string(),
  /** the masked command; null when it was kept as a digest */
  command: z.string().nullable(),
  decided: z.enum(['forward', 'refuse', 'hold']),
  shadow: z.enum(['forward', 'refuse', 'hold']),
});

const LedgerRow = z.strictObject({
  /** as in the masking ledger of events: rule name → values */
  rule: z.string(),
  resource: z.string(),
  values: z.int(),
  operations: z.int(),
  lastAt: Instant,
});

export const consoleApi = {
  whoAmI: route({
    method: 'GET',
    path: '/v1/me',
    summary: 'Who calls, and what they may do.',
    roles: everybody,
    event: null,
    errors: [],
    input: nothing,
    output: z.strictObject({
      name: z.string(),
      kind: z.string(),
      roles: z.array(z.enum(['administrator', 'auditor', 'approver', 'caller'])).max(4),
      /** people only */
      user: User.nullable(),
      /** origin of the log: the name of this service in signatures */
      service: z.string(),
      version: z.string(),
    }),
  }),
  signOut: route({
    method: 'POST',
    path: '/v1/sign-out',
    summary: 'Ends the sign-in whose token is sent.',
    roles: ['approver'],
    event: ['authentication.ended'],
    errors: [],
    input: nothing,
    output: Done,
  }),
  overview: route({
    method: 'GET',
    path: '/v1/overview',
    summary: 'Numbers of the last 24 hours, and what waits for people.',
    roles: both,
    event: null,
    errors: [],
    input: nothing,
    output: Overview,
  }),
  watchChanges: route({
    method: 'GET',
    path: '/v1/changes/watch',
    summary: 'Says what to read again, as server-sent events, at most twice a second; all topics first when it cannot resume.',
    roles: readers,
    event: null,
    errors: [],
    stream: 'events',
    input: z.strictObject({ after: z.coerce.number().int().min(-1).optional() }),
    output: z.strictObject({ id: z.int(), topics: z.array(Topic).max(16) }),
  }),
  watchSession: route({
    method: 'GET',
    path: '/v1/sessions/{id}/watch',
    summary: 'The events of one session as server-sent events: the last 200, then what happens.',
    roles: both,
    event: ['recording.viewed'],
    errors: ['ERR_NOT_FOUND'],
    stream: 'events',
    input: z.strictObject({ id: SessionId, after: z.coerce.number().int().min(-1).optional() }),
    output: z.strictObject({ id: z.int(), event: AuditEventView }),
  }),
  readServiceLog: route({
    method: 'GET',
    path: '/v1/service-logs/{part}',
    summary: 'The last lines that a process of the service wrote for operators.',
    roles: administrator,
    event: null,
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ part: z.enum(['audit', 'control', 'gateway']), lines: z.coerce.number().int().min(1).max(500).default(25) }),
    output: z.strictObject({ file: z.string(), lines: z.array(z.string().max(9_000)).max(500) }),
  }),
  restartService: route({
    method: 'POST',
    path: '/v1/service/restart',
    summary: 'Starts a process of the service anew; sessions of a gateway end.',
    roles: administrator,
    event: ['service.restart-requested'],
    errors: [],
    input: z.strictObject({ part: z.enum(['control', 'gateway']), reason: z.string().min(3).max(500) }),
    output: Done,
  }),

  listPolicyVersions: route({
    method: 'GET',
    path: '/v1/policies/versions',
    summary: 'Every set of policies that was in force, newest first.',
    roles: both,
    event: null,
    errors: [],
    input: z.strictObject(Page),
    output: pageOf(PolicyVersionView),
  }),
  getPolicyVersion: route({
    method: 'GET',
    path: '/v1/policies/versions/{version}',
    summary: 'An earlier set of policies, whole.',
    roles: both,
    event: null,
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ version: z.string().max(100) }),
    output: PolicySet,
  }),
  getShadowPolicies: route({
    method: 'GET',
    path: '/v1/policies/shadow',
    summary: 'The policies that are evaluated beside those in force and decide nothing; no files: none.',
    roles: both,
    event: null,
    errors: [],
    input: nothing,
    output: PolicySet,
  }),
  putShadowPolicies: route({
    method: 'PUT',
    path: '/v1/policies/shadow',
    summary: 'Replaces the shadow policies; no files: shadow mode is off.',
    roles: administrator,
    event: ['shadow-policy.updated'],
    errors: ['ERR_POLICY_INVALID'],
    input: z.strictObject({ files: PolicyFiles }),
    output: PolicySet.omit({ files: true }),
  }),
  listShadowResults: route({
    method: 'GET',
    path: '/v1/policies/shadow/results',
    summary: 'Operations on which the shadow policies would have decided otherwise, newest first.',
    roles: both,
    event: null,
    errors: [],
    input: z.strictObject({ version: z.string().max(100).optional(), ...Page }),
    output: pageOf(ShadowResult),
  }),

  tryMasking: route({
    method: 'POST',
    path: '/v1/masking-rules/try',
    summary: 'What the detector hides in a text; nothing is stored.',
    roles: both,
    event: null,
    pure: true,
    errors: [],
    input: z.strictObject({ text: z.string().max(65_536) }),
    output: z.strictObject({ masked: z.string(), found: z.array(z.strictObject({ rule: z.string(), count: z.int() })).max(100) }),
  }),
  maskingLedger: route({
    method: 'GET',
    path: '/v1/masking-rules/ledger',
    summary: 'How many values each rule hid in the last days.',
    roles: both,
    event: null,
    errors: [],
    input: z.strictObject({ days: z.coerce.number().int().min(1).max(366).default(30) }),
    output: z.strictObject({ rows: z.array(LedgerRow).max(1_000) }),
  }),

  listWitnesses: route({
    method: 'GET',
    path: '/v1/witnesses',
    summary: 'Who keeps and cosigns checkpoints of the log.',
    roles: readers,
    event: null,
    errors: [],
    input: z.strictObject(Page),
    output: pageOf(WitnessView),
  }),
  registerWitness: route({
    method: 'POST',
    path: '/v1/witnesses',
    summary: 'Registers the cosigning key of the caller’s own device.',
    roles: ['approver'],
    event: ['witness.registered'],
    errors: ['ERR_CONFLICT', 'ERR_VERIFICATION_FAILED'],
    /** `proof`: signature of the key itself over `witnessBytes` of `proof/cosignature.ts`, base64 */
    input: z.strictObject({ name: Name, key: z.string().max(300), proof: Base64.max(100) }),
    output: WitnessView,
  }),
  cosignCheckpoint: route({
    method: 'POST',
    path: '/v1/witnesses/{id}/cosignatures',
    summary: 'Hands in a cosignature of a checkpoint of this log; it must hold and be no older than the last.',
    roles: ['approver'],
    event: ['checkpoint.cosigned'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT', 'ERR_FORBIDDEN', 'ERR_VERIFICATION_FAILED'],
    /** `checkpoint`: the note text that was cosigned (origin, size, root); `cosignature`: its note signature line */
    input: z.strictObject({ id: WitnessId, checkpoint: z.string().max(1_000), cosignature: z.string().max(500) }),
    output: WitnessView,
  }),
  deleteWitness: route({
    method: 'DELETE',
    path: '/v1/witnesses/{id}',
    summary: 'Forgets a device; what it cosigned stays in the log.',
    roles: administrator,
    event: ['witness.removed'],
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ id: WitnessId }),
    output: Done,
  }),
} as const;

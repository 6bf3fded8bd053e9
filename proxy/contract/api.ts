/* eslint-disable max-lines -- a table: one entry a route, and splitting it would hide the matrix */
import { z } from 'zod';
import { route } from './api-route.ts';
import {
  AuditEventView,
  Check,
  CommonSettings,
  CreatedToken,
  Done,
  EventCodeInput,
  Explanation,
  FactsView,
  Fault,
  Instant,
  MaskingRules,
  Name,
  Page,
  pageOf,
  Password,
  PolicyFiles,
  PolicySet,
  PolicyTestResult,
  Proof,
  RecordingEntry,
  ResourceSettings,
  ResourceView,
  ServiceAccountView,
  SessionView,
  Status,
  TokenView,
} from './api-views.ts';
import { approvalApi } from './api-approvals.ts';
import { consoleApi } from './api-console.ts';
import { workloadApi } from './api-workloads.ts';
import { Group, ServiceAccount, Token } from './principal.ts';

const administrator = ['administrator'] as const;
const both = ['administrator', 'auditor'] as const;
/** approvers’ devices are witnesses: sizes and hashes of the log say nothing of what is in it */
const readers = ['administrator', 'auditor', 'approver'] as const;

const nothing = z.strictObject({});
const byName = z.strictObject({ name: Name });
const SessionId = z.string().regex(/^ses_[a-zA-Z]{1,40}$/);
const Reason = z.string().min(3).max(500);
/** what people read must not hold what they cannot see: an owner written with a zero-width space is nobody's name */
const visible = /^[^\p{C}]*$/u;
const Owner = ServiceAccount.shape.owner.regex(visible, 'no control or invisible characters');
const Purpose = ServiceAccount.shape.purpose.regex(visible, 'no control or invisible characters');
const Position = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const maxStatementChars = 262_144;
const yearSeconds = 366 * 86_400;
const monthSeconds = 30 * 86_400;

const eventFilter = {
  code: EventCodeInput.optional(),
  principal: z.string().max(200).optional(),
  resource: z.string().max(200).optional(),
  session: SessionId.optional(),
  operation: z.string().max(60).optional(),
  outcome: z.enum(['pending', 'success', 'failure', 'indeterminate']).optional(),
  from: Instant.optional(),
  to: Instant.optional(),
  /** part of the body: the masked command, a name */
  text: z.string().max(200).optional(),
};

/** The control API: the server, the command line and docs/reference/openapi.json are all derived from this table. */
export const api = {
  health: route({
    method: 'GET',
    path: '/v1/health',
    summary: 'Whether the service answers.',
    roles: 'public',
    event: null,
    errors: [],
    input: nothing,
    output: z.strictObject({
      state: z.enum(['up', 'degraded', 'down']),
      version: z.string(),
      /** versions of this API that the service speaks; a client speaks one of them or says who must be updated */
      api: z.strictObject({ oldest: z.int(), newest: z.int() }),
    }),
  }),
  status: route({
    method: 'GET',
    path: '/v1/status',
    summary: 'State of every part of the service.',
    roles: both,
    event: null,
    errors: [],
    input: nothing,
    output: Status,
  }),
  doctor: route({
    method: 'GET',
    path: '/v1/doctor',
    summary: 'Checks of the installation with remedies.',
    roles: both,
    event: null,
    errors: [],
    input: nothing,
    output: z.strictObject({ checks: z.array(Check) }),
  }),
  selfScan: route({
    method: 'POST',
    path: '/v1/doctor/self-scan',
    summary: 'Decrypts every store and searches it for card data and secrets.',
    roles: administrator,
    event: ['audit.read'],
    errors: ['ERR_AUDIT_UNAVAILABLE'],
    /** `needles`: texts that must be nowhere, besides what the detector and the vault know; never stored */
    input: z.strictObject({ needles: z.array(z.string().min(4).max(512)).max(10_000).default([]) }),
    output: z.strictObject({
      clean: z.boolean(),
      files: z.int(),
      bytes: z.int(),
      unreadable: z.array(z.string()),
      findings: z.array(z.strictObject({ file: z.string(), kind: z.string(), count: z.int() })).max(1_000),
    }),
  }),

  listServiceAccounts: route({
    method: 'GET',
    path: '/v1/service-accounts',
    summary: 'Service accounts.',
    roles: both,
    event: null,
    errors: [],
    input: z.strictObject(Page),
    output: pageOf(ServiceAccountView),
  }),
  showServiceAccount: route({
    method: 'GET',
    path: '/v1/service-accounts/{name}',
    summary: 'One service account.',
    roles: both,
    event: null,
    errors: ['ERR_NOT_FOUND'],
    input: byName,
    output: ServiceAccountView,
  }),
  createServiceAccount: route({
    method: 'POST',
    path: '/v1/service-accounts',
    summary: 'Creates a service account.',
    roles: administrator,
    event: ['service-account.created'],
    errors: ['ERR_CONFLICT'],
    input: z.strictObject({ name: Name, owner: Owner, purpose: Purpose, groups: z.array(Group).max(64).default([]) }),
    output: ServiceAccountView,
  }),
  updateServiceAccount: route({
    method: 'PUT',
    path: '/v1/service-accounts/{name}',
    summary: 'Changes a service account; `disabled` ends its sessions.',
    roles: administrator,
    event: ['service-account.updated'],
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({
      name: Name,
      owner: Owner.optional(),
      purpose: Purpose.optional(),
      groups: z.array(Group).max(64).optional(),
      disabled: z.boolean().optional(),
    }),
    output: ServiceAccountView,
  }),
  deleteServiceAccount: route({
    method: 'DELETE',
    path: '/v1/service-accounts/{name}',
    summary: 'Deletes a service account with its tokens; its sessions end.',
    roles: administrator,
    event: ['token.revoked', 'service-account.deleted'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT'],
    input: byName,
    output: Done,
  }),

  listTokens: route({
    method: 'GET',
    path: '/v1/tokens',
    summary: 'Tokens, without the tokens themselves.',
    roles: both,
    event: null,
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ serviceAccount: Name.optional(), ...Page }),
    output: pageOf(TokenView),
  }),
  createToken: route({
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Issues a token; the answer is the only place where it is ever shown.',
    roles: administrator,
    event: ['token.created'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT'],
    input: z.strictObject({
      serviceAccount: Name,
      expiresInSeconds: z.int().min(1).max(yearSeconds).default(monthSeconds),
      resources: Token.shape.resources.default([]),
      networks: Token.shape.networks.default([]),
      roles: Token.shape.roles.default([]),
    }),
    output: CreatedToken,
  }),
  revokeToken: route({
    method: 'DELETE',
    path: '/v1/tokens/{id}',
    summary: 'Revokes a token; its sessions end.',
    roles: administrator,
    event: ['token.revoked'],
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ id: z.string().regex(/^tok_[a-zA-Z]{1,40}$/) }),
    output: TokenView,
  }),

  listResources: route({
    method: 'GET',
    path: '/v1/resources',
    summary: 'Resources.',
    roles: both,
    event: null,
    errors: [],
    input: z.strictObject(Page),
    output: pageOf(ResourceView),
  }),
  showResource: route({
    method: 'GET',
    path: '/v1/resources/{name}',
    summary: 'One resource.',
    roles: both,
    event: null,
    errors: ['ERR_NOT_FOUND'],
    input: byName,
    output: ResourceView,
  }),
  createResource: route({
    method: 'POST',
    path: '/v1/resources',
    summary: 'Adds a resource and puts its credential into the vault.',
    roles: administrator,
    event: ['secret.stored', 'resource.created'],
    errors: ['ERR_CONFLICT', 'ERR_VAULT_LOCKED', 'ERR_INVALID_INPUT'],
    input: z.strictObject({
      name: Name,
      ...ResourceSettings.shape,
      listenPort: CommonSettings.listenPort.default(null),
      recording: CommonSettings.recording.default({ maxBytesPerOperation: 1_048_576 }),
      /** absent: the target asks for none */
      password: Password.optional(),
    }),
    output: ResourceView,
  }),
  updateResource: route({
    method: 'PUT',
    path: '/v1/resources/{name}',
    summary: 'Changes a resource.',
    roles: administrator,
    event: ['resource.updated', 'secret.deleted'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT', 'ERR_INVALID_INPUT'],
    input: z.strictObject({ name: Name, ...ResourceSettings.omit({ protocol: true }).partial().shape }),
    output: ResourceView,
  }),
  setResourceCredential: route({
    method: 'PUT',
    path: '/v1/resources/{name}/credential',
    summary: 'Replaces the credential in the vault; it cannot be read back.',
    roles: administrator,
    event: ['secret.stored'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT', 'ERR_VAULT_LOCKED'],
    input: z.strictObject({ name: Name, password: Password }),
    output: Done,
  }),
  deleteResource: route({
    method: 'DELETE',
    path: '/v1/resources/{name}',
    summary: 'Removes a resource and its credential.',
    roles: administrator,
    event: ['resource.deleted', 'secret.deleted'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT'],
    input: byName,
    output: Done,
  }),
  testResource: route({
    method: 'POST',
    path: '/v1/resources/{name}/test',
    summary: 'Logs in at the target with the vaulted credential.',
    roles: administrator,
    event: ['credential.leased'],
    errors: ['ERR_NOT_FOUND', 'ERR_VAULT_LOCKED', 'ERR_CONTROL_UNAVAILABLE'],
    input: byName,
    output: z.strictObject({ reached: z.boolean(), detail: z.string(), durationMs: z.int() }),
  }),

  classifyStatement: route({
    method: 'POST',
    path: '/v1/resources/{name}/classify',
    summary: "What a command would touch at the target, by the target's catalogue; nothing is executed.",
    roles: administrator,
    event: ['credential.leased'],
    errors: ['ERR_NOT_FOUND', 'ERR_VAULT_LOCKED', 'ERR_TARGET_UNREACHABLE', 'ERR_STATEMENT_UNPARSEABLE', 'ERR_CONTROL_UNAVAILABLE'],
    input: z.strictObject({ name: Name, database: z.string().max(63).optional(), statement: z.string().max(maxStatementChars) }),
    output: FactsView,
  }),

  getPolicies: route({
    method: 'GET',
    path: '/v1/policies',
    summary: 'The policies in force.',
    roles: both,
    event: null,
    errors: [],
    input: nothing,
    output: PolicySet,
  }),
  putPolicies: route({
    method: 'PUT',
    path: '/v1/policies',
    summary: 'Replaces all policies; invalid ones are refused with line and column.',
    roles: administrator,
    event: ['policy.updated'],
    errors: ['ERR_POLICY_INVALID', 'ERR_CONFLICT'],
    input: z.strictObject({ files: PolicyFiles, replaces: z.string().max(100).optional() }),
    output: PolicySet.omit({ files: true }),
  }),
  checkPolicies: route({
    method: 'POST',
    path: '/v1/policies/check',
    summary: 'Validates policies without putting them in force.',
    roles: both,
    event: null,
    pure: true,
    errors: [],
    input: z.strictObject({ files: PolicyFiles }),
    output: z.strictObject({ faults: z.array(Fault) }),
  }),
  explainPolicy: route({
    method: 'POST',
    path: '/v1/policies/explain',
    summary: 'What the policies in force say about connecting, or about a classified command, act by act.',
    roles: both,
    event: null,
    pure: true,
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ principal: Name, resource: Name, database: z.string().max(63).optional(), facts: FactsView.optional() }),
    output: Explanation,
  }),
  testPolicies: route({
    method: 'POST',
    path: '/v1/policies/test',
    summary: 'Runs policy tests against the given or the current policies.',
    roles: both,
    event: null,
    pure: true,
    errors: ['ERR_POLICY_INVALID'],
    input: z.strictObject({
      tests: z.array(z.strictObject({ name: z.string().max(200), text: z.string().max(262_144) })).max(200),
      files: PolicyFiles.optional(),
    }),
    output: z.strictObject({ results: z.array(PolicyTestResult), unused: z.array(z.string()) }),
  }),

  getMaskingRules: route({
    method: 'GET',
    path: '/v1/masking-rules',
    summary: 'The tagged columns.',
    roles: both,
    event: null,
    errors: [],
    input: nothing,
    output: z.strictObject({ rules: MaskingRules }),
  }),
  putMaskingRules: route({
    method: 'PUT',
    path: '/v1/masking-rules',
    summary: 'Replaces all tagged columns.',
    roles: administrator,
    event: ['masking-rule.updated'],
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ rules: MaskingRules }),
    output: z.strictObject({ rules: MaskingRules }),
  }),

  listSessions: route({
    method: 'GET',
    path: '/v1/sessions',
    summary: 'Sessions, live and ended, newest first.',
    roles: both,
    event: null,
    errors: [],
    input: z.strictObject({
      state: z.enum(['live', 'ended']).optional(),
      principal: z.string().max(200).optional(),
      resource: z.string().max(200).optional(),
      ...Page,
    }),
    output: pageOf(SessionView),
  }),
  showSession: route({
    method: 'GET',
    path: '/v1/sessions/{id}',
    summary: 'One session.',
    roles: both,
    event: null,
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ id: SessionId }),
    output: SessionView,
  }),
  killSession: route({
    method: 'POST',
    path: '/v1/sessions/{id}/kill',
    summary: 'Ends a live session, also at the target.',
    roles: administrator,
    event: ['session.killed'],
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ id: SessionId, reason: Reason }),
    output: Done,
  }),
  readRecording: route({
    method: 'GET',
    path: '/v1/sessions/{id}/recording',
    summary: 'The recording of a session, entry by entry.',
    roles: both,
    event: ['recording.viewed'],
    errors: ['ERR_NOT_FOUND', 'ERR_VERIFICATION_FAILED'],
    stream: true,
    input: z.strictObject({ id: SessionId }),
    output: RecordingEntry,
  }),

  searchAudit: route({
    method: 'GET',
    path: '/v1/audit/events',
    summary: 'Audit events, newest first.',
    roles: both,
    event: ['audit.read'],
    errors: [],
    input: z.strictObject({ ...eventFilter, ...Page }),
    output: pageOf(AuditEventView),
  }),
  tailAudit: route({
    method: 'GET',
    path: '/v1/audit/tail',
    summary: 'The last events, then, with `follow`, new ones as they become durable.',
    roles: both,
    event: ['audit.read'],
    errors: [],
    stream: true,
    input: z.strictObject({ count: z.coerce.number().int().min(0).max(1_000).default(20), follow: z.stringbool().default(false) }),
    output: AuditEventView,
  }),
  auditCheckpoint: route({
    method: 'GET',
    path: '/v1/audit/checkpoint',
    summary: 'The newest signed checkpoint (C2SP tlog-checkpoint).',
    roles: readers,
    event: null,
    errors: ['ERR_AUDIT_UNAVAILABLE'],
    input: nothing,
    output: z.strictObject({ checkpoint: z.string(), key: z.string() }),
  }),
  auditInclusion: route({
    method: 'GET',
    path: '/v1/audit/proofs/inclusion',
    summary: 'Proof that an event is in the log.',
    roles: both,
    event: null,
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ index: Position, size: Position.optional() }),
    output: Proof,
  }),
  auditConsistency: route({
    method: 'GET',
    path: '/v1/audit/proofs/consistency',
    summary: 'Proof that a log only grew between two sizes.',
    roles: readers,
    event: null,
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ from: Position, size: Position.optional() }),
    output: Proof,
  }),

  rotateVault: route({
    method: 'POST',
    path: '/v1/vault/rotate',
    summary: 'Encrypts every secret under new keys.',
    roles: administrator,
    event: ['vault.rotated'],
    errors: ['ERR_VAULT_LOCKED'],
    input: z.strictObject({ what: z.enum(['data-keys', 'key-encryption-key']) }),
    output: z.strictObject({ secrets: z.int() }),
  }),

  ...approvalApi,
  ...consoleApi,
  ...workloadApi,
} as const;

export type Api = typeof api;
export type RouteName = keyof Api;
export type Input<K extends RouteName> = z.input<Api[K]['input']>;
export type Parsed<K extends RouteName> = z.output<Api[K]['input']>;
export type Output<K extends RouteName> = z.output<Api[K]['output']>;
/** The routes whose answer is a stream. */
export type StreamName = { [K in RouteName]: Api[K] extends { stream: true | 'events' } ? K : never }[RouteName];

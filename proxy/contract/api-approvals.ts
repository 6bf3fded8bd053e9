import { z } from 'zod';
import { route } from './api-route.ts';
import { Done, Instant, Name, Page, pageOf } from './api-views.ts';
import { ApprovalRequest, Grant, RequestId, RequestStatus, SignedDecision } from './approval-request.ts';
import { Group } from './principal.ts';
import { Invitation, User } from './user.ts';

const administrator = ['administrator'] as const;
const readers = ['administrator', 'auditor', 'approver'] as const;
const approver = ['approver'] as const;
const caller = ['caller'] as const;

const byName = z.strictObject({ name: Name });
const Human = User.shape.human;
const Groups = User.shape.groups;
const Reason = z.string().min(3).max(500);
const Ticket = z.string().max(100);
const GrantId = Grant.shape.id;
const InvitationId = z.string().regex(/^inv_[A-Za-z]{1,40}$/);
const Signature64 = z.string().regex(/^[A-Za-z0-9_-]{86}$/);
const Base64url32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

export const RequestView = ApprovalRequest;
export type RequestView = z.infer<typeof RequestView>;

/** What an approver needs besides the request itself. */
export const RequestDetails = z.strictObject({
  request: RequestView,
  /** why policy asks: the policies with their @description or text */
  because: z.array(z.strictObject({ policy: z.string(), text: z.string() })),
  /** of this requester: how its earlier requests ended */
  history: z.strictObject({ approved: z.int(), denied: z.int(), withdrawn: z.int(), expired: z.int() }),
  /** the requester's service account: owner and purpose */
  requester: z.strictObject({ owner: z.string(), purpose: z.string() }).nullable(),
  /** other pending requests of the same requester or session */
  others: z.array(RequestId).max(100),
  /** the target's own estimate of the rows; null: not to be had without running anything */
  rowEstimate: z.int().nullable(),
  /** what the one who asks may do with it */
  may: z.strictObject({ decide: z.boolean(), why: z.string() }),
});
export type RequestDetails = z.infer<typeof RequestDetails>;

export const InvitationView = Invitation.omit({ hash: true });
export const CreatedInvitation = InvitationView.extend({
  /** `postern-enrol:` and base64url of JSON `{url, ca: SHA-256 of the CA certificate (DER, hex), service, user, code}`; shown this once */
  code: z.string(),
});

const WebhookSettings = z.strictObject({
  name: Name,
  url: z.url({ protocol: /^https?$/ }).max(500),
  format: z.enum(['json', 'slack', 'teams']),
});
export const WebhookView = WebhookSettings.extend({
  id: z.string(),
  createdAt: Instant,
  delivered: z.int(),
  waiting: z.int(),
  /** given up after the last try; newest last, at most 100 */
  dead: z.array(z.strictObject({ at: Instant, event: z.string(), error: z.string() })).max(100),
});

/** Requests, decisions, grants, approvers and who is told of it. */
export const approvalApi = {
  listRequests: route({
    method: 'GET',
    path: '/v1/approval-requests',
    summary: 'Approval requests, newest first.',
    roles: readers,
    event: null,
    errors: [],
    input: z.strictObject({ status: RequestStatus.optional(), ...Page }),
    output: pageOf(RequestView),
  }),
  watchRequests: route({
    method: 'GET',
    path: '/v1/approval-requests/watch',
    summary: 'Every change of a request as a server-sent event; `after` or Last-Event-ID resumes.',
    roles: readers,
    event: null,
    errors: [],
    stream: 'events',
    input: z.strictObject({ after: z.coerce.number().int().min(-1).optional() }),
    output: z.strictObject({ id: z.int(), request: RequestView }),
  }),
  showRequest: route({
    method: 'GET',
    path: '/v1/approval-requests/{id}',
    summary: 'One request with what an approver needs to decide.',
    roles: readers,
    event: null,
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ id: RequestId }),
    output: RequestDetails,
  }),
  decideRequest: route({
    method: 'POST',
    path: '/v1/approval-requests/{id}/decisions',
    summary: 'Approves or denies; the signature is checked here, by the gateway and by the auditor.',
    roles: approver,
    event: ['approval-request.decided', 'approval-request.approved', 'approval-request.denied'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT', 'ERR_FORBIDDEN', 'ERR_VERIFICATION_FAILED'],
    input: z.strictObject({ id: RequestId, decision: SignedDecision }),
    output: RequestView,
  }),
  revokeRequest: route({
    method: 'POST',
    path: '/v1/approval-requests/{id}/revoke',
    summary: 'Takes back a request that is pending, or an approval that was not used yet.',
    roles: ['administrator', 'approver'],
    event: ['approval-request.withdrawn'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT'],
    input: z.strictObject({ id: RequestId, reason: Reason }),
    output: RequestView,
  }),
  requestAccess: route({
    method: 'POST',
    path: '/v1/access-requests',
    summary: 'Asks to join a group for a time.',
    roles: caller,
    event: ['approval-request.created'],
    errors: ['ERR_ACCESS_DENIED', 'ERR_CONFLICT'],
    input: z.strictObject({ group: Group, seconds: z.int().min(60).max(86_400), reason: Reason, ticket: Ticket.default('') }),
    output: RequestView,
  }),
  showOwnRequest: route({
    method: 'GET',
    path: '/v1/access-requests/{id}',
    summary: 'A request of the one who asks.',
    roles: caller,
    event: null,
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ id: RequestId }),
    output: RequestView,
  }),
  breakGlass: route({
    method: 'POST',
    path: '/v1/break-glass',
    summary: 'Joins a group at once, without approval, where policy permits it: everybody is told, and it must be reviewed.',
    roles: caller,
    event: ['access.broke-glass'],
    errors: ['ERR_ACCESS_DENIED', 'ERR_CONFLICT'],
    input: z.strictObject({ group: Group, seconds: z.int().min(60).max(14_400), reason: z.string().min(10).max(500) }),
    output: Grant,
  }),
  reviewBreakGlass: route({
    method: 'POST',
    path: '/v1/grants/{id}/review',
    summary: 'Says what was found when a break-glass access was looked at.',
    roles: ['administrator', 'auditor'],
    event: ['break-glass.reviewed'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT'],
    input: z.strictObject({ id: GrantId, finding: z.string().min(3).max(1_000) }),
    output: Grant,
  }),
  listGrants: route({
    method: 'GET',
    path: '/v1/grants',
    summary: 'Time-boxed group memberships, newest first.',
    roles: readers,
    event: null,
    errors: [],
    input: z.strictObject({ live: z.stringbool().default(false), ...Page }),
    output: pageOf(Grant),
  }),
  revokeGrant: route({
    method: 'POST',
    path: '/v1/grants/{id}/revoke',
    summary: 'Ends a grant now; sessions that rest on it end.',
    roles: ['administrator', 'approver'],
    event: ['grant.revoked'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT'],
    input: z.strictObject({ id: GrantId, reason: Reason }),
    output: Grant,
  }),

  listUsers: route({
    method: 'GET',
    path: '/v1/users',
    summary: 'People who decide on requests.',
    roles: readers,
    event: null,
    errors: [],
    input: z.strictObject(Page),
    output: pageOf(User),
  }),
  createUser: route({
    method: 'POST',
    path: '/v1/users',
    summary: 'Adds a person.',
    roles: administrator,
    event: ['user.created'],
    errors: ['ERR_CONFLICT'],
    input: z.strictObject({ name: Name, human: Human, groups: Groups.default([]), roles: User.shape.roles }),
    output: User,
  }),
  updateUser: route({
    method: 'PUT',
    path: '/v1/users/{name}',
    summary: 'Changes a person; disabled ones cannot decide.',
    roles: administrator,
    event: ['user.updated'],
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({
      name: Name,
      human: Human.optional(),
      groups: Groups.optional(),
      roles: User.shape.roles.unwrap().optional(),
      disabled: z.boolean().optional(),
    }),
    output: User,
  }),
  deleteUser: route({
    method: 'DELETE',
    path: '/v1/users/{name}',
    summary: 'Removes a person.',
    roles: administrator,
    event: ['user.deleted'],
    errors: ['ERR_NOT_FOUND'],
    input: byName,
    output: Done,
  }),
  inviteUser: route({
    method: 'POST',
    path: '/v1/users/{name}/invitations',
    summary: 'A one-time code to enrol a key; replacing a key needs a second administrator.',
    roles: administrator,
    event: ['invitation.created'],
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ name: Name, expiresInSeconds: z.int().min(60).max(604_800).default(86_400) }),
    output: CreatedInvitation,
  }),
  confirmInvitation: route({
    method: 'POST',
    path: '/v1/invitations/{id}/confirm',
    summary: 'The second administrator lets a key be replaced.',
    roles: administrator,
    event: ['invitation.confirmed'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT', 'ERR_FORBIDDEN'],
    input: z.strictObject({ id: InvitationId }),
    output: InvitationView,
  }),
  enrol: route({
    method: 'POST',
    path: '/v1/enrolments',
    summary: 'Enrols the public part of an approver’s key with a one-time code.',
    roles: 'public',
    event: ['approver-key.enrolled'],
    errors: ['ERR_UNAUTHENTICATED', 'ERR_CONFLICT', 'ERR_VERIFICATION_FAILED'],
    /** `code`: the secret part of the invitation; `proof`: signature of the key itself over `enrolmentBytes` of `proof/decision.ts` */
    input: z.strictObject({ code: z.string().max(200), publicKey: Base64url32, proof: Signature64 }),
    output: User,
  }),
  signIn: route({
    method: 'POST',
    path: '/v1/sign-in',
    summary: 'A signature of the enrolled key for a token that lives eight hours, or until the service stops.',
    roles: 'public',
    event: ['authentication.succeeded'],
    errors: ['ERR_UNAUTHENTICATED'],
    /** `signature` over `signInBytes` of `proof/decision.ts`; `at` within 60 s of the service's clock, a nonce once */
    input: z.strictObject({ user: Name, at: Instant, nonce: Base64url32, signature: Signature64 }),
    output: z.strictObject({ token: z.string(), expiresAt: Instant, user: User }),
  }),

  listWebhooks: route({
    method: 'GET',
    path: '/v1/webhooks',
    summary: 'Who is told of requests, and how deliveries go.',
    roles: ['administrator', 'auditor'],
    event: null,
    errors: [],
    input: z.strictObject(Page),
    output: pageOf(WebhookView),
  }),
  createWebhook: route({
    method: 'POST',
    path: '/v1/webhooks',
    summary: 'Adds a receiver; bodies are signed with the answer’s key, shown this once.',
    roles: administrator,
    event: ['secret.stored', 'webhook.created'],
    errors: ['ERR_CONFLICT', 'ERR_VAULT_LOCKED'],
    input: WebhookSettings,
    output: WebhookView.extend({ key: z.string() }),
  }),
  deleteWebhook: route({
    method: 'DELETE',
    path: '/v1/webhooks/{name}',
    summary: 'Removes a receiver.',
    roles: administrator,
    event: ['webhook.deleted', 'secret.deleted'],
    errors: ['ERR_NOT_FOUND'],
    input: byName,
    output: Done,
  }),
  testWebhook: route({
    method: 'POST',
    path: '/v1/webhooks/{name}/test',
    summary: 'Sends a test message now.',
    roles: administrator,
    event: ['webhook.tested'],
    errors: ['ERR_NOT_FOUND', 'ERR_VAULT_LOCKED'],
    input: byName,
    output: z.strictObject({ delivered: z.boolean(), detail: z.string() }),
  }),
} as const;

import { z } from 'zod';
import { route } from './api-route.ts';
import { ApprovalRequest } from './approval-request.ts';
import { Done, Name, Page, pageOf } from './api-views.ts';
import { Protocol } from './resource.ts';
import { ToolPin } from './tool-pin.ts';
import { TrustRule } from './trust-rule.ts';

const administrator = ['administrator'] as const;
const both = ['administrator', 'auditor'] as const;

const callers = ['caller'] as const;
const OwnResource = z.strictObject({
  name: z.string(),
  protocol: Protocol,
  /** below the gateway's address for MCP and HTTP; for databases the name to connect to */ at: z.string(),
});

const Rule = TrustRule.omit({ id: true, createdAt: true, changedAt: true, serviceAccount: true }).extend({ serviceAccount: Name });

/** Routes about what machines bring along: the tools that servers offer, and whose tokens are trusted. */
export const workloadApi = {
  listOwnResources: route({
    method: 'GET',
    path: '/v1/own/resources',
    summary: 'What the caller may connect to.',
    roles: callers,
    event: null,
    errors: [],
    input: z.strictObject({}),
    output: z.strictObject({ resources: z.array(OwnResource).max(1_000) }),
  }),
  listOwnRequests: route({
    method: 'GET',
    path: '/v1/own/requests',
    summary: 'The newest approval requests of the caller.',
    roles: callers,
    event: null,
    errors: [],
    input: z.strictObject({ limit: z.coerce.number().int().min(1).max(100).default(20) }),
    output: z.strictObject({ requests: z.array(ApprovalRequest).max(100) }),
  }),
  listTools: route({
    method: 'GET',
    path: '/v1/tools',
    summary: 'What MCP servers offer, and what was agreed to.',
    roles: both,
    event: null,
    errors: [],
    input: z.strictObject({ resource: Name.optional(), state: z.enum(['quarantined', 'agreed', 'rejected']).optional(), ...Page }),
    output: pageOf(ToolPin),
  }),
  decideTool: route({
    method: 'POST',
    path: '/v1/tools/{id}/decision',
    summary: 'Agrees to a tool exactly as it is offered, or refuses it.',
    roles: administrator,
    event: ['tool.approved', 'tool.rejected'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT'],
    /** `offered`: what was looked at; ERR_CONFLICT when the server offers something else by now */
    input: z.strictObject({
      id: ToolPin.shape.id,
      decision: z.enum(['approve', 'reject']),
      offered: ToolPin.shape.offered,
      readOnly: z.boolean().default(false),
    }),
    output: ToolPin,
  }),
  listTrustRules: route({
    method: 'GET',
    path: '/v1/trust-rules',
    summary: 'Whose tokens are trusted to say who a workload is.',
    roles: both,
    event: null,
    errors: [],
    input: z.strictObject(Page),
    output: pageOf(TrustRule),
  }),
  createTrustRule: route({
    method: 'POST',
    path: '/v1/trust-rules',
    summary: 'Trusts tokens of an issuer under conditions.',
    roles: administrator,
    event: ['trust-rule.created'],
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT', 'ERR_INVALID_INPUT'],
    input: Rule,
    output: TrustRule,
  }),
  updateTrustRule: route({
    method: 'PUT',
    path: '/v1/trust-rules/{name}',
    summary: 'Changes the conditions; sessions that rested on them end.',
    roles: administrator,
    event: ['trust-rule.updated'],
    errors: ['ERR_NOT_FOUND', 'ERR_INVALID_INPUT'],
    input: Rule.partial().extend({ name: Name }),
    output: TrustRule,
  }),
  deleteTrustRule: route({
    method: 'DELETE',
    path: '/v1/trust-rules/{name}',
    summary: 'Trusts the issuer no longer; sessions and tokens that rest on the rule end.',
    roles: administrator,
    event: ['trust-rule.deleted'],
    errors: ['ERR_NOT_FOUND'],
    input: z.strictObject({ name: Name }),
    output: Done,
  }),
};

import { z } from 'zod';
import { eventTable, type EventCode } from './audit-event.ts';
import { MaskingRule } from './masking-rule.ts';
import { ApprovalTerms } from './approval-request.ts';
import { ServiceAccount, Token } from './principal.ts';
import { HttpResource, McpResource, PostgresResource, Protocol } from './resource.ts';

/** What the control API shows and takes. Nothing here holds a secret, except a new token, shown once. */

export const Name = ServiceAccount.shape.name;
export const Instant = z.iso.datetime();

const maxPageSize = 1_000;
export const Page = {
  /** items per page */
  limit: z.coerce.number().int().min(1).max(maxPageSize).default(100),
  /** `next` of the page before */
  cursor: z.string().max(200).optional(),
};

export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item).max(maxPageSize), next: z.string().nullable() });
}

export const Done = z.strictObject({ done: z.literal(true) });

export const PartStatus = z.strictObject({
  name: z.string(),
  state: z.enum(['up', 'degraded', 'down']),
  /** one sentence for people */
  detail: z.string(),
});
export type PartStatus = z.infer<typeof PartStatus>;

export const Status = z.strictObject({
  state: z.enum(['up', 'degraded', 'down']),
  version: z.string(),
  startedAt: Instant,
  parts: z.array(PartStatus),
  liveSessions: z.int(),
  log: z.strictObject({ origin: z.string(), size: z.int() }),
  /** where callers connect: the shared port of each protocol */
  listeners: z.array(z.strictObject({ protocol: z.string(), host: z.string(), port: z.int() })).max(16),
});
export type Status = z.infer<typeof Status>;

export const Check = z.strictObject({ name: z.string(), ok: z.boolean(), detail: z.string(), remedy: z.string().nullable() });
export type Check = z.infer<typeof Check>;

export const ServiceAccountView = ServiceAccount.omit({ scramSalt: true });
export type ServiceAccountView = z.infer<typeof ServiceAccountView>;

export const TokenView = Token.omit({ hash: true, verifiers: true });
export type TokenView = z.infer<typeof TokenView>;

export const CreatedToken = TokenView.extend({
  /** shown this once; it cannot be read back */
  token: z.string(),
});

export const ResourceView = z.discriminatedUnion('protocol', [
  PostgresResource.omit({ secret: true }),
  HttpResource.omit({ secret: true }),
  McpResource.omit({ secret: true }),
]);
export type ResourceView = z.infer<typeof ResourceView>;
export type PostgresView = Extract<ResourceView, { protocol: 'postgres' }>;

const { account, listenPort, recording } = PostgresResource.shape;
export const CommonSettings = { account, listenPort, recording };
const { host, port, database, tls } = PostgresResource.shape;
const { url, ca, allowLocal, credential, bodies } = HttpResource.shape;
const { upstream, analysers, media } = McpResource.shape;

/** Those of all protocols in one object; which belong to the protocol at hand is checked with the whole resource. */
export const ResourceSettings = z.strictObject({
  protocol: Protocol,
  ...CommonSettings,
  ...z.strictObject({ host, port, database, tls, url, ca, allowLocal, credential, bodies, upstream, analysers, media }).partial().shape,
});

/** Write-only: there is no route that gives it back. */
export const Password = z.string().min(1).max(16_384);

const maxPolicyFiles = 500;
const maxPolicyBytes = 256 * 1_024;
export const PolicyFileView = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
  text: z.string().max(maxPolicyBytes),
});
export const PolicyFiles = z.array(PolicyFileView).max(maxPolicyFiles);
export const PolicySet = z.strictObject({ version: z.string(), files: PolicyFiles });

export const Fault = z.strictObject({ file: z.string(), line: z.int(), column: z.int(), message: z.string(), hint: z.string().nullable() });
export type Fault = z.infer<typeof Fault>;

const Label = z.string().max(200);
const Labels = z.array(Label).max(5_000);
const CallView = z.strictObject({
  method: Label,
  arguments: z.record(z.string().max(4_000), z.string().max(100_000)),
  numbers: z.record(z.string().max(4_000), z.int()),
  hosts: Labels,
  programs: Labels,
  shell: Labels,
  query: Labels,
  read_only: z.boolean(),
});
/** What the engine understands of a command or call; see contract/operation.ts. */
export const FactsView = z.strictObject({
  acts: z
    .array(
      z.strictObject({
        action: z.enum([
          ...(['connect', 'sql:select', 'sql:insert', 'sql:update', 'sql:delete', 'sql:ddl', 'sql:dcl', 'sql:utility', 'sql:execute', 'field:unmask'] as const),
          ...(['mcp:call', 'mcp:read', 'mcp:prompt', 'mcp:method', 'http:read', 'http:write', 'http:upgrade'] as const),
        ]),
        object: z.strictObject({
          type: z.enum([
            ...(['Table', 'Column', 'Function', 'Database', 'Schema', 'Setting', 'Utility'] as const),
            ...(['McpServer', 'Tool', 'Prompt', 'McpResource', 'Method', 'HttpApi', 'Path'] as const),
          ]),
          path: z.array(z.string().max(8_192)).max(64),
          on: z.strictObject({ resource: Label, database: Label }).exactOptional(),
        }),
      }),
    )
    .max(5_000),
  effect: z.enum(['none', 'read', 'write', 'unknown']),
  context: z.strictObject({
    kind: Label,
    statements: z.int(),
    has_where: z.boolean(),
    tables: Labels,
    columns: Labels,
    functions: Labels,
    has_limit: z.boolean(),
    call: CallView.exactOptional(),
  }),
  template: z.string().max(300_000),
});

const CitedPolicy = z.strictObject({ name: z.string(), effect: z.enum(['permit', 'forbid']), file: z.string(), line: z.int(), text: z.string() });
export const Explanation = z.strictObject({
  permitted: z.boolean(),
  policyVersion: z.string(),
  message: z.string(),
  hint: z.string(),
  /** permitted, but only after people decided */
  approve: ApprovalTerms.nullable(),
  /** every (action, object) of the command and what decided it */
  acts: z.array(z.strictObject({ action: z.string(), object: z.string(), permitted: z.boolean(), message: z.string(), policies: z.array(CitedPolicy) })),
});
export type Explanation = z.infer<typeof Explanation>;

export const PolicyTestResult = z.strictObject({
  name: z.string(),
  passed: z.boolean(),
  decision: z.enum(['permit', 'forbid']),
  policies: z.array(z.string()),
  message: z.string(),
});

export const MaskingRules = z.array(MaskingRule).max(10_000);

export const SessionView = z.strictObject({
  id: z.string(),
  state: z.enum(['live', 'ended']),
  principal: z.string(),
  resource: z.string(),
  /** of the resource of that name; absent: there is none any more */
  protocol: Protocol.optional(),
  database: z.string(),
  account: z.string(),
  address: z.string(),
  startedAt: Instant,
  endedAt: Instant.nullable(),
  operations: z.int(),
  /** why it ended */
  reason: z.string().nullable(),
  /** Merkle root over the chunks of its recording, base64 */
  recordingRoot: z.string().nullable(),
});
export type SessionView = z.infer<typeof SessionView>;

/** One entry of a recording, already masked when it was stored. */
export const RecordingEntry = z.strictObject({
  at: Instant,
  kind: z.enum(['command', 'frames', 'outcome', 'truncated']),
  operation: z.string(),
  /** `frames`: base64 of masked protocol bytes; otherwise text */
  data: z.string(),
  /** the entry goes on in the next one */
  more: z.boolean(),
});
export type RecordingEntry = z.infer<typeof RecordingEntry>;

function isEventCode(code: string): code is EventCode {
  return Object.hasOwn(eventTable, code);
}
export const EventCodeInput = z
  .string()
  .refine(isEventCode, 'no such event code; see docs/reference/audit-events.md')
  .meta({ enum: Object.keys(eventTable) });

/** An event as read: `header` is the public part (PCI DSS 10.2.2 fields), `body` the sensitive one. */
export const AuditEventView = z.strictObject({
  index: z.int(),
  header: z.record(z.string(), z.json()),
  body: z.string().nullable(),
});
export type AuditEventView = z.infer<typeof AuditEventView>;

const Hashes = z.array(z.string()).max(64);
/** RFC 6962 section 2.1; hashes in base64. */
export const Proof = z.strictObject({
  kind: z.enum(['inclusion', 'consistency']),
  from: z.int(),
  size: z.int(),
  leaf: z.string().nullable(),
  root: z.string(),
  hashes: Hashes,
});

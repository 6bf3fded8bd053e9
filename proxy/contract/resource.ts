import { z } from 'zod';

export const Protocol = z.enum(['postgres', 'http', 'mcp']);
export type Protocol = z.infer<typeof Protocol>;

export const TargetTls = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('disable') }),
  /** `ca`: PEM; without it the system's roots. `serverName` overrides the name checked. */
  z.strictObject({ mode: z.literal('verify-full'), ca: z.string().max(262_144).optional(), serverName: z.string().max(253).optional() }),
]);

const Base = {
  id: z.string().startsWith('res_'),
  name: z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/),
  /** the target's own account; where the protocol has none, a name for what the credential stands for */
  account: z.string().min(1).max(63),
  /** a port of its own, where database or path are the target's; null: shared port only */
  listenPort: z.int().min(0).max(65_535).nullable(),
  recording: z.strictObject({
    /** masked result bytes kept per operation; the rest is counted */
    maxBytesPerOperation: z.int().min(0).max(1_073_741_824),
  }),
  createdAt: z.iso.datetime(),
};

/** The credential lives in the vault under `secret`. */
export const PostgresResource = z.strictObject({
  ...Base,
  protocol: z.literal('postgres'),
  host: z.string().min(1).max(253),
  port: z.int().min(1).max(65_535),
  /** the target's own database when the caller names none */
  database: z.string().min(1).max(63),
  secret: z.string().startsWith('sec_'),
  tls: TargetTls,
});
export type PostgresResource = z.infer<typeof PostgresResource>;

const HeaderName = z.string().regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/);
const Variable = z.string().regex(/^[A-Z_][A-Z0-9_]{0,63}$/i);
const HttpUrl = z
  .string()
  .max(2_000)
  .regex(/^https?:\/\/[^\s/?#@\\]+(\/[^\s?#\\]*)?$/, 'an http or https address without user, query and fragment');
const Pem = z.string().max(262_144);

/** How a target is reached over HTTP. */
const HttpTarget = {
  url: HttpUrl,
  /** PEM of the authority; absent: the system's roots */
  ca: Pem.optional(),
  /** loopback, link-local and this machine's own addresses are refused unless the administrator says so; metadata services always */
  allowLocal: z.boolean(),
};

/** How the secret of the vault is shown to a target over HTTP; `none`: there is no secret. */
export const HttpCredential = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('none') }),
  z.strictObject({ type: z.literal('header'), header: HeaderName, prefix: z.string().max(40) }),
  z.strictObject({ type: z.literal('basic') }),
  /** RFC 6749 section 4.4; the secret is the client secret, or a PEM private key (`private_key_jwt`, RFC 7523) */
  z.strictObject({
    type: z.literal('oauth-client-credentials'),
    tokenUrl: HttpUrl,
    /** `client_id`; the account is only a name for people */
    clientId: z.string().min(1).max(200),
    authentication: z.enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt']),
    scope: z.string().max(1_000),
    /** RFC 8707; empty: none is sent */
    resource: z.string().max(2_000),
  }),
  /** RFC 8705: the secret is the PEM private key */
  z.strictObject({ type: z.literal('mtls'), certificate: Pem }),
]);
export type HttpCredential = z.infer<typeof HttpCredential>;

/** How a child gets the secret of the vault. */
export const ChildCredential = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('none') }),
  z.strictObject({ type: z.literal('environment'), variable: Variable }),
  /** a file only the child can read; the variable holds its path */
  z.strictObject({ type: z.literal('file'), variable: Variable }),
]);
export type ChildCredential = z.infer<typeof ChildCredential>;

const Media = z.enum(['drop', 'pass']);

export const HttpResource = z.strictObject({
  ...Base,
  protocol: z.literal('http'),
  ...HttpTarget,
  credential: HttpCredential,
  /** null: there is none */
  secret: z.string().startsWith('sec_').nullable(),
  bodies: z.strictObject({
    /** a body that must be seen whole to be decided or masked is refused beyond this */
    maxBytes: z.int().min(1_024).max(67_108_864),
    /** bodies that are neither text, JSON, XML nor a form: cannot be searched for card data */
    other: z.enum(['refuse', 'pass']),
  }),
});
export type HttpResource = z.infer<typeof HttpResource>;

const AbsolutePath = z.string().regex(/^\/[^\u0000]{0,1000}$/);

export const McpUpstream = z.discriminatedUnion('transport', [
  z.strictObject({ transport: z.literal('streamable-http'), ...HttpTarget, credential: HttpCredential }),
  /** HTTP+SSE of 2024-11-05: `url` is that of the event stream */
  z.strictObject({ transport: z.literal('sse'), ...HttpTarget, credential: HttpCredential }),
  z.strictObject({
    transport: z.literal('stdio'),
    command: AbsolutePath,
    args: z.array(z.string().max(4_096)).max(64),
    /** not secret */
    environment: z.record(Variable, z.string().max(4_096)),
    credential: ChildCredential,
    directory: AbsolutePath.nullable(),
    /** files that must be what they were when the resource was added */
    integrity: z.array(z.strictObject({ path: AbsolutePath, sha256: z.string().regex(/^[0-9a-f]{64}$/) })).max(1_000),
    /** `required`: no sandbox, no server */
    sandbox: z.enum(['required', 'none']),
    network: z.boolean(),
    readable: z.array(AbsolutePath).max(64),
    writable: z.array(AbsolutePath).max(64),
  }),
  /** several servers as one: tools are named `server__tool` */
  z.strictObject({ transport: z.literal('group'), members: z.array(Base.name).min(1).max(32) }),
]);
export type McpUpstream = z.infer<typeof McpUpstream>;

/** An argument that is more than data: what it says is decided, too. */
export const Analyser = z.strictObject({
  /** `*` stands for any run of characters */
  tool: z.string().min(1).max(128),
  /** RFC 6901 */
  pointer: z.string().regex(/^(\/[^/]{0,200}){1,16}$/),
  reads: z.discriminatedUnion('as', [
    /** decided like a statement on that PostgreSQL resource */
    z.strictObject({ as: z.literal('sql'), resource: Base.name, database: z.string().min(1).max(63) }),
    z.strictObject({ as: z.literal('command') }),
    /** `https://*.example.com`, `https://api.example.com/v1/*`; nothing else is reached */
    z.strictObject({ as: z.literal('url'), allow: z.array(z.string().min(8).max(500)).max(64) }),
  ]),
});
export type Analyser = z.infer<typeof Analyser>;

export const McpResource = z.strictObject({
  ...Base,
  protocol: z.literal('mcp'),
  upstream: McpUpstream,
  secret: z.string().startsWith('sec_').nullable(),
  analysers: z.array(Analyser).max(64),
  /** images, sound and other bytes that cannot be searched for card data */
  media: Media,
});
export type McpResource = z.infer<typeof McpResource>;

/** A configured thing one can reach. */
export const Resource = z.discriminatedUnion('protocol', [PostgresResource, HttpResource, McpResource]);
export type Resource = z.infer<typeof Resource>;

/** The database when the caller names none; other protocols have none. */
export function databaseOf(resource: Resource): string {
  return resource.protocol === 'postgres' ? resource.database : '';
}

const beside = ['recording', 'listenPort', 'createdAt'];

/** What a live session rests on: a change of any of it ends the session. */
export function targetOf(resource: Resource): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(resource).filter(([name]) => !beside.includes(name)));
}

/** What `connect` is on. */
export const rootType = { postgres: 'Database', http: 'HttpApi', mcp: 'McpServer' } as const satisfies Record<Protocol, string>;

import type { ResourceView } from '../../../proxy/contract/api-views.ts';
import type { Analyser, HttpCredential, McpUpstream } from '../../../proxy/contract/resource.ts';

export type WebView = Exclude<ResourceView, { protocol: 'postgres' }>;
type HttpView = Extract<ResourceView, { protocol: 'http' }>;
type McpView = Extract<ResourceView, { protocol: 'mcp' }>;
export type Transport = McpUpstream['transport'];

/** One argument that is decided, too, as it is typed. */
export interface AnalyserForm {
  readonly tool: string;
  readonly pointer: string;
  readonly as: Analyser['reads']['as'];
  readonly resource: string;
  readonly database: string;
  /** a pattern a line */
  readonly allow: string;
}

/** What is typed for an HTTP API or an MCP server, as it is typed; what does not belong to the kind at hand is left alone. */
export interface WebForm {
  readonly protocol: 'http' | 'mcp';
  readonly name: string;
  readonly account: string;
  /** write-only: a password, a token or a private key in PEM form */
  readonly secret: string;
  readonly listenPort: string;
  readonly recordKib: string;
  readonly url: string;
  readonly ca: string;
  readonly allowLocal: boolean;
  readonly credential: HttpCredential['type'];
  readonly header: string;
  readonly prefix: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly authentication: Extract<HttpCredential, { type: 'oauth-client-credentials' }>['authentication'];
  readonly scope: string;
  readonly audience: string;
  readonly certificate: string;
  readonly maxBodyKib: string;
  readonly otherBodies: 'refuse' | 'pass';
  readonly transport: Transport;
  readonly command: string;
  /** one a line */
  readonly args: string;
  /** `NAME=VALUE`, one a line */
  readonly environment: string;
  readonly childCredential: 'none' | 'environment' | 'file';
  readonly variable: string;
  readonly directory: string;
  /** `SHA-256  path`, one a line, as sha256sum writes them */
  readonly integrity: string;
  readonly sandbox: 'required' | 'none';
  readonly network: boolean;
  /** paths, one a line */
  readonly readable: string;
  readonly writable: string;
  readonly members: readonly string[];
  readonly analysers: readonly AnalyserForm[];
  readonly media: 'drop' | 'pass';
}

export const emptyAnalyser: AnalyserForm = { tool: '', pointer: '', as: 'sql', resource: '', database: '', allow: '' };

export function emptyWebForm(protocol: 'http' | 'mcp'): WebForm {
  return {
    protocol,
    name: '',
    account: 'service',
    secret: '',
    listenPort: '',
    recordKib: '1024',
    url: '',
    ca: '',
    allowLocal: false,
    credential: protocol === 'http' ? 'header' : 'none',
    header: 'Authorization',
    prefix: 'Bearer',
    tokenUrl: '',
    clientId: '',
    authentication: 'client_secret_basic',
    scope: '',
    audience: '',
    certificate: '',
    maxBodyKib: '8192',
    otherBodies: 'refuse',
    transport: 'streamable-http',
    command: '',
    args: '',
    environment: '',
    childCredential: 'none',
    variable: '',
    directory: '',
    integrity: '',
    sandbox: 'required',
    network: false,
    readable: '',
    writable: '',
    members: [],
    analysers: [],
    media: 'drop',
  };
}

const kib = 1_024;

export function webFormOf(view: WebView): WebForm {
  const { protocol, name, account, listenPort, recording } = view;
  return {
    ...emptyWebForm(protocol),
    name,
    account,
    listenPort: listenPort === null ? '' : String(listenPort),
    recordKib: String(recording.maxBytesPerOperation / kib),
    ...(protocol === 'http' ? httpFields(view) : mcpFields(view)),
  };
}

function httpFields(view: HttpView): Partial<WebForm> {
  return { ...reachFields(view), maxBodyKib: String(view.bodies.maxBytes / kib), otherBodies: view.bodies.other };
}

function mcpFields({ upstream, analysers, media }: McpView): Partial<WebForm> {
  return { transport: upstream.transport, ...upstreamFields(upstream), analysers: analysers.map(analyserFields), media };
}

function upstreamFields(upstream: McpUpstream): Partial<WebForm> {
  if (upstream.transport === 'group') return { members: upstream.members };
  return upstream.transport === 'stdio' ? childFields(upstream) : reachFields(upstream);
}

function childFields(upstream: Extract<McpUpstream, { transport: 'stdio' }>): Partial<WebForm> {
  const { command, args, environment, credential, directory, integrity, sandbox, network, readable, writable } = upstream;
  return {
    command,
    args: args.join('\n'),
    environment: Object.entries(environment)
      .map(([name, value]) => `${name}=${value}`)
      .join('\n'),
    childCredential: credential.type,
    variable: credential.type === 'none' ? '' : credential.variable,
    directory: directory ?? '',
    integrity: integrity.map(({ path, sha256 }) => `${sha256}  ${path}`).join('\n'),
    sandbox,
    network,
    readable: readable.join('\n'),
    writable: writable.join('\n'),
  };
}

function reachFields({ url, ca = '', allowLocal, credential }: Pick<HttpView, 'url' | 'ca' | 'allowLocal' | 'credential'>): Partial<WebForm> {
  return { url, ca, allowLocal, credential: credential.type, ...credentialFields(credential) };
}

function credentialFields(credential: HttpCredential): Partial<WebForm> {
  switch (credential.type) {
    case 'header':
      return { header: credential.header, prefix: credential.prefix };
    case 'mtls':
      return { certificate: credential.certificate };
    case 'oauth-client-credentials': {
      const { tokenUrl, clientId, authentication, scope, resource } = credential;
      return { tokenUrl, clientId, authentication, scope, audience: resource };
    }
    case 'none':
    case 'basic':
      return {};
  }
}

function analyserFields({ tool, pointer, reads }: Analyser): AnalyserForm {
  const common = { ...emptyAnalyser, tool, pointer, as: reads.as };
  if (reads.as === 'sql') return { ...common, resource: reads.resource, database: reads.database };
  return reads.as === 'url' ? { ...common, allow: reads.allow.join('\n') } : common;
}

/** Whether the target gets something out of the vault. */
export function asksForSecret({ protocol, transport, credential, childCredential }: WebForm): boolean {
  if (protocol === 'http' || transport === 'streamable-http' || transport === 'sse') return credential !== 'none';
  return transport === 'stdio' && childCredential !== 'none';
}

/** The same of a resource as it is. */
export function hasSecret(view: ResourceView): boolean {
  return view.protocol === 'postgres' || asksForSecret(webFormOf(view));
}

/** Whether what goes into the vault has lines of its own: a private key. */
export function isKey({ protocol, transport, credential, authentication }: WebForm): boolean {
  if (protocol === 'mcp' && (transport === 'stdio' || transport === 'group')) return false;
  return credential === 'mtls' || (credential === 'oauth-client-credentials' && authentication === 'private_key_jwt');
}

/** What the secret is, for the label of its field. */
export function secretName(form: WebForm): string {
  if (isKey(form)) return 'Private key';
  if (form.protocol === 'mcp' && form.transport === 'stdio') return 'Secret';
  return { none: 'Secret', header: 'Token or key', basic: 'Password', 'oauth-client-credentials': 'Client secret', mtls: 'Private key' }[form.credential];
}

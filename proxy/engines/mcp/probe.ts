import { fail } from '../../contract/errors.ts';
import type { McpResource } from '../../contract/resource.ts';
import type { Caller } from '../../contract/principal.ts';
import { fromValue, member, text, type JsonNode, type JsonObject } from '../../lib/json/node.ts';
import { serialise } from '../../lib/json/serialise.ts';
import type { Credential, Session } from '../../pipeline/engine.ts';
import { Catalogue } from './catalogue.ts';
import { readMessage } from './envelope.ts';
import { modernHeaders, type Era } from './era.ts';
import { openUpstream, type LinkDeps } from './link.ts';
import type { McpUpstream, Reply } from './upstream.ts';

export interface ProbeDeps extends LinkDeps {
  readonly mask: (plain: string) => string;
}

const probeMs = 20_000;
const revision = '2026-07-28';
const legacyRevision = '2025-11-25';
const maxPages = 32;
const nobody: Caller = {
  issuer: 'postern',
  subject: 'probe',
  name: 'probe',
  kind: 'service-account',
  groups: [],
  granted: [],
  credential: 'none',
  method: 'bearer',
  resources: [],
  networks: [],
  expiresAt: 0,
};

/** Reaches a server for an administrator, and offers what it has to be agreed to. A sentence on what was there. */
export async function probeServer(deps: ProbeDeps, resource: McpResource, credential: Credential): Promise<string> {
  if (resource.upstream.transport === 'group') return `A group of ${resource.upstream.members.length} servers.`;
  const signal = AbortSignal.timeout(probeMs);
  const modern = await look(deps, { resource, credential, era: 'modern', signal });
  const found = modern ?? (await look(deps, { resource, credential, era: 'legacy', signal }));
  if (found === null) throw fail('ERR_TARGET_UNREACHABLE', { message: 'The server speaks no revision that is known here.' });
  return found;
}

interface Looking {
  readonly resource: McpResource;
  readonly credential: Credential;
  readonly era: Era;
  readonly signal: AbortSignal;
}

/** Null: not in this era. */
async function look(deps: ProbeDeps, looking: Looking): Promise<string | null> {
  const { resource, credential, era } = looking;
  const session = {
    id: `ses_probe${era}`,
    caller: nobody,
    lease: <T>(use: (leased: Credential) => Promise<T>) => use(credential),
    conceal: () => undefined,
  } satisfies Pick<Session, 'lease' | 'conceal' | 'caller' | 'id'>;
  const upstream = await openUpstream(deps, session, resource);
  try {
    const introduced = await ask(upstream, looking, era === 'modern' ? 'server/discover' : 'initialize', era === 'modern' ? {} : initial);
    if (introduced === null) return null;
    if (era === 'legacy') await initialized(upstream, looking.signal);
    const catalogue = new Catalogue({
      clock: deps.clock,
      pins: () => deps.pins(resource.name),
      offered: (tools) => {
        deps.offered(resource.name, tools);
      },
      mask: deps.mask,
    });
    const [tools, prompts] = [await list(upstream, looking, 'tools'), await list(upstream, looking, 'prompts')];
    catalogue.observe('tool', tools);
    catalogue.observe('prompt', prompts);
    const info = member(introduced, 'serverInfo') ?? member(member(introduced, '_meta'), 'io.modelcontextprotocol/serverInfo');
    const instructions = member(introduced, 'instructions');
    if (instructions !== undefined) catalogue.instructionsAgreed(instructions, info);
    const name = [text(member(info, 'name')), text(member(info, 'version'))].filter((part) => part !== undefined).join(' ');
    return deps.mask(`${name === '' ? 'A server' : name.slice(0, 100)}: ${tools.length} tools, ${prompts.length} prompts.`);
  } finally {
    await upstream.close('the probe is over');
  }
}

const initial = { protocolVersion: legacyRevision, capabilities: {}, clientInfo: { name: 'postern', version: '1' } };
let asked = 0;

async function list(upstream: McpUpstream, looking: Looking, key: 'tools' | 'prompts'): Promise<readonly JsonNode[]> {
  const entries: JsonNode[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < maxPages; page++) {
    const result = await ask(upstream, looking, `${key}/list`, cursor === undefined ? {} : { cursor });
    const items = member(result ?? undefined, key);
    if (items?.kind === 'array') entries.push(...items.items);
    cursor = text(member(result ?? undefined, 'nextCursor'));
    if (cursor === undefined || cursor === '') break;
  }
  return entries;
}

/** The result; null: an error. */
async function ask(upstream: McpUpstream, { era, signal }: Looking, method: string, params: object): Promise<JsonObject | null> {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': revision,
    'io.modelcontextprotocol/clientInfo': initial.clientInfo,
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const given = { jsonrpc: '2.0', id: `probe-${++asked}`, method, params: era === 'modern' ? { ...params, _meta: meta } : params };
  const message = readMessage(serialise(fromValue(given)));
  if (message.kind !== 'request') throw fail('ERR_INTERNAL', { detail: 'a question that is none' });
  const outgoing = upstream.outgoing(message);
  const headers = era === 'modern' ? modernHeaders(message, [], {}) : [];
  try {
    const reply = await upstream.request(outgoing, outgoing.bytes, { headers, signal });
    return await resultOf(reply.messages);
  } catch (error) {
    // what an older server makes of it is no fault yet
    if (method === 'server/discover' && !signal.aborted) return null;
    throw error;
  }
}

async function resultOf(messages: Reply['messages']): Promise<JsonObject | null> {
  for await (const { message: answer } of messages) {
    if (answer?.kind === 'response') return answer.result?.kind === 'object' ? answer.result : null;
  }
  return null;
}

async function initialized(upstream: McpUpstream, signal: AbortSignal): Promise<void> {
  const bytes = Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  const message = readMessage(bytes);
  if (message.kind === 'notification') await upstream.tell(message, bytes, { headers: ['mcp-protocol-version', legacyRevision], signal });
}

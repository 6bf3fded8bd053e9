import type { Clock } from '../../lib/clock.ts';
import { fail } from '../../contract/errors.ts';
import type { McpResource } from '../../contract/resource.ts';
import type { OfferedTool } from '../../contract/tool-pin.ts';
import { fromValue, member, text, type JsonNode, type JsonObject } from '../../lib/json/node.ts';
import { serialise } from '../../lib/json/serialise.ts';
import type { Session } from '../../pipeline/engine.ts';
import { TargetAccess } from '../../wire/web/target-access.ts';
import type { Upstreams } from '../../wire/web/upstream.ts';
import { Catalogue, type Pins } from './catalogue.ts';
import { objectOf, readMessage, stringNode, type Message, type RequestMessage } from './envelope.ts';
import { claimedVersion, isModern, modernHeaders, versionKey, type Era } from './era.ts';
import { CutCalls } from './cut-calls.ts';
import { EventPlaces } from './event-places.ts';
import { ServerRequests } from './server-requests.ts';
import type { StdioChildren } from './stdio-children.ts';
import { HttpUpstream } from './upstream-http.ts';
import { openSse } from './upstream-sse.ts';
import { openStdio } from './upstream-stdio.ts';
import type { McpUpstream } from './upstream.ts';

export interface LinkDeps {
  readonly clock: Clock;
  readonly upstreams: Upstreams;
  readonly children: StdioChildren;
  readonly pins: (resource: string) => Pins;
  readonly offered: (resource: string, tools: readonly OfferedTool[]) => void;
}

/** One live session of a caller and the way to its server. */
export interface Link {
  readonly session: Session;
  readonly resource: McpResource;
  readonly era: Era;
  readonly upstream: McpUpstream;
  readonly catalogue: Catalogue;
  /** what the server asked and nobody answered yet */
  readonly asked: ServerRequests;
  /** calls whose answers come on another stream */
  readonly cut: CutCalls;
  readonly places: EventPlaces;
}

const askDeadlineMs = 15_000;
const maxPages = 32;
const maxShared = 1_024;

/** The links of all live sessions: made at first use, gone with the session. */
export class Links {
  readonly #deps: LinkDeps;
  readonly #links = new WeakMap<Session, Promise<Link>>();
  /** servers without sessions offer the same to whoever shows the same credential */
  readonly #shared = new Map<string, Catalogue>();

  constructor(deps: LinkDeps) {
    this.#deps = deps;
  }

  /** Throws what reaching the server throws; then the next call tries again. */
  of(session: Session, resource: McpResource, era: Era): Promise<Link> {
    const known = this.#links.get(session);
    if (known !== undefined) return known;
    const opening = this.#open(session, resource, era);
    this.#links.set(session, opening);
    opening.then(
      (link) => {
        this.#watch(link);
      },
      () => this.#links.delete(session),
    );
    return opening;
  }

  #watch(link: Link): void {
    const { session, upstream } = link;
    const forget = (): void => {
      if (this.#links.has(session)) this.#links.delete(session);
      link.asked.abandon();
      link.cut.abandon();
    };
    const lost = (): void => {
      forget();
      // a session of the server's cannot be taken up by another connection
      if (link.era === 'legacy') void session.close('the server ended it');
    };
    upstream.gone.addEventListener('abort', lost, { once: true });
    const end = (): void => {
      void upstream.close('the session ended').catch(() => undefined);
      forget();
    };
    session.ended.addEventListener('abort', end, { once: true });
    if (session.ended.aborted) end();
  }

  async #open(session: Session, resource: McpResource, era: Era): Promise<Link> {
    const upstream = await openUpstream(this.#deps, session, resource);
    const catalogue = this.#catalogue(session, resource, era, upstream);
    const places = new EventPlaces((plain) => session.mask(plain));
    return { session, resource, era, upstream, catalogue, asked: new ServerRequests(session, upstream, resource.media), cut: new CutCalls(), places };
  }

  #catalogue(session: Session, resource: McpResource, era: Era, { version }: McpUpstream): Catalogue {
    const { clock, pins, offered } = this.#deps;
    const given = {
      clock,
      pins: () => pins(resource.name),
      offered: (tools: readonly OfferedTool[]) => {
        offered(resource.name, tools);
      },
      mask: (plain: string) => session.mask(plain),
    };
    if (era === 'legacy' || resource.upstream.transport !== 'streamable-http') return new Catalogue(given);
    const key = `${resource.id} ${version} ${JSON.stringify(resource.upstream)}`;
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    if (this.#shared.size >= maxShared) this.#shared.clear();
    const made = new Catalogue(given);
    this.#shared.set(key, made);
    return made;
  }
}

/** A connection to the server of a resource. Throws what reaching it throws. */
export async function openUpstream(
  { clock, upstreams, children }: Pick<LinkDeps, 'clock' | 'upstreams' | 'children'>,
  session: Pick<Session, 'id' | 'caller' | 'lease' | 'conceal'>,
  resource: McpResource,
): Promise<McpUpstream> {
  const { upstream: configured } = resource;
  switch (configured.transport) {
    case 'stdio':
      return openStdio(children, session, resource, configured);
    case 'group':
      throw fail('ERR_INTERNAL', { detail: 'a group has no server of its own' });
    case 'sse':
    case 'streamable-http': {
      const { url, ca, allowLocal, credential } = configured;
      const access = new TargetAccess({ session, target: { url, ca, allowLocal }, credential, upstreams, clock });
      const { version } = await access.use();
      return configured.transport === 'sse' ? openSse(access, version) : new HttpUpstream(access, version);
    }
  }
}

/** Asks the server for a list of its own, in the revision of `like`; the gateway's question, of which nothing goes to a caller unseen. */
export async function askList(link: Link, method: 'tools/list' | 'prompts/list', like: RequestMessage): Promise<readonly JsonNode[]> {
  const signal = AbortSignal.any([link.session.ended, AbortSignal.timeout(askDeadlineMs)]);
  const entries: JsonNode[] = [];
  let cursor: JsonNode | undefined;
  for (let page = 0; page < maxPages; page++) {
    const result = await askPage(link, { method, cursor, like, signal });
    const items = member(result, method === 'tools/list' ? 'tools' : 'prompts');
    if (items?.kind === 'array') entries.push(...items.items);
    cursor = member(result, 'nextCursor');
    if (cursor === undefined || cursor.kind === 'null' || text(cursor) === '') break;
  }
  return entries;
}

/** The revisions that a server says it speaks. */
export async function askVersions(link: Link, like: RequestMessage): Promise<JsonNode> {
  const signal = AbortSignal.any([link.session.ended, AbortSignal.timeout(askDeadlineMs)]);
  const result = await askPage(link, { method: 'server/discover', cursor: undefined, like, signal });
  return member(result, 'supportedVersions') ?? { kind: 'array', items: [] };
}

interface Question {
  readonly method: string;
  readonly cursor: JsonNode | undefined;
  readonly like: RequestMessage;
  readonly signal: AbortSignal;
}

/** Undefined: the server has no such list. */
async function askPage(link: Link, { method, cursor, like, signal }: Question): Promise<JsonNode | undefined> {
  const message = question(link, method, cursor, like);
  const outgoing = link.upstream.outgoing(message);
  const headers = link.era === 'modern' ? modernHeaders(message, [], {}) : [];
  const reply = await link.upstream.request(outgoing, outgoing.bytes, { headers, signal });
  for await (const { message: answer } of reply.messages) {
    if (isAnswer(answer, message)) return answer.result;
    if (answer?.kind === 'request') await link.asked.decline(answer);
  }
  throw fail('ERR_TARGET_UNREACHABLE', { message: 'The server did not say what it offers.' });
}

function isAnswer(answer: Message | null, { key }: RequestMessage): answer is Extract<Message, { kind: 'response' }> {
  return answer?.kind === 'response' && (answer.key === key || answer.key === null);
}

let asked = 0;

function question(link: Link, method: string, cursor: JsonNode | undefined, like: RequestMessage): RequestMessage {
  const id = stringNode(`postern-${++asked}`);
  const params: Record<string, JsonNode> = cursor === undefined ? {} : { cursor };
  if (link.era === 'modern') params['_meta'] = envelopeOf(like);
  const node = objectOf({ jsonrpc: stringNode('2.0'), id, method: stringNode(method), params: objectOf(params) });
  const message = readMessage(serialise(node));
  if (message.kind !== 'request') throw fail('ERR_INTERNAL', { detail: 'a question that is none' });
  return message;
}

function envelopeOf(like: RequestMessage): JsonObject {
  const claimed = claimedVersion(like);
  return objectOf({
    [versionKey]: stringNode(claimed !== undefined && isModern(claimed) ? claimed : '2026-07-28'),
    'io.modelcontextprotocol/clientInfo': fromValue({ name: 'postern', version: '1' }),
    'io.modelcontextprotocol/clientCapabilities': objectOf({}),
  });
}

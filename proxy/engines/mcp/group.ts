import type { IncomingHttpHeaders } from 'node:http';
import { fail } from '../../contract/errors.ts';
import type { McpResource } from '../../contract/resource.ts';
import { fromValue, member, text, type JsonMember, type JsonNode, type JsonObject } from '../../lib/json/node.ts';
import { serialise } from '../../lib/json/serialise.ts';
import type { Gate, Session, WebExchange } from '../../pipeline/engine.ts';
import { errorAnswer, resultAnswer, type Told } from './answers.ts';
import { Call, type Shared } from './call.ts';
import { CapturedReply } from './captured-reply.ts';
import { objectOf, stringNode, withMember, type NotificationMessage, type RequestMessage, type ResponseMessage } from './envelope.ts';
import { claimedVersion, headerFault, isModern, type Era } from './era.ts';
import type { Link } from './link.ts';
import type { ReplyTarget } from './reply-writer.ts';
import { Stop } from './stop.ts';
import { serveNotification, serveResponse } from './tell.ts';

/** between the name of a member and that of its tool */
const separator = '__';
const maxPages = 32;
const memberIdleMs = 1_800_000;

export interface GroupGiven {
  readonly shared: Shared;
  readonly resource: McpResource;
  readonly exchange: WebExchange;
  readonly gate: Gate;
  readonly writer: ReplyTarget;
  readonly era: Era;
  /** the session of the group: those of the members are kept apart by it */
  readonly session: Session;
  readonly key: string;
  readonly running: Map<string, Call>;
  readonly link: (session: Session, resource: McpResource, era: Era) => Promise<Link>;
}

interface Member {
  readonly name: string;
  readonly link: Link;
}

interface Routed {
  readonly link: Link;
  /** as that server knows it */
  readonly inner: RequestMessage;
  readonly headers: IncomingHttpHeaders;
}

interface Named {
  readonly params: JsonObject;
  /** what has the name: the parameters, or the reference in them */
  readonly holder: JsonObject;
  readonly isRef: boolean;
}

interface List {
  readonly method: 'tools/list' | 'prompts/list' | 'resources/list' | 'resources/templates/list';
  readonly key: 'tools' | 'prompts' | 'resources' | 'resourceTemplates';
  /** what entries are told apart by */
  readonly by: 'name' | 'uri' | 'uriTemplate';
}

const lists: readonly List[] = [
  { method: 'tools/list', key: 'tools', by: 'name' },
  { method: 'prompts/list', key: 'prompts', by: 'name' },
  { method: 'resources/list', key: 'resources', by: 'uri' },
  { method: 'resources/templates/list', key: 'resourceTemplates', by: 'uriTemplate' },
];

/** Several servers as one: each call is decided, recorded and masked in a session on the server it goes to. */
export class Group {
  readonly #given: GroupGiven;
  readonly #headers: IncomingHttpHeaders;

  constructor(given: GroupGiven) {
    this.#given = given;
    this.#headers = given.exchange.request.headers;
  }

  async request(message: RequestMessage): Promise<void> {
    const fault = this.#given.era === 'modern' ? headerFault(message, this.#headers) : null;
    if (fault !== null) {
      this.#refuse(message, { code: fault.code, status: fault.status, told: { code: 'ERR_PROTOCOL_VIOLATION', message: fault.message, hint: '' } });
      return;
    }
    const list = lists.find(({ method }) => method === message.method);
    if (list !== undefined) this.#answer(message, await this.#listed(message, list));
    else if (message.method === 'initialize' || message.method === 'server/discover') await this.#introduce(message);
    else if (message.method === 'ping') this.#answer(message, fromValue({}));
    else await this.#routed(message);
  }

  async notification(message: NotificationMessage): Promise<void> {
    if (message.method === 'notifications/initialized') {
      for (const { link } of await this.#members()) {
        const captured = new CapturedReply();
        await serveNotification({ ...this.#given, link, writer: captured }, message).catch(() => undefined);
      }
    } else if (message.method === 'notifications/cancelled') {
      const id = member(message.params, 'requestId');
      const key = id?.kind === 'string' ? `s${id.text}` : id?.kind === 'number' ? `n${id.text}` : '';
      this.#given.running.get(key)?.cancel();
    }
    this.#given.writer.empty(202);
  }

  /** The caller's answer to a request of one of the servers. */
  async response(message: ResponseMessage): Promise<void> {
    const members = await this.#members();
    const [asking = members[0], another] = members.filter(({ link }) => message.key !== null && link.asked.has(message.key));
    // one of them may have taken the id of the other's request to get its answer
    if (asking === undefined || another !== undefined) throw fail('ERR_PROTOCOL_VIOLATION', { message: 'This answers no request of a server.' });
    await serveResponse({ ...this.#given, link: asking.link }, message);
  }

  /** Those the caller may connect to and that can be reached; the others are not there. */
  async #members(): Promise<readonly Member[]> {
    const { resource, gate } = this.#given;
    const names = resource.upstream.transport === 'group' ? resource.upstream.members : [];
    const found = await Promise.all(names.map((name) => this.#member(name, gate.resource(name)).catch(() => null)));
    return found.filter((each) => each !== null);
  }

  async #member(name: string, resource: ReturnType<Gate['resource']>): Promise<Member | null> {
    const { exchange, gate, era, key } = this.#given;
    if (resource?.protocol !== 'mcp' || resource.upstream.transport === 'group') return null;
    const session = await gate.share(exchange.caller, {
      resource: name,
      key: `group ${this.#given.session.id} ${key}`,
      applicationName: '',
      idleMs: memberIdleMs,
    });
    const end = (): void => {
      void session.close('the session of the group ended');
    };
    if (!this.#given.session.ended.aborted) this.#given.session.ended.addEventListener('abort', end, { once: true });
    return { name, link: await this.#given.link(session, resource, era) };
  }

  /** Asks one server in the caller's name. Null: it gave no result. */
  async #ask({ link }: Member, message: RequestMessage): Promise<JsonNode | null> {
    const writer = new CapturedReply();
    const call = new Call({ ...this.#given, link, writer, message, requestHeaders: { ...this.#headers, 'mcp-method': message.method } });
    const stop = new Stop([this.#given.exchange.gone, link.session.ended]);
    const cut = (): void => {
      writer.cut();
    };
    stop.signal.addEventListener('abort', cut, { once: true });
    await call.run();
    if (stop.signal.aborted) writer.cut();
    // what was released may wait for the log
    const answer = await writer.answer;
    stop.release();
    return answer?.result ?? null;
  }

  async #listed(message: RequestMessage, list: List): Promise<JsonNode> {
    const members = await this.#members();
    const entries = (await Promise.all(members.map(async (each) => this.#entries(each, message, list)))).flat();
    const seen = new Set<string>();
    const items = entries.filter((entry) => {
      const name = text(member(entry, list.by)) ?? '';
      if (name === '' || seen.has(name)) return false;
      seen.add(name);
      return true;
    });
    const more = this.#given.era === 'modern' ? fromValue({ resultType: 'complete', ttlMs: 0, cacheScope: 'private' }) : objectOf({});
    return withMember(more.kind === 'object' ? more : objectOf({}), list.key, { kind: 'array', items });
  }

  async #entries(each: Member, message: RequestMessage, { method, key, by }: List): Promise<readonly JsonNode[]> {
    const entries: JsonNode[] = [];
    let cursor: JsonNode | undefined;
    for (let page = 0; page < maxPages; page++) {
      const params = withMember(message.params ?? objectOf({}), 'cursor', cursor);
      const node = withMember(withMember(message.node, 'method', stringNode(method)), 'params', params);
      const result = await this.#ask(each, { ...message, method, params, node });
      const items = member(result ?? undefined, key);
      if (items?.kind !== 'array') break;
      entries.push(...items.items);
      cursor = member(result ?? undefined, 'nextCursor');
      if (text(cursor) === undefined || text(cursor) === '') break;
    }
    return by === 'name' ? entries.map((entry) => prefixed(entry, each.name)) : entries;
  }

  /** One server made of all: what each can do, in a revision that all of them speak. */
  async #introduce(message: RequestMessage): Promise<void> {
    const asked = (await this.#members()).map(async (each) => ({ name: each.name, result: await this.#ask(each, message) }));
    const results = (await Promise.all(asked)).filter((each): each is { name: string; result: JsonNode } => each.result !== null);
    const isModernEra = message.method === 'server/discover';
    const versions = results.map(({ result }) => (isModernEra ? spoken(result) : [text(member(result, 'protocolVersion')) ?? '']));
    const common = isModernEra ? versions.reduce((one, other) => one.filter((each) => other.includes(each)), versions[0] ?? []) : versions.flat().toSorted();
    const [oldest] = common;
    if (oldest === undefined || (isModernEra && !common.includes(claimedVersion(message) ?? ''))) {
      const told: Told = { code: 'ERR_TARGET_UNREACHABLE', message: 'No server of the group can be reached in a revision that all of them speak.', hint: '' };
      this.#refuse(message, { code: -32603, status: 200, told });
      return;
    }
    const capabilities = { kind: 'object', members: capabilitiesOf(results.map(({ result }) => result)) } as const;
    const serverInfo = fromValue({ name: this.#given.resource.name, version: '1' });
    const instructions = results.flatMap(({ name, result }) => {
      const given = text(member(result, 'instructions'));
      return given === undefined ? [] : [`${name}: ${given}`];
    });
    const own = isModernEra
      ? {
          resultType: stringNode('complete'),
          supportedVersions: fromValue(common),
          _meta: objectOf({ 'io.modelcontextprotocol/serverInfo': serverInfo }),
          ...privately,
        }
      : { protocolVersion: stringNode(oldest), serverInfo };
    this.#answer(message, objectOf({ ...own, capabilities, ...(instructions.length > 0 && { instructions: stringNode(instructions.join('\n\n')) }) }));
  }

  /** To the server whose name it bears, or which lists the resource. */
  async #routed(message: RequestMessage): Promise<void> {
    const routed = await this.#route(message);
    if (routed === null) {
      const isMethod = !callable.has(message.method);
      const told: Told = {
        code: 'ERR_NOT_FOUND',
        message: isMethod ? 'A group has no such method.' : 'No server of the group has this.',
        hint: 'Ask for the list of what there is.',
      };
      this.#given.session.refuse({ code: told.code, message: told.message, exact: [serialise(message.node)], kind: 'group' });
      this.#refuse(message, { code: isMethod ? -32601 : -32602, status: isMethod && this.#given.era === 'modern' ? 404 : 200, told });
      return;
    }
    const { link, inner, headers } = routed;
    const call = new Call({ ...this.#given, link, message: inner, requestHeaders: headers });
    this.#given.running.set(message.key, call);
    try {
      await call.run();
    } finally {
      this.#given.running.delete(message.key);
    }
  }

  async #route(message: RequestMessage): Promise<Routed | null> {
    const { method, params } = message;
    const ref = method === 'completion/complete' ? member(params, 'ref') : undefined;
    const holder = ref?.kind === 'object' ? ref : params;
    const uri = text(member(holder, 'uri'));
    if (!callable.has(method) || params === undefined || holder === undefined) return null;
    if (uri !== undefined) {
      const owner = await this.#ownerOf(message, uri);
      return owner === null ? null : { link: owner.link, inner: message, headers: this.#headers };
    }
    return this.#byName(message, { params, holder, isRef: ref !== undefined });
  }

  async #byName(message: RequestMessage, { params, holder, isRef }: Named): Promise<Routed | null> {
    const full = text(member(holder, 'name')) ?? '';
    const owner = (await this.#members())
      .filter(({ name }) => full.startsWith(name + separator))
      .toSorted((one, other) => other.name.length - one.name.length)[0];
    if (owner === undefined) return null;
    const inner = full.slice(owner.name.length + separator.length);
    const renamed = withMember(holder, 'name', stringNode(inner));
    const innerParams = isRef ? withMember(params, 'ref', renamed) : renamed;
    const headers = this.#headers['mcp-name'] === undefined ? this.#headers : { ...this.#headers, 'mcp-name': encoded(inner) };
    return { link: owner.link, inner: { ...message, params: innerParams, node: withMember(message.node, 'params', innerParams) }, headers };
  }

  /** The first that lists it. */
  async #ownerOf(message: RequestMessage, uri: string): Promise<Member | null> {
    const params = objectOf({ ...(member(message.params, '_meta') !== undefined && { _meta: member(message.params, '_meta') ?? objectOf({}) }) });
    for (const each of await this.#members()) {
      for (const list of lists.slice(2)) {
        const entries = await this.#entries(each, { ...message, params, node: withMember(message.node, 'params', params) }, list);
        if (entries.some((entry) => text(member(entry, list.by)) === uri)) return each;
      }
    }
    return null;
  }

  #answer(message: RequestMessage, result: JsonNode): void {
    void this.#given.writer.message(resultAnswer(message.id, result));
    this.#given.writer.end();
  }

  #refuse(message: RequestMessage, { code, status, told }: { code: Parameters<typeof errorAnswer>[1]; status: number; told: Told }): void {
    void this.#given.writer.message(errorAnswer(message.id, code, told), status);
    this.#given.writer.end();
  }
}

const callable = new Set(['tools/call', 'prompts/get', 'resources/read', 'completion/complete']);
const privately = { ttlMs: { kind: 'number', text: '0' }, cacheScope: stringNode('private') } as const;

function prefixed(entry: JsonNode, name: string): JsonNode {
  const own = text(member(entry, 'name'));
  return entry.kind === 'object' && own !== undefined ? withMember(entry, 'name', stringNode(name + separator + own)) : entry;
}

function spoken(result: JsonNode): string[] {
  const versions = member(result, 'supportedVersions');
  return versions?.kind === 'array' ? versions.items.map((each) => text(each) ?? '').filter((each) => isModern(each)) : [];
}

/** What a group passes on of what its servers can do. */
function capabilitiesOf(results: readonly JsonNode[]): JsonMember[] {
  return ['tools', 'prompts', 'resources', 'completions']
    .filter((name) => results.some((result) => member(member(result, 'capabilities'), name) !== undefined))
    .map((key) => ({ key, value: objectOf({}) }));
}

function encoded(name: string): string {
  return /^[\x21-\x7e]+$/.test(name) ? name : `=?base64?${Buffer.from(name).toString('base64')}?=`;
}

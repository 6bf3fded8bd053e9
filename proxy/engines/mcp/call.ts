import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { asAppError, fail, type ErrorCode } from '../../contract/errors.ts';
import type { Facts, Span } from '../../contract/operation.ts';
import type { Clock } from '../../lib/clock.ts';
import type { AppError } from '../../lib/errors.ts';
import { member, text, type JsonObject } from '../../lib/json/node.ts';
import { parseJson } from '../../lib/json/strict-json.ts';
import { canonicalDigestInput, serialise, written } from '../../lib/json/serialise.ts';
import type { Denial, Operation, Permit, WebExchange } from '../../pipeline/engine.ts';
import { analyseArguments, type AnalysedArguments, type SqlAnalyser } from './analyse-arguments.ts';
import { errorAnswer, refusalAnswer, toldOf, toolRefusal, unsupportedVersion, type RpcCode, type Told } from './answers.ts';
import { askForApproval, type Admitted } from './approvals.ts';
import type { Definition } from './catalogue.ts';
import { maxMessageBytes, metaOf, withMember, type RequestMessage } from './envelope.ts';
import { claimedVersion, headerFault, isModern, modernHeaders, paramFault } from './era.ts';
import { argumentLeaves, factsOf, subjectOf, type KnownFacts, type Subject } from './facts.ts';
import { askList, askVersions, type Link } from './link.ts';
import { relayReply } from './relay.ts';
import { OperationSink, type ReplyTarget } from './reply-writer.ts';
import type { RequestStates, Round } from './request-state.ts';
import { ordinaryMeta, shownMessage } from './shown.ts';
import { Stop } from './stop.ts';
import type { Outgoing } from './upstream.ts';

/** What all calls share. */
export interface Shared {
  readonly clock: Clock;
  readonly states: RequestStates;
  readonly known: KnownFacts;
  readonly sql: SqlAnalyser;
}

export interface CallGiven {
  readonly shared: Shared;
  readonly link: Link;
  readonly exchange: WebExchange;
  readonly writer: ReplyTarget;
  readonly message: RequestMessage;
  /** of the HTTP request, as they belong to the message */
  readonly requestHeaders: IncomingHttpHeaders;
}

/** A message that is not decided: what is wrong with it, and how it is said. */
interface Fault {
  readonly told: Told;
  readonly rpc: RpcCode | null;
  readonly status?: number;
  /** a word for the record */
  readonly kind: string;
}

interface Prepared {
  readonly subject: Subject;
  readonly definition: Definition | null;
  readonly operation: Operation;
  readonly outgoing: Outgoing;
}

/** One request of a caller from its parsed message to its answer: decided, asked for, forwarded, answered, once. */
export class Call {
  readonly shared: Shared;
  readonly link: Link;
  readonly exchange: WebExchange;
  readonly writer: ReplyTarget;
  readonly requestHeaders: IncomingHttpHeaders;
  readonly stop: Stop;
  readonly sink: OperationSink;
  /** what the answers go to, as long as there is somebody: a stream that was cut is taken up by another */
  target: ReplyTarget | null;
  /** without a state of ours; with what it was sealed with */
  message: RequestMessage;
  /** the pinned definition's headers, for the server */
  headers: readonly string[] = [];
  /** the server answered, and not with an error */
  hasSucceeded = false;
  /** digest of the pinned definition; '' where nothing is pinned */
  #pin = '';
  #bound: readonly Uint8Array[] | null = null;

  constructor({ shared, link, exchange, writer, message, requestHeaders }: CallGiven) {
    this.requestHeaders = requestHeaders;
    this.shared = shared;
    this.link = link;
    this.exchange = exchange;
    this.writer = writer;
    this.target = writer;
    this.message = message;
    this.stop = new Stop([exchange.gone, link.session.ended]);
    this.sink = new OperationSink(() => this.target, true);
  }

  /** The caller wants it no more; what still waits for people never runs. */
  cancel(): void {
    this.stop.cancel(fail('ERR_SESSION_ENDED', { message: 'The caller cancelled it.' }));
  }

  async run(): Promise<void> {
    try {
      const prepared = await this.#prepare();
      if (prepared === null) return;
      const admitted = await askForApproval(this, prepared.operation);
      if (admitted.verdict === 'answered') return;
      if (admitted.verdict === 'refused') this.#denied(prepared.subject, admitted);
      else await this.#forward(prepared, admitted.permit);
    } catch (error) {
      this.answerFault(asAppError(error));
    } finally {
      this.stop.release();
    }
  }

  /** What is approved: all of the call but the names this round of it has, and what the caller says of itself. */
  get bound(): readonly Uint8Array[] {
    this.#bound ??= [Buffer.from(this.message.method), canonicalDigestInput(boundOf(this.message)), Buffer.from(this.#pin)];
    return this.#bound;
  }

  get owner(): string {
    const { caller, resource } = this.link.session;
    return JSON.stringify([caller.issuer, caller.subject, resource.id]);
  }

  /** A fault of ours or of the way to the server, once; nothing when the caller is gone. */
  answerFault(error: AppError<ErrorCode>): void {
    if (this.exchange.gone.aborted) return;
    const told = { code: error.code, message: error.message, hint: error.hint ?? '' };
    const isOver = this.link.era === 'legacy' && this.link.upstream.gone.aborted;
    this.answer(refusalAnswer(this.message.id, told), isOver ? 404 : 200);
  }

  /** Our own last word. */
  answer(bytes: Uint8Array, status = 200): void {
    const { writer } = this;
    if (writer.hasBegun && !writer.isStream) {
      writer.cut();
      return;
    }
    void writer.message(bytes, status);
    writer.end();
  }

  async #prepare(): Promise<Prepared | null> {
    try {
      return await this.#prepared();
    } catch (error) {
      const { code, message, hint } = asAppError(error);
      if (!refusable.has(code)) throw error;
      const rpc = code === 'ERR_PROTOCOL_VIOLATION' ? -32602 : null;
      this.#refuse({ told: { code, message, hint: hint ?? '' }, rpc, kind: rpc === null ? 'argument' : this.message.method });
      return null;
    }
  }

  async #prepared(): Promise<Prepared | null> {
    const { link } = this;
    const fault = link.era === 'modern' ? (headerFault(this.message, this.requestHeaders) ?? this.#resume()) : null;
    if (fault !== null) return this.#refuse('told' in fault ? fault : misheard(fault));
    return (await this.#isOutdated()) ? null : this.#described(subjectOf(this.message));
  }

  async #described(subject: Subject): Promise<Prepared | null> {
    const { link } = this;
    const definition =
      subject.pinned === null ? null : await link.catalogue.find(subject.pinned, subject.name, (method) => askList(link, method, this.message));
    this.#pin = definition?.digest ?? '';
    const mismatch = definition === null || link.era === 'legacy' ? null : paramFault(this.message, definition.headers, this.requestHeaders);
    if (mismatch !== null) return this.#refuse(misheard(mismatch));
    const prepared = this.#operation(subject, definition, await this.#facts(subject));
    return this.#mayAsk(prepared) ? prepared : null;
  }

  async #facts(subject: Subject): Promise<{ facts: Facts; spans: ReadonlyMap<string, readonly Span[]> | undefined }> {
    const { link, message } = this;
    const isTool = subject.type === 'Tool';
    const analysed = isTool && link.resource.analysers.length > 0 ? await this.#analyse(subject) : null;
    const isReadOnly = isTool && link.catalogue.isReadOnly(subject.name);
    const isPlain = analysed === null && message.params === undefined;
    const facts = isPlain ? this.shared.known.of(message.method, subject, isReadOnly) : factsOf(message, subject, { isReadOnly, analysed });
    return { facts, spans: analysed?.spans };
  }

  /** Over HTTP a server says itself that it does not speak a revision; a process would take it for the other era. */
  async #isOutdated(): Promise<boolean> {
    const { link, message } = this;
    const claimed = claimedVersion(message);
    if (link.era === 'legacy' || claimed === undefined || isModern(claimed) || link.resource.upstream.transport === 'streamable-http') return false;
    link.session.refuse({ code: 'ERR_PROTOCOL_VIOLATION', message: 'Unsupported protocol version.', exact: [serialise(message.node)], kind: 'version' });
    this.answer(unsupportedVersion(message.id, claimed, await askVersions(link, message)), 400);
    return true;
  }

  #operation(subject: Subject, definition: Definition | null, given: { facts: Facts; spans: ReadonlyMap<string, readonly Span[]> | undefined }): Prepared {
    const { message, sink, link } = this;
    const outgoing = link.upstream.outgoing(message);
    if (link.era === 'modern') this.headers = modernHeaders(message, definition?.headers ?? [], this.requestHeaders);
    else this.headers = legacyHeaders(this.requestHeaders);
    const bound = (): readonly Uint8Array[] => this.bound;
    const operation: Operation = {
      by: 'client',
      facts: given.facts,
      exact: [outgoing.bytes],
      // only where people are asked
      get bound() {
        return bound();
      },
      shown: () => shownMessage(message, given.spans),
      sink,
      returns: true,
    };
    return { subject, definition, operation, outgoing };
  }

  /** What nobody agreed to is refused before anybody is asked about it; who may not call it at all learns only that. */
  #mayAsk({ subject, definition, operation }: Prepared): boolean {
    if (subject.pinned === null || (definition !== null && this.link.catalogue.isAgreed(subject.pinned, definition))) return true;
    const denial = this.link.session.check(operation);
    if (denial !== null) this.#denied(subject, { denial });
    else if (definition === null) this.#refuse({ told: unknownName(subject), rpc: -32602, kind: 'unknown name' });
    else {
      const { code, message, hint } = fail('ERR_TOOL_QUARANTINED');
      this.#refuse({ told: { code, message, hint: hint ?? '' }, rpc: null, kind: 'quarantined' });
    }
    return false;
  }

  async #analyse(subject: Subject): Promise<AnalysedArguments> {
    const { link } = this;
    const found = argumentLeaves(this.message.params).map(({ pointer, node }) => ({
      pointer,
      kind: node.kind,
      text: node.kind === 'string' || node.kind === 'number' ? node.text : written(node),
    }));
    return analyseArguments({ analysers: link.resource.analysers, tool: subject.name, leaves: found, session: link.session, sql: this.shared.sql });
  }

  /** A round of ours: what the caller's own round carried is put back. */
  #resume(): Fault | null {
    const { params } = this.message;
    const state = text(member(params, 'requestState'));
    if (params === undefined || state === undefined || !this.shared.states.isOurs(state)) return null;
    const round = this.shared.states.open(state, { owner: this.owner, digest: this.digestAnyway() });
    if (round === null) {
      const told = {
        code: 'ERR_INVALID_INPUT',
        message: 'Invalid params: requestState is not of this call.',
        hint: 'Send the call again without it.',
      } as const;
      return { told, rpc: -32602, kind: 'request state' };
    }
    this.message = withRound(this.message, params, round);
    return null;
  }

  /** Of the call alone: what is pinned may change between rounds, the approval sees to that. */
  digestAnyway(): string {
    return createHash('sha256')
      .update(this.message.method)
      .update('\0')
      .update(canonicalDigestInput(strippedOf(this.message)))
      .digest('base64url');
  }

  async #forward({ outgoing }: Prepared, permit: Permit): Promise<void> {
    try {
      if (permit.forwardable !== true) await permit.forwardable;
    } catch (error) {
      permit.settle({ status: 'failure', rows: 0, error: 'the intent could not be recorded' });
      throw error;
    }
    if (this.stop.signal.aborted) {
      permit.settle({ status: 'failure', rows: 0, error: 'cancelled by the caller' });
      return;
    }
    await relayReply(this, outgoing, permit);
  }

  /** Hidden names look as if they did not exist; for everything else the reason is told. */
  #denied(subject: Subject, { denial, request }: Omit<Extract<Admitted, { verdict: 'refused' }>, 'verdict'>): void {
    const isHidden = subject.pinned !== null && denial.code === 'ERR_ACCESS_DENIED' && !this.link.session.possible(this.#listed(subject));
    if (isHidden) this.answer(errorAnswer(this.message.id, -32602, { ...toldOf(denial), message: unknownName(subject).message }));
    else this.#say(toldOf(denial, request));
  }

  #listed(subject: Subject): Facts {
    const method = subject.type === 'Tool' ? 'tools/call' : 'prompts/get';
    return this.shared.known.of(method, subject, subject.type === 'Tool' && this.link.catalogue.isReadOnly(subject.name));
  }

  /** Policy and people are told to the model as a result it can read; to everything else as an error. */
  #say(told: Told): void {
    const { message, link } = this;
    this.answer(message.method === 'tools/call' ? toolRefusal(message.id, told, link.era) : refusalAnswer(message.id, told));
  }

  #refuse({ told, rpc, status, kind }: Fault): null {
    const denial: Denial = this.link.session.refuse({ code: told.code, message: told.message, exact: [serialise(this.message.node)], kind });
    const full = { ...toldOf(denial), hint: told.hint === '' ? denial.hint : told.hint };
    if (rpc === null) this.#say(full);
    else this.answer(errorAnswer(this.message.id, rpc, full), status);
    return null;
  }
}

/** what is wrong with the message itself, or with what it asks for */
const refusable: ReadonlySet<ErrorCode> = new Set([
  'ERR_PROTOCOL_VIOLATION',
  'ERR_STATEMENT_UNPARSEABLE',
  'ERR_STATEMENT_TOO_LARGE',
  'ERR_FEATURE_REFUSED',
  'ERR_ACCESS_DENIED',
]);

function misheard({ status, code, message }: { status: number; code: RpcCode; message: string }): Fault {
  return { told: { code: 'ERR_PROTOCOL_VIOLATION', message, hint: '' }, rpc: code, status, kind: 'header' };
}

function unknownName({ type, name }: Subject): Told {
  return {
    code: 'ERR_NOT_FOUND',
    message: `Unknown ${type === 'Tool' ? 'tool' : 'prompt'}: ${name.slice(0, 100)}`,
    hint: 'Ask for the list of what there is.',
  };
}

/** Answers to a server and what `_meta` carries for it decide what it does, like arguments. */
function boundOf({ params }: RequestMessage): JsonObject {
  if (params === undefined) return { kind: 'object', members: [] };
  const members = metaOf(params)?.members.filter(({ key }) => !ordinaryMeta.has(key)) ?? [];
  return withMember(params, '_meta', members.length === 0 ? undefined : { kind: 'object', members });
}

function strippedOf({ params }: RequestMessage): JsonObject {
  const members = params?.members.filter(({ key }) => key !== '_meta' && key !== 'requestState' && key !== 'inputResponses') ?? [];
  return { kind: 'object', members };
}

const limits = { maxBytes: maxMessageBytes, maxDepth: 64, maxNodes: 100_000 };

function withRound(message: RequestMessage, params: JsonObject, round: Round): RequestMessage {
  const inner = (plain: string | null): ReturnType<typeof parseJson> | undefined => (plain === null ? undefined : parseJson(Buffer.from(plain), limits));
  const restored = withMember(withMember(params, 'requestState', inner(round.requestState)), 'inputResponses', inner(round.inputResponses));
  return { ...message, params: restored, node: withMember(message.node, 'params', restored) };
}

const versionText = /^\d{4}-\d{2}-\d{2}$/;

export function legacyHeaders(headers: IncomingHttpHeaders): readonly string[] {
  const version = headers['mcp-protocol-version'];
  return typeof version === 'string' && versionText.test(version) ? ['mcp-protocol-version', version] : [];
}

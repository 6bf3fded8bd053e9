import { asAppError, fail, type ErrorCode } from '../../contract/errors.ts';
import type { AppError } from '../../lib/errors.ts';
import { member, text, type JsonNode } from '../../lib/json/node.ts';
import { serialise } from '../../lib/json/serialise.ts';
import type { DocumentMasker, Outcome, Permit } from '../../pipeline/engine.ts';
import { resultAnswer, toolRefusal, type Told } from './answers.ts';
import type { Call } from './call.ts';
import { readMessage, type RequestMessage, type ResponseMessage } from './envelope.ts';
import { resultFor } from './lists.ts';
import { noteRequest, noteResponse } from './notes.ts';
import { OperationSink } from './reply-writer.ts';
import { badServer, type Incoming, type Outgoing, type Reply } from './upstream.ts';

const maxErrorChars = 300;
const headMs = 10_000;
const changes = new Set(['notifications/tools/list_changed', 'notifications/prompts/list_changed']);

/** Forwards what was permitted and brings its answers back, each masked, recorded and sent as it comes. */
export async function relayReply(call: Call, outgoing: Outgoing, permit: Permit): Promise<void> {
  const { link, message, stop } = call;
  const masker = permit.document({ kind: 'json', media: link.resource.media });
  const startedAt = performance.now();
  const [bytes = new Uint8Array(0)] = permit.spend();
  // clients and what is between give up on an answer whose head does not come
  const slow = setTimeout(() => {
    if (!call.writer.hasBegun) call.writer.stream();
  }, headMs);
  try {
    await noteRequest(permit, masker, message, bytes.length);
    const reply = await link.upstream.request(outgoing, bytes, { headers: call.headers, signal: stop.signal });
    await noteResponse(permit, masker, reply.status, performance.now() - startedAt);
    const outcome = await new Relay(call, { permit, masker }, reply).run();
    if (outcome === null) return;
    call.hasSucceeded = outcome.status === 'success';
    permit.settle(outcome);
    if (link.session.ended.aborted) call.writer.end();
  } catch (error) {
    await broken(call, permit, asAppError(error));
  } finally {
    clearTimeout(slow);
  }
}

/** It was forwarded, and its answer did not come, or could not be passed on. */
async function broken(call: Call, permit: Permit, error: AppError<ErrorCode>): Promise<void> {
  const { link, sink, stop } = call;
  const isGone = stop.signal.aborted;
  if (!isGone) await Promise.race([sink.flushed().catch(() => undefined), ended(stop.signal)]);
  if (link.session.ended.aborted && call.writer.hasBegun) call.writer.cut();
  else call.answerFault(link.session.ended.aborted ? asAppError(link.session.ended.reason) : error);
  permit.settle({ status: isGone ? 'indeterminate' : 'failure', rows: 0, error: isGone ? 'cancelled by the caller' : error.message });
  sink.abandon();
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}

/** The messages of one reply, in order. */
class Relay {
  readonly #call: Call;
  readonly #permit: Permit;
  readonly #masker: DocumentMasker;
  readonly #reply: Reply;

  constructor(call: Call, { permit, masker }: { permit: Permit; masker: DocumentMasker }, reply: Reply) {
    this.#call = call;
    this.#permit = permit;
    this.#masker = masker;
    this.#reply = reply;
  }

  /** Null: the server closed the stream before its answer, which comes on another. */
  async run(): Promise<Outcome | null> {
    if (this.#reply.isStream === true) this.#call.writer.stream();
    for await (const arrived of this.#reply.messages) {
      const outcome = await this.#message(arrived);
      if (outcome !== null) return outcome;
    }
    return this.#withoutAnswer();
  }

  async #message(arrived: Incoming): Promise<Outcome | null> {
    const { message } = arrived;
    const { writer, link } = this.#call;
    if (message === null) {
      await this.#call.sink.flushed();
      await writer.place({ id: this.#shownId(arrived.id), retry: arrived.retry });
      return null;
    }
    switch (message.kind) {
      case 'response':
        return this.#answer(message, arrived);
      case 'notification':
        if (changes.has(message.method)) link.catalogue.changed();
        writer.stream();
        await this.#release(arrived.bytes, arrived);
        return null;
      case 'request':
        if (link.era === 'modern') throw badServer('a request of a server where there are none');
        writer.stream();
        await this.#call.sink.flushed();
        await link.asked.pass({ ...arrived, message, id: this.#shownId(arrived.id) }, writer);
        return null;
    }
  }

  async #answer(message: ResponseMessage, arrived: Incoming): Promise<Outcome> {
    const { message: request, link } = this.#call;
    const isForeign = message.key !== null && message.key !== request.key;
    if (isForeign || (message.key === null && this.#reply.status < 400)) throw badServer('an answer to something else');
    const refused = await this.#refusedInput(message.result);
    if (refused !== null) {
      await this.#release(toolRefusal(request.id, refused, link.era), arrived);
      return { status: 'failure', rows: 0, error: refused.message };
    }
    await this.#release(answerFor(this.#call, message, arrived.bytes), arrived, statusOf(this.#call, this.#reply.status, message));
    return outcomeOf(message, (plain) => link.session.mask(plain));
  }

  /** What a server wants of the client in a result is decided like a request of its own. Null: nothing, or it may. */
  async #refusedInput(result: JsonNode | undefined): Promise<Told | null> {
    const wanted = member(result, 'inputRequests');
    if (wanted?.kind !== 'object') return null;
    for (const { value } of wanted.members) {
      const bytes = serialise({
        kind: 'object',
        members: [...versionAndId, ...(value.kind === 'object' ? value.members.filter(({ key }) => key !== 'jsonrpc' && key !== 'id') : [])],
      });
      const request = readMessage(bytes);
      if (request.kind !== 'request') throw badServer('an input request that is none');
      const decided = await this.#call.link.asked.decide(request, bytes, new OperationSink(() => null, false));
      if (!('spend' in decided)) return decided;
      if (decided.forwardable !== true) await decided.forwardable;
      decided.spend();
      decided.settle({ status: 'success', rows: 0 });
    }
    return null;
  }

  async #release(bytes: Uint8Array, { id, retry }: Incoming, status = 200): Promise<void> {
    const place = { id: this.#shownId(id), retry };
    await this.#call.sink.release(this.#permit, this.#masker.push(bytes), { status, place });
  }

  #shownId(id: string | null): string | null {
    return this.#call.link.places.shown(id);
  }

  async #withoutAnswer(): Promise<null> {
    const { link, writer, message, sink } = this.#call;
    if (link.era === 'modern' || this.#reply.isStream !== true)
      throw fail('ERR_TARGET_UNREACHABLE', { message: 'The server ended its answer before it was whole.' });
    const call = this.#call;
    await sink.flushed();
    call.target = null;
    link.cut.put(message.key, {
      permit: this.#permit,
      masker: this.#masker,
      sink,
      message,
      move: (to) => {
        call.target = to;
      },
    });
    writer.end();
    return null;
  }
}

const versionAndId = [
  { key: 'jsonrpc', value: { kind: 'string', text: '2.0' } },
  { key: 'id', value: { kind: 'number', text: '0' } },
] as const;

/** The answer as this caller may see it, before it is masked. */
export function answerFor(
  call: Pick<Call, 'link' | 'shared'> & { readonly message: RequestMessage },
  { result, error }: ResponseMessage,
  bytes: Uint8Array,
): Uint8Array {
  const { link, shared, message } = call;
  if (error !== undefined || result?.kind !== 'object') return bytes;
  const shown = resultFor(message.method, result, { session: link.session, catalogue: link.catalogue, known: shared.known });
  return shown === result ? bytes : resultAnswer(message.id, shown);
}

export function outcomeOf({ result, error }: ResponseMessage, mask: (plain: string) => string): Outcome {
  if (error !== undefined) return { status: 'failure', rows: 0, error: mask(text(member(error, 'message')) ?? 'error').slice(0, maxErrorChars) };
  const content = member(result, 'content');
  const items = content?.kind === 'array' ? content.items : [];
  const isError = member(result, 'isError');
  if (isError?.kind !== 'boolean' || !isError.value) return { status: 'success', rows: items.length };
  return { status: 'failure', rows: items.length, error: mask(text(member(items[0], 'text')) ?? 'error').slice(0, maxErrorChars) };
}

const statuses: ReadonlyMap<string, number> = new Map([
  ['-32601', 404],
  ['-32020', 400],
  ['-32021', 400],
  ['-32022', 400],
]);

/** A server without HTTP has no status; the revision without sessions gives some errors one. */
function statusOf({ link, writer }: Call, status: number, { error }: ResponseMessage): number {
  if (status !== 200 || link.era === 'legacy' || error === undefined || writer.isStream || link.resource.upstream.transport === 'streamable-http')
    return status;
  const code = member(error, 'code');
  return code?.kind === 'number' ? (statuses.get(code.text) ?? 200) : 200;
}

import { asAppError } from '../../contract/errors.ts';
import type { DocumentMasker, Permit, WebExchange } from '../../pipeline/engine.ts';
import { refusalAnswer, toldOf } from './answers.ts';
import { legacyHeaders, type Shared } from './call.ts';
import type { ResponseMessage } from './envelope.ts';
import type { Link } from './link.ts';
import { answerFor, outcomeOf } from './relay.ts';
import { OperationSink, type ReplyTarget } from './reply-writer.ts';
import { Stop } from './stop.ts';
import type { Incoming } from './upstream.ts';

interface Given {
  readonly shared: Shared;
  readonly link: Link;
  readonly exchange: WebExchange;
  readonly writer: ReplyTarget;
}

/** The stream on which a server of the era with sessions says what nobody asked for (GET): one operation as long as it lasts. */
export async function serveStream(given: Given): Promise<void> {
  const { link, exchange, writer, shared } = given;
  const stop = new Stop([exchange.gone, link.session.ended]);
  const sink = new OperationSink(() => writer, true);
  const subject = { action: 'mcp:method', type: 'Method', name: 'notifications/stream', pinned: null } as const;
  const facts = shared.known.of(subject.name, subject, false);
  const lastEventId = exchange.request.headers['last-event-id'];
  try {
    const admission = await link.session.submit({ by: 'client', facts, exact: [], shown: () => [{ kind: 'text', text: subject.name }], sink });
    if (admission.verdict !== 'forward') {
      if (admission.verdict !== 'refused') admission.withdraw('A stream cannot be approved.');
      const told =
        admission.verdict === 'refused'
          ? toldOf(admission.denial)
          : ({ code: 'ERR_ACCESS_DENIED', message: 'A stream cannot be approved.', hint: '' } as const);
      void writer.message(refusalAnswer(null, told), 403);
      writer.end();
      return;
    }
    await follow(given, { permit: admission.permit, sink, stop, lastEventId: typeof lastEventId === 'string' ? link.places.find(lastEventId) : null });
  } finally {
    stop.release();
  }
}

interface Following {
  readonly permit: Permit;
  readonly sink: OperationSink;
  readonly stop: Stop;
  readonly lastEventId: string | null;
}

async function follow(given: Given, { permit, sink, stop, lastEventId }: Following): Promise<void> {
  const { link, exchange, writer } = given;
  try {
    if (permit.forwardable !== true) await permit.forwardable;
    permit.spend();
    const reply = await link.upstream.listen(lastEventId, { headers: legacyHeaders(exchange.request.headers), signal: stop.signal });
    if (reply === null) {
      writer.empty(405, ['allow', 'POST, DELETE']);
      permit.settle({ status: 'failure', rows: 0, error: 'the server has no such stream' });
      return;
    }
    writer.stream();
    const masker = permit.document({ kind: 'json', media: link.resource.media });
    const stream = new Stream(given, permit, { masker, sink });
    let count = 0;
    for await (const arrived of reply.messages) {
      count++;
      await stream.message(arrived);
    }
    permit.settle({ status: 'success', rows: count });
  } catch (error) {
    const { message } = asAppError(error);
    permit.settle(stop.signal.aborted ? { status: 'success', rows: 0 } : { status: 'failure', rows: 0, error: message });
    if (stop.signal.aborted || writer.hasBegun) writer.end();
    else throw error;
  }
}

class Stream {
  readonly #given: Given;
  readonly #permit: Permit;
  readonly #masker: DocumentMasker;
  readonly #sink: OperationSink;

  constructor(given: Given, permit: Permit, { masker, sink }: { masker: DocumentMasker; sink: OperationSink }) {
    this.#given = given;
    this.#permit = permit;
    this.#masker = masker;
    this.#sink = sink;
  }

  async message(arrived: Incoming): Promise<void> {
    const { link, writer } = this.#given;
    const { message } = arrived;
    const place = { id: link.places.shown(arrived.id), retry: arrived.retry };
    if (message === null) {
      await this.#sink.flushed();
      await writer.place(place);
    } else if (message.kind === 'notification') {
      if (message.method.endsWith('/list_changed')) link.catalogue.changed();
      await this.#sink.release(this.#permit, this.#masker.push(arrived.bytes), { place });
    } else {
      await this.#sink.flushed();
      if (message.kind === 'request') await link.asked.pass({ ...arrived, message, ...place }, writer);
      else await this.#takenUp(message, arrived.bytes, place);
    }
  }

  /** The answer to a call whose own stream was closed before it. */
  async #takenUp(message: ResponseMessage, bytes: Uint8Array, place: { id: string | null; retry: number | null }): Promise<void> {
    const { link, writer, shared } = this.#given;
    const cut = message.key === null ? null : link.cut.take(message.key);
    if (cut === null) return;
    cut.move(writer);
    const shown = answerFor({ link, shared, message: cut.message }, message, bytes);
    await cut.sink.release(cut.permit, cut.masker.push(shown), { place });
    await cut.sink.flushed();
    cut.permit.settle(outcomeOf(message, (plain) => link.session.mask(plain)));
  }
}

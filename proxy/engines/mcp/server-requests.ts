import { asAppError, errorTable, fail } from '../../contract/errors.ts';
import { fromValue } from '../../lib/json/node.ts';
import { serialise } from '../../lib/json/serialise.ts';
import type { Admission, Denial, Operation, Permit, Session } from '../../pipeline/engine.ts';
import { errorOf, type Told } from './answers.ts';
import { objectOf, readMessage, stringNode, type RequestMessage, type ResponseMessage } from './envelope.ts';
import { factsOf, subjectOf } from './facts.ts';
import { OperationSink, type Place, type ReplyTarget } from './reply-writer.ts';
import { shownMessage } from './shown.ts';
import type { Incoming, McpUpstream } from './upstream.ts';

const maxAsked = 256;
/** a person may have to answer */
const patienceMs = 600_000;
const notHere: Told = { code: 'ERR_FEATURE_REFUSED', message: 'Nobody here can answer this.', hint: errorTable.ERR_FEATURE_REFUSED.remedy };

interface Asked {
  readonly permit: Permit;
  readonly timer: NodeJS.Timeout;
}

/** Requests of a server to its client (sampling, elicitation, roots): decided and recorded like everything else, then answered. */
export class ServerRequests {
  readonly #session: Session;
  readonly #upstream: McpUpstream;
  readonly #media: 'drop' | 'pass';
  readonly #asked = new Map<string, Asked>();

  constructor(session: Session, upstream: McpUpstream, media: 'drop' | 'pass') {
    this.#session = session;
    this.#upstream = upstream;
    this.#media = media;
  }

  /** Passes it on through `writer`, or answers the server that it is refused. Resolves when the next message may follow. */
  async pass({ message, bytes, id, retry }: Incoming & { readonly message: RequestMessage }, writer: ReplyTarget): Promise<void> {
    const sink = new OperationSink(() => writer, false);
    const permit = await this.decide(message, bytes, sink);
    if (!('spend' in permit)) {
      await this.decline(message, permit);
      return;
    }
    try {
      if (permit.forwardable !== true) await permit.forwardable;
      const exact = Buffer.concat(permit.spend());
      const masked = permit.document({ kind: 'json', media: this.#media }).push(exact);
      this.#wait(message.key, permit);
      const place: Place = { id, retry };
      await sink.release(permit, masked, { place });
      await sink.flushed();
    } catch (error) {
      permit.settle({ status: 'failure', rows: 0, error: asAppError(error).message });
      throw error;
    }
  }

  /** Decides what a server wants to begin. People are not asked for it: what needs them is refused. */
  async decide(message: RequestMessage, bytes: Uint8Array, sink: OperationSink): Promise<Permit | Denial> {
    if (this.#asked.size >= maxAsked) throw fail('ERR_TARGET_UNREACHABLE', { message: 'Too many requests of the server wait for an answer.' });
    const operation: Operation = {
      by: 'target',
      facts: factsOf(message, subjectOf(message), { isReadOnly: false, analysed: null }),
      exact: [bytes],
      shown: () => shownMessage(message),
      sink,
      returns: true,
    };
    return permitOf(await this.#session.submit(operation));
  }

  has(key: string): boolean {
    return this.#asked.has(key);
  }

  /** False: nobody asked that. */
  async answer(message: ResponseMessage, bytes: Uint8Array, headers: readonly string[]): Promise<boolean> {
    const asked = message.key === null ? undefined : this.#asked.get(message.key);
    if (asked === undefined || message.key === null) return false;
    this.#asked.delete(message.key);
    clearTimeout(asked.timer);
    try {
      const recorded = asked.permit.input(bytes);
      if (recorded !== true) await recorded;
      await this.#upstream.tell(message, bytes, { headers, signal: this.#session.ended });
    } catch (error) {
      asked.permit.settle({ status: 'indeterminate', rows: 0, error: asAppError(error).message });
      throw error;
    }
    asked.permit.settle(message.error === undefined ? { status: 'success', rows: 1 } : { status: 'failure', rows: 0, error: 'the client refused' });
    return true;
  }

  /** Tells the server that its request is not passed on. */
  async decline(message: RequestMessage, denial: Told = notHere): Promise<void> {
    const node = objectOf({ jsonrpc: stringNode('2.0'), id: message.id, error: fromValue(errorOf(errorTable[denial.code].status, denial)) });
    const bytes = serialise(node);
    const answer = readMessage(bytes);
    if (answer.kind === 'response') await this.#upstream.tell(answer, bytes, { headers: [], signal: this.#session.ended });
  }

  abandon(): void {
    for (const { permit, timer } of this.#asked.values()) {
      clearTimeout(timer);
      permit.settle({ status: 'indeterminate', rows: 0, error: 'the session ended' });
    }
    this.#asked.clear();
  }

  #wait(key: string, permit: Permit): void {
    const timer = setTimeout(() => {
      this.#asked.delete(key);
      permit.settle({ status: 'failure', rows: 0, error: 'the client did not answer in time' });
    }, patienceMs).unref();
    this.#asked.set(key, { permit, timer });
  }
}

function permitOf(admission: Admission): Permit | Denial {
  switch (admission.verdict) {
    case 'forward':
      return admission.permit;
    case 'refused':
      return admission.denial;
    case 'held':
    case 'waiting':
      admission.withdraw('A server may not ask for this.');
      return {
        code: 'ERR_APPROVAL_REQUIRED',
        message: 'What a server begins cannot be approved.',
        hint: errorTable.ERR_APPROVAL_REQUIRED.remedy,
        policies: [],
      };
  }
}

import { asAppError } from '../../contract/errors.ts';
import { member } from '../../lib/json/node.ts';
import { serialise } from '../../lib/json/serialise.ts';
import type { Permit, WebExchange } from '../../pipeline/engine.ts';
import { errorAnswer, refusalAnswer, toldOf } from './answers.ts';
import { legacyHeaders, type Call, type Shared } from './call.ts';
import { tokenKey, type NotificationMessage, type ResponseMessage } from './envelope.ts';
import { headerFault, modernHeaders } from './era.ts';
import { factsOf, subjectOf } from './facts.ts';
import type { Link } from './link.ts';
import type { ReplyTarget } from './reply-writer.ts';
import { shownMessage } from './shown.ts';

interface Given {
  readonly shared: Shared;
  readonly link: Link;
  readonly exchange: WebExchange;
  readonly writer: ReplyTarget;
  /** calls of this link that run, by id */
  readonly running: ReadonlyMap<string, Call>;
}

/** A notification of the caller: decided like a request, and answered with nothing. */
export async function serveNotification(given: Given, message: NotificationMessage): Promise<void> {
  const { link, exchange, writer } = given;
  const fault = link.era === 'modern' ? headerFault(message, exchange.request.headers) : null;
  if (fault !== null) {
    const denial = link.session.refuse({ code: 'ERR_PROTOCOL_VIOLATION', message: fault.message, exact: [serialise(message.node)], kind: 'header' });
    void writer.message(errorAnswer(null, fault.code, toldOf(denial)), 400);
    writer.end();
    return;
  }
  const admission = await link.session.submit({
    by: 'client',
    facts: factsOf(message, subjectOf(message), { isReadOnly: false, analysed: null }),
    exact: [serialise(message.node)],
    shown: () => shownMessage(message),
    returns: true,
  });
  if (admission.verdict === 'forward') {
    if (message.method === 'notifications/cancelled') withdraw(given, message);
    await forward(given, message, admission.permit);
    writer.empty(202);
    return;
  }
  if (admission.verdict !== 'refused') admission.withdraw('A notification cannot wait for people.');
  const told =
    admission.verdict === 'refused'
      ? toldOf(admission.denial)
      : ({ code: 'ERR_ACCESS_DENIED', message: 'A notification cannot be approved.', hint: '' } as const);
  void writer.message(refusalAnswer(null, told), 403);
  writer.end();
}

/** A call that still waits for people is taken back; one that runs is the server's to stop. */
function withdraw({ running }: Given, message: NotificationMessage): void {
  const key = tokenKey(member(message.params, 'requestId'));
  if (key !== null) running.get(key)?.cancel();
}

async function forward({ link, exchange }: Given, message: NotificationMessage, permit: Permit): Promise<void> {
  try {
    if (permit.forwardable !== true) await permit.forwardable;
    const [bytes = new Uint8Array(0)] = permit.spend();
    const headers = link.era === 'modern' ? modernHeaders(message, [], exchange.request.headers) : legacyHeaders(exchange.request.headers);
    await link.upstream.tell(message, bytes, { headers, signal: link.session.ended });
    permit.settle({ status: 'success', rows: 0 });
  } catch (error) {
    permit.settle({ status: 'failure', rows: 0, error: asAppError(error).message });
    throw error;
  }
}

/** The caller's answer to a request of the server. */
export async function serveResponse(given: Given, message: ResponseMessage): Promise<void> {
  const { link, exchange, writer } = given;
  const bytes = serialise(message.node);
  if (link.era === 'legacy' && (await link.asked.answer(message, bytes, legacyHeaders(exchange.request.headers)))) {
    writer.empty(202);
    return;
  }
  const denial = link.session.refuse({ code: 'ERR_PROTOCOL_VIOLATION', message: 'This answers no request of the server.', exact: [bytes], kind: 'answer' });
  void writer.message(errorAnswer(null, -32600, toldOf(denial)), 400);
  writer.end();
}

import { asAppError, fail, type ErrorCode } from '../../contract/errors.ts';
import { AppError } from '../../lib/errors.ts';
import type { Admission, Denial, Operation, Outcome, Permit } from '../../pipeline/engine.ts';
import { answerError, ResponseSink } from '../../wire/web/answer.ts';
import { acceptedCodings } from '../../wire/web/content-coding.ts';
import { flat, headerPairs, mediaType, passedRequestHeaders, single, type HeaderList } from '../../wire/web/header-rules.ts';
import { parsedBytes } from '../../wire/web/body-room.ts';
import { announcesBody, readBody } from '../../wire/web/request-body.ts';
import type { Access } from '../../wire/web/target-access.ts';
import type { UpstreamReply, UpstreamRequest } from '../../wire/web/upstream.ts';
import { CallOperation, forwardedOf, type CallParts, type Forwarded } from './call.ts';
import type { Served } from './index.ts';
import { answer, jsonOf, note } from './reply.ts';
import { headerRecord, strongIfMatch } from './reply-headers.ts';
import { noBody, requestBody, type RequestBody } from './request-body.ts';
import { fieldsOf, targetPath, type Field } from './target-path.ts';

const noBytes = Buffer.alloc(0);
const bodyDeadlineMs = 60_000;
const defaultWaitMs = 50_000;
const maxWaitMs = 600_000;

/** One request from the caller's bytes to the answer. Throws what the caller is to read. */
export async function serveCall(served: Served): Promise<void> {
  const { exchange, gate } = served;
  const sink = new ResponseSink(exchange.response, gate.limits.highWaterBytes);
  const operation = await callOf(served, sink);
  const permit = await admitted(served, operation);
  if (permit !== null) await run(served, permit, sink);
}

/** The request as an operation. Throws the fault, recorded, when it cannot be one. */
async function callOf(served: Served, sink: ResponseSink): Promise<CallOperation> {
  const { exchange, resource } = served;
  const bytes = announcesBody(exchange.request) ? await bodyOf(served) : noBytes;
  const parts = understood(served, bytes, (headers) => requestBody(bytes, mediaType(single(headers, 'content-type')), resource.bodies));
  return new CallOperation({ ...parts, upgrade: false, returns: true, sink });
}

async function bodyOf({ exchange, resource, room }: Served): Promise<Buffer> {
  const { request, response, gone, caller } = exchange;
  const share = room.share(JSON.stringify([caller.issuer, caller.subject]));
  response.once('close', () => {
    share.release();
  });
  const bytes = await readBody(request, response, { maxBytes: resource.bodies.maxBytes, deadlineMs: bodyDeadlineMs, signal: gone, room: share });
  share.take(parsedBytes(bytes));
  return bytes;
}

/** Everything of a request that is decided. What cannot be read in one way only is refused and recorded. */
export function understood(
  { exchange, session }: Served,
  bytes: Buffer,
  readBodyBy: (headers: HeaderList) => RequestBody = () => noBody,
): Pick<CallParts, 'method' | 'target' | 'query' | 'headers' | 'body'> {
  const { request, path, search } = exchange;
  try {
    const all = headerPairs(request.rawHeaders);
    const method = request.method ?? '';
    if (bytes.length > 0 && (method === 'GET' || method === 'HEAD')) throw fail('ERR_PROTOCOL_VIOLATION', { message: `${method} takes no body.` });
    const query = fieldsOf(search.slice(1));
    const body = bytes.length === 0 ? noBody : readBodyBy(all);
    if (overrides(method, query, body)) {
      throw fail('ERR_FEATURE_REFUSED', { message: 'A field that names another method is refused: the method is that of the request line.' });
    }
    return { method, target: targetPath(path), query, headers: strongIfMatch(ours(all)), body };
  } catch (error) {
    const { code, message } = asAppError(error);
    throw new Refused(session.refuse({ code, message, exact: [Buffer.from(`${path}${search}`), bytes], kind: 'request' }));
  }
}

/** Frameworks take `_method` of a POST for its method; PHP reads `.method` and ` method` as that name, too. */
function overrides(method: string, query: readonly Field[], body: RequestBody): boolean {
  if (method !== 'POST') return false;
  const names = [...query.map(({ name }) => name), ...Object.keys(body.arguments).map((pointer) => pointer.slice(1))];
  return names.some((name) => /^\s*[_. [+]method(?:[/[]|$)/i.test(name));
}

/** Without what the gateway keeps to itself: how long to wait, and pieces of what must be seen whole. */
function ours(headers: HeaderList): HeaderList {
  const kept: (readonly [string, string])[] = [];
  for (const header of passedRequestHeaders(headers)) {
    const [name, value] = header;
    if (name === 'range' || name === 'if-range') continue;
    if (name !== 'prefer') kept.push(header);
    else {
      const others = value.split(',').filter((each) => !/^\s*wait\s*=/i.test(each));
      if (others.length > 0) kept.push([name, others.join(',').trim()]);
    }
  }
  return kept;
}

/** Null: the caller was told, or is gone. Throws the refusal. */
export async function admitted(served: Served, operation: Operation): Promise<Permit | null> {
  const { exchange, session } = served;
  const came = performance.now();
  const submitted = session.submit(operation);
  let admission = 'verdict' in submitted ? submitted : await submitted;
  while (admission.verdict !== 'forward') {
    if (admission.verdict === 'refused') throw new Refused(admission.denial);
    const next = await waited(served, admission, came + waitMs(exchange.request.headers['prefer']));
    if (next === null) return null;
    admission = next === 'again' ? await session.submit(operation) : next;
  }
  if (!exchange.gone.aborted) return admission.permit;
  admission.permit.settle({ status: 'failure', rows: 0, error: 'the client disconnected' });
  return null;
}

type Waiting = Extract<Admission, { verdict: 'held' | 'waiting' }>;

/** People decide. Who leaves withdraws; who waited long enough may come back with the same request. */
async function waited({ exchange, session }: Served, admission: Waiting, until: number): Promise<Admission | 'again' | null> {
  const { gone, response } = exchange;
  const stop = AbortSignal.any([gone, session.ended]);
  const late = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => late.resolve('late'), Math.max(until - performance.now(), 0));
  const left = Promise.withResolvers<'left'>();
  const leave = (): void => left.resolve('left');
  stop.addEventListener('abort', leave, { once: true });
  if (stop.aborted) leave();
  try {
    const decided: Promise<Admission | 'again'> = admission.verdict === 'held' ? admission.decided : admission.decided.then(() => 'again' as const);
    const outcome = await Promise.race([decided, late.promise, left.promise]);
    if (outcome === 'left') {
      admission.withdraw('the client disconnected');
      if (gone.aborted) return null;
      throw session.ended.reason;
    }
    if (outcome !== 'late') return outcome;
    const message = `This needs the approval of ${admission.by}: request ${admission.request}.`;
    if (admission.verdict === 'held') admission.withdraw('nobody decided in time');
    answerError(response, fail('ERR_APPROVAL_REQUIRED', { message }), { request: admission.request });
    return null;
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', leave);
  }
}

/** RFC 7240 section 4.3, in seconds. */
function waitMs(prefer: string | string[] | undefined): number {
  const seconds = /(?:^|,)\s*wait\s*=\s*"?(\d{1,6})/i.exec(String(prefer ?? ''))?.[1];
  return seconds === undefined ? defaultWaitMs : Math.min(Number(seconds) * 1000, maxWaitMs);
}

/** A denial of the core as an error that answers. */
export class Refused extends AppError<ErrorCode> {
  readonly policies: readonly string[];

  constructor({ code, message, hint, policies }: Denial) {
    super(code, message, { hint });
    this.policies = policies;
  }
}

async function run(served: Served, permit: Permit, sink: ResponseSink): Promise<void> {
  const { exchange, session, access, stops } = served;
  const { gone } = exchange;
  const stop = new AbortController();
  const leave = (): void => {
    stop.abort(gone.reason);
  };
  const running = { stop, sink };
  gone.addEventListener('abort', leave);
  stops.add(running);
  if (gone.aborted) leave();
  if (session.ended.aborted) stop.abort(session.ended.reason);
  const state = { sent: false };
  try {
    let way = await access.use();
    if (permit.forwardable !== true) {
      await permit.forwardable;
      // it may have taken long, and credentials change
      way = await access.use();
    }
    await pass(served, { permit, sink, way, signal: stop.signal, state });
  } catch (error) {
    fault(served, { permit, sink, error, sent: state.sent });
  } finally {
    gone.removeEventListener('abort', leave);
    stops.delete(running);
  }
}

interface Passing {
  readonly permit: Permit;
  readonly sink: ResponseSink;
  readonly way: Access;
  readonly signal: AbortSignal;
  readonly state: { sent: boolean };
}

/** There and back, and the outcome. */
async function pass({ exchange, resource, access, gate }: Served, { permit, sink, way, signal, state }: Passing): Promise<void> {
  const { upstream } = way;
  const call = forwardedOf(permit.spend());
  const json = jsonOf(permit);
  await note(permit, { dir: 'request', method: call.method, path: call.path, headers: headerRecord(call.headers), bytes: call.body.length }, json);
  const started = performance.now();
  if (signal.aborted) throw signal.reason;
  state.sent = true;
  const reply = await upstream.request(requestOf(call, { way, signal, operation: permit.operation }));
  reply.body.on('error', () => undefined);
  try {
    const place = { upstream, here: exchange.here, isShared: gate.pinned === null };
    const millis = Math.round(performance.now() - started);
    await answer(reply, { permit, json, sink, method: call.method, place, bodies: resource.bodies, millis, signal });
  } finally {
    if (reply.status === 401) access.refused();
    reply.body.destroy();
  }
  permit.settle(outcomeOf(reply));
}

function requestOf(call: Forwarded, { way, signal, operation }: { way: Access; signal: AbortSignal; operation: string }): UpstreamRequest {
  const path = `${way.upstream.base}${call.path}`;
  return {
    method: call.method,
    path: path.startsWith('/') ? path : `/${path}`,
    headers: [...flat(call.headers), 'accept-encoding', acceptedCodings, 'x-request-id', operation, ...way.headers],
    body: call.body.length === 0 ? null : call.body,
    signal,
  };
}

function outcomeOf({ status }: UpstreamReply): Outcome {
  return status < 400 ? { status: 'success', rows: 0 } : { status: 'failure', rows: 0, error: `the target answered with status ${status}` };
}

/** Never forwarded, or known not to have arrived. */
const unsent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

function fault({ exchange, session }: Served, given: { permit: Permit; sink: ResponseSink; error: unknown; sent: boolean }): void {
  const { permit, sink, error, sent } = given;
  const { response, gone } = exchange;
  const known = session.ended.aborted ? asAppError(session.ended.reason) : asAppError(error);
  const cause: unknown = known.cause;
  const arrived = sent && !(cause instanceof Error && 'code' in cause && unsent.has(String(cause.code)));
  // what has begun must not look complete, and what has not begun is answered in our words
  if (response.headersSent || gone.aborted) sink.cut();
  else answerError(response, known, known.code === 'ERR_BODY_REFUSED' || known.code === 'ERR_MASKING_FAILED' ? { status: 502 } : {});
  permit.settle({ status: arrived ? 'indeterminate' : 'failure', rows: 0, error: known.message });
}

import { fail } from '../../contract/errors.ts';
import type { ExchangeRecord } from '../../contract/exchange-record.ts';
import type { HttpResource } from '../../contract/resource.ts';
import type { Permit } from '../../pipeline/engine.ts';
import type { ResponseSink } from '../../wire/web/answer.ts';
import { decoded } from '../../wire/web/content-coding.ts';
import { flat, mediaType, single, type HeaderList } from '../../wire/web/header-rules.ts';
import type { UpstreamReply } from '../../wire/web/upstream.ts';
import { bodyKind } from './media.ts';
import { replyBody, type ReplyBody } from './reply-body.ts';
import { fromRecord, headerRecord, replyHeaders, type ReplyPlace } from './reply-headers.ts';

export interface Answering {
  readonly permit: Permit;
  readonly sink: ResponseSink;
  readonly method: string;
  readonly place: ReplyPlace;
  readonly bodies: HttpResource['bodies'];
  /** from forwarding to the head of the answer */
  readonly millis: number;
  readonly signal: AbortSignal;
}

/** Writes a line of the recording, and gives it back as it was masked. */
export async function note(permit: Permit, record: ExchangeRecord): Promise<unknown> {
  const masked = permit.document({ kind: 'json', media: 'drop' }).push(Buffer.from(JSON.stringify(record)));
  await permit.note(masked);
  return JSON.parse(Buffer.from(masked).toString('utf8'));
}

/** Passes an answer on: headers masked, body masked as it comes. Throws before the head went out, or cuts the answer off after. */
export async function answer(reply: UpstreamReply, given: Answering): Promise<void> {
  const { permit, sink, signal } = given;
  checkStatus(reply);
  const body = isBodiless(reply, given.method) ? null : await openBody(reply, given);
  const headers = replyHeaders(reply, given.place).map(([name, value]): [string, string] =>
    name === 'content-type' && body?.charset === 'utf-8' ? [name, withCharset(value)] : [name, value],
  );
  const record = await note(permit, { dir: 'response', status: reply.status, headers: headerRecord(headers), millis: given.millis });
  sink.begin(reply.status, flat(answerHeaders(maskedHeaders(record), body)));
  if (body === null) {
    reply.body.destroy();
    await permit.release(permit.document({ kind: 'text', media: 'drop' }).push(new Uint8Array()));
    return;
  }
  // a stream of events may be silent at first: its head goes out at once
  if (body.length === null) await permit.release(permit.document({ kind: 'text', media: 'drop' }).push(new Uint8Array()));
  for await (const piece of body.pieces()) {
    if (signal.aborted) throw signal.reason;
    await permit.release(piece);
  }
}

function checkStatus({ status }: UpstreamReply): void {
  if (status === 401 || status === 407) {
    throw fail('ERR_TARGET_UNREACHABLE', { message: 'The target refused the credential of this resource.', detail: `status ${String(status)}` });
  }
  if (status === 206) throw fail('ERR_BODY_REFUSED', { message: 'The target sent a part of a body that was asked for whole.' });
}

function isBodiless({ status }: UpstreamReply, method: string): boolean {
  return method === 'HEAD' || status === 204 || status === 205 || status === 304;
}

function openBody(reply: UpstreamReply, { permit, bodies, signal }: Answering): Promise<ReplyBody> {
  const codings = reply.headers.filter(([name]) => name === 'content-encoding').map(([, value]) => value);
  const body = decoded(reply.body, codings.join(','));
  if (body === null) throw fail('ERR_BODY_REFUSED', { message: 'The body is compressed in a way that cannot be read here.' });
  return replyBody({ permit, body, media: mediaType(single(reply.headers, 'content-type')), bodies, signal });
}

function maskedHeaders(record: unknown): HeaderList {
  if (typeof record !== 'object' || record === null || !('headers' in record)) throw fail('ERR_MASKING_FAILED');
  return fromRecord(record.headers as Record<string, string>);
}

function answerHeaders(headers: HeaderList, body: ReplyBody | null): HeaderList {
  const length: HeaderList = body === null || body.length === null ? [] : [['content-length', String(body.length)]];
  const sniffing: HeaderList = headers.some(([name]) => name === 'x-content-type-options') ? [] : [['x-content-type-options', 'nosniff']];
  return [...headers, ...length, ...sniffing];
}

function withCharset(value: string): string {
  const media = mediaType(value);
  if (media.type === '' || bodyKind(media) === 'json') return value.replace(/;\s*charset=[^;]*/i, '');
  return `${value.replace(/;\s*charset=[^;]*/i, '')}; charset=utf-8`;
}

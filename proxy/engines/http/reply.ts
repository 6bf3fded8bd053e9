import { fail } from '../../contract/errors.ts';
import type { ExchangeRecord } from '../../contract/exchange-record.ts';
import type { HttpResource } from '../../contract/resource.ts';
import type { DocumentMasker, Masked, Permit } from '../../pipeline/engine.ts';
import type { ResponseSink } from '../../wire/web/answer.ts';
import { decoded } from '../../wire/web/content-coding.ts';
import { flat, mediaType, single, type HeaderList } from '../../wire/web/header-rules.ts';
import type { UpstreamReply } from '../../wire/web/upstream.ts';
import { bodyKind } from './media.ts';
import { replyBody, type ReplyBody } from './reply-body.ts';
import { fromRecord, headerRecord, isHeaderValue, replyHeaders, type ReplyPlace } from './reply-headers.ts';

export interface Answering {
  readonly permit: Permit;
  /** masks whole JSON texts */
  readonly json: DocumentMasker;
  readonly sink: ResponseSink;
  readonly method: string;
  readonly place: ReplyPlace;
  readonly bodies: HttpResource['bodies'];
  /** from forwarding to the head of the answer */
  readonly millis: number;
  readonly signal: AbortSignal;
}

/** Writes a line of the recording, and gives it back as it was masked. */
export async function note<R extends ExchangeRecord>(permit: Permit, record: R, json = jsonOf(permit)): Promise<R> {
  const bytes = Buffer.from(JSON.stringify(record));
  const masked = json.push(bytes);
  const noted = permit.note(masked);
  if (noted !== true) await noted;
  // the same bytes: nothing was hidden
  return (masked as Uint8Array) === bytes ? record : (JSON.parse(Buffer.from(masked).toString('utf8')) as R);
}

export function jsonOf(permit: Permit): DocumentMasker {
  return permit.document({ kind: 'json', media: 'drop' });
}

/** Passes an answer on: headers masked, body masked as it comes. Throws before the head went out, or cuts the answer off after. */
export async function answer(reply: UpstreamReply, given: Answering): Promise<void> {
  const { permit, json, sink, signal } = given;
  checkStatus(reply);
  const body = isBodiless(reply, given.method) ? null : await openBody(reply, given);
  const headers = replyHeaders(reply, given.place).map((header): readonly [string, string] =>
    header[0] === 'content-type' && body?.charset === 'utf-8' ? [header[0], withCharset(header[1])] : header,
  );
  const sent = { dir: 'response', status: reply.status, headers: headerRecord(headers), millis: given.millis } as const;
  const record = await note(permit, sent, json);
  const passed = record === sent ? headers.filter(([, value]) => isHeaderValue(value)) : maskedHeaders(record);
  sink.begin(reply.status, answerHeaders(passed, body));
  if (body !== null && body.whole !== null) {
    await releaseAll(given, body.whole);
    return;
  }
  // the head goes out at once: a stream of events may be silent at first
  const begun = permit.release(permit.document({ kind: 'text', media: 'drop' }).push(new Uint8Array()));
  if (begun !== true) await begun;
  if (body === null) {
    reply.body.destroy();
    return;
  }
  for await (const piece of body.pieces()) {
    if (signal.aborted) throw signal.reason;
    await permit.release(piece);
  }
}

async function releaseAll({ permit, signal }: Answering, pieces: readonly Masked[]): Promise<void> {
  for (const piece of pieces) {
    if (signal.aborted) throw signal.reason;
    const released = permit.release(piece);
    if (released !== true) await released;
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

function openBody(reply: UpstreamReply, { permit, json, bodies, signal }: Answering): Promise<ReplyBody> {
  const body = decoded(reply.body, codingOf(reply));
  if (body === null) throw fail('ERR_BODY_REFUSED', { message: 'The body is compressed in a way that cannot be read here.' });
  return replyBody({ permit, json, body, media: mediaType(single(reply.headers, 'content-type')), bodies, signal });
}

/** All codings in the order they were applied; empty: none. */
function codingOf({ headers }: UpstreamReply): string {
  let coding = '';
  for (const [name, value] of headers) if (name === 'content-encoding') coding += coding === '' ? value : `,${value}`;
  return coding;
}

function maskedHeaders(record: unknown): HeaderList {
  if (typeof record !== 'object' || record === null || !('headers' in record)) throw fail('ERR_MASKING_FAILED');
  return fromRecord(record.headers as Record<string, string>);
}

/** Name, value, …; the length of a body where it is known. */
function answerHeaders(headers: HeaderList, body: ReplyBody | null): readonly string[] {
  const all = flat(headers);
  if (body !== null && body.whole !== null) all.push('content-length', String(body.whole.reduce((total, piece) => total + piece.length, 0)));
  if (!headers.some(([name]) => name === 'x-content-type-options')) all.push('x-content-type-options', 'nosniff');
  return all;
}

function withCharset(value: string): string {
  const media = mediaType(value);
  if (bodyKind(media) === 'json' && !value.includes(';')) return value;
  if (media.type === '' || bodyKind(media) === 'json') return value.replace(/;\s*charset=[^;]*/i, '');
  return `${value.replace(/;\s*charset=[^;]*/i, '')}; charset=utf-8`;
}

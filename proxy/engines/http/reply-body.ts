import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { fail } from '../../contract/errors.ts';
import type { HttpResource } from '../../contract/resource.ts';
import type { DocumentMasker, Masked, Permit } from '../../pipeline/engine.ts';
import type { MediaType } from '../../wire/web/header-rules.ts';
import { readAll } from '../../wire/web/read-all.ts';
import { bodyKind, charsetOf, looksLikeText, type BodyKind } from './media.ts';
import { headOf, partsOf } from './multipart.ts';

/** A masked body on its way: all of it, or piece by piece, its length not known before the end. */
export type ReplyBody = {
  /** what it is labelled when its character set was changed; null: as it was */
  readonly charset: string | null;
} & ({ readonly whole: readonly Masked[] } | { readonly whole: null; pieces(): AsyncIterable<Masked> });

interface Given {
  readonly permit: Permit;
  /** masks whole JSON texts */
  readonly json: DocumentMasker;
  readonly body: Readable;
  readonly media: MediaType;
  readonly bodies: HttpResource['bodies'];
  readonly signal: AbortSignal;
}

/** Throws ERR_BODY_REFUSED and ERR_MASKING_FAILED before anything was released. */
export async function replyBody(given: Given): Promise<ReplyBody> {
  const kind = bodyKind(given.media);
  if (kind === 'json' || kind === 'multipart') return wholeBody(given, kind);
  if (kind === 'events') return events(given);
  const { first, rest } = await firstOf(given.body);
  if (kind === 'other' && !looksLikeText(first) && charsetOf({ ...given.media, charset: '' }, first) === 'utf-8') return otherBody(given, first, rest);
  const charset = charsetOf(given.media, first);
  if (charset === null) throw fail('ERR_BODY_REFUSED', { message: 'The character set of the body is not known.' });
  const masker = given.permit.document({ kind: 'text', media: 'drop' });
  return { charset: 'utf-8', whole: null, pieces: () => texts({ charset, masker }, first, rest) };
}

/** Always UTF-8, and nothing of it is waited for: the head goes out before the first event. */
function events({ permit, body }: Given): ReplyBody {
  const masker = permit.document({ kind: 'events', media: 'drop' });
  const rest = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  return { charset: null, whole: null, pieces: () => texts({ charset: 'utf-8', masker }, Buffer.alloc(0), rest) };
}

async function wholeBody(given: Given, kind: BodyKind): Promise<ReplyBody> {
  const { body, bodies, media, signal } = given;
  const bytes = await readAll(body, bodies.maxBytes, signal);
  return { charset: 'utf-8', whole: kind === 'multipart' ? maskedParts(bytes, given) : maskJson(given, transcoded(bytes, media)) };
}

/** What is labelled JSON and is none is masked as the text it is. */
function maskJson({ permit, json }: Pick<Given, 'permit' | 'json'>, { bytes, text }: Transcoded): readonly Masked[] {
  return isJson(text) ? [json.push(bytes)] : maskText(permit, bytes);
}

function maskText(permit: Permit, text: Buffer): readonly Masked[] {
  const masker = permit.document({ kind: 'text', media: 'drop' });
  return [masker.push(text), masker.end()];
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The heads of the parts are the target's words, too. */
function maskedParts(bytes: Buffer, given: Given): readonly Masked[] {
  const { permit, media } = given;
  const words = (text: string): readonly Masked[] => maskText(permit, Buffer.from(text, 'latin1'));
  const pieces = partsOf(bytes, media.boundary).flatMap(({ headers, media: own, body }) => [
    ...words(headOf(headers, media.boundary)),
    ...maskPart(given, own, body),
    ...words('\r\n'),
  ]);
  return [...pieces, ...words(`--${media.boundary}--\r\n`)];
}

function maskPart(given: Given, own: MediaType, body: Buffer): readonly Masked[] {
  const { permit, bodies } = given;
  const kind = bodyKind(own);
  if (kind === 'multipart') throw fail('ERR_BODY_REFUSED', { message: 'A part of a multipart body is one itself.' });
  if (kind === 'json') return maskJson(given, transcoded(body, own));
  if (kind !== 'other' || looksLikeText(body)) return maskText(permit, transcoded(body, own).bytes);
  if (bodies.other === 'refuse') throw fail('ERR_BODY_REFUSED');
  return [permit.document({ kind: 'bytes', media: 'pass' }).push(body)];
}

interface Transcoded {
  /** UTF-8 */
  readonly bytes: Buffer;
  readonly text: string;
}

/** Texts are masked as UTF-8, whatever they came in. */
function transcoded(bytes: Buffer, media: MediaType): Transcoded {
  const charset = charsetOf(media, bytes);
  if (charset === null) throw fail('ERR_BODY_REFUSED', { message: 'The character set of the body is not known.' });
  // a byte order mark is left out, and what is no UTF-8 is replaced
  if (charset === 'utf-8' && bytes[0] !== 0xef && isUtf8(bytes)) return { bytes, text: withoutNul(bytes.toString('utf8')) };
  const text = withoutNul(new TextDecoder(charset).decode(bytes));
  return { bytes: Buffer.from(text), text };
}

async function firstOf(body: Readable): Promise<{ first: Buffer; rest: AsyncIterator<Buffer> }> {
  const rest = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const { value, done } = (await rest.next()) as IteratorResult<Buffer, undefined>;
  return { first: done === true ? Buffer.alloc(0) : value, rest };
}

async function* chunksOf(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (;;) {
    const { value, done } = (await rest.next()) as IteratorResult<Buffer, undefined>;
    if (done === true) return;
    yield value;
  }
}

async function* texts(how: { charset: string; masker: DocumentMasker }, first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Masked> {
  const decoder = new TextDecoder(how.charset);
  for await (const chunk of chunksOf(first, rest)) {
    const masked = how.masker.push(Buffer.from(withoutNul(decoder.decode(chunk, { stream: true }))));
    if (masked.length > 0) yield masked;
  }
  const last = how.masker.push(Buffer.from(decoder.decode()));
  if (last.length > 0) yield last;
  yield how.masker.end();
}

/** Characters that stand between digits without being seen would hide them from the search. */
function withoutNul(text: string): string {
  if (text.includes('\0')) throw fail('ERR_BODY_REFUSED', { message: 'The body is labelled as text and is none.' });
  return text;
}

function otherBody({ permit, bodies }: Given, first: Buffer, rest: AsyncIterator<Buffer>): ReplyBody {
  if (bodies.other === 'refuse') throw fail('ERR_BODY_REFUSED');
  const masker = permit.document({ kind: 'bytes', media: 'pass' });
  return {
    charset: null,
    whole: null,
    async *pieces() {
      for await (const chunk of chunksOf(first, rest)) yield masker.push(chunk);
    },
  };
}

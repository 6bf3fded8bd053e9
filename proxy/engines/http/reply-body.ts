import type { Readable } from 'node:stream';
import { fail } from '../../contract/errors.ts';
import type { HttpResource } from '../../contract/resource.ts';
import type { DocumentMasker, Masked, Permit } from '../../pipeline/engine.ts';
import type { MediaType } from '../../wire/web/header-rules.ts';
import { readAll } from '../../wire/web/read-all.ts';
import { bodyKind, charsetOf, looksLikeText, type BodyKind } from './media.ts';
import { headOf, partsOf } from './multipart.ts';

type Bodies = HttpResource['bodies'];

/** A masked body on its way: whole, or piece by piece. */
export interface ReplyBody {
  /** bytes; null: not known before the end */
  readonly length: number | null;
  /** what it is labelled when its character set was changed; null: as it was */
  readonly charset: string | null;
  pieces(): AsyncIterable<Masked>;
}

interface Given {
  readonly permit: Permit;
  readonly body: Readable;
  readonly media: MediaType;
  readonly bodies: Bodies;
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
  return { length: null, charset: 'utf-8', pieces: () => texts({ charset, masker }, first, rest) };
}

/** Always UTF-8, and nothing of it is waited for: the head goes out before the first event. */
function events({ permit, body }: Given): ReplyBody {
  const masker = permit.document({ kind: 'events', media: 'drop' });
  const rest = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  return { length: null, charset: null, pieces: () => texts({ charset: 'utf-8', masker }, Buffer.alloc(0), rest) };
}

async function wholeBody({ permit, body, media, bodies, signal }: Given, kind: BodyKind): Promise<ReplyBody> {
  const bytes = await readAll(body, bodies.maxBytes, signal);
  return whole(kind === 'multipart' ? maskedParts(bytes, { permit, media, bodies }) : maskJson(permit, transcoded(bytes, media)));
}

/** What is labelled JSON and is none is masked as the text it is. */
function maskJson(permit: Permit, text: Buffer): readonly Masked[] {
  return isJson(text) ? [permit.document({ kind: 'json', media: 'drop' }).push(text)] : maskText(permit, text);
}

function maskText(permit: Permit, text: Buffer): readonly Masked[] {
  const masker = permit.document({ kind: 'text', media: 'drop' });
  return [masker.push(text), masker.end()];
}

function isJson(text: Buffer): boolean {
  try {
    JSON.parse(text.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

/** The heads of the parts are the target's words, too. */
function maskedParts(bytes: Buffer, { permit, media, bodies }: Pick<Given, 'permit' | 'media' | 'bodies'>): readonly Masked[] {
  const words = (text: string): readonly Masked[] => maskText(permit, Buffer.from(text, 'latin1'));
  const pieces = partsOf(bytes, media.boundary).flatMap(({ headers, media: own, body }) => [
    ...words(headOf(headers, media.boundary)),
    ...maskPart(permit, { own, body, bodies }),
    ...words('\r\n'),
  ]);
  return [...pieces, ...words(`--${media.boundary}--\r\n`)];
}

function maskPart(permit: Permit, { own, body, bodies }: { own: MediaType; body: Buffer; bodies: Bodies }): readonly Masked[] {
  const kind = bodyKind(own);
  if (kind === 'multipart') throw fail('ERR_BODY_REFUSED', { message: 'A part of a multipart body is one itself.' });
  if (kind === 'json') return maskJson(permit, transcoded(body, own));
  if (kind !== 'other' || looksLikeText(body)) return maskText(permit, transcoded(body, own));
  if (bodies.other === 'refuse') throw fail('ERR_BODY_REFUSED');
  return [permit.document({ kind: 'bytes', media: 'pass' }).push(body)];
}

/** Texts are masked as UTF-8, whatever they came in. */
function transcoded(bytes: Buffer, media: MediaType): Buffer {
  const charset = charsetOf(media, bytes);
  if (charset === null) throw fail('ERR_BODY_REFUSED', { message: 'The character set of the body is not known.' });
  const text = new TextDecoder(charset).decode(bytes);
  return Buffer.from(withoutNul(text));
}

function whole(pieces: readonly Masked[]): ReplyBody {
  return {
    length: pieces.reduce((total, piece) => total + piece.length, 0),
    charset: 'utf-8',
    // eslint-disable-next-line @typescript-eslint/require-await -- all of it is here already
    async *pieces() {
      yield* pieces;
    },
  };
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
    length: null,
    charset: null,
    async *pieces() {
      for await (const chunk of chunksOf(first, rest)) yield masker.push(chunk);
    },
  };
}

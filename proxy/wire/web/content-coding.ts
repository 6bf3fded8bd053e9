import { PassThrough, Transform, type Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { fail } from '../../contract/errors.ts';

/** what we ask targets for */
export const acceptedCodings = 'gzip, br, deflate';

/** how much longer than what came a decoded body may be, once it is longer than `freeBytes` */
const maxRatio = 200;
const freeBytes = 1_048_576;

/**
 * The body without its coding. Null: a coding nobody here can read. Errors with ERR_BODY_REFUSED when it does not follow its coding,
 * or unfolds to far more than came. Destroying the result destroys `body`, and the other way round.
 */
export function decoded(body: Readable, coding: string): Readable | null {
  const codings = coding
    .split(',')
    .map((each) => each.trim().toLowerCase())
    .filter((each) => each !== '' && each !== 'identity');
  if (codings.length === 0) return body;
  const [only] = codings;
  if (codings.length > 1 || only === undefined) return null;
  const decoder = decoderOf(only);
  return decoder === null ? null : unfolded(body, decoder);
}

function decoderOf(coding: string): Transform | null {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    default:
      return null;
  }
}

function unfolded(body: Readable, decoder: Transform): Readable {
  let came = 0;
  let went = 0;
  const guard = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      went += chunk.length;
      if (went > freeBytes && went > came * maxRatio) done(fail('ERR_BODY_REFUSED', { message: 'The body of the target unfolds to far more than was sent.' }));
      else done(null, chunk);
    },
  });
  const counter = new PassThrough();
  counter.on('data', (chunk: Buffer) => {
    came += chunk.length;
  });
  const broken = (error: Error): void => {
    guard.destroy(
      'code' in error && String(error.code).startsWith('ERR_BODY')
        ? error
        : fail('ERR_BODY_REFUSED', { message: 'The body of the target does not follow its coding.', detail: error.message }),
    );
  };
  const closed = (): void => {
    if (!body.readableEnded) guard.destroy(fail('ERR_TARGET_UNREACHABLE', { message: 'The target cut its answer off.' }));
  };
  body.once('error', (error) => guard.destroy(error));
  body.once('close', closed);
  if (body.destroyed) closed();
  decoder.once('error', broken);
  guard.once('close', () => {
    body.destroy();
    counter.destroy();
    decoder.destroy();
  });
  body.pipe(counter).pipe(decoder).pipe(guard);
  return guard;
}

import { PassThrough, Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fail } from '../../contract/errors.ts';
import { readAll } from './read-all.ts';

const calm = new AbortController().signal;
const chunks = (...texts: string[]): Readable => Readable.from(texts.map((text) => Buffer.from(text)));

describe('a body of a target', () => {
  it('is given whole, in one piece', async () => {
    expect((await readAll(chunks('one ', 'two'), 7, calm)).toString()).toBe('one two');
    expect((await readAll(chunks(), 7, calm)).length).toBe(0);
  });

  it('is refused beyond the limit, and read no further', async () => {
    const body = new PassThrough();
    body.write('12345678');
    await expect(readAll(body, 7, calm)).rejects.toMatchObject({ code: 'ERR_BODY_REFUSED' });
    expect(body.destroyed).toBe(true);
  });

  it('that was cut off is none', async () => {
    const body = new PassThrough();
    body.write('{"half":');
    const reading = readAll(body, 100, calm);
    body.destroy();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
    await expect(readAll(body, 100, calm)).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
  });

  it('that fails is none, and a later fault of it is nobody else’s', async () => {
    const body = new PassThrough();
    const reading = readAll(body, 100, calm);
    body.destroy(fail('ERR_TIMEOUT'));
    await expect(reading).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  });

  it('is given up when nobody wants it any more', async () => {
    const body = new PassThrough();
    const gone = new AbortController();
    const reading = readAll(body, 100, gone.signal);
    gone.abort(fail('ERR_SESSION_ENDED'));
    await expect(reading).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' });
    await turn();
    expect(body.destroyed).toBe(true);
    await expect(readAll(chunks('late'), 100, gone.signal)).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' });
  });
});

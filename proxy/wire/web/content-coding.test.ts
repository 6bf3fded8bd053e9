import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decoded } from './content-coding.ts';

const codings = { gzip: gzipSync, 'x-gzip': gzipSync, br: brotliCompressSync, deflate: deflateSync };

function read(bytes: Buffer, coding: string): Promise<Buffer> {
  const body = decoded(Readable.from([bytes]), coding);
  return body === null ? Promise.reject(new Error('nobody reads that')) : buffer(body);
}

describe('a coded body', () => {
  it.each(Object.entries(codings))('in %s comes without it', async (coding, encode) => {
    const plain = Buffer.from('a body with words of its own, twice. '.repeat(2));
    expect(await read(encode(plain), coding)).toEqual(plain);
    expect(await read(plain, 'identity')).toEqual(plain);
  });

  it.each(Object.entries(codings))('in %s that unfolds to far more than was sent is refused', async (coding, encode) => {
    const many = read(encode(Buffer.alloc(16_777_216)), coding).then(({ length }) => length);
    await expect(many).rejects.toMatchObject({ code: 'ERR_BODY_REFUSED' });
    // small ones may be as dense as they like
    expect((await read(encode(Buffer.alloc(500_000)), coding)).length).toBe(500_000);
  });

  it('that was cut off before anybody read it ends at once', async () => {
    const cut = new Readable({ read: () => undefined });
    cut.destroy();
    await new Promise((resolve) => cut.once('close', resolve));
    const body = decoded(cut, 'gzip');
    await expect(body === null ? null : buffer(body)).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
  });

  it('that does not follow its coding is refused, and what nobody can read is not begun', async () => {
    await expect(read(Buffer.from('no gzip'), 'gzip')).rejects.toMatchObject({ code: 'ERR_BODY_REFUSED' });
    expect([decoded(Readable.from([]), 'zstd'), decoded(Readable.from([]), 'gzip, gzip')]).toEqual([null, null]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reader } from './reader.ts';

/** Feeds bytes as the kernel would: into the area the reader offers. */
function feed(reader: Reader, bytes: Uint8Array): void {
  const { onread } = reader;
  const area = onread.buffer as () => Uint8Array;
  for (let at = 0; at < bytes.length; ) {
    const room = area();
    const count = Math.min(room.length, bytes.length - at);
    expect(count).toBeGreaterThan(0);
    room.set(bytes.subarray(at, at + count));
    at += count;
    onread.callback(count, room);
  }
}

/** Consumes records of one length byte and as many bytes. */
function records(reader: Reader, into: string[], views: Buffer[] | null = null): void {
  reader.onBytes = () => {
    while (reader.unread > 0) {
      const length = 1 + (reader.buffer[reader.start] ?? 0);
      if (reader.unread < length) break;
      const view = reader.buffer.subarray(reader.start, reader.start + length);
      into.push(view.toString('hex'));
      views?.push(view);
      reader.start += length;
    }
  };
}

const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), { maxLength: 30 });

describe('Reader', () => {
  it('gives the same records however the bytes arrive', () => {
    fc.assert(
      fc.property(chunks, (parts) => {
        const whole: string[] = [];
        const split: string[] = [];
        const one = new Reader(8192, 1_000_000);
        records(one, whole);
        feed(one, Buffer.concat(parts));
        const other = new Reader(8192, 1_000_000);
        records(other, split);
        for (const part of parts) feed(other, part);
        expect(split).toEqual(whole);
      }),
    );
  });

  it('leaves consumed bytes alone while somebody may still hold them', () => {
    fc.assert(
      fc.property(chunks, (parts) => {
        const seen: string[] = [];
        const views: Buffer[] = [];
        const reader = new Reader(8192, 1_000_000);
        reader.loans = { mark: () => 1, isPast: () => false };
        records(reader, seen, views);
        for (const part of parts) feed(reader, part);
        expect(views.map((view) => view.toString('hex'))).toEqual(seen);
      }),
    );
  });

  it('uses a buffer again once what was sent of it is out', () => {
    const reader = new Reader(8192, 1_000_000);
    let handed = 0;
    const delay = 50_000;
    reader.loans = { mark: () => handed, isPast: (mark) => mark <= Math.max(0, handed - delay) };
    const buffers = new Set<Buffer>();
    reader.onBytes = () => {
      handed += reader.unread;
      reader.start = reader.end;
      buffers.add(reader.buffer);
    };
    for (let count = 0; count < 500; count++) feed(reader, Buffer.alloc(2000));
    expect(handed).toBe(1_000_000);
    expect(buffers.size).toBeGreaterThan(delay / 8192);
    expect(buffers.size).toBeLessThan(20);
  });

  it('grows with what arrived, not with what is wanted', () => {
    const reader = new Reader(8192, 1024);
    reader.wanted = 1_000_000_000;
    feed(reader, Buffer.alloc(20_000));
    expect(reader.buffer.length).toBeLessThan(100_000);
    expect(reader.unread).toBe(20_000);
  });

  it('hands out promised bytes in order and rejects when the connection closes', async () => {
    const reader = new Reader(8192, 1024);
    const promised = reader.bytes(4);
    feed(reader, Buffer.from([1, 2]));
    feed(reader, Buffer.from([3, 4, 5]));
    expect([...(await promised)]).toEqual([1, 2, 3, 4]);
    expect([...(await reader.bytes(1))]).toEqual([5]);
  });
});

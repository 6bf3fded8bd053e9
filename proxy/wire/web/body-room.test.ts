import { describe, expect, it } from 'vitest';
import { BodyRoom, parsedBytes } from './body-room.ts';

describe('the room for bodies', () => {
  it('is bounded for one owner and for all, and comes back', () => {
    const room = new BodyRoom({ total: 100, perOwner: 60 });
    const [mine, more, theirs] = [room.share('a'), room.share('a'), room.share('b')];
    mine.take(40);
    more.take(20);
    expect(() => {
      more.take(1);
    }).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_CONNECTIONS' }));
    theirs.take(40);
    expect(() => {
      theirs.take(1);
    }).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_CONNECTIONS' }));
    mine.release();
    mine.release();
    expect(room.taken).toBe(60);
    more.take(40);
    more.release();
    theirs.release();
    expect(room.taken).toBe(0);
  });

  it('counts nothing that comes after its release', () => {
    const room = new BodyRoom({ total: 100, perOwner: 60 });
    const share = room.share('a');
    share.release();
    share.take(50);
    expect(room.taken).toBe(0);
  });

  it('knows that many small values are more than their bytes', () => {
    expect(parsedBytes(Buffer.from(`[${'0,'.repeat(999)}0]`))).toBeGreaterThan(100_000);
    expect(parsedBytes(Buffer.from(JSON.stringify('x'.repeat(9_000))))).toBe(0);
  });
});

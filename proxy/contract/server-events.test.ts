import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fail } from './errors.ts';
import { eventData, followed } from './server-events.ts';

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

async function dataOf(lines: readonly string[], max = 1_000): Promise<string[]> {
  const events: string[] = [];
  for await (const data of eventData(each(lines), max)) events.push(data);
  return events;
}

describe('server-sent events', () => {
  test('data is joined per event; comments, other fields and what is unfinished are dropped', async () => {
    expect(
      await dataOf([': hello', '', 'id: 7', 'data: {"a":1}', '', 'data:b', 'data:  c', 'event: x', '\r', 'data: d\r', '\r', 'data', '', 'data: cut']),
    ).toEqual(['{"a":1}', 'b\n c', 'd', '']);
  });

  test('any text of lines comes back', async () => {
    const line = fc.string().map((text) => text.replaceAll(/[\r\n]/g, ' '));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(line, { minLength: 1, maxLength: 3 })), async (events) => {
        const lines = events.flatMap((parts) => [...parts.map((part) => `data: ${part}`), ': beat', '']);
        expect(await dataOf(lines, 100_000)).toEqual(events.map((parts) => parts.join('\n')));
      }),
    );
  });

  test('an event without end is refused', async () => {
    await expect(dataOf(Array<string>(50).fill('data: 0123456789'), 100)).rejects.toMatchObject({ code: 'ERR_INTERNAL' });
  });
});

describe('following', () => {
  async function follow(connections: readonly (readonly number[] | Error)[], from?: number) {
    const asked: (number | undefined)[] = [];
    const pauses: number[] = [];
    const gaps: boolean[] = [];
    const stream = followed(
      {
        async *connect(after) {
          const next = connections[asked.length];
          asked.push(after);
          if (next === undefined) throw fail('ERR_FORBIDDEN');
          if (next instanceof Error) throw next;
          for (const id of next) yield await Promise.resolve({ id });
          throw fail('ERR_CONTROL_UNAVAILABLE');
        },
        passes: (error) => error instanceof Error && 'code' in error && error.code === 'ERR_CONTROL_UNAVAILABLE',
        pause: (milliseconds) => {
          pauses.push(milliseconds);
          return Promise.resolve();
        },
        lost: (_error, gap) => gaps.push(gap),
      },
      from,
    );
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const { id } of stream) seen.push(id);
      })(),
    ).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    return { asked, pauses, gaps, seen };
  }

  test('goes on behind the last event, shows none twice, and ends at a fault that does not pass', async () => {
    const { asked, seen } = await follow([[3, 4], fail('ERR_CONTROL_UNAVAILABLE'), [4, 5], [9]]);
    expect(seen).toEqual([3, 4, 5, 9]);
    expect(asked).toEqual([undefined, 4, 4, 5, 9]);
  });

  test('says when there may be a gap, and not when a position was given', async () => {
    expect((await follow([[], [1], []])).gaps).toEqual([true, false, false]);
    expect((await follow([[], [1]], 0)).gaps).toEqual([false, false]);
  });

  test('waits ever longer, up to half a minute', async () => {
    const { pauses } = await follow(Array<Error>(10).fill(fail('ERR_CONTROL_UNAVAILABLE')));
    for (const [index, pause] of pauses.entries()) {
      const most = Math.min(1_000 * 2 ** index, 30_000);
      expect(pause).toBeGreaterThanOrEqual(most / 2);
      expect(pause).toBeLessThanOrEqual(most);
    }
  });
});

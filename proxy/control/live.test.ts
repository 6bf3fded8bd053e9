import { expect, test } from 'vitest';
import type { Role } from '../contract/api-route.ts';
import { Live, type Changed } from './live.ts';

const admin: readonly Role[] = ['administrator'];
let now = 1_000_000;
const clock = { now: () => now };

async function next(stream: AsyncGenerator<Changed>): Promise<Changed> {
  const result = await stream.next();
  if (result.done === true) throw new Error('the stream has ended');
  return result.value;
}

test('everything at first, then only what changed, joined when it comes often', async () => {
  const live = new Live(clock);
  const stream = live.watch({ after: undefined, roles: admin }, AbortSignal.timeout(10_000));
  const first = await next(stream);
  expect(first.topics).toHaveLength(14);
  live.committed('user.created');
  const second = await next(stream);
  expect(second.topics).toEqual(['users']);
  expect(second.id).toBeGreaterThan(first.id);
  const startedAt = performance.now();
  for (let round = 0; round < 50; round++) live.heard(['session.started', 'operation.intended']);
  const third = await next(stream);
  expect(performance.now() - startedAt).toBeGreaterThan(400);
  expect(third.topics.sort()).toEqual(['audit', 'sessions']);
});

test('a stream goes on where it was; where that cannot be known, everything is to be read again', async () => {
  const live = new Live(clock);
  const first = await next(live.watch({ after: undefined, roles: admin }, AbortSignal.timeout(10_000)));
  live.committed('policy.updated');
  live.committed('user.created');
  const resumed = await next(live.watch({ after: first.id, roles: admin }, AbortSignal.timeout(10_000)));
  expect(resumed.topics.sort()).toEqual(['policies', 'users']);
  // after a restart, and with an id of the time to come
  now += 5_000;
  const restarted = new Live(clock);
  for (const after of [resumed.id, now + 1_000_000, now + 300 * 86_400_000]) {
    const told = await next(restarted.watch({ after, roles: admin }, AbortSignal.timeout(10_000)));
    expect(told.topics).toHaveLength(14);
    expect(told.id).toBeGreaterThan(after);
  }
});

test('nobody puts the ids out of the reach of others, also not of those who resume after a restart', async () => {
  const live = new Live(clock);
  const other = live.watch({ after: undefined, roles: admin }, AbortSignal.timeout(10_000));
  await next(other);
  for (const after of [2 ** 40, 2 ** 50 - 1, Number.MAX_SAFE_INTEGER]) {
    const first = await next(live.watch({ after, roles: ['approver'] }, AbortSignal.timeout(10_000)));
    expect(first.id).toBeLessThan(now + 1_000);
  }
  // as far as it goes
  await next(live.watch({ after: now + 366 * 86_400_000, roles: ['approver'] }, AbortSignal.timeout(10_000)));
  live.committed('user.created');
  const { id: after } = await next(other);
  now += 1_000;
  const resumed = await next(new Live(clock).watch({ after, roles: admin }, AbortSignal.timeout(10_000)));
  expect(resumed.id).toBeGreaterThan(after);
});

test('approvers hear of what they may see, and of nothing else', async () => {
  const live = new Live(clock);
  const stream = live.watch({ after: undefined, roles: ['approver'] }, AbortSignal.timeout(10_000));
  expect((await next(stream)).topics.sort()).toEqual(['grants', 'requests', 'users', 'witnesses']);
  const told = next(stream);
  live.committed('policy.updated');
  live.heard(['operation.intended']);
  live.committed('approval-request.created');
  expect((await told).topics).toEqual(['requests']);
});

test('reading the log wakes nobody who reads the log', () => {
  const live = new Live(clock);
  const stream = live.watch({ after: undefined, roles: admin }, AbortSignal.timeout(300));
  return (async () => {
    await next(stream);
    live.heard(['audit.read', 'recording.viewed']);
    expect(await stream.next()).toMatchObject({ done: true });
  })();
});
